//! C2SP signed-note: text, signature lines, key ids.
//!
//! ```text
//! <text, ends with a newline>
//! <empty line>
//! — <key name> <base64(key id[4] ‖ signature)>      one line or more
//! ```
use crate::key::{PublicKey, SecretKey};
use crate::mutant::{self, Mutant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use thiserror::Error;
/// Longest note, in bytes (protocol §3).
pub const MAX_NOTE_LEN: usize = 256 * 1024;
/// Most signature lines.
pub const MAX_SIGNATURES: usize = 100;
/// Signature type of Ed25519 (C2SP signed-note, "Signature types").
const ED25519: u8 = 0x01;
/// What a signature line begins with: an em dash and a space.
const LINE_PREFIX: &str = "\u{2014} ";
/// Bytes of a key id.
const KEY_ID_LEN: usize = 4;
/// A verifier: key name and Ed25519 key (signature type 0x01).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: PublicKey,
}
/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum NoteError {
    #[error("note is longer than the limit")]
    TooLarge,
    #[error("malformed note")]
    Malformed,
    #[error("malformed key or key name")]
    Key,
    #[error("no signature by {name}")]
    Unsigned { name: String },
    #[error("the signature of {name} does not hold")]
    Signature { name: String },
}
impl Verifier {
    /// Name without spaces, `+` or control characters.
    ///
    /// # Errors
    /// A bad name.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Key);
        }
        Ok(Self { name: name.to_owned(), key })
    }
    /// Parses a vkey `<name>+<hash>+<base64>`.
    ///
    /// # Errors
    /// Malformed, or the hash does not fit.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        // Only the third part may hold a `+`: it is base64.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let key = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let Some((&ED25519, key)) = key.split_first() else {
            return Err(NoteError::Key);
        };
        let key = <&[u8; 32]>::try_from(key).map_err(|_| NoteError::Key)?;
        let verifier = Self::new(name, PublicKey::from_bytes(key).map_err(|_| NoteError::Key)?)?;
        if verifier.key_id_hex() == hash { Ok(verifier) } else { Err(NoteError::Key) }
    }
    /// The vkey text.
    pub fn vkey(&self) -> String {
        let mut key = vec![ED25519];
        key.extend_from_slice(&self.key.bytes());
        format!("{}+{}+{}", self.name, self.key_id_hex(), STANDARD.encode(key))
    }
    /// Key name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// 4-byte key id: first bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key).
    pub fn key_id(&self) -> [u8; 4] {
        let mut hash = sha2::Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.key.bytes());
        let hash: [u8; 32] = hash.finalize().into();
        *hash.first_chunk().expect("a hash is longer than a key id")
    }
    fn key_id_hex(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.key_id()))
    }
    /// Whether one decoded signature is by this verifier and holds; `None` when it is of another key.
    fn judge(&self, signature: &Signature<'_>) -> Option<bool> {
        let (key_id, value) = signature.value.split_first_chunk::<KEY_ID_LEN>()?;
        (signature.name == self.name && *key_id == self.key_id())
            .then(|| value.try_into().is_ok_and(|value| self.key.verify(signature.text.as_bytes(), value)))
            .map(|holds| holds || mutant::on(Mutant::Note))
    }
}
/// Signs a text (which ends with a newline) as a note with one signature line.
///
/// # Errors
/// A text or name that cannot stand in a note.
pub fn sign(text: &str, name: &str, key: &SecretKey) -> Result<String, NoteError> {
    if !text.ends_with('\n') || has_control(text) {
        return Err(NoteError::Malformed);
    }
    let verifier = Verifier::new(name, key.public())?;
    let mut value = verifier.key_id().to_vec();
    value.extend_from_slice(&key.sign(text.as_bytes()));
    let note = format!("{text}\n{LINE_PREFIX}{name} {}\n", STANDARD.encode(value));
    if note.len() > MAX_NOTE_LEN { Err(NoteError::TooLarge) } else { Ok(note) }
}
/// Opens a note: its text, if `verifier` signed it. Unknown signature lines are ignored, malformed ones refuse the note.
///
/// # Errors
/// Malformed, unsigned by the verifier, or a signature of it that does not hold.
pub fn open<'a>(note: &'a [u8], verifier: &Verifier) -> Result<&'a str, NoteError> {
    let (text, lines) = split(note)?;
    let mut signed = false;
    for (count, line) in lines.split_terminator('\n').enumerate() {
        if count >= MAX_SIGNATURES {
            return Err(NoteError::Malformed);
        }
        match verifier.judge(&Signature::parse(text, line)?) {
            Some(true) => signed = true,
            // "If any signature from a known key fails to verify, the note MUST be rejected" (signed-note, "Verifying").
            Some(false) => return Err(NoteError::Signature { name: verifier.name.clone() }),
            None => {}
        }
    }
    if signed { Ok(text) } else { Err(NoteError::Unsigned { name: verifier.name.clone() }) }
}
/// One signature line, decoded: key id and signature in `value`.
struct Signature<'a> {
    text: &'a str,
    name: &'a str,
    value: Vec<u8>,
}
impl<'a> Signature<'a> {
    fn parse(text: &'a str, line: &'a str) -> Result<Self, NoteError> {
        let rest = line.strip_prefix(LINE_PREFIX).ok_or(NoteError::Malformed)?;
        let (name, value) = rest.split_once(' ').ok_or(NoteError::Malformed)?;
        let value = STANDARD.decode(value).map_err(|_| NoteError::Malformed)?;
        if is_name(name) && value.len() > KEY_ID_LEN {
            Ok(Self { text, name, value })
        } else {
            Err(NoteError::Malformed)
        }
    }
}
/// The text with its last newline, and the signature lines.
fn split(note: &[u8]) -> Result<(&str, &str), NoteError> {
    if note.len() > MAX_NOTE_LEN {
        return Err(NoteError::TooLarge);
    }
    let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed)?;
    // The text may hold empty lines itself: the last one separates.
    let (text, lines) =
        note.rfind("\n\n").and_then(|end| note.split_at_checked(end + 1)).ok_or(NoteError::Malformed)?;
    let lines = lines.strip_prefix('\n').filter(|lines| lines.ends_with('\n')).ok_or(NoteError::Malformed)?;
    if has_control(note) { Err(NoteError::Malformed) } else { Ok((text, lines)) }
}
/// Control characters other than the newline may not stand in a note.
fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 && byte != b'\n')
}
/// Not empty, no white space, no `+`, no control character.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Option<serde_json::Value> {
        let Ok(folder) = std::env::var("HEFU_VECTORS") else {
            eprintln!("skipped: signed notes needs HEFU_VECTORS");
            return None;
        };
        let text = std::fs::read_to_string(format!("{folder}/c2sp/signed_note.json")).unwrap();
        Some(serde_json::from_str(&text).unwrap())
    }
    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }
    fn verifier(name: &str, seed: u8) -> Verifier {
        Verifier::new(name, key(seed).public()).unwrap()
    }
    fn line(note: &str) -> &str {
        note.split_once("\n\n").unwrap().1
    }

    #[test]
    fn foreign_notes_open_and_foreign_keys_print_alike() {
        let Some(vectors) = vectors() else { return };
        for case in vectors["valid"].as_array().unwrap() {
            let vkey = case["vkey"].as_str().unwrap();
            let verifier = Verifier::parse(vkey).unwrap();
            assert_eq!(verifier.vkey(), vkey);
            let note = case["note"].as_str().unwrap();
            assert_eq!(open(note.as_bytes(), &verifier).unwrap(), note.split_once('\n').unwrap().0.to_owned() + "\n");
        }
        let text = vectors["text_signed_by_PeterNeumann"].as_str().unwrap();
        let lines: String =
            ["EnochRoot", "PeterNeumann"].map(|name| vectors["keys"][name]["sig_line"].as_str().unwrap()).concat();
        for name in ["PeterNeumann", "EnochRoot"] {
            let verifier = Verifier::parse(vectors["keys"][name]["vkey"].as_str().unwrap()).unwrap();
            assert_eq!(open(format!("{text}\n{lines}").as_bytes(), &verifier), Ok(text), "{name}");
        }
        for bad in vectors["bad_vkeys"].as_array().unwrap() {
            assert_eq!(Verifier::parse(bad.as_str().unwrap()), Err(NoteError::Key), "{bad}");
        }
    }

    #[test]
    fn signing_equals_the_foreign_signature() {
        let Some(vectors) = vectors() else { return };
        let peter = &vectors["keys"]["PeterNeumann"];
        let seed = STANDARD.decode(peter["skey"].as_str().unwrap().splitn(5, '+').last().unwrap()).unwrap();
        let key = SecretKey::from_seed(seed[1..].try_into().unwrap());
        let note = sign(vectors["text_signed_by_PeterNeumann"].as_str().unwrap(), "PeterNeumann", &key).unwrap();
        assert_eq!(line(&note), peter["sig_line"].as_str().unwrap());
    }

    #[test]
    fn unknown_lines_are_ignored_up_to_the_limits() {
        let note = sign("text\n", "km.example", &key(1)).unwrap();
        let other = sign("text\n", "other.example", &key(2)).unwrap();
        let extended = format!("{note}{}", line(&other).repeat(MAX_SIGNATURES - 1));
        assert_eq!(open(extended.as_bytes(), &verifier("km.example", 1)), Ok("text\n"));
        let too_many = format!("{extended}{}", line(&other));
        assert_eq!(open(too_many.as_bytes(), &verifier("km.example", 1)), Err(NoteError::Malformed));
        let long = format!("{}\n{note}", "x".repeat(MAX_NOTE_LEN));
        assert_eq!(open(long.as_bytes(), &verifier("km.example", 1)), Err(NoteError::TooLarge));
        assert_eq!(sign(&long, "km.example", &key(1)), Err(NoteError::TooLarge));
    }

    #[test]
    fn a_known_key_whose_signature_fails_refuses_the_note() {
        let name = "km.example".to_owned();
        let note = sign("text\n", &name, &key(1)).unwrap();
        let bad = line(&sign("other\n", &name, &key(1)).unwrap()).to_owned();
        let verifier = verifier(&name, 1);
        for forged in [format!("text\n\n{bad}"), format!("{note}{bad}"), format!("text\n\n{bad}{}", line(&note))] {
            assert_eq!(open(forged.as_bytes(), &verifier), Err(NoteError::Signature { name: name.clone() }));
        }
        let mut short = verifier.key_id().to_vec();
        short.push(0);
        let short = format!("text\n\n{LINE_PREFIX}{name} {}\n", STANDARD.encode(short));
        assert_eq!(open(short.as_bytes(), &verifier), Err(NoteError::Signature { name: name.clone() }));
        // The same name with another key is another key: unknown.
        let other = sign("text\n", &name, &key(2)).unwrap();
        assert_eq!(open(other.as_bytes(), &verifier), Err(NoteError::Unsigned { name }));
    }

    #[test]
    fn malformed_notes_are_refused() {
        let note = sign("text\n", "km.example", &key(1)).unwrap();
        let good = line(&note);
        let verifier = verifier("km.example", 1);
        let cases = [
            ("empty", String::new()),
            ("no signatures", "text\n\n".to_owned()),
            ("no empty line", format!("text\n{good}")),
            ("no last newline", note.trim_end().to_owned()),
            ("hyphen instead of em dash", format!("text\n\n- {}", good.strip_prefix(LINE_PREFIX).unwrap())),
            ("empty name", format!("{note}{LINE_PREFIX} AAAAAAA=\n")),
            ("plus in a name", format!("{note}{LINE_PREFIX}a+b AAAAAAA=\n")),
            ("no signature value", format!("{note}{LINE_PREFIX}other \n")),
            ("only a key id", format!("{note}{LINE_PREFIX}other AAAAAA==\n")),
            ("no base64", format!("{note}{LINE_PREFIX}other ****\n")),
            ("base64url", format!("{note}{LINE_PREFIX}other _-_-_-_-\n")),
            ("no padding", format!("{note}{LINE_PREFIX}other AAAAAAA\n")),
            ("three fields", format!("{note}{LINE_PREFIX}other AAAAAAA= x\n")),
            ("carriage return", note.replace("text\n", "text\r\n")),
        ];
        for (name, case) in cases {
            assert_eq!(open(case.as_bytes(), &verifier), Err(NoteError::Malformed), "{name}");
        }
        assert_eq!(open(b"te\xffxt\n\n", &verifier), Err(NoteError::Malformed));
    }

    #[test]
    fn the_last_empty_line_separates() {
        let text = "a\n\nb\n\n";
        let note = sign(text, "km.example", &key(1)).unwrap();
        assert_eq!(open(note.as_bytes(), &verifier("km.example", 1)), Ok(text));
    }

    #[test]
    fn texts_and_names_that_cannot_stand_in_a_note() {
        for text in ["", "no newline", "tab\t\n"] {
            assert_eq!(sign(text, "km.example", &key(1)), Err(NoteError::Malformed));
        }
        for name in ["", "a b", "a+b", "a\u{2003}b", "a\u{7f}"] {
            assert_eq!(sign("text\n", name, &key(1)), Err(NoteError::Key), "{name:?}");
        }
    }

    #[test]
    fn keys_that_are_no_vkeys() {
        let vkey = verifier("km.example", 1).vkey();
        let (name, rest) = vkey.split_once('+').unwrap();
        let (hash, key) = rest.split_once('+').unwrap();
        for bad in [
            String::new(),
            name.to_owned(),
            format!("{name}+{hash}"),
            format!("other+{hash}+{key}"),
            format!("{name}+00000000+{key}"),
            format!("{name}+{}+{key}", hash.to_uppercase() + " "),
            format!("{name}+{hash}+{key}AA"),
        ] {
            assert_eq!(Verifier::parse(&bad), Err(NoteError::Key), "{bad}");
        }
    }
}
