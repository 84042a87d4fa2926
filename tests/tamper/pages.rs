//! Pages of records: lines altered under a valid trailer, and pages that are no answer to what was asked.

use super::liar::Answer;
use super::world::{World, assert_clean, drafts, peer, publish, pull_from, rows, states};
use super::{flip, keys_of, replaced};
use hefu_federation::base64url;
use hefu_federation::key::SecretKey;
use hefu_federation::pull::PayloadState::{self, Held, Refused, Wanted, Withheld};
use hefu_node::keys::Keys;
use hefu_node::problem::Code;
use hefu_schemas::id::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Records that Chengdu publishes.
const RECORDS: u64 = 40;

/// A page that is taken apart.
struct Page {
    /// Without newlines.
    lines: Vec<String>,
    trailer: Value,
    /// What the liar has to sign with.
    keys: Arc<Keys>,
    /// The request key of the city, unless the case signs with another.
    signer: Option<SecretKey>,
}

impl Page {
    fn read(body: &[u8], keys: &Arc<Keys>) -> Self {
        let text = String::from_utf8(zstd::decode_all(body).unwrap()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let trailer = serde_json::from_str(&lines.pop().unwrap()).unwrap();
        Self { lines, trailer, keys: keys.clone(), signer: None }
    }

    /// The page with a trailer that fits its lines, as the liar wants them.
    fn sign(mut self) -> Vec<u8> {
        let body: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let refused =
            self.lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()?.get("refused").cloned());
        let refused: Vec<Value> = refused.collect();
        let members = self.trailer.as_object_mut().unwrap();
        members.remove("sig");
        members.insert("digest".to_owned(), Digest::of(body.as_bytes()).to_string().into());
        members.insert("lines".to_owned(), self.lines.len().into());
        members.insert("refused".to_owned(), refused.into());
        let signed = [b"hefu/page/v1\0".as_slice(), self.trailer.to_string().as_bytes()].concat();
        let key = self.signer.as_ref().unwrap_or(&self.keys.request);
        self.trailer["sig"] = base64url::encode(&key.sign(&signed)).into();
        format!("{body}{}\n", self.trailer).into_bytes()
    }
}

