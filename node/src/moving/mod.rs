//! `hefu move`: a node goes from one database to another, and back.
//!
//! ```text
//! hold ─▶ expect ─▶ copy ─▶ compare ─▶ verify ─▶ journal ─▶ leave ║ ─▶ arrive ─▶ settings ─▶ file renamed
//! source  target    pages   digests    roots     move.json  mark  ║    target    hefu.toml
//! ```
//!
//! Up to `leave` the node is in the old database, whatever happens: the new one bears a mark and is begun anew. `leave` is one
//! transaction, which marks the old one for good; from then on it is opened by nobody, and what is still to be done stands in
//! the journal: [`settle`] does it, at once or when the folder is next opened.

mod journal;
mod settings;
mod summary;
mod verify;

pub use journal::settle;
pub use summary::{LogSummary, Summary, TableSummary};

use crate::clock::{Clock, date_at, random};
use crate::config::database::Place;
use crate::config::{Config, DatabaseSetting, FILE_NAME};
use crate::folder::Folder;
use crate::node::open_database;
use crate::problem::{Code, Outcome, Problem};
use crate::store::db::mark::{self, Mark, State};
use crate::store::db::moving::{Filling, Pages, Totals};
use crate::store::db::session::Session;
use crate::store::{Database, LogStore, OWN, StoreError, TABLES, Table, fault};
use journal::Journal;
use std::path::Path;

/// What has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// This many rows are to be copied, and then read back.
    Rows(u64),
    /// So many more are.
    Done(u64),
    /// A table is copied.
    Copied(&'a str),
    /// All tables are compared; roots and records come next.
    Compared,
    /// The copy is good.
    Verified,
    /// The old database is left: from now on the node is in the new one.
    Left,
    /// The new database is a node's.
    Arrived,
    /// The settings name it.
    Switched,
}

/// Who is told. An error stops the move where it is.
pub type Watch<'w> = dyn Fn(Step<'_>) -> Outcome<()> + Send + Sync + 'w;

/// Moves the node of a folder to another database; with `dry_run` says what would be done.
///
/// # Errors
/// The folder is locked, the node is there already, another server works on the database, the target is not empty, the copy does
/// not verify, a database fails. Nothing has changed for the node then, unless the error came behind [`Step::Left`]: what is left
/// to do is done when the folder is next opened.
pub async fn run(
    dir: &Path,
    to: &DatabaseSetting,
    dry_run: bool,
    clock: &Clock,
    watch: &Watch<'_>,
) -> Outcome<Summary> {
    let folder = Folder::new(dir);
    let config = Config::load(dir)?;
    let to_place = to.place().map_err(|why| Problem::new(Code::BadRequest, format!("--to: {why}")))?;
    let _lock = folder.lock().map_err(stopped_first)?;
    let settled = settle(&folder, config, watch).await?;
    let config = settled.config;
    if config.database == *to {
        return match settled.finished {
            Some(kept) => Ok(Summary::finished(&config, to, kept)),
            None => Err(Problem::new(Code::AlreadyThere, format!("--to {to}"))),
        };
    }
    let text = std::fs::read_to_string(dir.join(FILE_NAME))
        .map_err(|error| fault::of_file(FILE_NAME, &error, Code::Configuration))?;
    let settings = settings::with_database(&text, to)?;
    let source = open_database(&config, &folder).await?;
    let trip = Trip { folder: &folder, config: &config, to, to_place: &to_place, settings, now_ms: clock.now_ms() };
    let result = trip.go(&source, dry_run, watch).await;
    source.close().await?;
    let (mut summary, left) = result?;
    if left {
        watch(Step::Left)?;
        summary.kept = settle(&folder, config, watch).await?.finished.flatten();
    }
    Ok(summary)
}

/// Other commands go through a running node; this one cannot.
fn stopped_first(problem: Problem) -> Problem {
    match problem.code {
        Code::Locked => Problem::new(problem.code, format!("{}; stop the node before it moves", problem.detail)),
        _ => problem,
    }
}

/// One move.
struct Trip<'a> {
    folder: &'a Folder,
    config: &'a Config,
    to: &'a DatabaseSetting,
    to_place: &'a Place,
    settings: String,
    now_ms: i64,
}

