//! Checks that statements on large tables go through an index.

use super::bulk::{Bulk, Use};
use super::value::Sql;
use super::{Database, Pools, cited, evaluate, facts, payload, reconcile, records, search, write};
use crate::store::sql;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Every statement whose cost must not grow with the tables, with a few rows where it is one over many: for SQLite or for
/// PostgreSQL.
fn statements(postgres: bool) -> Vec<String> {
    let bulk = |bulk: &Bulk| if postgres { bulk.postgres() } else { bulk.sqlite(3) };
    single(postgres).into_iter().chain(many(postgres).iter().map(bulk)).collect()
}

fn single(postgres: bool) -> Vec<String> {
    let single: [Sql; 28] = [
        sql::NOTED.into(),
        sql::FORGET_NOTED.into(),
        sql::TILE.into(),
        sql::BUNDLE.into(),
        sql::DROP_TILE.into(),
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
        super::guard::PURGE_NONCES,
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
    let text = |sql: &Sql| if postgres { sql.postgres } else { sql.sqlite }.to_owned();
    single.iter().map(text).collect()
}

/// Those over many rows.
fn many(postgres: bool) -> Vec<Bulk> {
    vec![
        payload::HELD_AMONG,
        payload::FIND_IDS,
        payload::FIND_DRAFTS,
        payload::FIND_DRAFTS_RECENT,
        payload::FIND_RECORD_IDS,
        write::ABSORB,
        if postgres { facts::FIND_FACTS_PLAIN } else { facts::FIND_FACTS },
        if postgres { facts::FIND_FACTS_RECENT_PLAIN } else { facts::FIND_FACTS_RECENT },
        if postgres { facts::FIND_ROWS_PLAIN } else { facts::FIND_ROWS },
        evaluate::FIND_FINDINGS,
        evaluate::DROP_FINDINGS,
        evaluate::FIND_DUE,
        evaluate::DROP_DUE,
        cited::FIND_CITED,
        cited::FIND_BEFORE,
        cited::FIND_AFTER,
        cited::FIND_RECORDS,
    ]
}

/// The name of what a step gathers for those behind it.
fn passed_on(step: &str) -> Option<&str> {
    step.strip_prefix("CO-ROUTINE ").or_else(|| step.strip_prefix("MATERIALIZE "))
}

/// On tables of so many rows. A node never asks SQLite for statistics, so it plans by the indexes alone.
async fn no_statement_of_a_file_reads_a_whole_table(rows: u64) {
    let dir = tempfile::TempDir::new().unwrap();
    let store = Database::create(&dir.path().join("hefu.db")).await.unwrap();
    let Pools::Sqlite { writer, .. } = &store.pools else { panic!("embedded") };
    if rows > 0 {
        let numbers =
            "(WITH RECURSIVE g(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n < $last) SELECT n FROM g)";
        let fill = fill(numbers, "randomblob(16)", "randomblob(32)", rows);
        let fill = format!("PRAGMA foreign_keys = OFF; BEGIN; {fill}; COMMIT; PRAGMA foreign_keys = ON");
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(writer).await.unwrap();
    }
    for statement in statements(false) {
        let query = format!("EXPLAIN QUERY PLAN {statement}");
        let steps = sqlx::query(AssertSqlSafe(query)).fetch_all(writer).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.get(3)).collect();
        // What a sub-query has found is passed on row by row; what is asked for are the rows of a `VALUES`.
        let own: Vec<&str> = steps.iter().filter_map(|step| passed_on(step)).collect();
        let scan = |step: &&String| {
            let what = step.strip_prefix("SCAN ");
            what.is_some_and(|what| {
                !own.contains(&what) && !what.ends_with("-ROW VALUES CLAUSE") && !what.ends_with("CONSTANT ROW")
            })
        };
        assert_eq!(steps.iter().find(scan), None, "{statement}\n{steps:#?}");
        let sort = |step: &&String| {
            step.contains("TEMP B-TREE") && !step.contains("LAST TERM") && !statement.contains("GROUP BY")
        };
        assert_eq!(steps.iter().find(sort), None, "{statement}\n{steps:#?}");
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    no_statement_of_a_file_reads_a_whole_table(0).await;
}

/// Fills the tables that grow, each with as many rows as there are numbers `n`, with random ids of 16 bytes and hashes of 32.
fn fill(numbers: &str, id: &str, hash: &str, rows: u64) -> String {
    let fill = FILL.replace("$numbers", numbers).replace("$id", id).replace("$hash", hash);
    fill.replace("$last", &rows.saturating_sub(1).to_string())
}

const FILL: &str = "
    INSERT INTO payload (origin, idx, agreement, state, t, of_idx, record_id, kind, salt, codec, body)
      SELECT 2 + n % 10, n, 3 + n % 10, 1, n, CASE WHEN n % 50 = 0 THEN n - 1 END, $id, 1, $hash, 1, $hash
      FROM $numbers AS numbers;
    INSERT INTO record_id SELECT origin, record_id, idx FROM payload;
    INSERT INTO draft SELECT idx, 'draft-' || idx, salt, 1 FROM payload;
    INSERT INTO draft_key SELECT idx * 7919, idx FROM payload;
    INSERT INTO draft_key_recent SELECT idx * 7919, idx FROM payload;
    INSERT INTO fact SELECT 3 + idx % 10, idx % 4096, salt, 2, idx FROM payload;
    INSERT INTO fact_recent SELECT 3 + idx % 10, idx % 4096, salt, 2, idx FROM payload;
    INSERT INTO dirty SELECT 3 + idx % 10, idx, salt, 2, idx FROM payload;
    INSERT INTO finding SELECT 3 + idx % 10, idx % 4096, salt, salt, 'S1', 2, 1, '{}' FROM payload;
    INSERT INTO due SELECT 3 + idx % 10, idx % 4096, salt, '2025-01-01' FROM payload;
    INSERT INTO cited SELECT 3 + idx % 10, 'did:web:x.example:' || idx % 1000, record_id FROM payload;
    INSERT INTO state_block SELECT 2 + idx % 10, 3, idx, 1, salt FROM payload;
    INSERT INTO nonce SELECT 'key', record_id, idx FROM payload;
    INSERT INTO tile SELECT 2 + idx % 10, 0, idx, salt FROM payload;
    INSERT INTO entry_bundle SELECT 2 + idx % 10, idx, 256, salt FROM payload;
    INSERT INTO signed_entry SELECT 2 + idx % 10, idx, salt FROM payload;
    INSERT INTO tally SELECT 3 + idx % 10, CAST(idx AS TEXT), 2, salt, 1 FROM payload;
    INSERT INTO token (hash, name, actions, created_ms, expires_ms) SELECT salt, 'x', 'publish', 1, 1 FROM payload";

/// Number of the highest parameter.
fn parameters(statement: &str) -> usize {
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    statement.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}

/// A node's tables on a server of its own, unless there are no programs for one.
async fn server() -> Option<(crate::store::postgres::cluster::Cluster, Database)> {
    if crate::store::postgres::cluster::programs().is_none() {
        assert!(std::env::var_os("HEFU_REQUIRE_POSTGRES").is_none(), "PostgreSQL's server programs are missing");
        eprintln!("skipped: the plans of a server need postgresql");
        return None;
    }
    let cluster = crate::store::postgres::cluster::Cluster::start(&[], &[]).unwrap();
    let address = crate::store::postgres::Address::parse(&cluster.url("postgres")).unwrap();
    let store = Database::found(&address).await.unwrap();
    Some((cluster, store))
}

/// What a statement is planned as, whatever its arguments.
async fn plan(conn: &mut PgConnection, statement: &str) -> Vec<String> {
    // What the driver says of each argument, where the statement alone does not tell.
    let types = match parameters(statement) {
        count if statement.contains("IS NULL OR") => format!("({})", vec!["bigint"; count].join(",")),
        _ => String::new(),
    };
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE p {types} AS {statement}"))).execute(&mut *conn).await.unwrap();
    let nulls = match parameters(statement) {
        0 => String::new(),
        count => format!("({})", vec!["NULL"; count].join(",")),
    };
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE p{nulls}"));
    let plan = sqlx::raw_sql(explain).fetch_all(&mut *conn).await.unwrap().iter().map(|row| row.get(0)).collect();
    sqlx::raw_sql("DEALLOCATE p").execute(&mut *conn).await.unwrap();
    plan
}

/// On tables of so many rows, with statistics and the planner's own settings.
async fn no_statement_of_a_server_reads_a_whole_table(rows: u64) {
    let Some((_cluster, store)) = server().await else { return };
    let Pools::Postgres(pool) = &store.pools else { panic!("a server") };
    let mut conn = pool.acquire().await.unwrap();
    let numbers = "(SELECT generate_series(0, $last) AS n)";
    let fill = fill(numbers, "uuid_send(gen_random_uuid())", "sha256(int8send(n))", rows);
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut *conn).await.unwrap();
    sqlx::raw_sql("RESET ALL; SET plan_cache_mode = force_generic_plan").execute(&mut *conn).await.unwrap();
    for statement in statements(true) {
        let plan = plan(&mut conn, &statement).await;
        assert_eq!(plan.iter().find(|step| step.contains("Seq Scan")), None, "{statement}\n{plan:#?}");
    }
}

