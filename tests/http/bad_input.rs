//! Bad input for publishing: each is refused by name, nothing is published, and the node goes on serving.

use hefu_node::publish::MAX_LINE_LEN;
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_tests::draft::{day, set};
use hefu_tests::http::control;
use hefu_tests::{Drafts, TestFederation, check_log};
use reqwest::Method;
use serde_json::{Value, json};

/// A good draft, changed.
fn changed(drafts: &Drafts, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut draft = drafts.enter(&drafts.subject(1), day(-30));
    change(&mut draft);
    draft.to_string().into_bytes()
}

/// A good draft in which one piece of text is replaced.
fn replaced(drafts: &Drafts, from: &str, to: &str) -> Vec<u8> {
    let text = drafts.enter(&drafts.subject(1), day(-30)).to_string();
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1).into_bytes()
}

/// What the JSON gate refuses.
fn gate(drafts: &Drafts) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let stage = "\"stage\":\"primary\"";
    let with_stage = |value: &str| replaced(drafts, stage, &format!("\"stage\":{value}"));
    let good = || drafts.enter(&drafts.subject(1), day(-30)).to_string();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    vec![
        ("half an object", b"{".to_vec(), "gate"),
        ("no JSON", b"draft".to_vec(), "gate"),
        ("single quotes", b"{'draftId':'x'}".to_vec(), "gate"),
        ("a comma too many", replaced(drafts, stage, "\"stage\":\"primary\","), "gate"),
        ("a duplicate member", replaced(drafts, stage, "\"stage\":\"primary\",\"stage\":\"junior\""), "gate"),
        ("a duplicate by escape", replaced(drafts, stage, "\"stage\":\"primary\",\"st\\u0061ge\":\"junior\""), "gate"),
        ("a number that readers round", with_stage("9007199254740993"), "gate"),
        ("an 18-digit number", with_stage("990010201501012345"), "gate"),
        ("a fraction", with_stage("1.0"), "gate"),
        ("an exponent", with_stage("1e3"), "gate"),
        ("minus zero", with_stage("-0"), "gate"),
        ("half a surrogate pair", with_stage("\"\\ud800\""), "gate"),
        ("surrogates in the wrong order", with_stage("\"\\udc00\\ud800\""), "gate"),
        ("no UTF-8", [good().as_bytes(), b" \xff"].concat(), "gate"),
        ("UTF-16", good().encode_utf16().flat_map(u16::to_le_bytes).filter(|byte| *byte != b'\n').collect(), "gate"),
        ("a byte order mark", [b"\xef\xbb\xbf", good().as_bytes()].concat(), "gate"),
        ("something behind the end", [good().as_bytes(), b"x"].concat(), "gate"),
        ("two drafts on a line", [good().as_bytes(), good().as_bytes()].concat(), "gate"),
        ("nested too deep", with_stage(&deep(40)), "gate"),
        ("nested a hundred thousand deep", deep(100_000).into_bytes(), "gate"),
        ("a raw control character", with_stage("\"a\u{1}b\""), "gate"),
        ("a record over its limit", with_stage(&format!("\"{}\"", "x".repeat(MAX_RECORD_LEN))), "gate"),
    ]
}

/// JSON, but no draft or no record.
fn shape(drafts: &Drafts) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |pointer: &str, value: Value| changed(drafts, |draft| set(draft, pointer, value));
    let without = |pointer: &str| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        changed(drafts, |draft| drop(draft.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name)))
    };
    vec![
        ("a list", b"[]".to_vec(), "draft/shape"),
        ("null", b"null".to_vec(), "draft/shape"),
        ("no record", b"{}".to_vec(), "draft/record"),
        ("a record that is no object", b"{\"record\":[]}".to_vec(), "draft/record"),
        ("an unknown member of the draft", with("/extra", json!(1)), "draft/unknown-member"),
        ("a draft id with spaces", with("/draftId", json!("a b")), "draft/id"),
        ("an empty draft id", with("/draftId", json!("")), "draft/id"),
        ("a draft id of 129 characters", with("/draftId", json!("x".repeat(129))), "draft/id"),
        ("a draft id that is a number", with("/draftId", json!(7)), "draft/id"),
        ("an issuer", with("/record/issuer", json!("did:web:evil.example")), "draft/member-of-node"),
        ("a proof", with("/record/proof", json!({})), "draft/member-of-node"),
        ("a context", with("/record/@context", json!([])), "draft/member-of-node"),
        ("an unknown kind", with("/record/type", json!(["VerifiableCredential", "Diploma"])), "record/type"),
        (
            "a kind of a later version",
            with("/record/type", json!(["VerifiableCredential", "TeacherExchange"])),
            "record/type",
        ),
        ("no kind", without("/record/type"), "record/type"),
        ("an unknown member", with("/record/credentialSubject/nickname", json!("x")), ""),
        ("an unknown member of the envelope", with("/record/remark", json!("x")), ""),
        ("no status", without("/record/credentialSubject/status"), ""),
        ("no subject", without("/record/credentialSubject"), ""),
        ("nobody states it", without("/record/statedBy"), ""),
        ("no agreement", without("/record/termsOfUse"), ""),
        ("an unknown status", with("/record/credentialSubject/status", json!("asleep")), ""),
        ("a status of another event", with("/record/credentialSubject/status", json!("graduated")), ""),
        ("a student number for a subject", with("/record/credentialSubject/id", json!("G990000201501010010")), ""),
        ("a day that does not exist", with("/record/credentialSubject/effectiveOn", json!("2026-02-30")), ""),
        ("another day than validFrom", with("/record/credentialSubject/effectiveOn", json!("2020-02-03")), ""),
        (
            "a record id of another version",
            with("/record/id", json!("urn:uuid:01890a5d-ac96-474b-bcce-b302099a8057")),
            "",
        ),
        ("text for a number", with("/record/termsOfUse/0/version", json!("1")), ""),
    ]
}