impl Trip<'_> {
    /// Everything up to the turning point; whether it was reached.
    async fn go(&self, source: &Database, dry_run: bool, watch: &Watch<'_>) -> Outcome<(Summary, bool)> {
        let node = self.config.origin()?;
        let own = source.origins().await?.into_iter().find(|row| row.no == OWN);
        if own.is_none_or(|own| own.origin != node) {
            return Err(Problem::new(Code::Configuration, format!("url: {} holds another node", self.config.database)));
        }
        let (mut held, others) = source.hold(self.now_ms).await?;
        if !others.is_empty() {
            return Err(Problem::new(Code::DatabaseInUse, format!("leases are held: {}", others.join(", "))));
        }
        self.look().await?;
        let mut total = 0;
        let mut summary = Summary::new(self.config, self.to);
        for table in TABLES.iter().filter(|table| table.is_copied()) {
            let rows = Database::rows_of(&mut held, table).await?;
            summary.tables.push(TableSummary { table: table.name, rows, digest: None });
            total += rows;
        }
        summary.rows = total;
        if dry_run {
            summary.dry_run = true;
            summary.kept = self.kept().map(|name| self.folder.path().join(name).display().to_string());
            return Ok((summary, false));
        }
        watch(Step::Rows(total))?;
        let target = self.expect().await?;
        let done = self.carry(&mut held, &target, &mut summary, watch).await;
        target.close().await?;
        done?;
        let mark = self.mark(State::Left);
        let journal = Journal {
            id: mark.id.clone(),
            node: mark.node.clone(),
            settings: self.settings.clone(),
            kept: self.kept(),
        };
        journal.write(self.folder)?;
        mark::set(&mut held, &mark).await?;
        // If we stop before this line the node is in the old database, behind it in the new one.
        held.commit().await?;
        Ok((summary, true))
    }

    /// Copies, compares and verifies.
    async fn carry(
        &self,
        held: &mut Session,
        target: &Database,
        summary: &mut Summary,
        watch: &Watch<'_>,
    ) -> Outcome<()> {
        let copied = copy(held, target, watch).await?;
        compare(target, &copied, watch).await?;
        watch(Step::Compared)?;
        target.analyze().await?;
        for row in &mut summary.tables {
            let totals = copied.iter().find(|(table, _)| table.name == row.table).map(|(_, totals)| *totals);
            (row.rows, row.digest) = totals.map_or((row.rows, None), |totals| (totals.rows, Some(totals.digest)));
        }
        summary.rows = copied.iter().map(|(_, totals)| totals.rows).sum();
        verify::verify(target, self.folder, summary).await?;
        watch(Step::Verified)
    }

    fn mark(&self, state: State) -> Mark {
        let other = match state {
            State::Arriving => &self.config.database,
            State::Left => self.to,
        };
        Mark {
            state,
            id: format!("{:032x}", u128::from_be_bytes(random())),
            node: self.config.origin().map(|origin| origin.to_string()).unwrap_or_default(),
            at_ms: self.now_ms,
            other: other.to_string(),
        }
    }

    /// Name under which the old file is kept, of an embedded database.
    fn kept(&self) -> Option<String> {
        self.config.database.is_embedded().then(|| kept(self.folder, self.now_ms, &self.config.time_zone))
    }

    /// Refuses a target that holds anything but what an interrupted move of this node has left.
    async fn look(&self) -> Outcome<()> {
        let refuse = |what: String| Err(Problem::new(Code::TargetNotEmpty, what));
        let address = match self.to_place {
            Place::Embedded => {
                let path = self.folder.database();
                if !path.exists() {
                    return Ok(());
                }
                // What is there may be what an earlier move has left and could not rename any more.
                return match Database::open(&path).await {
                    Err(StoreError::MovedAway { .. }) => Ok(()),
                    _ => refuse(format!("{} exists", path.display())),
                };
            }
            Place::Server(address) => address,
        };
        let target = Database::connect_any(address).await?;
        let node = self.config.origin()?.to_string();
        let found = match target.mark().await? {
            Some(mark) if mark.state == State::Arriving && mark.node == node => Ok(()),
            Some(mark) if mark.state == State::Arriving => refuse(format!("a move of {} has begun into it", mark.node)),
            Some(mark) => refuse(format!("it is the copy that {} left when it moved to {}", mark.node, mark.other)),
            None if target.is_vacant().await? => Ok(()),
            None => refuse(format!("{address} holds a node or other tables")),
        };
        target.close().await?;
        found
    }

    /// Makes the target's tables, marked and empty.
    async fn expect(&self) -> Outcome<Database> {
        let target = match self.to_place {
            Place::Server(address) => Database::connect_any(address).await?,
            Place::Embedded => {
                let path = self.folder.arriving_database();
                for file in journal::files(&path) {
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(fault::of_file(&file.display().to_string(), &error, Code::Internal));
                        }
                        _ => {}
                    }
                }
                Database::create(&path).await?
            }
        };
        target.expect(&self.mark(State::Arriving)).await?;
        Ok(target)
    }
}

/// A name for the old file that nothing has yet.
fn kept(folder: &Folder, at_ms: i64, time_zone: &str) -> String {
    let first = format!("hefu.db.moved-{}", date_at(at_ms, time_zone));
    let free = |name: &String| !folder.path().join(name).exists();
    let others = (2..).map(|number: u32| format!("{first}.{number}"));
    std::iter::once(first.clone()).chain(others).find(free).unwrap_or(first)
}

type Copied = Vec<(&'static Table, Totals)>;

async fn copy(held: &mut Session, target: &Database, watch: &Watch<'_>) -> Outcome<Copied> {
    let mut filling = Filling::of(target);
    let mut copied = Vec::new();
    for table in TABLES.iter().filter(|table| table.is_copied()) {
        let mut pages = Pages::new(table);
        loop {
            let rows = filling.copy(&mut pages, held).await?;
            if rows == 0 {
                break;
            }
            watch(Step::Done(rows))?;
        }
        copied.push((table, pages.totals()));
        watch(Step::Copied(table.name))?;
    }
    filling.end(held).await?;
    Ok(copied)
}

/// Reads the target again: every row must be there as it was read from the source.
async fn compare(target: &Database, copied: &Copied, watch: &Watch<'_>) -> Outcome<()> {
    let mut reading = target.reading().await?;
    for (table, totals) in copied {
        let mut pages = Pages::new(table);
        loop {
            let rows = pages.next(&mut reading).await?.len();
            if rows == 0 {
                break;
            }
            watch(Step::Done(u64::try_from(rows).unwrap_or(u64::MAX)))?;
        }
        let read = pages.totals();
        if read != *totals {
            let what = format!("table {}: {} rows were copied, {} are there", table.name, totals.rows, read.rows);
            return Err(Problem::new(Code::CopyDiffers, format!("{what}; their digests differ")));
        }
    }
    Ok(())
}
