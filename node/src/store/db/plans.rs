//! Checks that statements on large tables go through an index.

use super::bulk::Bulk;
use super::value::Sql;
use super::{Database, Pools, cited, evaluate, facts, payload, reconcile, records, search, write};
use crate::store::sql;
use sqlx::{AssertSqlSafe, Row};

/// Every statement whose cost must not grow with the tables, with a few rows where it is one over many.
fn statements() -> Vec<String> {
    let bulk = |bulk: &Bulk| bulk.sqlite(3);
    let single: [Sql; 25] = [
        sql::TILE.into(),
        sql::BUNDLE.into(),
        payload::ROWS,
        sql::ROW.into(),
        payload::WANTED,
        payload::WANTED_AGAIN,
        sql::STATE_COUNTS.into(),
        sql::STATES.into(),
        sql::STATE_BLOCKS.into(),
        sql::DIRTY.into(),
        sql::DUE.into(),
        sql::DEQUEUE.into(),
        payload::ANY_HELD,
        sql::BUCKET_FINDINGS.into(),
        sql::PURGE_NONCES.into(),
        sql::TALLIES.into(),
        sql::TOKEN.into(),
        sql::FINDINGS_WITH_ID.into(),
        reconcile::BUCKET_KEYS,
        records::LISTING.into(),
        records::CORRECTIONS_OF,
        search::INDEXES,
        search::QUEUED.into(),
        evaluate::CLEAR.into(),
        sql::ANY_CITED.into(),
    ];
    let many = [
        payload::HELD_AMONG,
        payload::FIND_IDS,
        payload::FIND_DRAFTS,
        payload::FIND_DRAFTS_RECENT,
        write::ABSORB,
        facts::FIND_FACTS,
        facts::FIND_FACTS_RECENT,
        facts::FIND_ROWS,
        evaluate::FIND_FINDINGS,
        evaluate::DROP_FINDINGS,
        evaluate::FIND_DUE,
        evaluate::DROP_DUE,
        cited::FIND_CITED,
        cited::FIND_BEFORE,
        cited::FIND_AFTER,
        cited::FIND_RECORDS,
    ];
    single.iter().map(|sql| sql.sqlite.to_owned()).chain(many.iter().map(bulk)).collect()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Database::create(&dir.path().join("hefu.db")).await.unwrap();
    let Pools::Sqlite { writer, .. } = &store.pools else { panic!("embedded") };
    for statement in statements() {
        let query = format!("EXPLAIN QUERY PLAN {statement}");
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(writer).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
        let scan = |step: &&String| {
            step.starts_with("SCAN")
                && !["SCAN v", "SCAN f", "VALUES CLAUSE", "CONSTANT ROW"].iter().any(|ok| step.contains(ok))
        };
        assert_eq!(steps.iter().find(scan), None, "{statement}\n{steps:#?}");
        let sort = |step: &&String| {
            step.contains("TEMP B-TREE") && !step.contains("LAST TERM") && !statement.contains("GROUP BY")
        };
        assert_eq!(steps.iter().find(sort), None, "{statement}\n{steps:#?}");
    }
}
