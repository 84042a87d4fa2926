//! Statements over many rows: one round trip for hundreds of rows instead of one each.
//!
//! ```text
//!             INSERT                                        SELECT                            DELETE
//! SQLite      INSERT INTO t (…) VALUES (?,…),(?,…) …        SELECT … FROM (VALUES (?,…)) AS v …  … IN (VALUES (?,…))
//! PostgreSQL  INSERT INTO t (…) SELECT * FROM UNNEST($1,…) … SELECT … FROM UNNEST($1,…) AS v …     … IN (SELECT * FROM UNNEST($1,…))
//! ```
//!
//! Both are made from one declaration. In both the rows' columns are `v.column1`, `v.column2`, ….

use super::session::{Row, Session};
use super::value::{Sql, Value};
use crate::store::StoreResult;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// Rows of one statement on SQLite, largest first. Few sizes, so that every statement stays prepared; 512 rows of 12 columns
/// stay far below its 32,766 parameters.
const STEPS: [usize; 4] = [512, 64, 8, 1];
/// Rows of one statement on PostgreSQL, where one text serves any number of them.
const UNNESTED: usize = 1_000;

/// Type of a column of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// A number.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Blob,
}

impl Column {
    /// Its type on PostgreSQL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Int => "bigint",
            Self::Text => "text",
            Self::Blob => "bytea",
        }
    }
}

/// How the rows stand in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// They are inserted.
    Insert,
    /// They are joined, as `v`.
    Join,
    /// They are compared with, `… IN (rows)`.
    In,
}

/// A statement `before rows after`, where `after` may have parameters of its own, written `?`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bulk {
    pub(super) rows: Use,
    pub(super) before: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) after: Sql,
}

/// Arguments in the making.
#[derive(Default)]
pub(super) struct Args(Vec<Value>);

impl Args {
    /// The next argument.
    pub(super) fn push(&mut self, value: impl Into<Value>) -> &mut Self {
        self.0.push(value.into());
        self
    }
}

/// Nothing follows the rows.
pub(super) const NOTHING: Sql = Sql { sqlite: "", postgres: "" };
/// What follows is the same in both.
pub(super) const fn same(after: &'static str) -> Sql {
    Sql { sqlite: after, postgres: after }
}

impl Bulk {
    /// The text for SQLite.
    pub(super) fn sqlite(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        let (open, close) = match self.rows {
            Use::Insert => (" VALUES ", ""),
            Use::Join => (" FROM (VALUES ", ") AS v"),
            Use::In => (" IN (VALUES ", ")"),
        };
        format!("{}{open}{}{close}{}", self.before, vec![row.as_str(); rows].join(","), self.after.sqlite)
    }

    /// The text for PostgreSQL, for any number of rows.
    pub(super) fn postgres(&self) -> String {
        let array = |(number, column): (usize, &Column)| format!("${number}::{}[]", column.name());
        let arrays: Vec<String> = (1..).zip(self.columns).map(array).collect();
        let names: Vec<String> = (1..=self.columns.len()).map(|number| format!("column{number}")).collect();
        let rows = format!("UNNEST({}) AS v ({})", arrays.join(","), names.join(","));
        let mut text = match self.rows {
            Use::Insert => format!("{} SELECT * FROM {rows}", self.before),
            Use::Join => format!("{} FROM {rows}", self.before),
            Use::In => format!("{} IN (SELECT * FROM {rows})", self.before),
        };
        let mut number = self.columns.len();
        for part in self.after.postgres.split_inclusive('?') {
            match part.strip_suffix('?') {
                Some(part) => {
                    number += 1;
                    text.push_str(&format!("{part}${number}"));
                }
                None => text.push_str(part),
            }
        }
        text
    }

    /// The same statement with another text behind the rows.
    pub(super) const fn with(self, after: Sql) -> Self {
        Self { after, ..self }
    }

    /// Runs the statement over all rows; the number of rows affected. `bind` pushes the columns of a row, in order.
    pub(super) async fn execute<T: Sync>(
        &self,
        session: &mut Session,
        rows: &[T],
        bind: impl Fn(&mut Args, &T) + Send + Sync,
    ) -> StoreResult<u64> {
        let mut affected = 0;
        for chunk in steps(rows, session.is_postgres()) {
            let (sql, values) = self.statement(chunk, &bind, &[], session.is_postgres())?;
            affected += session.execute(sql, values).await?;
        }
        Ok(affected)
    }

    /// Runs the query over all rows; all that it returns. `bind` pushes the columns of a row, `tail` the parameters of
    /// `after`.
    pub(super) async fn fetch<T: Sync>(
        &self,
        session: &mut Session,
        rows: &[T],
        bind: impl Fn(&mut Args, &T) + Send + Sync,
        tail: &[i64],
    ) -> StoreResult<Vec<Row>> {
        let mut out = Vec::new();
        for chunk in steps(rows, session.is_postgres()) {
            let (sql, values) = self.statement(chunk, &bind, tail, session.is_postgres())?;
            out.append(&mut session.fetch_all(sql, values).await?);
        }
        Ok(out)
    }

