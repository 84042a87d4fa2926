//! What a serving node does by itself: pull its peers by interval with jitter and back-off, reconcile what comes, hint its peers
//! when it has published.

use crate::Node;
use crate::clock::random;
use crate::problem::Code;
use crate::store::{OriginNo, OriginRow};
use crate::task::finish;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often the peers are looked through for one that is due.
const TICK: Duration = Duration::from_secs(1);
/// Longest time between two tries of a peer that is away, as a multiple of the interval.
const MAX_BACK_OFF: u32 = 16;
/// How long keys are collected before they are reconciled: one merge of many is cheaper than many of one.
const RECONCILE_DELAY: Duration = Duration::from_millis(500);

/// Starts the tasks; they end with the process.
pub fn start(node: &Arc<Node>) {
    tokio::spawn(pull_peers(node.clone()));
    tokio::spawn(reconcile(node.clone()));
    tokio::spawn(hint_peers(node.clone()));
    tokio::spawn(crate::group::run(node.clone()));
}

#[derive(Default)]
struct Schedule {
    next_ms: i64,
    failures: u32,
    /// A hint came: what another server has pulled before it is not enough.
    rung: bool,
}

async fn pull_peers(node: Arc<Node>) {
    let mut schedules: HashMap<OriginNo, Schedule> = HashMap::new();
    let (finished, mut results) = tokio::sync::mpsc::unbounded_channel::<(OriginNo, Ended, bool)>();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = node.pull_bell.notified() => {
                schedules.values_mut().for_each(|schedule| (schedule.rung, schedule.next_ms) = (true, 0));
            }
        }
        while let Ok((peer, ended, rung)) = results.try_recv() {
            schedules.entry(peer).or_default().end(&node, ended, rung);
        }
        let Ok(peers) = node.peers().await else { continue };
        for peer in peers.into_iter().filter(|peer| peer.stopped.is_none()) {
            let now = node.clock.now_ms();
            // A peer that is new waits for one interval: `peer add` has just pulled it.
            let schedule = schedules
                .entry(peer.no)
                .or_insert_with(|| Schedule { next_ms: now + delay_ms(&node, 0), ..Schedule::default() });
            if schedule.next_ms > now {
                continue;
            }
            match reached_by_another(&node, &peer, now).filter(|_| !schedule.rung) {
                Some(next_ms) => schedule.next_ms = next_ms,
                None => {
                    schedule.next_ms = i64::MAX;
                    let rung = std::mem::take(&mut schedule.rung);
                    tokio::spawn(pull_one(node.clone(), peer, rung, finished.clone()));
                }
            }
        }
    }
}

/// How a round ended.
#[derive(Clone, Copy)]
enum Ended {
    Good,
    Failed,
    /// Another server is at it.
    Taken,
}

impl Schedule {
    fn end(&mut self, node: &Node, ended: Ended, rung: bool) {
        match ended {
            Ended::Good => self.failures = 0,
            Ended::Failed => self.failures = self.failures.saturating_add(1),
            // The other server may have begun before what the hint tells of.
            Ended::Taken => self.rung |= rung,
        }
        self.next_ms = if self.rung { 0 } else { node.clock.now_ms() + delay_ms(node, self.failures) };
    }
}

/// When a peer that another server has reached within the interval is due again.
fn reached_by_another(node: &Node, peer: &OriginRow, now: i64) -> Option<i64> {
    let interval = i64::try_from(node.config.pull_interval_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    let until = peer.reached_ms.filter(|_| node.member.shared)?.saturating_add(interval);
    (until > now).then(|| until.saturating_add(delay_ms(node, 0) - interval))
}

type Finished = tokio::sync::mpsc::UnboundedSender<(OriginNo, Ended, bool)>;

async fn pull_one(node: Arc<Node>, peer: OriginRow, rung: bool, finished: Finished) {
    let round = {
        let (node, peer) = (node.clone(), peer.clone());
        async move { crate::pull::pull_if_free(&node, &peer).await }
    };
    let ended = match finish(round).await {
        Ok(_) => Ended::Good,
        Err(problem) if problem.code == Code::Taken => Ended::Taken,
        Err(problem) => {
            tracing::warn!(origin = %peer.origin, code = problem.code.as_str(), detail = %problem.detail, "pull failed");
            Ended::Failed
        }
    };
    // The receiver lives as long as the process.
    let _ = finished.send((peer.no, ended, rung));
}

/// The interval, doubled for each failure, with up to a quarter of jitter so that nodes do not pull in step.
fn delay_ms(node: &Node, failures: u32) -> i64 {
    let interval = node.config.pull_interval_s.saturating_mul(1000);
    let base =
        interval.saturating_mul(u64::from(1_u32.checked_shl(failures).unwrap_or(MAX_BACK_OFF).min(MAX_BACK_OFF)));
    let jitter = u64::from_be_bytes(random()) % (base / 4).max(1);
    i64::try_from(base + jitter).unwrap_or(i64::MAX)
}

async fn reconcile(node: Arc<Node>) {
    loop {
        tokio::select! {
            () = node.reconcile_bell.notified() => tokio::time::sleep(RECONCILE_DELAY).await,
            // Time alone changes results: deadlines pass.
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
        }
        let one = node.clone();
        if let Err(problem) = finish(async move { crate::reconcile::run_if_free(&one).await }).await
            && problem.code != Code::Taken
        {
            tracing::warn!(code = problem.code.as_str(), detail = %problem.detail, "reconciling failed");
        }
    }
}

async fn hint_peers(node: Arc<Node>) {
    loop {
        node.hint_bell.notified().await;
        let Ok(peers) = node.peers().await else { continue };
        for peer in peers {
            let Ok(client) = node.client(&peer.origin, peer.ca_pem.as_deref()) else { continue };
            // A hint that is lost costs nothing but time.
            if let Err(problem) = client.post_signed("v1/hints", b"{}".to_vec(), 1024).await {
                tracing::debug!(origin = %peer.origin, detail = %problem.detail, "hint not delivered");
            }
        }
    }
}