/// A good record, but not under this agreement.
fn agreement(drafts: &Drafts) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |pointer: &str, value: Value| changed(drafts, |draft| set(draft, pointer, value));
    let subject = drafts.subject(1);
    let other_epoch = subject.replacen("urn:hefu:subject:1:", "urn:hefu:subject:2:", 1);
    let on = day(-30);
    vec![
        (
            "an unknown agreement",
            with("/record/termsOfUse/0/id", json!("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057")),
            "agreement/unknown",
        ),
        ("another version", with("/record/termsOfUse/0/version", json!(2)), "agreement/unknown"),
        ("a reference of another epoch", with("/record/credentialSubject/id", json!(other_epoch)), "agreement/epoch"),
        ("a member that does not flow", with("/record/credentialSubject/residence", json!("local")), "agreement/scope"),
        ("a stage that does not flow", with("/record/credentialSubject/stage", json!("preschool")), "agreement/scope"),
        ("the offset of another time zone", with("/record/validFrom", json!(format!("{on}T00:00:00+09:00"))), ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_refused_by_name_and_nothing_is_published() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let size = node.size().await;
    let good = || format!("{}\n", drafts.enter(&drafts.subject(7), day(-30))).into_bytes();
    let all = [gate(&drafts), shape(&drafts), agreement(&drafts)].concat();
    for (name, line, rule) in &all {
        let body = [good(), line.clone(), b"\n".to_vec(), good()].concat();
        let answer = control(node, Method::POST, "/v1/records", body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "invalid-records"), "{name}");
        let violations = answer.json()["violations"].as_array().unwrap().clone();
        assert!(
            !violations.is_empty() && violations.iter().all(|violation| violation["line"] == 2),
            "{name}: {violations:?}"
        );
        let rules: Vec<&str> = violations.iter().filter_map(|violation| violation["rule"].as_str()).collect();
        assert!(rules.iter().all(|rule| !rule.is_empty()), "{name}: {rules:?}");
        assert!(rule.is_empty() || rules.contains(rule), "{name}: {rules:?}");
        for violation in &violations {
            assert!(
                violation["message"]["zh"].is_string() && violation["message"]["en"].is_string(),
                "{name}: {violation}"
            );
        }
        assert_eq!(node.size().await, size, "{name}");
    }
    assert_eq!(control(node, Method::POST, "/v1/records", good()).await.status.as_u16(), 200, "it goes on serving");
    assert_eq!(node.size().await, size + 1);
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_is_cut_off() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let size = node.size().await;
    let good = format!("{}\n", drafts.enter(&drafts.subject(7), day(-30))).into_bytes();
    let long = vec![b'x'; MAX_LINE_LEN + 1];
    for (name, body) in
        [("with an end", [&good[..], &long, b"\n", &good].concat()), ("without", [&good[..], &long].concat())]
    {
        let answer = control(node, Method::POST, "/v1/records", body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (413, "too-large"), "{name}");
        assert_eq!(node.size().await, size, "{name}");
    }
    let answer = control(node, Method::POST, "/v1/records", vec![b'x'; MAX_LINE_LEN]).await;
    assert_eq!(answer.problem(), "invalid-records", "as long as a line may be, but no draft");
    for nothing in ["", "\n", "\r\n\n"] {
        let answer = control(node, Method::POST, "/v1/records", nothing).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "nothing to publish is no error");
    }
    assert_eq!(node.size().await, size);
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_bad_lines_are_counted_and_some_are_listed() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let node = federation.node(0);
    let size = node.size().await;
    let answer = control(node, Method::POST, "/v1/records", "{}\n".repeat(5000)).await;
    let body = answer.json();
    assert_eq!((answer.problem().as_str(), &body["count"]), ("invalid-records", &json!(5000)));
    assert_eq!(body["violations"].as_array().unwrap().len(), hefu_node::publish::MAX_REPORTED);
    assert_eq!(node.size().await, size);
    check_log(node.node()).await;
}
