//! Agreements as a peer offers them: documents that nobody signed, secrets that are not the promised ones.

use super::world::{World, agreement, peer, pull_from};
use super::{keys_of, replaced};
use hefu_federation::base64url;
use hefu_federation::entry::Act;
use hefu_federation::linkage::Linkage;
use hefu_federation::proof::sign_detached;
use hefu_node::exchange::{self, MAX_LEFT, MAX_OFFERS, MAX_UNSIGNED};
use hefu_node::problem::Code;
use hefu_node::propose;
use hefu_node::sequencer::NewAct;
use hefu_node::synthetic::{City, agreement_terms};
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use hefu_schemas::id::AgreementId;
use serde_json::{Value, json};
use std::sync::Arc;

/// Alters the list of offers.
type Lie = Arc<dyn Fn(Vec<Value>) -> Value + Send + Sync>;

/// Alters the one offer.
fn one(alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Lie {
    Arc::new(move |mut offers| {
        assert_eq!(offers.len(), 1);
        alter(&mut offers[0]);
        Value::Array(offers)
    })
}

/// What comes of an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Left aside, and the round goes on.
    LeftAside,
    /// The list is none.
    Misbehaved,
    /// The document is there, its linkage is not yet.
    WithoutLinkage,
}
use Outcome::{LeftAside, Misbehaved, WithoutLinkage};

/// An agreement that leaves Kunming out, or one that its own parties would not know, signed by Chengdu all the same.
fn signed_by_chengdu(world: &World, alter: impl Fn(&mut Value)) -> Value {
    let known = agreement(&world.cd.node);
    let mut document: Value = serde_json::from_slice(known.document.bytes()).unwrap();
    alter(&mut document);
    let bytes = canonical::write(&document).unwrap();
    Agreement::read(&bytes).unwrap();
    let (did, keys) = (&world.chengdu.city.did, keys_of(&world.chengdu));
    let proof = sign_detached(&bytes, &keys.record_id(did), world.cd.node.clock.now_s(), &keys.record);
    let proof: Value = serde_json::from_slice(&proof).unwrap();
    json!({"document": document, "proofs": [{"party": world.chengdu.city.origin.as_str(), "proof": proof}]})
}

/// Another secret than the one that the document promises, sealed for Kunming.
fn other_linkage(world: &World) -> Value {
    let (known, town) = (agreement(&world.cd.node), &world.kunming);
    let linkage = Linkage::new(1, [1; 32], [2; 32]);
    let sealed = linkage.seal(known.document.id, &town.city.did, &keys_of(town).seal.public(), [3; 32]).unwrap();
    serde_json::to_value(sealed).unwrap()
}

async fn linkage_of_chongqing(world: &World) -> Value {
    let known = agreement(&world.cd.node);
    let sealed = world.cd.node.store.sealed(known.no, 1, &world.chongqing.city.did).await.unwrap().unwrap();
    serde_json::from_slice(&sealed).unwrap()
}

