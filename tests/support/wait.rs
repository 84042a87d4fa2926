//! Waiting for conditions.

use std::time::Duration;

/// Between two looks at a condition.
pub const LOOK: Duration = Duration::from_millis(5);
/// When a condition counts as never coming true: far beyond what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds.
///
/// # Panics
/// When it does not come true; `what` says what was waited for.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, what, holds).await;
}

/// The same, for what others are waited for as well.
///
/// # Panics
/// As [`until`].
pub async fn until_within(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(patience, looking).await.is_ok(), "waited in vain until {what}");
}
