//! Statements over many rows: one round trip to the database's thread for hundreds of rows instead of one each.

use crate::store::StoreResult;
use sqlx::encode::Encode;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Sqlite, Type};

/// Rows of one statement, largest first. Few sizes, so that every statement stays prepared; 512 rows of 12 columns
/// stay far below SQLite's 32,766 parameters.
const STEPS: [usize; 4] = [512, 64, 8, 1];

/// A statement `before (?, …), (?, …), … after`, where `after` may have parameters of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bulk {
    pub(super) before: &'static str,
    pub(super) columns: usize,
    pub(super) after: &'static str,
}

/// Arguments in the making.
#[derive(Default)]
pub(super) struct Args {
    values: SqliteArguments,
    error: Option<BoxDynError>,
}

impl Args {
    /// The next argument.
    pub(super) fn push<'a>(&mut self, value: impl Encode<'a, Sqlite> + Type<Sqlite>) -> &mut Self {
        if let Err(error) = self.values.add(value) {
            self.error = Some(error);
        }
        self
    }

    fn finish(self) -> Result<SqliteArguments, sqlx::Error> {
        self.error.map_or(Ok(self.values), |error| Err(sqlx::Error::Encode(error)))
    }
}

impl Bulk {
    pub(super) fn sql(&self, rows: usize) -> AssertSqlSafe<String> {
        let row = format!("({})", vec!["?"; self.columns].join(","));
        // Only parameters are put together here, no value.
        AssertSqlSafe(format!("{}{}{}", self.before, vec![row.as_str(); rows].join(","), self.after))
    }

    /// Runs the statement over all rows; the number of rows affected. `bind` pushes the columns of a row, in order.
    pub(super) async fn execute<T: Sync>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Args, &T) + Send + Sync,
    ) -> StoreResult<u64> {
        self.execute_with(conn, rows, bind, &[]).await
    }

    /// The same, with the parameters of `after`.
    pub(super) async fn execute_with<T: Sync>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Args, &T) + Send + Sync,
        tail: &[i64],
    ) -> StoreResult<u64> {
        let mut affected = 0;
        for chunk in steps(rows) {
            let query = sqlx::query_with(self.sql(chunk.len()), args(chunk, &bind, tail)?);
            affected += query.execute(&mut *conn).await?.rows_affected();
        }
        Ok(affected)
    }

    /// Runs the query over all rows; all that it returns. `bind` pushes the columns of a row, `tail` the parameters of
    /// `after`.
    pub(super) async fn fetch<T: Sync>(
        &self,
        conn: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut Args, &T) + Send + Sync,
        tail: &[i64],
    ) -> StoreResult<Vec<SqliteRow>> {
        let mut out = Vec::new();
        for chunk in steps(rows) {
            let query = sqlx::query_with(self.sql(chunk.len()), args(chunk, &bind, tail)?);
            out.append(&mut query.fetch_all(&mut *conn).await?);
        }
        Ok(out)
    }
}

/// The arguments of one statement.
fn args<T>(rows: &[T], bind: &impl Fn(&mut Args, &T), tail: &[i64]) -> Result<SqliteArguments, sqlx::Error> {
    let mut args = Args::default();
    rows.iter().for_each(|row| bind(&mut args, row));
    for value in tail {
        args.push(*value);
    }
    args.finish()
}

/// Splits rows into pieces of the sizes of [`STEPS`].
fn steps<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let step = STEPS.iter().find(|step| **step <= rows.len())?;
        let (chunk, rest) = rows.split_at_checked(*step)?;
        rows = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_of_few_sizes_and_lose_nothing() {
        let rows: Vec<u32> = (0..1_100).collect();
        let sizes: Vec<usize> = steps(&rows).map(<[u32]>::len).collect();
        assert_eq!(sizes, [512, 512, 64, 8, 1, 1, 1, 1]);
        assert_eq!(steps(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(steps::<u32>(&[]).count(), 0);
    }

    #[test]
    fn the_text_holds_parameters_only() {
        let bulk = Bulk { before: "INSERT INTO x VALUES ", columns: 2, after: " ON CONFLICT DO NOTHING" };
        assert_eq!(bulk.sql(2).0, "INSERT INTO x VALUES (?,?),(?,?) ON CONFLICT DO NOTHING");
    }
}
