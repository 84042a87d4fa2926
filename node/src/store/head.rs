//! What of a stored log is published.

use super::StoredHead;

impl StoredHead {
    /// Number of entries that the note covers: what lies above is not published yet.
    pub fn published(&self) -> u64 {
        let text = self.note.as_deref().and_then(|note| std::str::from_utf8(note).ok());
        // C2SP tlog-checkpoint: the size is the second line.
        text.and_then(|text| text.lines().nth(1)?.parse().ok()).unwrap_or(0)
    }
}
