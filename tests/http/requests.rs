//! Signed requests: whatever is wrong with one is refused by name, and changes nothing.

use hefu_federation::page::{Asked, read};
use hefu_federation::request::{MAX_BODY_LEN, Parts, sign};
use hefu_node::clock::random;
use hefu_node::synthetic::agreement_terms;
use hefu_node::tally::question;
use hefu_tests::draft::day;
use hefu_tests::http::{Answer, Signed};
use hefu_tests::{TestFederation, TestNode, check_log};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

const OFFERS: &str = "/v1/agreements";
const HINTS: &str = "/v1/hints";

/// Two cities under an agreement with ten records of the first, and a third that the first follows.
struct Scene {
    federation: TestFederation,
    third: TestNode,
}

impl Scene {
    async fn new() -> Self {
        let federation = TestFederation::new(&["530100", "510100"]).await;
        let drafts = federation.drafts(0);
        let lines: Vec<Value> = (0..10).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
        federation.node(0).publish(&lines).await.unwrap();
        let third = TestNode::new("500000").await;
        federation.node(0).follow(&third).await.unwrap();
        Self { federation, third }
    }

    fn asked(&self) -> &TestNode {
        self.federation.node(0)
    }

    fn peer(&self) -> &TestNode {
        self.federation.node(1)
    }

    fn request(&self, method: Method, path: &str, body: &[u8]) -> Signed {
        Signed::new(self.peer(), self.asked(), method, path, body)
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/agreements/{}/{rest}", self.federation.known(0).document.id.uuid())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_request_of_each_kind_is_answered() {
    let scene = Scene::new().await;
    let offers = scene.request(Method::GET, OFFERS, b"").send().await;
    assert_eq!((offers.status.as_u16(), offers.header("content-type")), (200, "application/json"));
    assert_eq!(offers.header("cache-control"), "no-store");
    let offers = offers.json();
    let known = scene.federation.known(0);
    assert_eq!(offers[0]["document"]["id"], json!(known.document.id.to_string()));
    assert_eq!(offers[0]["linkage"]["to"], json!(scene.peer().city.did.as_str()), "sealed for the one who asks");
    assert_eq!(offers[0]["proofs"].as_array().unwrap().len(), 2);

    let size = scene.asked().size().await;
    let page = scene.request(Method::GET, &scene.path(&format!("records?from=0&until={size}")), b"").send().await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "application/x-ndjson"));
    assert_eq!((page.header("cache-control"), page.header("content-encoding")), ("no-store", "zstd"));
    let bytes = zstd::decode_all(page.body.as_slice()).unwrap();
    let asked = Asked { agreement: known.document.id, to: &scene.peer().city.did, from: 0, until: size };
    let key = scene.asked().node().keys.request.public();
    let page = read(&bytes, &asked, |_| Some(key)).unwrap();
    assert_eq!(page.lines().len(), 10);

    let question = question(scene.peer().node(), &scene.federation.known(1), None).await.unwrap();
    let body = serde_json::to_vec(&question.to_wire()).unwrap();
    let statement = scene.request(Method::POST, &scene.path("tally"), &body).send().await;
    assert_eq!((statement.status.as_u16(), statement.header("content-type")), (200, "application/json"));
    assert_eq!(statement.header("cache-control"), "no-store");
    assert_eq!(statement.json()["asOf"], json!(question.as_of.to_string()));

    for (path, members) in [("tally/buckets", "buckets"), ("tally/buckets/0", "keys")] {
        let detail = scene.request(Method::POST, &scene.path(path), &body).send().await;
        assert_eq!((detail.status.as_u16(), detail.header("cache-control")), (200, "no-store"), "{path}");
        let detail = detail.json();
        assert!(detail.as_object().unwrap().keys().all(|name| name == members || name == "states"), "{path}");
        assert!(detail.get("buckets").is_none_or(|buckets| buckets.as_array().unwrap().len() == 4096));
    }

    let hint = scene.request(Method::POST, HINTS, b"{}").send().await;
    assert_eq!((hint.status.as_u16(), hint.body.len()), (204, 0));
    // A request may be made a little ahead of our clock, and holds for five minutes.
    for seconds in [-299, -200, 55] {
        assert_eq!(answered_within_its_second(&scene, seconds).await.status.as_u16(), 200, "{seconds}");
    }
    scene.federation.check().await;
}

/// The answer to a request made so many seconds from now. A busy machine may take longer than a second to send it: then it is made
/// again.
async fn answered_within_its_second(scene: &Scene, seconds: i64) -> Answer {
    let clock = scene.peer().clock();
    loop {
        let now = clock.now_s();
        let request = Signed::made_at(scene.peer(), scene.asked(), (Method::GET, OFFERS, b""), now + seconds);
        let answer = request.send().await;
        if clock.now_s() == now {
            return answer;
        }
    }
}