/// What an altered page leads to.
enum Expected {
    /// The page is refused as a whole, and says why.
    Page(&'static str),
    /// These lines, by position, get a state and a reason; all others are held.
    Rows(&'static [usize], PayloadState, Option<&'static str>),
}
use Expected::{Page as Whole, Rows};

/// How the liar alters a page.
enum Lie {
    /// The lines and the trailer's members; then it signs.
    Lines(fn(&mut Page)),
    /// The signed bytes.
    Bytes(fn(Vec<u8>) -> Vec<u8>),
    /// The compressed answer.
    Answer(fn(Answer) -> Answer),
}
use Lie::{Answer as Sent, Bytes, Lines};

/// The salt stands last in a line.
fn flip_salt(line: &mut String) {
    let at = line.len() - 20;
    let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
    line.replace_range(at..=at, other);
}

fn index_of(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["index"].as_u64().unwrap()
}

fn with_index(line: &str, index: u64) -> String {
    replaced(line, &format!("{{\"index\":{},", index_of(line)), &format!("{{\"index\":{index},"))
}

const CASES: &[(&str, Lie, Expected)] = &[
    ("nothing altered", Lines(|_| {}), Rows(&[], Held, None)),
    (
        "a bit of a record",
        Lines(|page| page.lines[5] = replaced(&page.lines[5], "\"issuer\":\"did:web", "\"issuer\":\"did:wed")),
        Rows(&[5], Withheld, Some("commitment")),
    ),
    (
        "a record that is not JSON",
        Lines(|page| page.lines[5] = replaced(&page.lines[5], "\"@context\":[", "\"@context\":[,")),
        Rows(&[5], Withheld, Some("commitment")),
    ),
    (
        "a record nested a hundred thousand deep",
        Lines(|page| {
            page.lines[5] = replaced(&page.lines[5], "\"@context\":[", &format!("\"@context\":{}", "[".repeat(100_000)))
        }),
        Rows(&[5], Withheld, Some("commitment")),
    ),
    ("a bit of a salt", Lines(|page| flip_salt(&mut page.lines[5])), Rows(&[5], Withheld, Some("commitment"))),
    (
        "each record under the other's index",
        Lines(|page| {
            let (a, b) = (page.lines[5].clone(), page.lines[6].clone());
            page.lines[5] = with_index(&b, index_of(&a));
            page.lines[6] = with_index(&a, index_of(&b));
        }),
        Rows(&[5, 6], Withheld, Some("commitment")),
    ),
    (
        "one record for all indexes",
        Lines(|page| page.lines = page.lines.iter().map(|line| with_index(&page.lines[0], index_of(line))).collect()),
        Rows(ALL_BUT_FIRST, Withheld, Some("commitment")),
    ),
    (
        "an extra member in a record",
        Lines(|page| page.lines[5] = replaced(&page.lines[5], "{\"@context\"", "{\"@a\":1,\"@context\"")),
        Rows(&[5], Withheld, Some("commitment")),
    ),
    ("a record left out", Lines(|page| drop(page.lines.remove(5))), Rows(&[5], Withheld, None)),
    ("all records left out", Lines(|page| page.lines.clear()), Rows(ALL, Withheld, None)),
    (
        "a record said to be refused",
        Lines(|page| page.lines[5] = format!("{{\"index\":{},\"refused\":\"statuses/0\"}}", index_of(&page.lines[5]))),
        Rows(&[5], Refused, Some("statuses/0")),
    ),
    (
        "a record said to be erased, without an entry",
        Lines(|page| page.lines[5] = format!("{{\"erased\":true,\"index\":{}}}", index_of(&page.lines[5]))),
        Rows(&[5], Withheld, Some("erased-without-entry")),
    ),
    (
        "a record that nobody asked for",
        Lines(|page| {
            let extra = with_index(&page.lines[0], index_of(&page.lines[0]) - 1);
            page.trailer["from"] = page.trailer["from"].clone();
            page.lines.insert(0, extra);
        }),
        Whole("line 1 is out of index order or range"),
    ),
    ("lines in another order", Lines(|page| page.lines.swap(5, 6)), Whole("line 7 is out of index order")),
    ("a line twice", Lines(|page| page.lines.insert(5, page.lines[5].clone())), Whole("line 7 is out of index order")),
    (
        "an extra member in a line",
        Lines(|page| page.lines[5] = replaced(&page.lines[5], ",\"salt\":", ",\"sal\":1,\"salt\":")),
        Whole("line 6 is malformed"),
    ),
    (
        "members of a line in another order",
        Lines(|page| page.lines[5] = format!("{{\"erased\":true, \"index\":{}}}", index_of(&page.lines[5]))),
        Whole("line 6 is malformed"),
    ),
    (
        "an index with a leading zero",
        Lines(|page| page.lines[5] = replaced(&page.lines[5], "{\"index\":", "{\"index\":0")),
        Whole("line 6 is malformed"),
    ),
    ("an empty line", Lines(|page| page.lines.insert(5, String::new())), Whole("line 6 is malformed")),
    (
        "a line that is too long",
        Lines(|page| {
            page.lines[5] =
                format!("{{\"index\":{},\"record\":{{\"{}\"}}}}", index_of(&page.lines[5]), "a".repeat(300_000))
        }),
        Whole("line 6 is malformed"),
    ),
    (
        "an extra member in the trailer",
        Lines(|page| page.trailer["more"] = json!(1)),
        Whole("the trailer does not fit"),
    ),
    (
        "a page of another agreement",
        Lines(|page| page.trailer["agreement"] = json!("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057")),
        Whole("the trailer does not fit"),
    ),
    (
        "a page for another recipient",
        Lines(|page| page.trailer["to"] = json!("did:web:localhost%3A1")),
        Whole("the trailer does not fit"),
    ),
    (
        "a page from another index on",
        Lines(|page| page.trailer["from"] = json!(page.trailer["from"].as_u64().unwrap() + 1)),
        Whole("the trailer does not fit"),
    ),
    (
        "a page that ends early and says so nowhere",
        Lines(|page| page.trailer["until"] = json!(page.trailer["until"].as_u64().unwrap() - 1)),
        Whole("the trailer does not fit"),
    ),
    (
        "a page that leads in a circle",
        Lines(|page| {
            page.trailer["until"] = page.trailer["from"].clone();
            page.trailer["next"] = page.trailer["from"].clone();
        }),
        Whole("the trailer does not fit"),
    ),
    (
        "a trailer by the record key",
        Lines(|page| {
            page.signer = Some(copy(&page.keys.record));
            page.name_signer();
        }),
        Whole("signed by an unknown key"),
    ),
    (
        "a trailer by a key of nobody",
        Lines(|page| {
            page.signer = Some(SecretKey::from_seed(&[9; 32]));
            page.name_signer();
        }),
        Whole("signed by an unknown key"),
    ),
    (
        "a trailer by another key under the right name",
        Lines(|page| page.signer = Some(SecretKey::from_seed(&[9; 32]))),
        Whole("signature does not hold"),
    ),
    (
        "a trailer by another city",
        Lines(|page| {
            page.trailer["keyid"] =
                json!(replaced(page.trailer["keyid"].as_str().unwrap(), "did:web:localhost", "did:web:elsewhere"))
        }),
        Whole("signed by an unknown key"),
    ),
    (
        "a bit of a line after signing",
        Bytes(|mut page| {
            flip(&mut page, 300);
            page
        }),
        Whole("the trailer does not fit"),
    ),
    (
        "cut off at the end of a line",
        Bytes(|page| page[..=page.iter().take(page.len() / 2).rposition(|byte| *byte == b'\n').unwrap()].to_vec()),
        Whole("no signed trailer"),
    ),
    ("cut off within a line", Bytes(|page| page[..page.len() / 2].to_vec()), Whole("no signed trailer")),
    ("cut off before the last newline", Bytes(|page| page[..page.len() - 1].to_vec()), Whole("no signed trailer")),
    ("an empty page", Bytes(|_| Vec::new()), Whole("no signed trailer")),
    (
        "a bomb",
        Sent(|answer| {
            answer.with_body(zstd::encode_all(std::io::Read::take(std::io::repeat(b'{'), 1 << 30), 1).unwrap())
        }),
        Whole("not a zstd page within"),
    ),
    (
        "a frame that is cut off",
        Sent(|answer| {
            let half = answer.body.len() / 2;
            answer.clone().with_body(&answer.body[..half])
        }),
        Whole("not a zstd page within"),
    ),
    (
        "not compressed",
        Sent(|answer| {
            let page = zstd::decode_all(answer.body.as_slice()).unwrap();
            answer.with_body(page)
        }),
        Whole("not a zstd page within"),
    ),
];
const ALL: &[usize] = &{
    let mut all = [0; 40];
    let mut at = 0;
    while at < 40 {
        all[at] = at;
        at += 1;
    }
    all
};
const ALL_BUT_FIRST: &[usize] = ALL.split_at(1).1;

fn copy(key: &SecretKey) -> SecretKey {
    SecretKey::from_pem(&key.to_pem().unwrap()).unwrap()
}

impl Page {
    /// Names the key that signs in the trailer.
    fn name_signer(&mut self) {
        let (did, _) = self.trailer["keyid"].as_str().unwrap().split_once('#').unwrap();
        self.trailer["keyid"] = json!(format!("{did}#{}", self.signer.as_ref().unwrap().public().multikey()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_pages() {
    let world = World::agreed().await;
    world.publish(RECORDS).await;
    let keys = Arc::new(keys_of(&world.chengdu));
    for (name, lie, expected) in CASES {
        let node = world.copy_of_kunming().await;
        let row = peer(&node, &world.chengdu).await;
        let keys = keys.clone();
        world.liar.lie(move |path, answer| match lie {
            _ if !path.contains("/records?") => answer,
            Sent(alter) => alter(answer),
            Lines(_) | Bytes(_) => {
                let mut page = Page::read(&answer.body, &keys);
                if let Lines(alter) = lie {
                    alter(&mut page);
                }
                let bytes = page.sign();
                let bytes = if let Bytes(alter) = lie { alter(bytes) } else { bytes };
                answer.with_body(zstd::encode_all(bytes.as_slice(), 1).unwrap())
            }
        });
        let pulled = pull_from(&node, &world.chengdu).await;
        match expected {
            Whole(why) => {
                let problem = pulled.expect_err(name);
                assert_eq!(problem.code, Code::PeerMisbehaved, "{name}: {problem}");
                assert!(problem.detail.contains(why), "{name}: {problem}");
                assert_eq!(states(&node, row.no).await, BTreeMap::from([(Wanted, RECORDS)]), "{name}");
            }
            Rows(altered, state, reason) => {
                let report = pulled.unwrap_or_else(|problem| panic!("{name}: {problem}"));
                let rows = rows(&node, row.no).await;
                for (position, row) in rows.iter().enumerate() {
                    let expected = if altered.contains(&position) { (*state, *reason) } else { (Held, None) };
                    assert_eq!((row.state, row.reason.as_deref()), expected, "{name}: line {position}");
                    assert_eq!(row.payload.is_some(), row.state == Held, "{name}: line {position}");
                }
                let altered = u64::try_from(altered.len()).unwrap();
                assert_eq!((report.held, report.not_held), (RECORDS - altered, altered), "{name}");
            }
        }
        world.assert_unharmed(&node, name).await;

        // The peer comes to its senses: what was missing or was other bytes comes, what it refused stays refused.
        world.liar.be_honest();
        pull_from(&node, &world.chengdu).await.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let stays = match expected {
            Rows(altered, state @ Refused, _) => BTreeMap::from([(*state, altered.len())]),
            _ => BTreeMap::new(),
        };
        let mut found = states(&node, row.no).await;
        found.remove(&Held);
        assert_eq!(
            found,
            stays.into_iter().map(|(state, count)| (state, u64::try_from(count).unwrap())).collect(),
            "{name}"
        );
        assert_clean(&node, name).await;
    }
}

/// A page that answered an earlier question, signed and whole, is no answer to a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_sent_again() {
    let world = World::agreed().await;
    let lines = drafts(&world.cd.node, &world.population(40), 1);
    publish(&world.cd.node, &lines[..20]).await.unwrap();
    let node = world.copy_of_kunming().await;
    let row = peer(&node, &world.chengdu).await;
    let kept = Arc::new(Mutex::new(None));
    let keeping = kept.clone();
    world.liar.lie(move |path, answer| {
        if path.contains("/records?") {
            *keeping.lock().unwrap() = Some(answer.clone());
        }
        answer
    });
    pull_from(&node, &world.chengdu).await.unwrap();
    publish(&world.cd.node, &lines[20..40]).await.unwrap();
    let old = kept.lock().unwrap().clone().unwrap();
    world.liar.lie(move |path, answer| if path.contains("/records?") { old.clone() } else { answer });
    let problem = pull_from(&node, &world.chengdu).await.expect_err("an old page");
    assert_eq!(problem.code, Code::PeerMisbehaved, "{problem}");
    assert!(problem.detail.contains("the trailer does not fit"), "{problem}");
    assert_eq!(states(&node, row.no).await, BTreeMap::from([(Held, 20), (Wanted, 20)]));
    world.liar.be_honest();
    pull_from(&node, &world.chengdu).await.unwrap();
    assert_eq!(states(&node, row.no).await, BTreeMap::from([(Held, 40)]));
    world.assert_unharmed(&node, "an old page").await;
}
