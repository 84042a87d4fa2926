//! What the store's statements run on: a connection or a transaction of either database, its rows, and one statement with its
//! arguments.
//!
//! The two drivers share no useful supertype (sqlx's own `Any` knows neither arrays nor borrowed blobs), so the few places
//! that differ are matched here, and the statements above see one database.

use super::value::{Sql, Value, postgres_args, sqlite_args};
use crate::store::StoreResult;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Decode, Postgres, Row as _, SqlStr, Sqlite, Transaction, Type};

/// A connection or a transaction.
#[derive(Debug)]
pub(crate) enum Session {
    /// A connection of the embedded database.
    Sqlite(PoolConnection<Sqlite>),
    /// A transaction of it.
    SqliteTx(Transaction<'static, Sqlite>),
    /// A connection to a server.
    Postgres(PoolConnection<Postgres>),
    /// A transaction on it.
    PostgresTx(Transaction<'static, Postgres>),
}

/// The driver's connection under a session.
enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Session {
    fn link(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(conn) => Link::Sqlite(conn),
            Self::SqliteTx(tx) => Link::Sqlite(tx),
            Self::Postgres(conn) => Link::Postgres(conn),
            Self::PostgresTx(tx) => Link::Postgres(tx),
        }
    }

    /// Whether statements are to be written for a server.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_) | Self::PostgresTx(_))
    }

    /// Makes a transaction last. A connection has nothing to commit.
    pub(crate) async fn commit(self) -> StoreResult<()> {
        match self {
            Self::SqliteTx(tx) => tx.commit().await?,
            Self::PostgresTx(tx) => tx.commit().await?,
            Self::Sqlite(_) | Self::Postgres(_) => {}
        }
        Ok(())
    }

    /// Locks rows of a server's table until the transaction ends. In the embedded database there is one writer: nothing is to be
    /// locked.
    pub(crate) async fn lock(&mut self, sql: &'static str, number: i64) -> StoreResult<()> {
        if self.is_postgres() {
            query(sql).bind(number).execute(self).await?;
        }
        Ok(())
    }

    /// Runs a statement; the number of rows affected.
    pub(crate) async fn execute(&mut self, sql: SqlStr, values: Vec<Value>) -> Result<u64, sqlx::Error> {
        Ok(match self.link() {
            Link::Sqlite(conn) => sqlx::query_with(sql, sqlite_args(values)?).execute(conn).await?.rows_affected(),
            Link::Postgres(conn) => sqlx::query_with(sql, postgres_args(values)?).execute(conn).await?.rows_affected(),
        })
    }

    /// Runs a query; all its rows.
    pub(crate) async fn fetch_all(&mut self, sql: SqlStr, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self.link() {
            Link::Sqlite(conn) => {
                let rows = sqlx::query_with(sql, sqlite_args(values)?).fetch_all(conn).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Link::Postgres(conn) => {
                let rows = sqlx::query_with(sql, postgres_args(values)?).fetch_all(conn).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Runs a query; its first row.
    pub(crate) async fn fetch_optional(&mut self, sql: SqlStr, values: Vec<Value>) -> Result<Option<Row>, sqlx::Error> {
        Ok(match self.link() {
            Link::Sqlite(conn) => {
                sqlx::query_with(sql, sqlite_args(values)?).fetch_optional(conn).await?.map(Row::Sqlite)
            }
            Link::Postgres(conn) => {
                sqlx::query_with(sql, postgres_args(values)?).fetch_optional(conn).await?.map(Row::Postgres)
            }
        })
    }
}

/// A type that both databases can return.
pub(crate) trait Read<'r>: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}
impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>> Read<'r> for T {}

/// A row that a query returned.
pub(crate) enum Row {
    /// Of the embedded database.
    Sqlite(SqliteRow),
    /// Of a server.
    Postgres(PgRow),
}

impl Row {
    /// The value of a column, from 0.
    pub(crate) fn get<'r, T: Read<'r>>(&'r self, column: usize) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Number of columns.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Sqlite(row) => row.len(),
            Self::Postgres(row) => row.len(),
        }
    }
}

/// One statement with its arguments, `$1` first.
pub(crate) struct Query {
    sql: Sql,
    values: Vec<Value>,
}

/// A statement to be run.
pub(crate) fn query(sql: impl Into<Sql>) -> Query {
    Query { sql: sql.into(), values: Vec::new() }
}

impl Query {
    /// The next argument.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; the number of rows affected.
    pub(crate) async fn execute(self, session: &mut Session) -> Result<u64, sqlx::Error> {
        session.execute(self.sql.of(session.is_postgres()), self.values).await
    }

    /// All rows.
    pub(crate) async fn fetch_all(self, session: &mut Session) -> Result<Vec<Row>, sqlx::Error> {
        session.fetch_all(self.sql.of(session.is_postgres()), self.values).await
    }

    /// The first row.
    pub(crate) async fn fetch_optional(self, session: &mut Session) -> Result<Option<Row>, sqlx::Error> {
        session.fetch_optional(self.sql.of(session.is_postgres()), self.values).await
    }

    /// The first row, which must be there.
    pub(crate) async fn fetch_one(self, session: &mut Session) -> Result<Row, sqlx::Error> {
        self.fetch_optional(session).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// A query of one column.
pub(crate) struct Scalar(Query);

/// A query of one column to be run.
pub(crate) fn scalar(sql: impl Into<Sql>) -> Scalar {
    Scalar(query(sql))
}

impl Scalar {
    /// The next argument.
    pub(crate) fn bind(self, value: impl Into<Value>) -> Self {
        Self(self.0.bind(value))
    }

    /// All values.
    pub(crate) async fn fetch_all<T: for<'r> Read<'r>>(self, session: &mut Session) -> Result<Vec<T>, sqlx::Error> {
        self.0.fetch_all(session).await?.iter().map(|row| row.get(0)).collect()
    }

    /// The value of the first row.
    pub(crate) async fn fetch_optional<T: for<'r> Read<'r>>(
        self,
        session: &mut Session,
    ) -> Result<Option<T>, sqlx::Error> {
        self.0.fetch_optional(session).await?.map(|row| row.get(0)).transpose()
    }

    /// The value of the first row, which must be there.
    pub(crate) async fn fetch_one<T: for<'r> Read<'r>>(self, session: &mut Session) -> Result<T, sqlx::Error> {
        self.0.fetch_one(session).await?.get(0)
    }
}
