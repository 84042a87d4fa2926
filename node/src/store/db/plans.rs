//! Checks that statements on large tables go through an index.

use super::bulk::{Bulk, Use};
use super::tables::TABLES;
use super::value::Sql;
use super::{Database, Pools, cited, evaluate, facts, guard, log, payload, reconcile, records, search, states, write};
use crate::store::sql;
use sqlx::{AssertSqlSafe, PgConnection, Row};

/// Tables that grow with the records, the requests or the years; [`FILL`] fills each of them. All others have a few rows, or few for
/// each peer and agreement, and may be read whole.
const GROWING: [&str; 20] = [
    "agreement_act",
    "audit",
    "cited",
    "dirty",
    "draft",
    "draft_key",
    "draft_key_recent",
    "due",
    "entry_bundle",
    "fact",
    "fact_recent",
    "finding",
    "nonce",
    "payload",
    "record_id",
    "signed_entry",
    "state_block",
    "tally",
    "tile",
    "token",
];

/// Statements that read or empty a growing table whole, and why they may: no other statement does.
const WHOLE: [(&str, &str); 8] = [
    ("DIRTY_COUNT", "somebody asks for the state of the node"),
    ("FINDING_COUNTS", "somebody asks for findings, or reconciles by hand"),
    ("FINDINGS", "somebody asks for a page of findings: the first rows of an index, in its order"),
    ("AUDITS", "somebody asks for the newest acts: the last rows, in the order in which the table is kept"),
    ("TOKENS", "somebody lists the tokens"),
    ("MOVE", "the newest facts of an agreement move over: its part of a table whose length is bounded"),
    ("MOVE_DRAFT_KEYS", "the newest keys move over: a table whose length is bounded"),
    ("CLEAR_DRAFT_KEYS", "the same"),
];

/// Files whose statements run once, when a node is moved to another database.
const MOVING: [&str; 2] = ["mark.rs", "moving.rs"];

/// Statements by their names, so that a test can compare these with all that are declared.
macro_rules! named {
    ($($file:ident: $($name:ident)*;)*) => { vec![$($((stringify!($name), $file::$name.into()),)*)*] };
}

/// Every statement, with a few rows where it is one over many: for SQLite or for PostgreSQL.
fn statements(postgres: bool) -> Vec<String> {
    let bulk = |bulk: &Bulk| if postgres { bulk.postgres() } else { bulk.sqlite(3) };
    // SQLite locks no rows.
    let single = single().into_iter().map(|(_, sql)| if postgres { sql.postgres } else { sql.sqlite });
    let single = single.filter(|text| postgres || !text.ends_with("FOR UPDATE")).map(str::to_owned);
    single.chain(many(postgres).iter().map(|(_, bulk_of)| bulk(bulk_of))).collect()
}

fn single() -> Vec<(&'static str, Sql)> {
    named! {
        sql: ORIGINS ORIGIN ADD_ORIGIN SET_CA SET_STOPPED SET_REACHED ADD_HEAD DID DIDS HEAD MOVE_HEAD SET_NOTE NOTE_SIGNED SIGNED
            NOTED FORGET_NOTED TILE BUNDLE DROP_TILE ROW STATE_COUNTS STATES STATE_BLOCKS ANY_CITED;
        sql: ACTS LABEL_CURSOR SET_LABEL_CURSOR AGREEMENT ADD_AGREEMENT DOCUMENT_DIGEST ADD_DOCUMENT DOCUMENTS ADD_PROOF PROOFS
            ADD_LINKAGE LINKAGE LINKAGES ADD_SEALED SEALED LOCK_AGREEMENT LOCK_HEAD REGISTRY_VERSION;
        sql: QUEUE DIRTY DUE DEQUEUE NOTE_EVALUATION MERGED STALE_BUCKETS BUCKETS BUCKET_FINDINGS FINDINGS_WITH_ID OBSERVE SETTLE
            OBSERVATIONS ADD_TALLY TALLIES;
        sql: LEASE WANT LEASES RELEASE USE_NONCE SEEN_NOTE ADD_SEEN_NOTE ADD_TOKEN TOKEN REVOKE_TOKEN USE_TOKEN AUDIT;
        payload: ROWS WANTED WANTED_AGAIN ANY_HELD;
        records: LISTING CORRECTIONS_OF;
        search: INDEXES QUEUED;
        reconcile: BUCKET_KEYS;
        evaluate: CLEAR;
        guard: PURGE_NONCES;
        log: FENCE;
    }
}

/// Those over many rows.
fn many(postgres: bool) -> Vec<(&'static str, Bulk)> {
    let mut many: Vec<(&'static str, Bulk)> = named! {
        payload: ADD_WANTED HELD_AMONG FIND_IDS FIND_DRAFTS FIND_DRAFTS_RECENT FIND_RECORD_IDS;
        write: ABSORB ADD_OWN ADD_IDS ADD_DIRTY ADD_DRAFTS ADD_DRAFT_KEYS;
        evaluate: FILE FIND_FINDINGS DROP_FINDINGS ADD_FINDINGS FIND_DUE DROP_DUE SET_DUE MARK_STALE;
        log: ADD_TILES ADD_BUNDLES ADD_ACTS;
        states: TOUCH KEEP;
        cited: ADD FIND_CITED FIND_BEFORE FIND_AFTER FIND_RECORDS;
        reconcile: STORE_BUCKETS;
    };
    many.extend(if postgres { facts_of_a_server() } else { facts_of_a_file() });
    many
}