/// Requests that are not what they say, by name.
fn bent(scene: &Scene) -> Vec<(&'static str, Signed)> {
    let good = |method, path, body: &[u8]| scene.request(method, path, body);
    let with = |mut request: Signed, bend: &dyn Fn(&mut Signed)| {
        bend(&mut request);
        request
    };
    let get = || good(Method::GET, OFFERS, b"");
    let post = || good(Method::POST, HINTS, b"{}");
    let at = |seconds: i64| {
        let at = scene.peer().clock().now_s() + seconds;
        Signed::made_at(scene.peer(), scene.asked(), (Method::GET, OFFERS, b""), at)
    };
    vec![
        ("unsigned", with(get(), &|request| request.headers.clear())),
        ("expired", at(-400)),
        ("just expired", at(-301)),
        ("from the future", at(120)),
        ("of an unknown node", Signed::new(&scene.third, scene.peer(), Method::GET, OFFERS, b"")),
        (
            "for another node",
            Signed { url: get().url, ..Signed::new(scene.peer(), &scene.third, Method::GET, OFFERS, b"") },
        ),
        ("another body", with(post(), &|request| request.body = b"{ }".to_vec())),
        ("no body", with(post(), &|request| request.body.clear())),
        ("a body that is not signed", with(get(), &|request| request.body = b"{}".to_vec())),
        (
            "another digest",
            with(post(), &|request| {
                request.set("content-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")
            }),
        ),
        ("without its digest", with(post(), &|request| drop(request.headers.remove("content-digest")))),
        (
            "another path",
            with(get(), &|request| request.url = request.url.replace(OFFERS, HINTS).replace("hints", "agreements/")),
        ),
        ("another query", with(get(), &|request| request.url.push_str("?x=1"))),
        ("another method", with(post(), &|request| request.url = request.url.replace(HINTS, &scene.path("tally")))),
        ("without the signature", with(get(), &|request| drop(request.headers.remove("signature")))),
        ("without its input", with(get(), &|request| drop(request.headers.remove("signature-input")))),
        ("garbage for a signature", with(get(), &|request| request.set("signature", "hefu=:AAAA:"))),
        (
            "another tag",
            with(get(), &|request| {
                let input =
                    request.headers["signature-input"].to_str().unwrap().replace("tag=\"hefu\"", "tag=\"other\"");
                request.set("signature-input", &input);
            }),
        ),
        (
            "signed twice",
            with(get(), &|request| {
                for name in ["signature", "signature-input"] {
                    let value: HeaderValue = request.headers[name].clone();
                    request.headers.append(name, value);
                }
            }),
        ),
        ("a key of another role", signed_by_record_key(scene)),
    ]
}

