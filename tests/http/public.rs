//! The public door: what anybody may read, byte for byte, with its headers.

use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::entry::{Body, Entry};
use hefu_federation::tile::{TILE_WIDTH, decode_hashes, split_bundle};
use hefu_federation::tree::{CompactRange, Hash, leaf_hash};
use hefu_schemas::id::Digest;
use hefu_schemas::released::{released, released_for_verifying};
use hefu_tests::draft::day;
use hefu_tests::http::{Answer, Signed, client, get};
use hefu_tests::{TestFederation, TestNode, check_log};
use reqwest::Method;
use serde_json::{Value, json};

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A good answer of a type and with a cache header.
fn assert_good(name: &str, answer: &Answer, content_type: &str, cache: &str) {
    assert_eq!(answer.status.as_u16(), 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), (content_type, cache), "{name}");
}

async fn seen(node: &TestNode, of: &TestNode) -> Answer {
    get(node, &format!("/v1/seen/{}", Digest::of(of.city.origin.as_str().as_bytes()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_the_node_is() {
    let node = TestNode::new("530100").await;
    let answer = get(&node, "/.well-known/hefu").await;
    assert_good("well-known", &answer, "application/json", "max-age=300");
    let keys = &node.node().keys;
    let expected = json!({
        "protocol": 1,
        "origin": node.city.origin.as_str(),
        "did": node.city.did.as_str(),
        "url": node.url,
        "fingerprint": node.fingerprint.to_string(),
        "logKey": keys.log.public().multikey(),
        "witnessKey": keys.witness.public().multikey(),
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("access-control-allow-origin"), "*");

    let answer = get(&node, "/.well-known/did.json").await;
    assert_good("did.json", &answer, "application/did+json", "max-age=300");
    let document = answer.json();
    assert_eq!(document["id"], json!(node.city.did.as_str()));
    let method = keys.record_id(&node.city.did).to_string();
    let methods = document["verificationMethod"].as_array().unwrap();
    let named = |id: &str| methods.iter().find(|method| method["id"] == id).cloned().unwrap_or_default();
    assert_eq!(named(&method)["publicKeyMultibase"], json!(keys.record.public().multikey()));
    assert!(document["assertionMethod"].as_array().unwrap().iter().any(|one| *one == method), "{document}");
    for secret in ["log.pem", "record.pem"] {
        assert!(!document.to_string().contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_node_is() {
    let node = TestNode::new("530100").await;
    let live = get(&node, "/health/live").await;
    assert_good("live", &live, "application/json", "no-store");
    assert_eq!(live.json(), json!({"status": "live"}));
    let ready = get(&node, "/health/ready").await;
    assert_good("ready", &ready, "application/json", "no-store");
    assert_eq!(ready.json(), json!({"status": "ready", "size": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn released_files_are_served_as_released() {
    let node = TestNode::new("530100").await;
    for file in released().iter().chain(released_for_verifying()) {
        let answer = get(&node, file.path).await;
        let kind = if file.path.ends_with(".jsonld") { "application/ld+json" } else { "application/schema+json" };
        assert_good(file.path, &answer, kind, "max-age=300");
        assert_eq!(answer.body, file.text.as_bytes(), "{}", file.path);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{}", file.path);
    }
    for path in [
        "/schemas/student-status/v2.schema.json",
        "/schemas/x/schemas/student-status/v1.schema.json",
        "/contexts/v2.jsonld",
    ] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{path}");
    }
}

/// The whole log as anybody can fetch it: its root is the one of the checkpoint.
async fn read_log(node: &TestNode) -> (Checkpoint, Vec<Vec<u8>>) {
    let answer = get(node, "/checkpoint").await;
    assert_good("checkpoint", &answer, "text/plain; charset=utf-8", "max-age=1");
    let key = node.node().keys.log.public();
    let checkpoint = Checkpoint::open(&answer.body, &node.city.origin, &key).unwrap();
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut range = CompactRange::new();
    for index in 0..checkpoint.size.div_ceil(TILE_WIDTH) {
        let width = (checkpoint.size - index * TILE_WIDTH).min(TILE_WIDTH);
        let part = if width == TILE_WIDTH { String::new() } else { format!(".p/{width}") };
        let bundle = get(node, &format!("/tile/entries/{index:03}{part}")).await;
        assert_good("bundle", &bundle, "application/octet-stream", FOR_EVER);
        let tile = get(node, &format!("/tile/0/{index:03}{part}")).await;
        assert_good("tile", &tile, "application/octet-stream", FOR_EVER);
        let width = u16::try_from(width).unwrap();
        let hashes = decode_hashes(&tile.body, width).unwrap();
        for (data, hash) in split_bundle(&bundle.body, width).unwrap().into_iter().zip(hashes) {
            assert_eq!(leaf_hash(data), hash);
            range.append(hash);
            entries.push(data.to_vec());
        }
    }
    assert_eq!(range.root(), checkpoint.root);
    (checkpoint, entries)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_reads_as_tiles_at_every_width() {
    let federation = TestFederation::new(&["530100", "510100"]).await;
    let (node, drafts) = (federation.node(0), federation.drafts(0));
    let lines: Vec<Value> = (0..300).map(|n| drafts.enter(&drafts.subject(n), day(-30))).collect();
    node.publish(&lines).await.unwrap();
    let (checkpoint, entries) = read_log(node).await;
    assert_eq!((checkpoint.size, node.size().await), (303, 303));
    assert_eq!(leaf_hash(&entries[0]), Hash(node.fingerprint.0), "entry 0 is what people compare");
    assert!(matches!(Entry::parse(&entries[0]).unwrap().body, Body::Genesis(_)));
    for data in &entries {
        assert!(data.len() <= 1024);
        let text = String::from_utf8(data.clone()).unwrap();
        assert!(!text.contains("urn:hefu:subject") && !text.contains(&drafts.cited.id.to_string()), "{text}");
    }

    // A narrower width of a wider tile is its prefix, also where the tile has become full since.
    let (bundle, tile) = (get(node, "/tile/entries/000").await.body, get(node, "/tile/0/000").await.body);
    for width in [1, 2, 100, 255] {
        let part = get(node, &format!("/tile/0/000.p/{width}")).await;
        assert_good("partial tile", &part, "application/octet-stream", FOR_EVER);
        assert_eq!(part.body, tile[..width * 32], "{width}");
        let part = get(node, &format!("/tile/entries/000.p/{width}")).await;
        assert_good("partial bundle", &part, "application/octet-stream", FOR_EVER);
        assert!(bundle.starts_with(&part.body) && part.body.len() < bundle.len(), "{width}");
        assert_eq!(split_bundle(&part.body, u16::try_from(width).unwrap()).unwrap().len(), width);
    }
    let upper = get(node, "/tile/1/000.p/1").await;
    assert_good("upper tile", &upper, "application/octet-stream", FOR_EVER);
    let mut range = CompactRange::new();
    entries.iter().take(256).for_each(|data| range.append(leaf_hash(data)));
    assert_eq!(upper.body, range.root().0, "the hash of the first full tile");

    let missing = [
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001",
        "tile/0/001.p/48",
        "tile/0/002",
        "tile/1/000",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/6/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/-01",
        "tile/0/999",
        "tile/0/x999/x999/x999/999",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/entries/001",
        "tile/entries/001.p/48",
        "tile/entries/0",
        "tile/entries/",
        "tile/data/000",
        "tile/0/000/",
    ];
    for path in missing {
        let answer = get(node, &format!("/{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{path}");
    }
    check_log(node.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_note_seen_of_an_origin_is_served() {
    let federation = TestFederation::following(&["530100", "510100"]).await;
    let (node, peer) = (federation.node(0), federation.node(1));
    let answer = seen(node, peer).await;
    assert_good("seen", &answer, "text/plain; charset=utf-8", "no-store");
    assert_eq!(answer.body, get(peer, "/checkpoint").await.body);
    for path in [Digest::of(b"somebody.example").to_string(), "0".repeat(63), "Z".repeat(64), String::new()] {
        let answer = get(node, &format!("/v1/seen/{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_allowed_is_a_problem_too() {
    let node = TestNode::new("530100").await;
    for path in [
        "/",
        "/x",
        "/v1",
        "/v1/records",
        "/v1/peers",
        "/v1/status",
        "/v1/fsck",
        "/health",
        "/.well-known/",
        "/checkpoint/",
        "//checkpoint",
        "/../hefu.toml",
        "/tile/../keys/log.pem",
    ] {
        let answer = get(&node, path).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    for (method, path) in [
        (Method::POST, "/checkpoint"),
        (Method::DELETE, "/tile/0/000.p/1"),
        (Method::PUT, "/health/live"),
        (Method::GET, "/v1/hints"),
        (Method::POST, "/v1/agreements"),
    ] {
        let response = client().request(method.clone(), format!("{}{path}", node.url)).send().await.unwrap();
        let answer = Answer::read(response).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (405, "method-not-allowed"), "{method} {path}");
        let allowed: Vec<&str> = answer.header("allow").split(", ").collect();
        assert!(allowed.iter().all(|one| ["GET", "HEAD", "POST"].contains(one)), "{path}: {allowed:?}");
    }
    assert_eq!(node.size().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_a_get_without_a_body() {
    let node = TestNode::new("530100").await;
    let paths =
        ["/checkpoint", "/tile/0/000.p/1", "/tile/9/000", "/.well-known/hefu", "/health/ready", "/openapi.json", "/x"];
    for path in paths.into_iter().chain(released().iter().map(|file| file.path)) {
        let get = get(&node, path).await;
        let head = Answer::read(client().head(format!("{}{path}", node.url)).send().await.unwrap()).await;
        assert_eq!(head.status, get.status, "{path}");
        for name in ["content-type", "content-length", "cache-control", "access-control-allow-origin"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
        assert!(head.body.is_empty(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_below_a_path_serves_and_is_followed() {
    let mut below = TestNode::init_with("510100", |config| config.url.push_str("/hefu/one")).await;
    below.open().await;
    let other = TestNode::new("530100").await;
    assert!(below.city.origin.as_str().ends_with("/hefu/one"));
    // `url` has the path already; the well-known documents stand at the root of the host.
    let (checkpoint, _) = read_log(&below).await;
    assert_eq!(checkpoint.size, 1);
    let root = below.url.trim_end_matches("/hefu/one").to_owned();
    let at_root = async |path: &str| Answer::read(client().get(format!("{root}{path}")).send().await.unwrap()).await;
    assert_eq!(at_root("/.well-known/hefu").await.json()["origin"], json!(below.city.origin.as_str()));
    assert_eq!(at_root("/checkpoint").await.problem(), "not-found");
    assert_eq!(at_root("/hefu/onecheckpoint").await.problem(), "not-found");
    other.follow(&below).await.unwrap();
    below.follow(&other).await.unwrap();
    let offers = Signed::new(&other, &below, Method::GET, "/v1/agreements", b"").send().await;
    assert_eq!((offers.status.as_u16(), offers.json()), (200, json!([])));
    other.pull(&below).await.unwrap();
    check_log(other.node()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_1_3_is_spoken() {
    let node = TestNode::new("530100").await;
    let mut roots = rustls::RootCertStore::empty();
    let pem = hefu_tests::certificate::certificates().ca.as_bytes();
    roots
        .add(<rustls_pki_types::CertificateDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(pem).unwrap())
        .unwrap();
    for (versions, good) in [([&rustls::version::TLS13], true), ([&rustls::version::TLS12], false)] {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let Ok(builder) = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions)
        else {
            assert!(!good, "this build does not even know TLS 1.2");
            continue;
        };
        let config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
        assert_eq!(client.get(format!("{}/health/live", node.url)).send().await.is_ok(), good, "{versions:?}");
    }
}
