//! Credits across two cities: what one awards the other recognises, and hears of it when the award is withdrawn.

use super::flaws::worklist;
use super::tally::all_fit;
use super::two;
use hefu_federation::reconcile::finding::{Finding, Rule, Severity};
use hefu_schemas::id::RecordId;
use hefu_tests::TestFederation;
use hefu_tests::draft::{Drafts, day, id_of};
use jiff::civil::Date;
use serde_json::{Value, json};

/// A draft of another kind in the envelope that every draft of the city has.
fn draft(drafts: &Drafts, kind: &str, body: Value, on: Date) -> Value {
    let mut draft = drafts.enter(&drafts.subject(1), on);
    draft["record"]["type"] = json!(["VerifiableCredential", kind]);
    draft["record"]["credentialSubject"] = body;
    draft
}

fn university(code: &str) -> Value {
    json!({"scheme": "local", "code": code, "name": {"zh": "示例大学", "en": "Example University"}})
}

/// A transcript of two courses, awarded ninety days ago.
fn source(awarding: &Drafts) -> Value {
    json!({
        "type": "study-period",
        "title": {"zh": "一学期学习成绩", "en": "Results of one term"},
        "awardingBody": university("u1"),
        "city": {"scheme": "gb-t-2260", "code": awarding.city.code, "name": awarding.city.name},
        "awardedOn": day(-90).to_string(),
        "levels": {"isced": 6},
    })
}

fn components() -> Value {
    let course = |key: &str, hundredths: u32| {
        json!({
            "key": key,
            "title": {"zh": "课程", "en": "Course"},
            "credits": {"scheme": "cn-hours-16", "hundredths": hundredths},
            "result": "passed",
        })
    };
    json!([course("calculus", 500), course("physics", 400)])
}

fn award(awarding: &Drafts) -> Value {
    let body = json!({
        "role": "awarding",
        "id": awarding.subject(1),
        "source": source(awarding),
        "step": "issued",
        "stepOn": day(-90).to_string(),
        "authority": university("u1"),
        "components": components(),
    });
    draft(awarding, "QualificationRecognition", body, day(-90))
}

/// The decision on it: both courses in full, 8/9 of a credit for one.
fn recognition(recognising: &Drafts, awarding: &Drafts, award: RecordId) -> Value {
    let cited = json!({"issuer": awarding.city.did.as_str(), "id": award.to_string()});
    let row = |key: &str, hundredths: u32| {
        json!({
            "from": [key],
            "to": [],
            "outcome": "full",
            "converted": {"scheme": "cn-hours-18", "hundredths": hundredths, "row": "cn-16-to-18"},
        })
    };
    let mut body = json!({
        "role": "recognising",
        "id": recognising.subject(1),
        "source": source(awarding),
        "step": "decided",
        "stepOn": day(-60).to_string(),
        "authority": university("u2"),
        "components": components(),
        "purpose": "credit-transfer",
        "target": {"level": "bachelor"},
        "outcome": "full",
        "mapping": [row("calculus", 444), row("physics", 356)],
    });
    body["source"]["record"] = cited.clone();
    let mut draft = draft(recognising, "QualificationRecognition", body, day(-60));
    draft["record"]["basis"] = json!([cited]);
    draft
}

/// The same findings of a rule on both nodes.
async fn both(federation: &TestFederation, rule: Rule) -> Vec<Finding> {
    let (one, other) = (worklist(federation, 0, rule).await, worklist(federation, 1, rule).await);
    assert_eq!(one, other, "{rule:?}");
    one
}

async fn total(federation: &TestFederation) -> u64 {
    all_fit(federation, None).await[0].findings.values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_award_shakes_its_recognition_until_that_is_corrected() {
    let federation = two().await;
    let (ours, theirs) = (federation.drafts(0), federation.drafts(1));
    let award = award(&theirs);
    let recognised = recognition(&ours, &theirs, id_of(&award));
    // Whichever comes first: the recognition cites what its own city has not seen yet.
    federation.node(0).publish(std::slice::from_ref(&recognised)).await.unwrap();
    federation.node(1).publish(std::slice::from_ref(&award)).await.unwrap();
    federation.pull_all().await;
    for rule in [Rule::Q1, Rule::Q2, Rule::G1, Rule::G7] {
        assert_eq!(both(&federation, rule).await, [], "{rule:?}");
    }
    assert_eq!(total(&federation).await, 0);

    let gone =
        json!({"record": id_of(&award).to_string(), "reason": "authority-decision", "from": day(-10).to_string()});
    let withdrawal = draft(&theirs, "Withdrawal", gone, day(-10));
    federation.node(1).publish(std::slice::from_ref(&withdrawal)).await.unwrap();
    federation.pull_all().await;
    for (rule, about, evidence) in [
        (Rule::Q1, "withdrawn".to_owned(), [id_of(&recognised), id_of(&withdrawal)]),
        (Rule::G7, format!("basis/{}", id_of(&award).uuid()), [id_of(&recognised), id_of(&award)]),
    ] {
        let found = both(&federation, rule).await;
        assert_eq!(found.len(), 1, "{rule:?}");
        assert_eq!((found[0].severity, found[0].about.as_str()), (Severity::Critical, about.as_str()));
        assert_eq!(found[0].owner.party, federation.node(0).city.origin, "who relies on it must act");
        assert!(evidence.iter().all(|id| found[0].evidence.iter().any(|row| row.record == Some(*id))), "{rule:?}");
    }
    assert_eq!(all_fit(&federation, None).await[0].findings[&Severity::Critical], 2);

    // The office that recognised corrects its decision: nothing was recognised, and nothing is relied on.
    let corrected = ours.amend(&recognised, |record| {
        let members = record.as_object_mut().unwrap();
        members.remove("basis");
        let body = members["credentialSubject"].as_object_mut().unwrap();
        body.retain(|name, _| !["mapping", "target"].contains(&name.as_str()));
        body.insert("outcome".to_owned(), json!("refused"));
        body.insert("reasons".to_owned(), json!(["not-authentic"]));
        body.insert("appealUntil".to_owned(), json!(day(30).to_string()));
    });
    federation.node(0).publish(std::slice::from_ref(&corrected)).await.unwrap();
    federation.pull_all().await;
    assert_eq!((both(&federation, Rule::Q1).await, both(&federation, Rule::G7).await), (vec![], vec![]));
    assert_eq!(total(&federation).await, 0);
    federation.check().await;
}
