//! Arguments of statements and their texts, for either database.

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqlStr};

/// An argument: the three types that a column may have.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A number or nothing.
    Int(Option<i64>),
    /// Text or nothing.
    Text(Option<String>),
    /// Bytes or nothing.
    Blob(Option<Vec<u8>>),
    /// Numbers, one for each row of a statement over many: of servers only, as the next two.
    Ints(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Byte strings.
    Blobs(Vec<Option<Vec<u8>>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}
impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}
impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}
impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}
impl From<Option<&[u8]>> for Value {
    fn from(value: Option<&[u8]>) -> Self {
        Self::Blob(value.map(<[u8]>::to_vec))
    }
}
impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Some(value))
    }
}
impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Blob(value)
    }
}

/// As arguments of the embedded database.
pub(super) fn sqlite_args(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut args = SqliteArguments::default();
    args.reserve(values.len(), 0);
    for value in values {
        let added = match value {
            Value::Int(value) => Arguments::add(&mut args, value),
            Value::Text(value) => Arguments::add(&mut args, value),
            Value::Blob(value) => Arguments::add(&mut args, value),
            Value::Ints(_) | Value::Texts(_) | Value::Blobs(_) => Err(BoxDynError::from("an array")),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

/// As arguments of a server.
pub(super) fn postgres_args(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut args = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Int(value) => args.add(value),
            Value::Text(value) => args.add(value),
            Value::Blob(value) => args.add(value),
            Value::Ints(values) => args.add(values),
            Value::Texts(values) => args.add(values),
            Value::Blobs(values) => args.add(values),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

/// A statement in the words of each database, which are mostly the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    /// For SQLite.
    pub(crate) sqlite: &'static str,
    /// For PostgreSQL.
    pub(crate) postgres: &'static str,
}

impl Sql {
    /// The text for a database.
    pub(crate) fn of(self, postgres: bool) -> SqlStr {
        SqlStr::from_static(if postgres { self.postgres } else { self.sqlite })
    }
}

impl From<&'static str> for Sql {
    fn from(sql: &'static str) -> Self {
        Self { sqlite: sql, postgres: sql }
    }
}

/// A statement whose index is named for SQLite, whose planner has no statistics and would walk all rows of a log. PostgreSQL has
/// them, and no words for it.
macro_rules! by_index {
    ($before:literal, $index:literal, $after:literal) => {
        $crate::store::db::value::Sql {
            sqlite: concat!($before, " INDEXED BY ", $index, " ", $after),
            postgres: concat!($before, " ", $after),
        }
    };
}

/// A query of numbers `idx`, whose index is named for SQLite: there they come packed in one value, each with a space behind it.
macro_rules! indexes {
    ($before:literal, $index:literal, $after:literal) => {
        $crate::store::db::value::Sql {
            sqlite: concat!(
                "SELECT GROUP_CONCAT(idx || ' ', '') FROM (",
                $before,
                " INDEXED BY ",
                $index,
                " ",
                $after,
                ")"
            ),
            postgres: concat!($before, " ", $after),
        }
    };
}

/// What follows the rows of a query over many: a join, the rows first, each looked up by itself. SQLite keeps to the order that
/// `CROSS JOIN` says. PostgreSQL plans once for all times, maybe while a table is empty, and would then read all rows of an agreement
/// for each that is asked for: `OFFSET 0` keeps it from taking the look-up apart, which so uses the whole key.
macro_rules! joined {
    ($table:literal $name:literal by $index:literal on $condition:literal) => {
        $crate::store::db::value::Sql {
            sqlite: concat!(" CROSS JOIN ", $table, " ", $name, " INDEXED BY ", $index, " ON ", $condition),
            postgres: $crate::store::db::value::looked_up!($table $name on $condition),
        }
    };
    ($($table:literal $name:literal on $condition:literal),+) => {
        $crate::store::db::value::Sql {
            sqlite: concat!($(" CROSS JOIN ", $table, " ", $name, " ON ", $condition),+),
            postgres: concat!($($crate::store::db::value::looked_up!($table $name on $condition)),+),
        }
    };
}

/// The same for PostgreSQL alone.
macro_rules! looked_up {
    ($table:literal $name:literal on $condition:literal) => {
        concat!(" CROSS JOIN LATERAL (SELECT * FROM ", $table, " ", $name, " WHERE ", $condition, " OFFSET 0) ", $name)
    };
}

/// A statement with parts that each database has its own words for.
macro_rules! hinted {
    ($before:literal, sqlite $sqlite:literal, postgres $postgres:literal, $within:literal, postgres $end:literal, $after:literal) => {
        $crate::store::db::value::Sql {
            sqlite: concat!($before, $sqlite, $within, $after),
            postgres: concat!($before, $postgres, $within, $end, $after),
        }
    };
}

/// A query that also locks the rows it finds, where there is more than one writer.
macro_rules! locking {
    ($query:literal, $lock:literal) => {
        $crate::store::db::value::Sql { sqlite: $query, postgres: concat!($query, $lock) }
    };
}

pub(crate) use {by_index, hinted, indexes, joined, locking, looked_up};