fn facts_of_a_file() -> Vec<(&'static str, Bulk)> {
    named! { facts: FIND_FACTS FIND_FACTS_RECENT FIND_ROWS; }
}

fn facts_of_a_server() -> Vec<(&'static str, Bulk)> {
    named! { facts: FIND_FACTS_PLAIN FIND_FACTS_RECENT_PLAIN FIND_ROWS_PLAIN; }
}

/// The names of the statements that a file declares.
fn declared(source: &str) -> impl Iterator<Item = &str> {
    source.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": ")?;
        let (kind, text) = rest.split_once('=')?;
        let text = text.trim_start().trim_start_matches('"');
        let is_text = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| text.starts_with(verb));
        let is_statement = matches!(kind.trim(), "Sql" | "Bulk") || (kind.trim() == "&str" && is_text);
        (is_statement && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).then_some(name)
    })
}

/// A new statement is looked at here, or it has a reason.
#[test]
fn every_statement_is_checked_or_says_why_not() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut files: Vec<_> = std::fs::read_dir(folder.join("db")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(folder.join("sql.rs"));
    let known: Vec<&str> = single().into_iter().map(|(name, _)| name).chain(WHOLE.map(|(name, _)| name)).collect();
    let bulk = [many(false), many(true)].concat();
    let known: Vec<&str> = bulk.iter().map(|(name, _)| *name).chain(known).collect();
    // Parts of others, and of the tests.
    let parts = ["NOTHING", "INSERT"];
    let mut count = 0;
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "plans.rs" || MOVING.contains(&name) {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        for statement in declared(&source).filter(|name| !parts.contains(name)) {
            count += 1;
            assert!(known.contains(&statement), "{name}: {statement}");
        }
    }
    assert!(count > 100, "{count}");
}

/// Whether a statement has to do with a growing table.
fn grows(statement: &str) -> bool {
    let mut words = statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| GROWING.contains(&word))
}

/// Whether it is one of the tables that may be read whole, by its own name.
fn is_small(what: &str) -> bool {
    let name = what.split(' ').next().unwrap_or_default();
    TABLES.iter().any(|table| table.name == name) && !GROWING.contains(&name)
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
    for statement in statements(false).into_iter().filter(|statement| grows(statement)) {
        let query = format!("EXPLAIN QUERY PLAN {statement}");
        let steps = sqlx::query(AssertSqlSafe(query)).fetch_all(writer).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.get(3)).collect();
        // What a sub-query has found is passed on row by row; what is asked for are the rows of a `VALUES`.
        let own: Vec<&str> = steps.iter().filter_map(|step| passed_on(step)).collect();
        let scan = |step: &&String| {
            let what = step.strip_prefix("SCAN ");
            what.is_some_and(|what| {
                !own.contains(&what)
                    && !is_small(what)
                    && !what.ends_with("-ROW VALUES CLAUSE")
                    && !what.ends_with("CONSTANT ROW")
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
    INSERT INTO agreement_act SELECT 2 + idx % 10, idx, salt, 1, NULL, idx FROM payload;
    INSERT INTO signed_entry SELECT 2 + idx % 10, idx, salt FROM payload;
    INSERT INTO tally SELECT 3 + idx % 10, CAST(idx AS TEXT), 2, salt, 1 FROM payload;
    INSERT INTO audit (at_ms, action, reason, detail) SELECT idx, 'publish', '', '' FROM payload;
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

/// Whether it is an argument that is asked for being there.
fn ends_with_parameter(part: &str) -> bool {
    part.rsplit([' ', '(']).next().is_some_and(|word| word.starts_with('$'))
}

/// What a statement is planned as, whatever its arguments.
async fn plan(conn: &mut PgConnection, statement: &str) -> Vec<String> {
    // What the driver says of each argument, where the statement alone does not tell.
    let types = match parameters(statement) {
        count if statement.match_indices(" IS NULL OR").any(|(at, _)| ends_with_parameter(&statement[..at])) => {
            format!("({})", vec!["bigint"; count].join(","))
        }
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
    for statement in statements(true).into_iter().filter(|statement| grows(statement)) {
        let plan = plan(&mut conn, &statement).await;
        let whole = |step: &&String| {
            let table = step.split_once("Seq Scan on ").and_then(|(_, rest)| rest.split(' ').next());
            table.is_some_and(|table| GROWING.contains(&table))
        };
        assert_eq!(plan.iter().find(whole), None, "{statement}\n{plan:#?}");
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
    let lookups = many(true).into_iter().filter(|(_, bulk)| !matches!(bulk.rows, Use::Insert));
    for statement in lookups.map(|(_, bulk)| bulk.postgres()).chain([reconcile::BUCKET_KEYS.postgres.to_owned()]) {
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
