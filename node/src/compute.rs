//! Work for the processor, off the async threads: one rayon pool for the whole process.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tokio::sync::oneshot;

/// Records of one rayon job: long enough to hide the hand-over, short enough to spread over the cores.
pub const JOB_LEN: usize = 128;

/// Runs a function on the pool and waits for it without blocking an async thread. Where there is no runtime, and so no such thread, it
/// is run at once: a simulation on one thread stays on it.
///
/// # Panics
/// When the function panics: where it was asked for, not on the pool, whose threads serve everybody.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if tokio::runtime::Handle::try_current().is_err() {
        return work();
    }
    let (sender, receiver) = oneshot::channel();
    rayon::spawn(move || {
        // The receiver is gone only when its future was dropped: the result is then not wanted.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    let result = receiver.await.expect("the job sends what came of it");
    result.unwrap_or_else(|panic| resume_unwind(panic))
}