/// A statement may be planned once and for all while its tables are empty: then also what is asked for is looked up row by row, by
/// conditions that the index answers. A filter behind it would mean that more was read.
#[tokio::test]
async fn what_is_asked_for_is_looked_up_also_when_it_was_planned_on_empty_tables() {
    let Some((_cluster, store)) = server().await else { return };
    let Pools::Postgres(pool) = &store.pools else { panic!("a server") };
    let mut conn = pool.acquire().await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut *conn).await.unwrap();
    let lookups = many(true).into_iter().filter(|bulk| !matches!(bulk.rows, Use::Insert));
    for statement in lookups.map(|bulk| bulk.postgres()).chain([reconcile::BUCKET_KEYS.postgres.to_owned()]) {
        let plan = plan(&mut conn, &statement).await;
        let reads_more = ["Seq Scan", "Join Filter", "Materialize", "Hash Join", "Merge Join"];
        let found = plan.iter().find(|step| reads_more.iter().any(|name| step.contains(name)));
        assert_eq!(found, None, "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_of_a_server() {
    no_statement_of_a_server_reads_a_whole_table(20_000).await;
}

#[tokio::test]
#[ignore = "fills tables of a million rows, in a file and on a server: minutes"]
async fn no_statement_reads_a_table_of_a_million_rows() {
    no_statement_of_a_file_reads_a_whole_table(1_000_000).await;
    no_statement_of_a_server_reads_a_whole_table(1_000_000).await;
}
