//! Bits that flip in a node's own database: `fsck` says which records, and nothing false is served.

use super::world::{World, assert_clean, peer, pull_from, rows, sqlite, states};
use hefu_federation::pull::PayloadState::{Held, Withheld};
use hefu_node::fsck;
use hefu_node::store::OWN;
use std::collections::BTreeMap;

/// Records that Chengdu publishes.
const RECORDS: u64 = 60;

/// Which byte of a stored payload is damaged: in the body at so many parts of 10, or in the salt.
enum Byte {
    Body(usize),
    Salt,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_payloads_are_reported_and_not_served() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let node = &world.cd.node;
    let mut database = sqlite(&node.folder.database()).await;
    let bytes = (0..10).map(Byte::Body).chain([Byte::Salt]);
    let mut damaged = Vec::new();
    let mut before = Vec::new();
    for (row, byte) in rows(node, OWN).await.into_iter().step_by(5).zip(bytes) {
        let payload = row.payload.unwrap();
        let (mut body, mut salt) = (payload.body.clone(), payload.salt);
        match byte {
            Byte::Body(part) => {
                let at = body.len() * part / 10;
                body[at] ^= 0x10;
            }
            Byte::Salt => salt[31] ^= 0x10,
        }
        update(&mut database, row.index, &salt, &body).await;
        damaged.push(row.index);
        before.push((row.index, payload));
    }
    assert_eq!(damaged.len(), 11);

    let reports = fsck::run(node).await.unwrap();
    assert_eq!(reports[0].complaint_count, 11, "{:?}", reports[0].complaints);
    for index in &damaged {
        let about = format!("payload of entry {index}: ");
        assert!(
            reports[0].complaints.iter().any(|complaint| complaint.starts_with(&about)),
            "{about}{:?}",
            reports[0].complaints
        );
    }
    assert!(fsck::verdict(&reports).is_err());

    // What is damaged is left out; the rest comes.
    let puller = world.copy_of_kunming().await;
    let row = peer(&puller, &world.chengdu).await;
    pull_from(&puller, &world.chengdu).await.unwrap();
    for row in rows(&puller, row.no).await {
        let state = if damaged.contains(&row.index) { Withheld } else { Held };
        assert_eq!((row.state, row.reason), (state, None), "entry {}", row.index);
    }
    world.assert_unharmed(&puller, "damage").await;

    // Restored from a backup, it comes after all.
    for (index, payload) in before {
        update(&mut database, index, &payload.salt, &payload.body).await;
    }
    assert_clean(node, "restored").await;
    pull_from(&puller, &world.chengdu).await.unwrap();
    assert_eq!(states(&puller, row.no).await, BTreeMap::from([(Held, RECORDS)]));
}

async fn update(database: &mut sqlx::SqliteConnection, index: u64, salt: &[u8], body: &[u8]) {
    let query =
        sqlx::query("UPDATE payload SET salt = $1, body = $2 WHERE origin = 1 AND idx = $3").bind(salt).bind(body);
    let done = query.bind(i64::try_from(index).unwrap()).execute(database).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_entries_and_tiles_are_reported() {
    let world = World::agreed().await;
    world.publish(20).await;
    // Another byte than the one that stands there, whichever that is.
    let other = |table: &str, column: &str, at: usize| {
        let byte = format!("substr({column}, {at}, 1)");
        let other = format!("CASE {byte} WHEN x'78' THEN x'79' ELSE x'78' END");
        let (before, behind) = (at - 1, at + 1);
        format!(
            "UPDATE {table} SET {column} = CAST(substr({column}, 1, {before}) || {other} || substr({column}, {behind}) AS BLOB)"
        )
    };
    let cases = [
        ("a bundle", other("entry_bundle", "body", 401)),
        ("a bundle cut off", "UPDATE entry_bundle SET body = substr(body, 1, 400)".to_owned()),
        ("a tile", other("tile", "hashes", 41)),
        ("a note", other("head", "note", 61)),
    ];
    for (name, statement) in cases {
        let node = world.copy_of_kunming().await;
        pull_from(&node, &world.chengdu).await.unwrap();
        let row = peer(&node, &world.chengdu).await;
        let mut database = sqlite(&node.folder.database()).await;
        let statement = format!("{statement} WHERE origin = {}", row.no.0);
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut database).await.unwrap();
        let reports = fsck::run(&node).await.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let report = reports.iter().find(|report| report.origin == row.origin.as_str()).unwrap();
        assert!(report.complaint_count > 0, "{name}");
        assert_eq!(reports[0].complaint_count, 0, "{name}: {:?}", reports[0].complaints);
    }
}
