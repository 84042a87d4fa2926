//! Whose turn it is to append. On the embedded database always ours; on a shared one it goes to the server that has something to
//! append, and back again:
//!
//! ```text
//! A holds      B: submission ─▶ wants the lease ─┐             ┌─▶ takes it: new fence ─▶ checks its guard ─▶ appends
//!              A: appends ─▶ note ─▶ sees the wish ─▶ gives back ─▶ waits a moment before it wants it again
//! A is dead    the lease runs out ─▶ B takes it: new fence ─▶ checks its guard ─▶ signs what A left unsigned
//! ```

use super::{Group, LEASE_TTL_MS, Writer};
use crate::group::{SERVER, has_others, shown};
use crate::guard;
use crate::problem::{Code, Outcome, Problem};
use crate::store::{LeaseRow, OWN, SEQUENCER, StoreError};
use hefu_federation::trust::KeyRing;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// Time to live of the lease on a shared database. A dead holder's runs out 3 to 3.5 s after its death, and a standby looks half a
/// second later at most: a second is left for slow machines until another server must have taken over (5 s).
const TTL_MS: i64 = 3_500;
/// How often a holder without work looks whether another server wants the lease.
const TICK: Duration = Duration::from_millis(50);
/// Ticks between two looks of a standby at what was published: a second.
const SECOND: u32 = 20;
/// Ticks between two renewals, and between two looks of a standby at a lease that may have run out: half a second.
const LOOK: u32 = 10;
/// How long a holder with work goes on although another server wants the lease: handing it over costs some milliseconds.
const TURN: Duration = Duration::from_millis(200);
/// How long whoever has given the lease back leaves it to others: longer than their [`PAUSE`].
const HOLD_OFF: Duration = Duration::from_millis(100);
/// The same after it could not do what the lease is for: longer than [`LOOK`], so that a standby finds it.
const LONG_HOLD_OFF: Duration = Duration::from_secs(1);
/// How often a submission that waits looks whether it is its turn.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a wish stands unless it is repeated, and how much of that is left when it is.
const WISH_TTL_MS: i64 = 2_000;
const WISH_AGAIN_MS: i64 = 1_000;
/// How long a submission waits: longer than it takes until a dead holder's lease has run out.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this process knows of its lease.
pub(super) struct Turn {
    /// The keys of the own log, where other servers append, too.
    ring: Option<KeyRing>,
    /// Our fence, while we hold the lease as far as we know. The transaction that appends is what decides.
    fence: Option<i64>,
    since: Instant,
    /// Not before that is the lease taken or wanted again.
    not_before: Instant,
    /// Something was appended since the last tick.
    busy: bool,
    /// No other server was there when the lease was renewed.
    alone: bool,
    ticks: u32,
}

impl Turn {
    pub(super) fn new(ring: Option<KeyRing>) -> Self {
        let now = Instant::now();
        Self { ring, fence: None, since: now, not_before: now, busy: false, alone: false, ticks: 0 }
    }

    fn is_shared(&self) -> bool {
        self.ring.is_some()
    }

    pub(super) fn ticks(&self) -> Interval {
        let embedded = Duration::from_millis(LEASE_TTL_MS.unsigned_abs() / 3);
        let mut ticks = interval(if self.is_shared() { TICK } else { embedded });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }
}

impl Writer {
    fn may_sign(&self) -> Outcome<()> {
        self.state.borrow().clone().map_err(|why| Problem::new(Code::NotSigning, why))
    }

