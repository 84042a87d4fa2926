//! `hefu verify`: records handed over to a node, and to an institution that has none.

use super::nodes::{enter, federation};
use hefu_federation::base64url;
use hefu_node::codec::decompress;
use hefu_node::store::sqlite::Sqlite;
use hefu_node::store::{OWN, PayloadStore};
use hefu_tests::process::{Said, command, run, run_with};
use hefu_tests::{Serving, Snapshots};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A federation of two with a record of the first, pulled by the second.
struct World {
    base: tempfile::TempDir,
    ours: Serving,
    theirs: Serving,
    /// The record's canonical text and its line of a page.
    record: String,
    line: String,
}

impl World {
    async fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let (ours, theirs, id) = federation(base.path()).await;
        let draft = enter(&ours, &id, "530102", 1, -30).await;
        run_with(command(&ours.dir, &["publish", "-"]), draft.as_bytes()).await.ended(0);
        theirs.run(&["pull"]).await.ended(0);
        let store = Sqlite::open(&ours.dir.join("hefu.db")).await.unwrap();
        let payload = store.row(OWN, 3).await.unwrap().unwrap().payload.unwrap();
        let record = String::from_utf8(decompress(payload.codec, &payload.body).unwrap()).unwrap();
        let line = format!(r#"{{"index":3,"record":{record},"salt":"{}"}}"#, base64url::encode(&payload.salt));
        Self { base, ours, theirs, record, line }
    }
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.base.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
    /// A policy that names the first city, changed.
    fn policy(&self, change: impl FnOnce(&mut Value)) -> String {
        let origin = self.ours.url.trim_start_matches("https://");
        let mut policy = json!({
            "cities": [{"did": format!("did:web:{}", origin.replace(':', "%3A")), "origin": origin, "fingerprint": self.ours.fingerprint}],
            "witnesses": [],
            "quorum": 0,
            "require": ["integrity", "issuer", "key-valid", "schema", "semantics", "in-period", "in-log", "standing"],
        });
        change(&mut policy);
        self.file("policy.json", &policy.to_string())
    }
    /// An institution without a node.
    fn elsewhere(&self) -> PathBuf {
        self.base.path().join("no-node")
    }
    async fn by_policy(&self, file: &str, policy: &str, more: &[&str]) -> Said {
        let ca = self.ours.ca.display().to_string();
        let args = ["--json", "verify", file, "--policy", policy, "--ca", &ca];
        run(&self.elsewhere(), &[&args[..], more].concat()).await
    }
}

/// Outcome and reason of a statement.
fn stated(said: &Said, statement: &str) -> (String, String) {
    let verdict = said.json();
    let rows = verdict["statements"].as_array().unwrap_or_else(|| panic!("{said:?}"));
    let row = rows.iter().find(|row| row["statement"] == statement).unwrap();
    let member = |name: &str| row[name].as_str().unwrap().to_owned();
    (member("outcome"), member("reason"))
}

