//! entries.json: an entry of every kind with its leaf hash, and lines that are no entries.

use crate::common::{KUNMING, hex, key, key_json, random, seal_key, seed, utf8};
use hefu_federation::append::{AppendError, Head, plan};
use hefu_federation::entry::{Act, Audience, Body, Entry, Genesis, KeyAct, Says, Signed};
use hefu_federation::key::Role;
use hefu_federation::tree::leaf_hash;
use hefu_schemas::id::{Did, Digest, Origin};
use serde_json::{Value, json};

pub(crate) const T: i64 = 1_790_000_000;

/// The first entry of Kunming's log in all vectors.
pub(crate) fn genesis() -> Genesis {
    let public = |role| key(KUNMING, role).public();
    Genesis {
        origin: Origin::parse(KUNMING).unwrap(),
        did: Did::from_authority(KUNMING).unwrap(),
        record: public("record"),
        log: public("log"),
        witness: public("witness"),
        request: public("request"),
        seal: seal_key(KUNMING).public(),
        recovery: Digest::of(public("recovery").multikey().as_bytes()),
    }
}

/// Entries with a signature of their own; each recovery key is the one that was announced before.
fn signed() -> Vec<(&'static str, Body)> {
    let origin = Origin::parse(KUNMING).unwrap();
    let sign = |says, role| Body::Signed(Box::new(Signed::new(says, &origin, &key(KUNMING, role))));
    let says = |act, of: &str, next: &str| Says::Key {
        act,
        role: Role::Record,
        key: key(KUNMING, of).public().multikey(),
        from: (act == KeyAct::Revoke).then_some(8),
        recovery: Digest::of(key(KUNMING, next).public().multikey().as_bytes()),
    };
    vec![
        ("key, add", sign(says(KeyAct::Add, "record 2", "recovery 2"), "recovery")),
        ("key, retire", sign(says(KeyAct::Retire, "record", "recovery 3"), "recovery 2")),
        ("key, revoke from an index on", sign(says(KeyAct::Revoke, "record", "recovery 4"), "recovery 3")),
        ("erase", sign(Says::Erase { of: 7 }, "record 2")),
        (
            "close, with a successor",
            sign(Says::Close { successor: Some(Origin::parse("log2.kunming.example").unwrap()) }, "recovery 4"),
        ),
    ]
}

fn bodies() -> Vec<(&'static str, Body)> {
    let (digest, c) = (Digest::of(b"agreement"), random("commitment"));
    let label = random("label").first_chunk().copied().unwrap();
    let act =
        |act: Act| Body::Agreement { digest, act, on: act.may_have_date().then(|| "2026-12-31".parse().unwrap()) };
    let mut all = vec![
        ("genesis", Body::Genesis(Box::new(genesis()))),
        ("agreement, sign", act(Act::Sign)),
        ("agreement, open", act(Act::Open)),
        ("agreement, suspend on a day", act(Act::Suspend)),
        ("agreement, resume on a day", act(Act::Resume)),
        ("agreement, end on a day", act(Act::End)),
        ("agreement, end without a day", Body::Agreement { digest, act: Act::End, on: None }),
        ("record for the parties of an agreement", Body::Record { c, a: Audience::Agreement(label) }),
        ("record for everybody", Body::Record { c, a: Audience::Public }),
        ("record for nobody", Body::Record { c, a: Audience::Holder }),
        ("amend", Body::Amend { c: random("correction"), a: Audience::Agreement(label), of: 7 }),
        ("withdraw", Body::Withdraw { c: random("withdrawal"), a: Audience::Agreement(label), of: 10 }),
    ];
    all.extend(signed());
    all
}

