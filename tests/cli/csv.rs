//! Publishing tables: a dry run changes nothing, applying publishes what differs, nobody's identifier is seen anywhere.

use super::nodes::federation_with;
use hefu_tests::Serving;
use hefu_tests::draft::{day, set};
use hefu_tests::process::{Said, command, run_with};
use hefu_tests::snapshot::Snapshots;
use serde_json::{Value, json};
use std::path::Path;

const PUPILS: &str = include_str!("../../examples/csv/pupils.csv");
const MAPPING: &str = include_str!("../../examples/csv/map.toml");
/// What must be seen nowhere: numbers and names of the example.
const SECRETS: [&str; 5] = ["990010201603040013", "990010201607120029", "99007020120506004X", "王小明", "阿依古丽"];

/// Terms that cover cases, with the members that the example states.
fn wider(terms: &mut Value) {
    set(terms, "/terms/population/student-status", json!({"covers": "case"}));
    let more = ["until", "institution", "entryYear", "residence", "fullTime", "identityCheck"];
    let required = terms["terms"]["fields"]["student-status"]["required"].as_array().unwrap().clone();
    let allowed: Vec<Value> = required.into_iter().chain(more.map(Value::from)).collect();
    set(terms, "/terms/fields/student-status/allowed", json!(allowed));
}

/// The pupils of the example ask for a transfer in the other city, so that the agreement covers them.
async fn cases(ours: &Serving, theirs: &Serving, agreement: &str) {
    let people = [
        ("cn-resident-id", "990010201603040013"),
        ("cn-student-number", "G990010201607120029"),
        ("cn-resident-id", "99007020120506004X"),
        ("cn-resident-id", "990070201301100056"),
    ];
    let lines: Vec<String> =
        people.iter().map(|(scheme, id)| json!({"scheme": scheme, "id": id}).to_string()).collect();
    let asked =
        run_with(command(&theirs.dir, &["subject", "--agreement", agreement]), lines.join("\n").as_bytes()).await;
    let on = day(-30);
    let place = |code: &str| json!({"scheme": "gb-t-2260", "code": code, "name": {"zh": "测试", "en": "Test"}});
    let school = |code: &str| json!({"scheme": "cn-school-id", "code": code, "name": {"zh": "测试", "en": "Test"}});
    let mut drafts = String::new();
    for (number, line) in asked.ended(0).stdout.lines().enumerate() {
        let subject: Value = serde_json::from_str(line).unwrap();
        let record = json!({
            "type": ["VerifiableCredential", "EnrollmentConnection"],
            "validFrom": format!("{on}T00:00:00+08:00"),
            "termsOfUse": [{"type": "Agreement", "id": agreement, "version": 1}],
            "statedBy": place("510104"),
            "credentialSubject": {
                "id": subject["subject"],
                "connection": format!("urn:uuid:01890a5d-ac96-774b-bcce-b302099a805{number}"),
                "connectionKind": "transfer", "role": "receiving", "step": "requested",
                "stepOn": on.to_string(), "requestedOn": on.to_string(),
                "sending": {"city": place("530100"), "office": place("530102"), "institution": school("2153000011")},
                "receiving": {"city": place("510100"), "office": place("510104"), "institution": school("2151000021")},
            },
        });
        drafts.push_str(&format!("{}\n", json!({"record": record})));
    }
    run_with(command(&theirs.dir, &["publish", "-"]), drafts.as_bytes()).await.ended(0);
    ours.run(&["pull"]).await.ended(0);
}

struct Roll<'a> {
    node: &'a Serving,
    agreement: &'a str,
    table: String,
    mapping: String,
}

impl<'a> Roll<'a> {
    fn new(node: &'a Serving, agreement: &'a str, base: &Path) -> Self {
        let path = |name: &str| base.join(name).display().to_string();
        std::fs::write(path("map.toml"), MAPPING).unwrap();
        Self { node, agreement, table: path("pupils.csv"), mapping: path("map.toml") }
    }