#[track_caller]
fn assert_stated(said: &Said, expected: &[(&str, &str, &str)]) {
    for (statement, outcome, reason) in expected {
        assert_eq!(stated(said, statement), ((*outcome).to_owned(), (*reason).to_owned()), "{statement}: {said:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_replica_of_a_node() {
    let mut world = World::new().await;
    let good = world.file("good.json", &world.record);
    for stopped in [false, true] {
        if stopped {
            world.theirs.stop().await;
        }
        let said = world.theirs.run(&["--json", "verify", &good]).await.ended(0);
        assert_eq!((&said.json()["valid"], &said.json()["canonical"]), (&json!(true), &json!(true)));
        assert_eq!(said.json()["log"]["source"], "replica");
        let established =
            ["integrity", "issuer", "key-valid", "schema", "semantics", "in-log", "standing", "agreement"];
        for statement in established {
            assert_eq!(stated(&said, statement).0, "established", "{statement}");
        }
    }
    world.theirs.serve(&[]).await;
    tampered(&world).await;
    subjects(&world).await;
    world.theirs.run(&["verify", "/nowhere.json"]).await.ended(3);
    // The city corrects it: what was valid is so no longer.
    let mut draft: Value = serde_json::from_str(&world.record).unwrap();
    let id = draft["id"].clone();
    let members = draft.as_object_mut().unwrap();
    for name in ["@context", "id", "issuer", "credentialSchema", "proof"] {
        members.remove(name);
    }
    members.insert("supersedes".to_owned(), id);
    members.insert("correction".to_owned(), json!("entry-error"));
    let draft = json!({"draftId": "again", "record": draft}).to_string();
    run_with(command(&world.ours.dir, &["publish", "-"]), draft.as_bytes()).await.ended(0);
    world.theirs.run(&["pull"]).await.ended(0);
    let said = world.theirs.run(&["--json", "verify", &good]).await.ended(1);
    assert_stated(&said, &[("in-log", "established", "in-log"), ("standing", "refuted", "corrected")]);
}

async fn tampered(world: &World) {
    let record = &world.record;
    let whole: Value = serde_json::from_str(record).unwrap();
    let pretty = serde_json::to_string_pretty(&whole).unwrap();
    let said = run_with(command(&world.theirs.dir, &["--json", "verify", "-"]), pretty.as_bytes()).await.ended(0);
    assert_eq!(said.json()["canonical"], json!(false));
    let mut context = whole.clone();
    context["@context"].as_array_mut().unwrap().push(json!("https://example.org/more"));
    let mut second = whole.clone();
    second["proof"] = json!([whole["proof"], whole["proof"]]);
    for (name, text) in [
        ("a byte", record.replace("\"primary\"", "\"junior\"")),
        ("a context", context.to_string()),
        ("a second proof", second.to_string()),
    ] {
        let said = run_with(command(&world.theirs.dir, &["--json", "verify", "-"]), text.as_bytes()).await.ended(1);
        assert_stated(&said, &[("integrity", "refuted", "proof-fails"), ("in-log", "refuted", "other-content")]);
        assert_eq!(said.json()["valid"], json!(false), "{name}");
    }
    for (name, text) in [
        ("twice", record.replacen('{', "{\"id\":\"x\",", 1)),
        ("a list", "[]".to_owned()),
        ("not JSON", "record".to_owned()),
        ("nothing", " ".to_owned()),
    ] {
        let said = run_with(command(&world.theirs.dir, &["--json", "verify", "-"]), text.as_bytes()).await.ended(3);
        assert_eq!(said.json()["code"], "no-record", "{name}");
    }
}

async fn subjects(world: &World) {
    let good = world.file("good.json", &world.record);
    for (number, code, outcome) in [(1, 0, "established"), (2, 1, "refuted")] {
        let person = json!({"scheme": "passport:UTO", "id": format!("T{number:08}")}).to_string();
        let file = world.file("person.json", &person);
        let said = world.theirs.run(&["--json", "verify", &good, "--subject", &file]).await.ended(code);
        assert_eq!(stated(&said, "subject").0, outcome);
        assert!(!said.stdout.contains("T0000000"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_policy_without_a_node() {
    let world = World::new().await;
    let (bare, line) = (world.file("bare.json", &world.record), world.file("line.json", &world.line));
    let policy = world.policy(|_| ());
    let said = world.by_policy(&line, &policy, &[]).await.ended(0);
    assert_eq!(said.json()["log"]["source"], "fetched");
    assert_stated(&said, &[("in-log", "established", "in-log"), ("standing", "established", "stands")]);
    let said = world.by_policy(&bare, &policy, &[]).await.ended(1);
    assert_stated(&said, &[("in-log", "unknown", "no-salt"), ("key-valid", "established", "key-valid-throughout")]);
    let other_salt =
        world.file("salt.json", &world.line.replace("\"salt\":\"", "\"salt\":\"A").replace("\"index\":3,", ""));
    world.by_policy(&other_salt, &policy, &[]).await.ended(3);
    let (salt, zeros) = (world.line.rfind("\"salt\"").unwrap(), "A".repeat(43));
    let other_salt = world.file("salt.json", &format!("{}\"salt\":\"{zeros}\"}}", &world.line[..salt]));
    let said = world.by_policy(&other_salt, &policy, &[]).await.ended(1);
    assert_stated(&said, &[("in-log", "refuted", "other-content")]);
    // Nobody is asked.
    let said = world.by_policy(&line, &policy, &["--offline"]).await.ended(1);
    assert_stated(&said, &[("integrity", "established", "proof-holds"), ("issuer", "unknown", "log-unavailable")]);
    // A copy of the log's files says the same.
    let mirror = mirror(&world).await;
    let said = world.by_policy(&line, &policy, &["--mirror", &mirror]).await.ended(0);
    assert_eq!(said.json()["log"]["source"], "mirror");
    let said = world.by_policy(&line, &policy, &["--mirror", "/nowhere"]).await.ended(1);
    assert_stated(&said, &[("issuer", "unknown", "log-unavailable")]);
    let without = run(&world.elsewhere(), &["--json", "verify", &line]).await.ended(1);
    assert_stated(
        &without,
        &[("integrity", "established", "proof-holds"), ("issuer", "unknown", "issuer-not-followed")],
    );
    policies(&world, &bare, &line).await;
}

/// Copies the first city's log as files, as `curl` would.
async fn mirror(world: &World) -> String {
    let dir = world.base.path().join("mirror");
    let client = hefu_tests::http::client();
    let get = async |path: String| {
        let answer = client.get(format!("{}/{path}", world.ours.url)).send().await.unwrap();
        let bytes = answer.bytes().await.unwrap();
        let file = dir.join(&path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, &bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let note = get("checkpoint".to_owned()).await;
    let size = note.lines().nth(1).unwrap().to_owned();
    get(format!("tile/entries/000.p/{size}")).await;
    dir.display().to_string()
}

async fn policies(world: &World, bare: &str, line: &str) {
    // What is required decides, as far as nothing is refuted.
    let least = world.policy(|policy| policy["require"] = json!(["integrity", "issuer", "key-valid"]));
    world.by_policy(bare, &least, &[]).await.ended(0);
    let more = world.policy(|policy| policy["require"].as_array_mut().unwrap().push(json!("agreement")));
    let said = world.by_policy(line, &more, &[]).await.ended(1);
    assert_stated(&said, &[("agreement", "unknown", "agreement-unknown"), ("in-log", "established", "in-log")]);
    // Another city stands at this origin, or none that the policy knows has issued it.
    let wrong = world.policy(|policy| policy["cities"][0]["fingerprint"] = json!(world.theirs.fingerprint));
    let said = world.by_policy(line, &wrong, &[]).await.ended(1);
    assert_stated(&said, &[("issuer", "refuted", "other-fingerprint"), ("key-valid", "unknown", "no-log")]);
    let other = world.policy(|policy| {
        policy["cities"][0]["did"] = json!("did:web:cd.example");
        policy["cities"][0]["origin"] = json!("cd.example");
    });
    let said = world.by_policy(line, &other, &[]).await.ended(1);
    assert_stated(&said, &[("issuer", "unknown", "issuer-not-in-policy")]);
    // The node that has the replica obeys the policy too.
    let ended = world.theirs.run(&["--json", "verify", line, "--policy", &other]).await.ended(1);
    assert_stated(&ended, &[("issuer", "unknown", "issuer-not-in-policy"), ("in-log", "unknown", "no-log")]);
    for change in [json!([]), json!(["integrity"]), json!(["integrity", "issuer", "key-valid", "truth"])] {
        let broken = world.policy(|policy| policy["require"] = change);
        let said = world.by_policy(line, &broken, &[]).await.ended(3);
        assert_eq!(said.json()["code"], "invalid-policy");
        assert!(!said.json()["violations"].as_array().unwrap().is_empty());
    }
    let broken = world.file("policy.json", "{");
    assert_eq!(world.by_policy(line, &broken, &[]).await.ended(3).json()["code"], "invalid-policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says() {
    let world = World::new().await;
    let mut taken = Snapshots::default();
    taken.node(&world.ours, "km", 8441);
    taken.node(&world.theirs, "cd", 8442);
    taken.name(world.base.path().display().to_string(), "<folder>");
    let (bare, policy) = (world.file("record.json", &world.record), world.policy(|_| ()));
    let bad = world.file("bad.json", &world.record.replace("\"primary\"", "\"nursery\""));
    let broken = world.file("broken.json", r#"{"cities":[],"witnesses":[],"quorum":0,"require":["truth"]}"#);
    let ca = world.ours.ca.display().to_string();
    taken.all("verify", &world.theirs, &["verify", &bare]).await;
    taken.all("verify-tampered", &world.theirs, &["verify", &bad]).await;
    taken.all_with("verify-no-record", &world.theirs, &["verify", "-"], b"{}").await;
    taken.all("verify-broken-policy", &world.theirs, &["verify", &bare, "--policy", &broken]).await;
    taken.all("verify-policy-template", &world.theirs, &["verify", "--policy-template"]).await;
    let fsck = ["fsck", "--url", &world.ours.url, "--fingerprint", &world.ours.fingerprint, "--ca", &ca];
    taken.all("fsck-url", &world.theirs, &fsck).await;
    let fsck = ["fsck", "--url", &world.ours.url, "--fingerprint", &world.theirs.fingerprint, "--ca", &ca];
    taken.all("fsck-url-wrong-fingerprint", &world.theirs, &fsck).await;
    for (label, option) in [("en", &["--lang", "en"][..]), ("zh", &["--lang", "zh"])] {
        let args = ["verify", &bare, "--policy", &policy, "--ca", &ca];
        let said = run(Path::new(&world.elsewhere()), &[&args[..], option].concat()).await;
        taken.one("verify-by-policy", label, &args, &said);
    }
    taken.compare();
}
