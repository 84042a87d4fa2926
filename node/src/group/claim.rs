//! Holding a lease while something is done.

use super::shown;
use crate::Node;
use crate::clock::Clock;
use crate::problem::{Code, Outcome, Problem};
use crate::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Time to live; a server that dies keeps the others waiting that long.
const TTL_MS: i64 = 4_000;
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often somebody who waits tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// A lease that is renewed until it is given back. Dropping it gives it back, too, a moment later.
#[derive(Debug)]
pub struct Claim {
    end: oneshot::Sender<()>,
    renewing: JoinHandle<()>,
}

impl Claim {
    /// Gives the lease back and waits until it is.
    pub async fn give_back(self) {
        drop(self.end);
        // A task that was ended by force has nothing left to give back.
        let _ = self.renewing.await;
    }
}

/// Takes a lease, as soon as nobody else holds it; `None` where nobody else could.
///
/// # Errors
/// `taken`, with the one who has it, when that lasts longer than the patience; the store fails.
pub async fn claim(node: &Node, name: &str, patience: Duration) -> Outcome<Option<Claim>> {
    if !node.member.shared {
        return Ok(None);
    }
    let (store, clock, holder) = (node.store.clone(), node.clock.clone(), node.member.holder.clone());
    let until = Instant::now() + patience;
    while store.lease(name, &holder, clock.now_ms(), TTL_MS).await?.is_none() {
        if Instant::now() >= until {
            let rows = store.leases(name).await?;
            let row = rows.iter().find(|row| row.name == name);
            let by = row.and_then(|row| row.holder.as_deref()).map_or("another server", shown);
            return Err(Problem::new(Code::Taken, format!("{name}: {by} is at it")));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let (end, ended) = oneshot::channel();
    let renewing = tokio::spawn(renew(store, clock, holder, name.to_owned(), ended));
    Ok(Some(Claim { end, renewing }))
}

/// Renews and gives back in one task: no renewal can come after the end.
async fn renew(
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    holder: String,
    name: String,
    mut ended: oneshot::Receiver<()>,
) {
    while tokio::time::timeout(RENEWAL, &mut ended).await.is_err() {
        // Without it the work goes on: every write of it is safe beside another server's, only done twice.
        if let Ok(None) = store.lease(&name, &holder, clock.now_ms(), TTL_MS).await {
            tracing::info!(lease = name, "another server has taken over");
        }
    }
    if let Err(error) = store.release(&name, &holder).await {
        tracing::debug!(lease = name, %error, "a lease was not given back: it runs out");
    }
}
