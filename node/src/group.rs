//! Several servers of one city on one database: who they are, what each of them must not do while another does it, and what one
//! has to learn of what another did.
//!
//! All of it stands in the table of leases ([ADR 0015](../../docs/adr/0015-several-servers.md)):
//!
//! | lease | held by |
//! |---|---|
//! | `sequencer` | who appends to the own log: `sequencer::turn` |
//! | `pull:<origin>` | who pulls that peer |
//! | `reconcile` | who evaluates the rules |
//! | `agreements` | who opens agreements that all have signed |
//! | `server:<folder>` | each server that is there |
//! | `guard` | a new server without a guard file, which asks whether this database is the newest: who is there and has compared it with a guard file of its own says so by wanting the lease |
//!
//! A node with the embedded database is alone: it takes none of them but the first.

mod claim;

pub use claim::{Claim, claim};

use crate::Node;
use crate::config::Config;
use crate::folder::{Folder, last_holder, sign_lock};
use crate::guard;
use crate::problem::Outcome;
use crate::sequencer::Parts;
use crate::store::{LeaseRow, RECONCILER, SEQUENCER, Store};
use hefu_schemas::id::Digest;
use serde_json::{Value, json};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// How often a server says that it is there, and looks what others did.
const ROUND: Duration = Duration::from_secs(1);
/// A server that has not said so for that long is gone.
const SERVER_TTL_MS: i64 = 5_000;
/// Beginning of the leases of servers that are there.
pub(crate) const SERVER: &str = "server:";
/// The lease of a new server that asks whether the database is the newest.
const QUESTION: &str = "guard";
/// How long it asks, and how long an answer stands.
const QUESTION_TTL_MS: i64 = 3_000;
/// How often it looks for an answer.
const QUESTION_PAUSE: Duration = Duration::from_millis(100);

/// Which server this is.
#[derive(Debug, Clone)]
pub struct Member {
    /// Name of this process in leases. On a server of PostgreSQL every start has its own: whoever was paused and wakes is somebody
    /// else than the one who was started since.
    pub holder: String,
    /// Whether the database may have other servers.
    pub shared: bool,
    presence: String,
}

/// Name in the lease. The embedded database belongs to one folder, whose lock is held: a process that was killed cannot come
/// back, so its lease passes to the next one without waiting.
const EMBEDDED_HOLDER: &str = "embedded";

impl Member {
    /// This process, on a folder with these settings.
    pub fn new(config: &Config, folder: &Folder) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("server");
        let path = std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned());
        let presence = Digest::of(format!("{host}\n{}", path.display()).as_bytes()).to_string();
        let presence = format!("{SERVER}{}", presence.get(..16).unwrap_or(&presence));
        let shared = !config.database.is_embedded();
        let number = u64::from_be_bytes(crate::clock::random());
        let holder = format!("{host}/{}/{number:016x}", std::process::id());
        Self { holder: if shared { holder } else { EMBEDDED_HOLDER.to_owned() }, shared, presence }
    }
}

/// The name of a server as people read it: machine and process, without the number of its start.
pub fn shown(holder: &str) -> &str {
    holder.rsplit_once('/').map_or(holder, |(name, _)| name)
}

/// What a server has seen in its last round.
#[derive(Debug, Default)]
pub struct Seen {
    registry: Option<u64>,
    role: Option<String>,
    servers: Vec<String>,
}

/// Goes on after the process that has worked on this folder before: what it still holds is given back. The folder's lock is ours, so
/// it has ended, and nobody has to wait until its leases run out. (Were it not so, as with a folder that was copied: whoever loses a
/// lease that way appends nothing any more by its fence.)
///
/// # Errors
/// The store fails.
pub(crate) async fn succeed(store: &dyn Store, member: &Member, lock: &File) -> Outcome<()> {
    if !member.shared {
        return Ok(());
    }
    let before = last_holder(lock).unwrap_or_default();
    let rows = if before.is_empty() { Vec::new() } else { store.leases("").await? };
    for row in rows.iter().filter(|row| row.holder.as_ref() == Some(&before)) {
        tracing::info!(lease = row.name, server = shown(&before), "given back for the process before this one");
        store.release(&row.name, &before).await?;
    }
    // Before any lease is taken. If the disk refuses, the next start waits for the end of the leases.
    if let Err(error) = sign_lock(lock, &member.holder) {
        tracing::debug!(%error, "the lock is not signed");
    }
    Ok(())
}