    fn args<'b>(&'b self, more: &[&'b str]) -> Vec<&'b str> {
        let own = ["publish", &self.table, "--kind", "student-status", "--agreement", self.agreement];
        [&own[..], &["--mapping", &self.mapping], more].concat()
    }

    async fn publish(&self, table: impl AsRef<[u8]>, more: &[&str]) -> Said {
        std::fs::write(&self.table, table).unwrap();
        let said = self.node.run(&self.args(more)).await;
        for secret in SECRETS {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{said:?}");
        }
        said
    }

    /// Counts of a dry run: new, changed, unchanged.
    async fn tried(&self, table: impl AsRef<[u8]>) -> [u64; 3] {
        let report = self.publish(table, &["--json"]).await.ended(0).json();
        ["new", "changed", "unchanged"].map(|name| report[name].as_u64().unwrap())
    }

    /// The faults of a dry run: row, column, code.
    async fn faults(&self, table: impl AsRef<[u8]>) -> Vec<(u64, String, String)> {
        let problem = self.publish(table, &["--json"]).await.ended(3).json();
        assert_eq!(problem["code"], json!("invalid-rows"), "{problem}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = problem["faults"].as_array().unwrap();
        assert!(listed.iter().all(|fault| fault["remedy"]["zh"].is_string() && fault["message"]["en"].is_string()));
        listed
            .iter()
            .map(|fault| (fault["row"].as_u64().unwrap(), text(&fault["column"]), text(&fault["code"])))
            .collect()
    }
}

/// Number of rows of every table of the store.
async fn counts(node: &Serving) -> Vec<(String, i64)> {
    use sqlx::{Connection, Row};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(node.dir.join("hefu.db")).read_only(true);
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let tables = sqlx::query(listed).fetch_all(&mut database).await.unwrap();
    let mut counts = Vec::new();
    for table in tables {
        let name: String = table.get(0);
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{name}\"")));
        counts.push((name.clone(), count.fetch_one(&mut database).await.unwrap()));
    }
    counts
}

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_is_tried_applied_and_applied_again() {
    let base = tempfile::tempdir().unwrap();
    let (mut ours, theirs, id) = federation_with(base.path(), wider).await;
    cases(&ours, &theirs, &id).await;
    // Without a server nothing but the commands works on the store.
    ours.stop().await;
    let roll = Roll::new(&ours, &id, base.path());
    let mut taken = Snapshots::default();
    taken.node(&ours, "km", 8441);
    taken.name(&id, super::snapshots::AGREEMENT);
    taken.name(base.path().display().to_string(), "<folder>");

    let before = counts(&ours).await;
    assert_eq!(roll.tried(PUPILS).await, [4, 0, 0]);
    assert_eq!(counts(&ours).await, before, "a dry run changes nothing");
    let applied = roll.publish(PUPILS, &["--apply"]).await.ended(0);
    let receipts: Vec<Value> = applied.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(receipts.iter().map(|receipt| receipt["index"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert!(receipts.iter().all(|receipt| receipt["draftId"].as_str().unwrap().starts_with("csv:")));

    // The same roll in every encoding says nothing new.
    for table in [PUPILS.as_bytes().to_vec(), gb18030(PUPILS), format!("\u{FEFF}{PUPILS}").into_bytes()] {
        assert_eq!(roll.tried(&table).await, [0, 0, 4]);
        assert_eq!(roll.publish(&table, &["--apply"]).await.ended(0).stdout, "", "nothing to publish");
    }
    assert_eq!(ours.run(&["--json", "fsck"]).await.ended(0).json()[0]["entries"], json!(7));

    // One is suspended, one moves to another school; one row is missing, which says nothing.
    let lines: Vec<&str> = PUPILS.lines().collect();
    let suspended = lines[1].replace("在读,2023-09-01,", "休学,2026-03-01,2027-03-01");
    let moved = lines[2].replace("2153000011", "2153000012").replace("2023/9/1", "2026/3/2");
    let changed = format!("{}\n{suspended}\n{moved}\n{}\n", lines[0], lines[3]);
    let report = roll.publish(&changed, &["--json"]).await.ended(0).json();
    assert_eq!((&report["new"], &report["changed"], &report["unchanged"]), (&json!(0), &json!(2), &json!(1)));
    assert_eq!(report["changes"][0], json!({"row": 2, "follows": 3, "members": ["effectiveOn", "status", "until"]}));
    taken.all("publish-csv-dry-run", &ours, &roll.args(&[])).await;
    let applied = roll.publish(&changed, &["--apply"]).await.ended(0);
    taken.one("publish-csv-apply", "en", &roll.args(&["--apply"]), &applied);
    assert_eq!(applied.stdout.lines().count(), 2);
    for (index, event, follows) in [("7", "suspend", 3), ("8", "move-school", 4)] {
        let shown = ours.run(&["--json", "record", "show", index]).await.ended(0).json();
        assert_eq!(shown["record"]["credentialSubject"]["event"], json!(event));
        assert_eq!(shown["links"]["follows"], json!(follows), "{shown}");
        assert!(shown["record"]["credentialSubject"]["identityCheck"].is_string());
    }
    assert_eq!(roll.tried(&changed).await, [0, 0, 3]);

    // What was withdrawn may be stated again; what was applied twice stands once.
    ours.run(&["withdraw", "6", "--reason", "not-ours", "--yes"]).await.ended(0);
    let whole = format!("{changed}{}\n", lines[4]);
    assert_eq!(roll.tried(&whole).await, [1, 0, 3]);
    assert_eq!(roll.publish(&whole, &["--apply"]).await.ended(0).stdout.lines().count(), 1);
    assert_eq!(roll.publish(&whole, &["--apply"]).await.ended(0).stdout.lines().count(), 0);

    // The peer has it, and neither log nor store has a number or a name.
    ours.serve(&[]).await;
    theirs.run(&["pull"]).await.ended(0);
    let report = theirs.run(&["--json", "fsck"]).await.ended(0).json();
    assert!(report.as_array().unwrap().iter().all(|log| log["complaintCount"] == json!(0)), "{report}");
    ours.stop().await;
    for file in std::fs::read_dir(&ours.dir).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        for secret in SECRETS {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{:?}", file.path());
        }
    }
    taken.compare();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tables_are_refused_by_row_and_column() {
    let base = tempfile::tempdir().unwrap();
    let (ours, theirs, id) = federation_with(base.path(), wider).await;
    cases(&ours, &theirs, &id).await;
    let roll = Roll::new(&ours, &id, base.path());
    let mut taken = Snapshots::default();
    taken.node(&ours, "km", 8441);
    taken.name(&id, super::snapshots::AGREEMENT);
    taken.name(base.path().display().to_string(), "<folder>");
    roll.publish(PUPILS, &["--apply"]).await.ended(0);
    let before = counts(&ours).await;
    let lines: Vec<&str> = PUPILS.lines().collect();
    let fault = |row: u64, column: &str, code: &str| (row, column.to_owned(), code.to_owned());
    let with = |line: &str| format!("{}\n{line}\n", lines[0]);

    for (table, expected) in [
        (String::new(), fault(1, "", "csv/empty")),
        (format!("{}\n", lines[0]), fault(2, "", "csv/no-rows")),
        (PUPILS.replacen("学段", "年段", 1), fault(1, "学段", "csv/header-lacks")),
        (with(&lines[1].replace("990010201603040013", "990010201603040014")), fault(2, "证件号码", "csv/identifier")),
        (with(&lines[1].replace("990010201603040013", "5.30102E+17")), fault(2, "证件号码", "csv/identifier")),
        (with(&lines[1].replace(",小学,", ",=小学,")), fault(2, "学段", "csv/formula")),
        (with(&lines[1].replace(",小学,", ",大学,")), fault(2, "学段", "csv/not-mapped")),
        (with(&lines[1].replace("2023-09-01", "1/9/2023")), fault(2, "状态日期", "csv/no-date")),
        (with(&lines[1].replace("2153000011", "2153000099")), fault(2, "学校标识码", "csv/no-name")),
        (with(&lines[1].replace("王小明", "")), fault(2, "姓名", "csv/missing")),
        (with(&lines[1].replace("王小明", "王大明")), fault(2, "姓名", "csv/unchangeable")),
        (with(&lines[1].replace("2023-09-01", "2023-09-02")), fault(2, "状态日期", "csv/unchangeable")),
        (with(&lines[1].replace("在读,2023-09-01", "休学,2023-08-01")), fault(2, "休学期满", "")),
        (with(&lines[1].replace("三年级1班", "\"三年级\"1班")), fault(2, "", "csv/quote")),
        (PUPILS.replace('\n', "\r"), fault(1, "", "csv/cr")),
        (with(&format!("{}\n{}", lines[1], lines[1])), fault(3, "证件号码", "csv/two-rows")),
    ] {
        let found = roll.faults(&table).await;
        let first = found.first().unwrap();
        // Where no code is given, the rule is the schema's own.
        assert!(*first == expected || (expected.2.is_empty() && first.0 == expected.0), "{found:?}");
    }
    // Applying refuses as a dry run does: one bad row, and nothing is published.
    let one = with(&format!(
        "{}\n{}",
        lines[1].replace("在读,2023-09-01", "退学,2026-07-01"),
        lines[2].replace("学籍号", "护照")
    ));
    let refused = roll.publish(&one, &["--json", "--apply"]).await.ended(3).json();
    assert_eq!((&refused["code"], &refused["report"]["changed"]), (&json!("invalid-rows"), &json!(1)), "{refused}");
    let mut bytes = PUPILS.as_bytes().to_vec();
    bytes.extend_from_slice(b"\xFF\xFF,,,,,,,,,,,,,\n");
    assert_eq!(roll.faults(&bytes).await, [fault(6, "姓名", "csv/undecodable")]);
    // A chain that the lifecycle has not: the person graduated before.
    let graduated = with(&lines[3].replace("在读,20250901", "毕业,20260701"));
    roll.publish(&graduated, &["--apply"]).await.ended(0);
    assert_eq!(roll.faults(with(lines[3])).await, [fault(2, "学生状态", "csv/no-event")]);
    assert_eq!(counts(&ours).await.iter().find(|(name, _)| name == "draft"), Some(&("draft".to_owned(), 5)));
    assert_eq!(before.iter().find(|(name, _)| name == "draft"), Some(&("draft".to_owned(), 4)));

    // All faults are listed at once, in both languages.
    let many = with(&lines[1..].join("\n").replace("在读", "在校").replace("2153000011", "1"));
    std::fs::write(&roll.table, many).unwrap();
    taken.all("publish-csv-faults", &ours, &roll.args(&[])).await;
    std::fs::write(&roll.mapping, MAPPING.replace("birthDate =", "birthday =")).unwrap();
    taken.all("publish-csv-mapping", &ours, &roll.args(&[])).await;
    taken.compare();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_is_the_example_and_options_belong_together() {
    let run = async |args: &[&str]| hefu_tests::process::run(Path::new("unused"), args).await;
    assert_eq!(run(&["publish", "--mapping-template"]).await.ended(0).stdout, MAPPING);
    for args in [
        &["publish"][..],
        &["publish", "a.csv", "--mapping", "map.toml"],
        &["publish", "a.csv", "--kind", "student-status"],
        &["publish", "a.csv", "--apply"],
    ] {
        run(args).await.ended(2);
    }
    run(&["publish", "a.csv"]).await.ended(3);
}