const NO_ENTRY: [(&str, &str); 12] = [
    ("unknown member", r#"{"c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","k":"record","more":1,"t":1,"v":1}"#),
    ("no commitment", r#"{"k":"record","t":1,"v":1}"#),
    ("short commitment", r#"{"c":"AAAA","k":"record","t":1,"v":1}"#),
    (
        "commitment in another spelling",
        r#"{"c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB","k":"record","t":1,"v":1}"#,
    ),
    ("unknown audience", r#"{"a":"all","c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","k":"record","t":1,"v":1}"#),
    ("members out of order", r#"{"k":"record","c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","t":1,"v":1}"#),
    ("time before 1970", r#"{"c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","k":"record","t":-1,"v":1}"#),
    ("time as text", r#"{"c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","k":"record","t":"1","v":1}"#),
    ("record with of", r#"{"c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","k":"record","of":0,"t":1,"v":1}"#),
    ("amend without of", r#"{"c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","k":"amend","t":1,"v":1}"#),
    (
        "day of an act that has none",
        r#"{"act":"sign","digest":"0000000000000000000000000000000000000000000000000000000000000000","k":"agreement","on":"2026-01-01","t":1,"v":1}"#,
    ),
    (
        "no such day",
        r#"{"act":"end","digest":"0000000000000000000000000000000000000000000000000000000000000000","k":"agreement","on":"2026-02-30","t":1,"v":1}"#,
    ),
];

pub(crate) fn make() -> Value {
    let entries: Vec<Value> = (0_u64..)
        .zip(bodies())
        .map(|(index, (name, body))| {
            let entry = Entry { t: T + i64::try_from(index).unwrap(), body };
            let data = entry.write().unwrap();
            assert_eq!(Entry::parse(&data).unwrap(), entry);
            json!({"name": name, "index": index, "leafHash": hex(&leaf_hash(&data).0), "entry": utf8(data)})
        })
        .collect();
    let must_reject = NO_ENTRY.map(|(name, line)| {
        let why = Entry::parse(line.as_bytes()).unwrap_err();
        json!({"name": name, "entry": line, "why": why.to_string()})
    });
    json!({
        "about": "Log entries (P-4.1 to P-4.6, P-4.9 to P-4.12), one log from its genesis on. entry: the leaf data as text; leafHash: H(00 ‖ leaf data), hex; that of genesis is the node's fingerprint. sig of key, erase and close: over `hefu/entry/v1` 00 origin 00 JCS(entry without sig and t), by the key in by. mustReject: lines that refuse a log, wherever they stand. outOfPlace: good lines that must not stand at this index. keys: Ed25519 seeds (seal: X25519), H of `hefu test key`, host and role with spaces between: for tests.",
        "origin": KUNMING,
        "keys": {
            "record": key_json(KUNMING, "record"), "log": key_json(KUNMING, "log"), "witness": key_json(KUNMING, "witness"),
            "request": key_json(KUNMING, "request"), "recovery": key_json(KUNMING, "recovery"),
            "seal": {"secretKey": hex(&seed(KUNMING, "seal")), "publicKey": seal_key(KUNMING).public().multikey()},
        },
        "entries": entries,
        "mustReject": must_reject,
        "outOfPlace": out_of_place(),
    })
}

fn out_of_place() -> Vec<Value> {
    let founded = plan(&Head::default(), vec![Body::Genesis(Box::new(genesis()))], T).unwrap().head;
    let c = random("commitment");
    let cases = [
        ("a second genesis", &founded, Body::Genesis(Box::new(genesis())), AppendError::Genesis),
        ("amends itself", &founded, Body::Amend { c, a: Audience::Public, of: 1 }, AppendError::Of),
        ("withdraws what is to come", &founded, Body::Withdraw { c, a: Audience::Public, of: 2 }, AppendError::Of),
        ("a log without genesis", &Head::default(), Body::Record { c, a: Audience::Public }, AppendError::Genesis),
    ];
    let case = |(name, head, body, why): (&str, &Head, Body, AppendError)| {
        let line = utf8(Entry { t: T, body: body.clone() }.write().unwrap());
        assert_eq!(plan(head, vec![body], T).unwrap_err(), why);
        json!({"name": name, "index": head.size(), "entry": line, "why": why.to_string()})
    };
    cases.into_iter().map(case).collect()
}