/// Takes part in the group as long as the process lives; returns at once where there is none.
pub async fn run(node: Arc<Node>) {
    let mut seen = Seen::default();
    if !node.member.shared {
        return;
    }
    loop {
        if let Err(problem) = round(&node, &mut seen).await {
            tracing::debug!(code = problem.code.as_str(), detail = %problem.detail, "a round of the group failed");
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// One round: says that this server is there, answers a new one, learns of agreements that another server has stored, and sees to
/// keys that wait to be evaluated although nobody does.
///
/// # Errors
/// The store fails.
pub async fn round(node: &Arc<Node>, seen: &mut Seen) -> Outcome<()> {
    let (store, member, now) = (node.store.as_ref(), &node.member, node.clock.now_ms());
    store.lease(&member.presence, &member.holder, now, SERVER_TTL_MS).await?;
    let rows = store.leases("").await?;
    answer(node, &rows, now).await?;
    let version = store.registry_version().await?;
    if seen.registry.replace(version) != Some(version) {
        node.registry.reload(store).await?;
    }
    if find(&rows, RECONCILER).is_none_or(|row| row.held_by(now).is_none()) {
        for known in node.registry.snapshot().iter() {
            if !store.dirty(known.no, 1).await?.is_empty() {
                node.reconcile_bell.notify_one();
                break;
            }
        }
    }
    report(member, &rows, now, seen);
    Ok(())
}

fn find<'a>(rows: &'a [LeaseRow], name: &str) -> Option<&'a LeaseRow> {
    rows.iter().find(|row| row.name == name)
}

/// The servers that are there.
fn servers(rows: &[LeaseRow], now_ms: i64) -> impl Iterator<Item = (&str, &LeaseRow)> {
    rows.iter().filter(|row| row.name.starts_with(SERVER)).filter_map(move |row| Some((row.held_by(now_ms)?, row)))
}

/// Whether any server but this one is there.
pub(crate) fn has_others(rows: &[LeaseRow], holder: &str, now_ms: i64) -> bool {
    servers(rows, now_ms).any(|(name, _)| name != holder)
}

/// A line in the log when something has changed.
fn report(member: &Member, rows: &[LeaseRow], now: i64, seen: &mut Seen) {
    let sequencer = find(rows, SEQUENCER).and_then(|row| row.held_by(now));
    let role = match sequencer {
        Some(holder) if holder == member.holder => "holds the sequencer".to_owned(),
        Some(holder) => format!("standby: {} holds the sequencer", shown(holder)),
        None => "standby: nobody holds the sequencer".to_owned(),
    };
    let names: Vec<String> = servers(rows, now).map(|(name, _)| shown(name).to_owned()).collect();
    if seen.role.as_ref() != Some(&role) || seen.servers != names {
        tracing::info!(server = shown(&member.holder), role, servers = names.join(", "), "servers on this database");
        (seen.role, seen.servers) = (Some(role), names);
    }
}

/// Says to a new server that this database is the newest, if a guard file of ours says so now.
async fn answer(node: &Node, rows: &[LeaseRow], now: i64) -> Outcome<()> {
    let question = find(rows, QUESTION).filter(|row| row.wanted_by(now).is_none());
    let asker = question.and_then(|row| row.held_by(now)).filter(|asker| *asker != node.member.holder);
    if let Some(asker) = asker
        && node.sequencer.signing().is_ok()
        && guard::is_newest(node.store.as_ref(), &node.folder, &node.ring).await?
    {
        node.store.want(QUESTION, &node.member.holder, now, QUESTION_TTL_MS).await?;
        tracing::info!(server = shown(asker), "a new server may sign: this database goes on from our guard file");
    }
    Ok(())
}

/// Asks the servers that are there whether the database is the newest: one that has a guard file compares it now. What stands in the
/// database alone proves nothing: a restored one is consistent with itself. The question is the unique name of this process, which no
/// old database can have an answer to.
pub(crate) async fn is_vouched_for(parts: &Parts) -> Outcome<bool> {
    let (store, holder, clock) = (parts.store.as_ref(), parts.holder.as_str(), &parts.clock);
    if !has_others(&store.leases(SERVER).await?, holder, clock.now_ms()) {
        return Ok(false);
    }
    let until = clock.now_ms().saturating_add(QUESTION_TTL_MS);
    while clock.now_ms() < until {
        // Another new server may be asking: then this waits for its turn.
        let asking = store.lease(QUESTION, holder, clock.now_ms(), QUESTION_TTL_MS).await?.is_some();
        let rows = if asking { store.leases(QUESTION).await? } else { Vec::new() };
        let answered = |row: &&LeaseRow| row.name == QUESTION && row.wanted_by(clock.now_ms()).is_some();
        if let Some(by) = rows.iter().find(answered).and_then(|row| row.wanted_by.as_deref()) {
            tracing::info!(
                server = shown(by),
                "no guard file yet: another server confirms that this database is the newest"
            );
            store.release(QUESTION, holder).await?;
            return Ok(true);
        }
        tokio::time::sleep(QUESTION_PAUSE).await;
    }
    store.release(QUESTION, holder).await?;
    Ok(false)
}

/// Takes leave: others see at once that this server is gone.
pub(crate) async fn leave(node: &Node) {
    if node.member.shared {
        // Whatever fails here runs out by itself.
        let _ = node.store.release(&node.member.presence, &node.member.holder).await;
    }
}

/// Who shares the database, and who does what; nothing where there is nobody to share it with.
///
/// # Errors
/// The store fails.
pub async fn status(node: &Node) -> Outcome<Option<Value>> {
    if !node.member.shared {
        return Ok(None);
    }
    let now = node.clock.now_ms();
    let rows = node.store.leases("").await?;
    let at = |ms: i64| jiff::Timestamp::from_second(ms.div_euclid(1000)).ok().map(|at| at.to_string());
    let sequencer = find(&rows, SEQUENCER).filter(|row| row.held_by(now).is_some());
    let holds = |name: &str, holder: &str| find(&rows, name).and_then(|row| row.held_by(now)) == Some(holder);
    let server = |holder: &str, since: Option<i64>| {
        let pulls = rows.iter().filter(|row| row.held_by(now) == Some(holder));
        let pulls: Vec<&str> = pulls.filter_map(|row| row.name.strip_prefix(PULL)).collect();
        json!({
            "server": shown(holder),
            "since": since.and_then(at),
            "self": holder == node.member.holder,
            "role": if holds(SEQUENCER, holder) { "holder" } else { "standby" },
            "pulls": pulls,
            "reconciles": holds(RECONCILER, holder),
        })
    };
    let mut all: Vec<Value> = servers(&rows, now).map(|(name, row)| server(name, Some(row.since_ms))).collect();
    if servers(&rows, now).all(|(name, _)| name != node.member.holder) {
        all.push(server(&node.member.holder, None));
    }
    Ok(Some(json!({
        "server": shown(&node.member.holder),
        "role": if holds(SEQUENCER, &node.member.holder) { "holder" } else { "standby" },
        "sequencer": sequencer.map(|row| json!({"server": row.holder.as_deref().map(shown), "since": at(row.since_ms)})),
        "servers": all,
    })))
}

/// Beginning of the leases of peers.
const PULL: &str = "pull:";

/// Takes the right to pull a peer.
///
/// # Errors
/// As [`claim()`].
pub async fn to_pull(node: &Node, origin: &str, patience: Duration) -> Outcome<Option<Claim>> {
    claim(node, &format!("{PULL}{origin}"), patience).await
}

/// Takes the right to open agreements: of two servers that see the last signature at the same time, one does.
///
/// # Errors
/// As [`claim()`].
pub async fn to_open(node: &Node) -> Outcome<Option<Claim>> {
    claim(node, "agreements", Duration::from_secs(10)).await
}

/// Who shares a database, for `doctor`, which may have no node: names of servers, and who holds the sequencer.
///
/// # Errors
/// The store fails.
pub async fn names(store: &dyn Store, now: i64) -> Outcome<(Vec<String>, Option<String>)> {
    let rows = store.leases("").await?;
    let holder = find(&rows, SEQUENCER).and_then(|row| row.held_by(now)).map(|name| shown(name).to_owned());
    Ok((servers(&rows, now).map(|(name, _)| shown(name).to_owned()).collect(), holder))
}