/// The peer's record key stands in its log, but not for requests.
fn signed_by_record_key(scene: &Scene) -> Signed {
    let node = scene.peer().node();
    let mut request = scene.request(Method::GET, OFFERS, b"");
    let parts = Parts { method: "GET", target_uri: &request.url.clone(), body: b"" };
    let headers = sign(parts, &node.keys.record_id(&node.did), &node.keys.record, node.clock.now_s(), &random());
    request.set("signature-input", &headers.signature_input);
    request.set("signature", &headers.signature);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_says_is_refused_and_changes_nothing() {
    let scene = Scene::new().await;
    let sizes = async || (scene.asked().size().await, scene.asked().size_of(scene.peer()).await);
    let before = sizes().await;
    for (name, request) in bent(&scene) {
        let answer = request.send().await;
        let expected = if name == "another path" { (404, "not-found") } else { (401, "unauthenticated") };
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), expected, "{name}");
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        assert_eq!(sizes().await, before, "{name}");
    }
    scene.federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_once() {
    let mut scene = Scene::new().await;
    let request = scene.request(Method::GET, OFFERS, b"");
    assert_eq!(request.send().await.status.as_u16(), 200);
    for _ in 0..2 {
        let again = request.send().await;
        assert_eq!((again.status.as_u16(), again.problem().as_str()), (401, "replayed"));
    }
    // Nor after a restart: nonces are kept by the database.
    scene.federation.node_mut(0).restart().await;
    assert_eq!(request.send().await.problem(), "replayed");
    // A refused request has not spent its nonce: the honest one behind it is answered.
    let honest = scene.request(Method::POST, HINTS, b"{}");
    let forged = Signed { body: b"{ }".to_vec(), ..honest.clone() };
    assert_eq!(forged.send().await.problem(), "unauthenticated");
    assert_eq!(honest.send().await.status.as_u16(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_not_signed_change_nothing() {
    let scene = Scene::new().await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("accept-encoding", "identity"),
        ("range", "bytes=0-1"),
        ("x-http-method-override", "POST"),
    ] {
        let mut request = scene.request(Method::GET, OFFERS, b"");
        request.set(name, value);
        let answer = request.send().await;
        assert_eq!(answer.status.as_u16(), 200, "{name}");
        assert!(answer.json().is_array(), "{name}");
    }
}

fn assert_problem(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, code), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn well_signed_requests_for_what_is_not_theirs_or_not_there_are_refused() {
    let scene = Scene::new().await;
    let size = scene.asked().size().await;
    let nobodys = "01890a5d-ac96-774b-bcce-b302099a8057";
    let good = format!("records?from=0&until={size}");
    let cases = [
        ("unknown agreement", format!("/v1/agreements/{nobodys}/{good}"), 404, "unknown-agreement"),
        ("no id", format!("/v1/agreements/x/{good}"), 404, "unknown-agreement"),
        (
            "the built-in one",
            format!("/v1/agreements/00000000-0000-0000-0000-000000000000/{good}"),
            404,
            "unknown-agreement",
        ),
        ("beyond what is published", scene.path(&format!("records?from=0&until={}", size + 1)), 400, "bad-request"),
        ("an empty range", scene.path("records?from=3&until=3"), 400, "bad-request"),
        ("backwards", scene.path("records?from=4&until=3"), 400, "bad-request"),
        ("no range", scene.path("records"), 400, "bad-request"),
        ("half a range", scene.path("records?from=0"), 400, "bad-request"),
        ("no numbers", scene.path("records?from=a&until=b"), 400, "bad-request"),
        ("negative", scene.path("records?from=-1&until=3"), 400, "bad-request"),
        ("far too large", scene.path("records?from=0&until=99999999999999999999"), 400, "bad-request"),
        ("an unknown parameter", scene.path(&format!("{good}&x=1")), 400, "bad-request"),
    ];
    for (name, path, status, code) in cases {
        assert_problem(name, &scene.request(Method::GET, &path, b"").send().await, status, code);
    }
    let stranger = Signed::new(&scene.third, scene.asked(), Method::GET, &scene.path(&good), b"");
    assert_problem("not a party", &stranger.send().await, 403, "not-a-party");
    let offers = Signed::new(&scene.third, scene.asked(), Method::GET, OFFERS, b"").send().await;
    assert_eq!((offers.status.as_u16(), offers.json()), (200, json!([])), "no agreement names the third");
    for path in ["tally", "tally/buckets", "tally/buckets/7"] {
        let stranger = Signed::new(&scene.third, scene.asked(), Method::POST, &scene.path(path), b"{}");
        assert_problem(path, &stranger.send().await, 403, "not-a-party");
    }
    for bucket in ["4096", "65535", "65536", "-1", "x"] {
        let path = scene.path(&format!("tally/buckets/{bucket}"));
        let body = json!({"asOf": "2026-01-01", "heads": {}}).to_string();
        let answer = scene.request(Method::POST, &path, body.as_bytes()).send().await;
        assert_problem(bucket, &answer, 404, "not-found");
    }

    let mut other = question(scene.peer().node(), &scene.federation.known(1), None).await.unwrap().to_wire();
    for (name, body) in [
        ("no JSON", "x".to_owned()),
        ("another shape", "{}".to_owned()),
        ("a member more", r#"{"asOf":"2026-01-01","heads":{},"x":1}"#.to_owned()),
        ("no date", json!({"asOf": "2026-02-30", "heads": {}}).to_string()),
        ("no heads", json!({"asOf": "2026-01-01", "heads": {}}).to_string()),
    ] {
        for path in ["tally", "tally/buckets", "tally/buckets/7"] {
            let answer = scene.request(Method::POST, &scene.path(path), body.as_bytes()).send().await;
            assert_problem(name, &answer, 400, "bad-request");
        }
    }
    other.heads.values_mut().for_each(|head| head.size += 1000);
    let body = serde_json::to_vec(&other).unwrap();
    let answer = scene.request(Method::POST, &scene.path("tally"), &body).send().await;
    assert_problem("heads that nobody has", &answer, 409, "behind");
    assert_eq!(scene.asked().size().await, size);
    scene.federation.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_that_is_not_open_gives_no_records() {
    let mut federation = TestFederation::following(&["530100", "510100"]).await;
    let id = federation.propose(agreement_terms(&federation.cities(), day(0))).await;
    federation.agreement = Some(id);
    let path = format!("/v1/agreements/{}/records?from=0&until=1", id.uuid());
    let answer = Signed::new(federation.node(1), federation.node(0), Method::GET, &path, b"").send().await;
    assert_problem("only proposed", &answer, 409, "agreement-not-open");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit_are_refused() {
    let scene = Scene::new().await;
    let full = vec![b' '; MAX_BODY_LEN];
    let answer = scene.request(Method::POST, HINTS, &full).send().await;
    assert_eq!(answer.status.as_u16(), 204, "exactly the limit");
    let over = vec![b' '; MAX_BODY_LEN + 1];
    for path in [HINTS, &scene.path("tally")] {
        let answer = scene.request(Method::POST, path, &over).send().await;
        assert_problem(path, &answer, 413, "too-large");
    }
    check_log(scene.asked().node()).await;
}