    /// Text and arguments of one statement. Only parameters are put together in the text, no value.
    fn statement<T>(
        &self,
        rows: &[T],
        bind: &impl Fn(&mut Args, &T),
        tail: &[i64],
        postgres: bool,
    ) -> Result<(SqlStr, Vec<Value>), sqlx::Error> {
        let mut args = Args(Vec::with_capacity(rows.len() * self.columns.len() + tail.len()));
        rows.iter().for_each(|row| bind(&mut args, row));
        let (text, mut values) =
            if postgres { (self.postgres(), self.arrays(args.0)?) } else { (self.sqlite(rows.len()), args.0) };
        values.extend(tail.iter().map(|value| Value::Int(Some(*value))));
        Ok((AssertSqlSafe(text).into_sql_str(), values))
    }

    /// The columns of the rows, each as one array.
    fn arrays(&self, values: Vec<Value>) -> Result<Vec<Value>, sqlx::Error> {
        let rows = values.len() / self.columns.len().max(1);
        let empty = |column: &Column| match column {
            Column::Int => Value::Ints(Vec::with_capacity(rows)),
            Column::Text => Value::Texts(Vec::with_capacity(rows)),
            Column::Blob => Value::Blobs(Vec::with_capacity(rows)),
        };
        let mut arrays: Vec<Value> = self.columns.iter().map(empty).collect();
        let mut values = values.into_iter().peekable();
        while values.peek().is_some() {
            for (array, value) in arrays.iter_mut().zip(&mut values) {
                match (array, value) {
                    (Value::Ints(array), Value::Int(value)) => array.push(value),
                    (Value::Texts(array), Value::Text(value)) => array.push(value),
                    (Value::Blobs(array), Value::Blob(value)) => array.push(value),
                    _ => return Err(sqlx::Error::Encode(format!("{}: type of a column", self.before).into())),
                }
            }
        }
        Ok(arrays)
    }
}

/// Splits rows into pieces of the sizes of [`STEPS`], or of at most [`UNNESTED`].
fn steps<T>(mut rows: &[T], postgres: bool) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let step = if postgres {
            rows.len().min(UNNESTED)
        } else {
            STEPS.iter().find(|step| **step <= rows.len()).copied().unwrap_or(0)
        };
        let (chunk, rest) = rows.split_at_checked(step).filter(|(chunk, _)| !chunk.is_empty())?;
        rows = rest;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::super::value::joined;
    use super::*;

    const INSERT: Bulk = Bulk {
        rows: Use::Insert,
        before: "INSERT INTO x (a, b)",
        columns: &[Column::Int, Column::Blob],
        after: same(" ON CONFLICT DO NOTHING"),
    };

    #[test]
    fn pieces_are_of_few_sizes_and_lose_nothing() {
        let rows: Vec<u32> = (0..1_100).collect();
        let sizes: Vec<usize> = steps(&rows, false).map(<[u32]>::len).collect();
        assert_eq!(sizes, [512, 512, 64, 8, 1, 1, 1, 1]);
        assert_eq!(steps(&rows, true).map(<[u32]>::len).collect::<Vec<_>>(), [1_000, 100]);
        for postgres in [false, true] {
            assert_eq!(steps(&rows, postgres).flatten().copied().collect::<Vec<_>>(), rows);
            assert_eq!(steps::<u32>(&[], postgres).count(), 0);
        }
    }

    #[test]
    fn the_text_holds_parameters_only() {
        assert_eq!(INSERT.sqlite(2), "INSERT INTO x (a, b) VALUES (?,?),(?,?) ON CONFLICT DO NOTHING");
        assert_eq!(
            INSERT.postgres(),
            "INSERT INTO x (a, b) SELECT * FROM UNNEST($1::bigint[],$2::bytea[]) AS v (column1,column2) \
             ON CONFLICT DO NOTHING"
        );
        let join = Bulk {
            rows: Use::Join,
            before: "SELECT v.column1, y.b",
            columns: &[Column::Text],
            after: joined!("x" "y" on "y.a = ? AND y.b = v.column1"),
        };
        assert_eq!(
            join.sqlite(1),
            "SELECT v.column1, y.b FROM (VALUES (?)) AS v CROSS JOIN x y ON y.a = ? AND y.b = v.column1"
        );
        assert_eq!(
            join.postgres(),
            "SELECT v.column1, y.b FROM UNNEST($1::text[]) AS v (column1) \
             CROSS JOIN LATERAL (SELECT * FROM x y WHERE y.a = $2 AND y.b = v.column1 OFFSET 0) y"
        );
        let delete = Bulk { rows: Use::In, before: "DELETE FROM x WHERE (a, b)", after: NOTHING, ..INSERT };
        assert_eq!(delete.sqlite(1), "DELETE FROM x WHERE (a, b) IN (VALUES (?,?))");
        assert!(
            delete.postgres().ends_with("IN (SELECT * FROM UNNEST($1::bigint[],$2::bytea[]) AS v (column1,column2))")
        );
    }

    #[test]
    fn rows_become_columns() {
        let values: Vec<Value> = vec![1.into(), vec![7_u8].into(), None::<i64>.into(), None::<Vec<u8>>.into()];
        match INSERT.arrays(values).unwrap().as_slice() {
            [Value::Ints(a), Value::Blobs(b)] => {
                assert_eq!(
                    (a.as_slice(), b.as_slice()),
                    ([Some(1), None].as_slice(), [Some(vec![7]), None].as_slice())
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(INSERT.arrays(vec![1.into(), 2.into()]).is_err());
    }
}
