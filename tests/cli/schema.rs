//! `hefu schema`: no folder, no node, and what it says word for word.

use hefu_schemas::released::{released, released_for_verifying};
use hefu_tests::Snapshots;
use hefu_tests::process::{command, run, run_with};
use serde_json::{Value, json};
use std::path::Path;

const NONE: &str = "no-such-folder";
/// What stands for an identifier that somebody put where it does not belong.
const SECRET: &str = "990010201203040014";

fn example(path: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
    serde_json::from_str(&std::fs::read_to_string(folder.join(path)).unwrap()).unwrap()
}

/// Runs in both languages and with `--json`, and expects an exit code.
async fn all(taken: &mut Snapshots, name: &str, args: &[&str], input: &[u8], code: i32) {
    for (label, option) in [("en", &["--lang", "en"][..]), ("zh", &["--lang", "zh"]), ("json", &["--json"])] {
        let said = run_with(command(Path::new(NONE), &[args, option].concat()), input).await.ended(code);
        assert!(!said.stdout.contains(SECRET) && !said.stderr.contains(SECRET), "{name}");
        taken.one(name, label, args, &said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_commands_say() {
    let mut taken = Snapshots::default();
    all(&mut taken, "schema-list", &["schema", "list"], b"", 0).await;
    all(&mut taken, "schema-codes", &["schema", "show", "--codes", "withdrawal-reason"], b"", 0).await;
    let validate = ["schema", "validate", "-"];
    let valid = serde_json::to_string_pretty(&example("student-status/valid/suspend.json")).unwrap();
    all(&mut taken, "schema-validate", &validate, valid.as_bytes(), 0).await;

    let mut wrong = example("enrollment-connection/valid/transfer-requested.json");
    wrong["credentialSubject"]["step"] = json!(SECRET);
    wrong["credentialSubject"]["grade"] = json!(SECRET);
    wrong.as_object_mut().unwrap().remove("statedBy");
    all(&mut taken, "schema-validate-invalid", &validate, wrong.to_string().as_bytes(), 1).await;

    let mut late = example("student-status/valid/enter.json");
    late["credentialSubject"]["effectiveOn"] = json!("2020-01-01");
    for member in ["@context", "issuer", "credentialSchema", "proof"] {
        late.as_object_mut().unwrap().remove(member);
    }
    let withdrawal = example("withdrawal/valid/fraud.json");
    let lines =
        format!("{withdrawal}\n\n{}\n{{\n{}\n", json!({"draftId": "a-1", "record": late}), json!({"id": SECRET}));
    all(&mut taken, "schema-validate-lines", &validate, lines.as_bytes(), 3).await;
    all(&mut taken, "schema-validate-unknown", &validate, b"{}", 3).await;
    all(&mut taken, "schema-validate-no-json", &validate, b"{\"a\":1,\"a\":2}", 3).await;
    taken.compare();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_printed_byte_for_byte() {
    let files = released().iter().chain(released_for_verifying()).filter(|file| file.path.ends_with(".schema.json"));
    for file in files {
        let name = file.path.trim_start_matches("/schemas/").trim_end_matches("/v1.schema.json");
        let said = run(Path::new(NONE), &["schema", "show", name]).await.ended(0);
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), (file.text, ""), "{name}");
    }
    for args in [&["schema", "show", "weather"][..], &["schema", "show", "--codes", "weather"], &["schema", "show"]] {
        run(Path::new(NONE), args).await.ended(2);
    }
    assert!(!Path::new(NONE).exists());
}

/// Every published example, valid and not, as its folder says.
#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_recognised() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
    let base = tempfile::tempdir().unwrap();
    let (mut valid, mut invalid) = (String::new(), String::new());
    for kind in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let read = |folder: &str| {
            let files = std::fs::read_dir(kind.join(folder)).into_iter().flatten();
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect::<Vec<_>>()
        };
        let name = kind.file_name().unwrap().to_string_lossy().into_owned();
        for text in read("valid") {
            valid += &format!("{}\n", serde_json::from_str::<Value>(&text).unwrap());
        }
        for text in read("invalid") {
            let document = serde_json::from_str::<Value>(&text).unwrap()["document"].clone();
            let path = base.path().join("one.json");
            std::fs::write(&path, document.to_string()).unwrap();
            if invalid.is_empty() {
                let as_kind = ["schema", "validate", "--as", &name, &path.display().to_string()];
                run(Path::new(NONE), &as_kind).await.ended(1);
            }
            invalid += &format!("{document}\n");
        }
    }
    for (lines, code) in [(&valid, 0), (&invalid, 1)] {
        let args = ["schema", "validate", "--json", "-"];
        let said = run_with(command(Path::new(NONE), &args), lines.as_bytes()).await;
        let report: Value = serde_json::from_str(&said.stdout).unwrap();
        let count = |what: &str| report["count"][what].as_u64().unwrap();
        let all = u64::try_from(lines.lines().count()).unwrap();
        assert_eq!(count("valid") + count("invalid") + count("unreadable"), all);
        if code == 0 {
            assert_eq!((said.code, count("valid")), (Some(0), all), "{report}");
        } else {
            // Some of them hide what they are.
            assert!(count("valid") == 0 && count("invalid") > all * 9 / 10, "{}", report["count"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_files_and_long_lines() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("many.ndjson");
    let line = example("withdrawal/valid/fraud.json").to_string();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
    std::fs::write(&path, format!("{}{long}\n{line}\n", format!("{line}\n").repeat(1500))).unwrap();
    let args = ["schema", "validate", "--json", &path.display().to_string()];
    let said = run(Path::new(NONE), &args).await.ended(3);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["count"], json!({"valid": 1501, "invalid": 0, "unreadable": 1}));
    assert_eq!(report["documents"][0]["line"], 1501);
}
