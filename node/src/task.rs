//! Work that goes on whatever becomes of those who wait for it.

use crate::problem::{Code, Outcome, Problem};

/// Runs work to its end in a task of its own: a client that goes away meanwhile takes nothing back half-way, and a fault of the
/// program in it ends the work alone. Where the node itself stops, what is under way ends as in a crash.
///
/// # Errors
/// Those of the work; `internal` when it panicked.
pub async fn finish<T: Send + 'static>(work: impl Future<Output = Outcome<T>> + Send + 'static) -> Outcome<T> {
    // The text of a panic may quote what was worked on: it is not passed on.
    tokio::spawn(work).await.unwrap_or_else(|_| Err(Problem::new(Code::Internal, "the work broke off unexpectedly")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::compute;
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_finished() {
        let (done, ended) = oneshot::channel();
        let (begun, begins) = oneshot::channel();
        let work = async move {
            let _ = begun.send(());
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _ = done.send(());
            Ok(())
        };
        tokio::select! {
            _ = finish(work) => panic!("it is given up before its end"),
            _ = begins => {}
        }
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn a_fault_on_the_pool_is_an_error_of_the_work_alone() {
        let faulty = finish(async { Ok(compute(|| Vec::<u8>::new()[0]).await) }).await;
        assert_eq!(faulty.unwrap_err().code, Code::Internal);
        assert_eq!(compute(|| 1).await, 1, "the pool goes on");
    }
}