    /// The fence under which to append. On a shared database it waits for its turn, within a bound.
    pub(super) async fn fence(&mut self) -> Outcome<i64> {
        self.may_sign()?;
        if !self.turn.is_shared() {
            let now = self.parts.clock.now_ms();
            let fence = self.parts.store.lease(SEQUENCER, &self.parts.holder, now, LEASE_TTL_MS).await?;
            return fence.ok_or_else(|| Problem::new(Code::NotSigning, "another process holds the sequencer's lease"));
        }
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(fence) = self.turn.fence {
                return Ok(fence);
            }
            let row = self.try_take(true).await?;
            if self.turn.fence.is_none() {
                if Instant::now() >= until {
                    let by = row.as_ref().and_then(|row| row.holder.as_deref()).map_or("another server", shown);
                    return Err(Problem::new(Code::Taken, format!("sequencer: {by} does not hand it over")));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Takes the lease if it is free for us; else, with something to append, says that we want it next. The lease as it was before.
    async fn try_take(&mut self, wanting: bool) -> Outcome<Option<LeaseRow>> {
        if Instant::now() < self.turn.not_before {
            return Ok(None);
        }
        let (store, me, now) = (self.parts.store.clone(), self.parts.holder.as_str(), self.parts.clock.now_ms());
        let row = store.leases(SEQUENCER).await?.into_iter().find(|row| row.name == SEQUENCER);
        if row.as_ref().is_none_or(|row| row.is_free_for(me, now)) {
            if let Some(fence) = store.lease(SEQUENCER, me, now, TTL_MS).await? {
                self.took(fence).await?;
            }
        } else if let Some(row) = row.as_ref().filter(|_| wanting) {
            let wish = row.wanted_by(now);
            let is_fresh = wish == Some(me) && row.wanted_until_ms.saturating_sub(now) > WISH_AGAIN_MS;
            if !is_fresh && wish.is_none_or(|who| who == me) {
                store.want(SEQUENCER, me, now, WISH_TTL_MS).await?;
            }
        }
        Ok(row)
    }

    /// A new fence: what we remember of the log may be old, and the database may be another one than when we last looked.
    async fn took(&mut self, fence: i64) -> Outcome<()> {
        (self.head, self.fence) = (None, Some(fence));
        (self.turn.fence, self.turn.since) = (Some(fence), Instant::now());
        // Whoever held it before may have appended acts.
        self.registry.doubt();
        let Some(ring) = &self.turn.ring else { return Ok(()) };
        match guard::resume(&self.parts, ring).await {
            Ok(Ok(())) => {
                self.unpublished = false;
                Ok(())
            }
            Ok(Err(why)) => {
                self.give_back().await;
                self.sign_no_more(why);
                self.may_sign()
            }
            Err(problem) => {
                self.give_back().await;
                self.turn.not_before = Instant::now() + LONG_HOLD_OFF;
                Err(problem)
            }
        }
    }

    fn sign_no_more(&self, why: String) {
        tracing::error!(why, "not signing any more");
        let _ = self.state.send_replace(Err(why));
    }

    /// Gives the lease back and leaves it to others for a moment.
    pub(super) async fn give_back(&mut self) {
        (self.head, self.turn.fence) = (None, None);
        self.turn.not_before = Instant::now() + HOLD_OFF;
        if let Err(error) = self.parts.store.release(SEQUENCER, &self.parts.holder).await {
            tracing::debug!(%error, "the sequencer's lease was not given back: it runs out");
        }
    }

    /// Renews the lease; on a shared database also looks after what others want.
    pub(super) async fn tick(&mut self) {
        let done = if self.turn.is_shared() { self.tick_shared().await } else { self.tick_embedded().await };
        if let Err(problem) = done {
            tracing::debug!(code = problem.code.as_str(), detail = %problem.detail, "a tick of the sequencer failed");
        }
    }

    async fn tick_embedded(&mut self) -> Outcome<()> {
        self.fence().await?;
        self.publish_rest().await
    }

    async fn tick_shared(&mut self) -> Outcome<()> {
        let tick = self.turn.ticks;
        self.turn.ticks = tick.wrapping_add(1);
        let is_idle = !std::mem::take(&mut self.turn.busy);
        let is_second = tick.is_multiple_of(SECOND);
        if self.may_sign().is_err() {
            return Ok(());
        }
        let Some(fence) = self.turn.fence else {
            if is_second {
                self.follow().await?;
            }
            if tick.is_multiple_of(LOOK) {
                self.try_take(false).await?;
            }
            return Ok(());
        };
        if tick.is_multiple_of(LOOK) {
            self.renew(fence).await?;
            self.publish_rest().await?;
        }
        if is_idle && (is_second || !self.turn.alone) {
            self.hand_over().await?;
        }
        Ok(())
    }

    async fn renew(&mut self, fence: i64) -> Outcome<()> {
        let (store, now) = (self.parts.store.clone(), self.parts.clock.now_ms());
        match store.lease(SEQUENCER, &self.parts.holder, now, TTL_MS).await? {
            Some(same) if same == fence => {}
            // Somebody else had it in between: we were paused.
            Some(new) => self.took(new).await?,
            None => (self.head, self.turn.fence) = (None, None),
        }
        self.turn.alone = !has_others(&store.leases(SERVER).await?, &self.parts.holder, now);
        Ok(())
    }

    /// Gives the lease to the server that wants it.
    async fn hand_over(&mut self) -> Outcome<()> {
        let rows = self.parts.store.leases(SEQUENCER).await?;
        let row = rows.iter().find(|row| row.name == SEQUENCER);
        // Also a wish that has run out by our clock, which may be ahead: if nobody comes, we take the lease again.
        if row.and_then(|row| row.wanted_by.as_ref()).is_some_and(|who| *who != self.parts.holder) {
            self.give_back().await;
        }
        Ok(())
    }

    /// What another server has published goes into our guard file, too.
    async fn follow(&mut self) -> Outcome<()> {
        if let Some(ring) = &self.turn.ring
            && let Err(why) = guard::follow(&self.parts, ring).await?
        {
            self.sign_no_more(why);
        }
        Ok(())
    }

    /// After the jobs were answered: a holder with work that has had its turn lets others go on.
    pub(super) async fn after_commit(&mut self) {
        self.turn.busy = true;
        if self.turn.is_shared()
            && self.turn.fence.is_some()
            && self.turn.since.elapsed() >= TURN
            && let Err(problem) = self.hand_over().await
        {
            tracing::debug!(detail = %problem.detail, "a wish for the sequencer was not seen");
        }
    }

    /// Something failed: what we remember of the log may be wrong. On a shared database the lease is taken anew, with all that is
    /// checked then, and left to others first when this server could not publish.
    pub(super) async fn doubt(&mut self) {
        self.head = None;
        if self.turn.is_shared() {
            self.turn.fence = None;
            if self.unpublished {
                self.give_back().await;
                self.turn.not_before = Instant::now() + LONG_HOLD_OFF;
            }
        }
    }

    /// Why an append was refused: on a shared database another server has taken over while we were paused.
    pub(super) fn refused(&mut self, error: StoreError) -> Problem {
        match error {
            StoreError::Conflict { .. } if self.turn.is_shared() => {
                self.unpublished = false;
                Problem::new(Code::Taken, "sequencer: another server has taken over; nothing was appended by this one")
            }
            error => error.into(),
        }
    }

    /// Drafts that another server has appended have a receipt only when their note is published.
    pub(super) async fn published(&self, group: &Group) -> Outcome<()> {
        let known = group.records.iter().flat_map(|(prepared, ..)| &prepared.known);
        let largest = known.flatten().map(|row| row.size).max();
        if let Some(size) = largest.filter(|_| self.turn.is_shared())
            && self.parts.store.head(OWN).await?.published() < size
        {
            return Err(Problem::new(Code::Taken, "sequencer: another server is publishing the same drafts"));
        }
        Ok(())
    }
}
