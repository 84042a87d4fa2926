//! The mark that `hefu move` leaves in a database: it is being filled, or its node has gone to another one.
//!
//! It is a table of its own, which no migration makes: it is there only while it says something. A database that bears it is
//! refused wherever a node is opened: two databases that both serve one log would fork it.

use super::session::{Session, query, scalar};
use super::value::Sql;
use crate::store::number::damaged;
use crate::store::{StoreError, StoreResult};

const EXISTS: Sql = Sql {
    sqlite: "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'move_mark'",
    postgres: "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = current_schema() AND c.relname = 'move_mark'",
};
/// One row at most.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS move_mark (one bigint PRIMARY KEY CHECK (one = 1), state text NOT NULL, \
     id text NOT NULL, node text NOT NULL, at_ms bigint NOT NULL, other text NOT NULL)";
const SET: &str = "INSERT INTO move_mark (one, state, id, node, at_ms, other) VALUES (1, $1, $2, $3, $4, $5) \
     ON CONFLICT (one) DO UPDATE SET state = excluded.state, id = excluded.id, node = excluded.node, \
     at_ms = excluded.at_ms, other = excluded.other";
const READ: &str = "SELECT state, id, node, at_ms, other FROM move_mark";
const DROP: &str = "DROP TABLE IF EXISTS move_mark";
/// Nobody else gets a lease of a database that was left, and whoever believes to have one is behind the fence.
const CLOSE_LEASES: &str = "INSERT INTO lease (name, holder, fence, until_ms) VALUES ($1, $2, 1, $3) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = lease.fence + 1, until_ms = excluded.until_ms";
const LEASES: &str = "SELECT name FROM lease";

/// Which way the node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The database is being filled.
    Arriving,
    /// Its node has gone.
    Left,
}

impl State {
    fn code(self) -> &'static str {
        match self {
            Self::Arriving => "arriving",
            Self::Left => "left",
        }
    }
}

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) state: State,
    /// Of the move.
    pub(crate) id: String,
    /// Origin of the own log.
    pub(crate) node: String,
    /// When, ms since 1970.
    pub(crate) at_ms: i64,
    /// Where the node comes from or has gone, without a password.
    pub(crate) other: String,
}

impl Mark {
    /// Why a database with this mark is not opened.
    pub(crate) fn refusal(self) -> StoreError {
        match self.state {
            State::Arriving => StoreError::Arriving { from: self.other },
            State::Left => StoreError::MovedAway { id: self.id, to: self.other, at_ms: self.at_ms },
        }
    }
}

/// The mark, if there is one.
pub(crate) async fn read(session: &mut Session) -> StoreResult<Option<Mark>> {
    let exists: i64 = scalar(EXISTS).fetch_one(session).await?;
    if exists == 0 {
        return Ok(None);
    }
    let Some(row) = query(READ).fetch_optional(session).await? else { return Ok(None) };
    let state: String = row.get(0)?;
    let state = [State::Arriving, State::Left].into_iter().find(|known| known.code() == state);
    Ok(Some(Mark {
        state: state.ok_or_else(|| damaged("move_mark: state"))?,
        id: row.get(1)?,
        node: row.get(2)?,
        at_ms: row.get(3)?,
        other: row.get(4)?,
    }))
}

/// Sets the mark; of a database that is left, all leases are closed too.
pub(crate) async fn set(session: &mut Session, mark: &Mark) -> StoreResult<()> {
    query(CREATE).execute(session).await?;
    let set = query(SET).bind(mark.state.code()).bind(&mark.id).bind(&mark.node);
    set.bind(mark.at_ms).bind(&mark.other).execute(session).await?;
    if mark.state == State::Left {
        let mut names: Vec<String> = scalar(LEASES).fetch_all(session).await?;
        names.push(crate::store::SEQUENCER.to_owned());
        names.sort_unstable();
        names.dedup();
        for name in &names {
            query(CLOSE_LEASES).bind(name).bind(mark.state.code()).bind(i64::MAX).execute(session).await?;
        }
    }
    Ok(())
}

/// Takes the mark away.
pub(crate) async fn clear(session: &mut Session) -> StoreResult<()> {
    query(DROP).execute(session).await?;
    Ok(())
}