/// What the case is called, how the liar alters the offers, what comes of it.
type Case = (&'static str, Lie, Outcome);

fn documents_and_lists() -> Vec<Case> {
    vec![
        (
            "a changed letter of the title",
            one(|offer| offer["document"]["title"]["en"] = json!("Another agreement")),
            LeftAside,
        ),
        ("a changed term", one(|offer| offer["document"]["terms"]["timeZone"] = json!("Asia/Tokyo")), LeftAside),
        ("a document that is none", one(|offer| offer["document"] = json!({"id": offer["document"]["id"]})), LeftAside),
        ("a document of another version", one(|offer| offer["document"]["version"] = json!(2)), LeftAside),
        ("no proof", one(|offer| offer["proofs"] = json!([])), LeftAside),
        ("without its secret", one(|offer| drop(offer.as_object_mut().unwrap().remove("linkage"))), WithoutLinkage),
        ("a member that nobody knows", one(|offer| offer["more"] = json!(1)), Misbehaved),
        ("a list that is none", Arc::new(|offers| json!({"offers": offers})), Misbehaved),
        ("text", Arc::new(|_| json!("welcome")), Misbehaved),
    ]
}

fn proofs(world: &World) -> Vec<Case> {
    let (km, cq) = (world.kunming.city.clone(), world.chongqing.city.clone());
    let km_key = keys_of(&world.kunming).record_id(&km.did).to_string();
    vec![
        (
            "a bit of the proof",
            one(|offer| {
                let proof = offer["proofs"][0]["proof"]["proofValue"].as_str().unwrap().to_owned();
                let at = proof.len() - 5;
                let other = if &proof[at..=at] == "2" { "3" } else { "2" };
                offer["proofs"][0]["proof"]["proofValue"] =
                    json!(format!("{}{other}{}", &proof[..at], &proof[at + 1..]))
            }),
            LeftAside,
        ),
        (
            "a proof of another purpose",
            one(|offer| offer["proofs"][0]["proof"]["proofPurpose"] = json!("authentication")),
            LeftAside,
        ),
        (
            "a proof by our own key",
            one(move |offer| offer["proofs"][0]["proof"]["verificationMethod"] = json!(km_key)),
            LeftAside,
        ),
        (
            "a proof under the name of another party",
            one(move |offer| offer["proofs"][0]["party"] = json!(cq.origin.as_str())),
            LeftAside,
        ),
        (
            "a proof by somebody who is no party",
            one(|offer| offer["proofs"][0]["party"] = json!("elsewhere.example")),
            LeftAside,
        ),
    ]
}

async fn secrets(world: &World) -> Vec<Case> {
    let (other, foreign) = (other_linkage(world), linkage_of_chongqing(world).await);
    vec![
        ("a secret that was not promised", one(move |offer| offer["linkage"] = other.clone()), LeftAside),
        ("the secret as sealed for another", one(move |offer| offer["linkage"] = foreign.clone()), LeftAside),
        (
            "a bit of the secret",
            one(|offer| {
                let text = offer["linkage"]["ciphertext"].as_str().unwrap();
                let mut bytes = base64url::decode(text).unwrap();
                bytes[7] ^= 1;
                offer["linkage"]["ciphertext"] = json!(base64url::encode(&bytes))
            }),
            LeftAside,
        ),
        ("the secret of another epoch", one(|offer| offer["linkage"]["epoch"] = json!(2)), LeftAside),
    ]
}

fn of_others(world: &World) -> Vec<Case> {
    let replace = |offer: Value| -> Lie { Arc::new(move |_| json!([offer])) };
    let (km, cq_fingerprint) = (world.kunming.city.clone(), world.chongqing.fingerprint.to_string());
    // Somebody else in the place of a party, throughout the document.
    let instead_of = |city: &City| {
        let city = city.clone();
        move |document: &mut Value| {
            let text = document.to_string().replace(city.did.as_str(), "did:web:elsewhere.example");
            *document = serde_json::from_str(&text.replace(city.origin.as_str(), "elsewhere.example")).unwrap();
        }
    };
    vec![
        ("without us", replace(signed_by_chengdu(world, instead_of(&km))), LeftAside),
        ("between us and another", replace(signed_by_chengdu(world, instead_of(&world.chengdu.city))), LeftAside),
        (
            "with another fingerprint of ours",
            replace(signed_by_chengdu(world, |document| {
                for party in document["parties"].as_array_mut().unwrap() {
                    if party["origin"] == km.origin.as_str() {
                        party["fingerprint"] = json!(cq_fingerprint)
                    }
                }
            })),
            LeftAside,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_that_do_not_verify() {
    let world = World::strangers().await;
    world.propose().await;
    let id = agreement(&world.cd.node).document.id;
    let cases = [documents_and_lists(), proofs(&world), secrets(&world).await, of_others(&world)];
    for (name, lie, outcome) in cases.into_iter().flatten() {
        let node = world.copy_of_kunming().await;
        world.liar.lie(move |path, answer| {
            if path != "/v1/agreements" {
                return answer;
            }
            let offers = serde_json::from_slice(&answer.body).unwrap();
            // Canonical, so that only what the case alters is wrong.
            let body = canonical::write(&lie(offers)).unwrap();
            answer.with_body(body)
        });
        let pulled = pull_from(&node, &world.chengdu).await;
        match pulled {
            Ok(_) => assert_ne!(outcome, Misbehaved, "{name}"),
            Err(problem) => {
                assert_eq!((problem.code, outcome), (Code::PeerMisbehaved, Misbehaved), "{name}: {problem}")
            }
        }
        let documents = node.store.documents().await.unwrap();
        assert_eq!(
            documents.len(),
            usize::from(outcome == WithoutLinkage),
            "{name}: a document that was refused is stored"
        );
        let refused = propose::sign(&node, id).await.expect_err(name);
        let code = if outcome == WithoutLinkage { Code::AgreementNotOpen } else { Code::UnknownAgreement };
        assert_eq!(refused.code, code, "{name}");
        world.assert_unharmed(&node, name).await;

        // The lie keeps nothing of the true agreement out.
        world.liar.be_honest();
        pull_from(&node, &world.chengdu).await.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let signed = propose::sign(&node, id).await.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!(signed.document.digest, agreement(&world.cd.node).document.digest, "{name}");
        assert!(signed.standing().has_signed(&world.kunming.city.origin), "{name}");
        assert!(signed.standing().has_signed(&world.chengdu.city.origin), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_offer_does_not_hide_the_good_one() {
    let world = World::strangers().await;
    world.propose().await;
    let node = world.copy_of_kunming().await;
    world.liar.lie(|path, answer| {
        if path != "/v1/agreements" {
            return answer;
        }
        let text = String::from_utf8(answer.body.clone()).unwrap();
        let good = text.trim_start_matches('[').trim_end_matches(']');
        let bad = replaced(good, "\"title\"", "\"titel\"");
        answer.with_body(format!("[{bad},{good}]"))
    });
    pull_from(&node, &world.chengdu).await.unwrap();
    assert!(agreement(&node).linkage.is_some());
    assert!(peer(&node, &world.chengdu).await.stopped.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_in_force_is_not_replaced() {
    let world = World::agreed().await;
    let digest = agreement(&world.cd.node).document.digest;
    let other = signed_by_chengdu(&world, |document| document["title"]["en"] = json!("Another agreement"));
    let later = signed_by_chengdu(&world, |document| {
        document["version"] = json!(2);
        document["supersedes"] = json!(digest.to_string());
    });
    for (name, offer) in [("of the same version", other), ("of a later version", later)] {
        let node = world.copy_of_kunming().await;
        world.liar.lie(move |path, answer| {
            let body = canonical::write(&json!([offer])).unwrap();
            if path == "/v1/agreements" { answer.with_body(body) } else { answer }
        });
        pull_from(&node, &world.chengdu).await.unwrap();
        assert_eq!(node.store.documents().await.unwrap().len(), 1, "{name}");
        assert_eq!(agreement(&node).document.digest, digest, "{name}");
        world.assert_unharmed(&node, name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_version_is_not_proposed_either() {
    let world = World::agreed().await;
    let mut draft: Value = serde_json::from_slice(agreement(&world.cd.node).document.bytes()).unwrap();
    draft["version"] = json!(2);
    draft["supersedes"] = json!(agreement(&world.cd.node).document.digest.to_string());
    let refused = propose::propose(&world.cd.node, draft).await.expect_err("version 2");
    assert_eq!(refused.code, Code::InvalidAgreement, "{refused}");
    assert_eq!(world.cd.node.store.documents().await.unwrap().len(), 1);
}

/// The list of offers is replaced.
fn offer_only(world: &World, offers: Vec<Value>) {
    world.liar.lie(move |path, answer| {
        let body = canonical::write(&Value::Array(offers.clone())).unwrap();
        if path == "/v1/agreements" { answer.with_body(body) } else { answer }
    });
}

/// An id that no other agreement of the tests has.
fn numbered(number: usize) -> Value {
    json!(format!("urn:uuid:01890a5d-ac96-774b-bcce-{number:012x}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linkage_serves_one_agreement() {
    let world = World::strangers().await;
    let known = world.propose().await;
    let honest = known.linkage.as_ref().unwrap();
    let kunming = &world.kunming;
    let exposed = honest.expose();
    let (secret, label_key) = (exposed[..32].try_into().unwrap(), exposed[32..].try_into().unwrap());
    for (name, number, linkage, stored) in [
        ("the same", 1, Linkage::new(1, secret, label_key), 1),
        ("the same label key", 2, Linkage::new(1, [7; 32], label_key), 1),
        ("the same secret", 3, Linkage::new(1, secret, [7; 32]), 1),
        ("another one", 4, Linkage::new(1, [7; 32], [8; 32]), 2),
    ] {
        let node = world.copy_of_kunming().await;
        world.liar.be_honest();
        pull_from(&node, &world.chengdu).await.unwrap();
        assert_eq!(node.store.documents().await.unwrap().len(), 1, "{name}");
        let unsigned = world.copy_of_kunming().await;
        pull_from(&unsigned, &world.chengdu).await.unwrap();
        propose::sign(&node, known.document.id).await.unwrap();
        let mut offer = signed_by_chengdu(&world, |document| {
            document["id"] = numbered(number);
            document["terms"]["linkage"]["commitment"] = json!(linkage.commitment().to_string());
        });
        let id = AgreementId::parse(offer["document"]["id"].as_str().unwrap()).unwrap();
        let seal = keys_of(kunming).seal.public();
        let sealed = linkage.seal(id, &kunming.city.did, &seal, [3; 32]).unwrap();
        offer["linkage"] = serde_json::to_value(sealed).unwrap();
        offer_only(&world, vec![offer]);
        pull_from(&node, &world.chengdu).await.unwrap();
        assert_eq!(node.store.documents().await.unwrap().len(), stored, "{name}");

        // What is not signed stands in nobody's way; of two of them one can be signed.
        pull_from(&unsigned, &world.chengdu).await.unwrap();
        assert_eq!(unsigned.store.documents().await.unwrap().len(), 2, "{name}");
        propose::sign(&unsigned, known.document.id).await.unwrap();
        let second = propose::sign(&unsigned, id).await.is_ok();
        let has_acted = unsigned.registry.by_id(id).unwrap().acts.contains_key(&kunming.city.origin);
        assert_eq!((second, has_acted), (stored == 2, stored == 2), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_that_nobody_answers_do_not_pile_up() {
    let world = World::strangers().await;
    world.propose().await;
    let node = world.copy_of_kunming().await;
    let flood = |from: usize| -> Vec<Value> {
        let one = |number| signed_by_chengdu(&world, |document| document["id"] = numbered(number));
        (from..from + MAX_OFFERS).map(one).collect()
    };
    for from in [0, 100, 200] {
        offer_only(&world, flood(from));
        pull_from(&node, &world.chengdu).await.unwrap();
        assert_eq!(node.store.documents().await.unwrap().len(), MAX_UNSIGNED);
    }
    // They keep out what Chengdu alone has signed, and nothing of Kunming's own.
    let (chengdu, chongqing) = (&world.chengdu, &world.chongqing);
    let cities = [world.kunming.city.clone(), chengdu.city.clone(), chongqing.city.clone()];
    let ours = propose::propose(&node, agreement_terms(&cities, node.clock.today("Asia/Shanghai"))).await.unwrap();
    let offered = exchange::offers(&node, &chongqing.city.did).await.unwrap();
    let first: Value = serde_json::from_str(offered[0].document.get()).unwrap();
    assert_eq!((offered.len(), first["id"].as_str()), (MAX_OFFERS, Some(ours.document.id.to_string().as_str())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agreement_that_is_over_is_kept_only_by_who_has_signed_it() {
    let world = World::strangers().await;
    world.propose().await;
    for (name, days, has_signed, stored) in [
        ("over", OVER, false, 0),
        ("over, and our log says that we signed it", OVER, true, 1),
        ("not over", None, false, 1),
    ] {
        let node = world.copy_of_kunming().await;
        let offer = signed_by_chengdu(&world, |document| on_days(document, days));
        if has_signed {
            let digest = Agreement::read(&canonical::write(&offer["document"]).unwrap()).unwrap().digest;
            node.sequencer.append_act(NewAct { digest, act: Act::Sign, on: None }).await.unwrap();
        }
        offer_only(&world, vec![offer]);
        pull_from(&node, &world.chengdu).await.unwrap();
        assert_eq!(node.store.documents().await.unwrap().len(), stored, "{name}");
    }
}

/// The first and the last day of an agreement that is over.
const OVER: Option<(&str, &str)> = Some(("2019-09-01", "2020-08-31"));

fn on_days(document: &mut Value, days: Option<(&str, &str)>) {
    if let Some((first, last)) = days {
        (document["validFrom"], document["validTo"]) = (json!(first), json!(last));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agreements_of_a_party_that_came_to_be_over_unsigned_are_kept_up_to_a_number() {
    let world = World::strangers().await;
    world.propose().await;
    let node = world.copy_of_kunming().await;
    let chengdu = &world.chengdu.city.origin;
    for number in 1..MAX_LEFT {
        let offer = signed_by_chengdu(&world, |document| {
            document["id"] = numbered(number);
            on_days(document, OVER);
        });
        let document = Agreement::read(&canonical::write(&offer["document"]).unwrap()).unwrap();
        let proof = canonical::write(&offer["proofs"][0]["proof"]).unwrap();
        node.store.add_document(document.id, 1, &document.digest, document.bytes(), 0).await.unwrap();
        node.store.add_proof(&document.digest, chengdu, &proof).await.unwrap();
    }
    node.registry.reload(node.store.as_ref()).await.unwrap();
    for (name, number) in [("one more", MAX_LEFT), ("one too many", MAX_LEFT + 1)] {
        offer_only(&world, vec![signed_by_chengdu(&world, |document| document["id"] = numbered(number))]);
        pull_from(&node, &world.chengdu).await.unwrap();
        assert_eq!(node.store.documents().await.unwrap().len(), MAX_LEFT, "{name}");
    }
}
