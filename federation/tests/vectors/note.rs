//! note.json: signed checkpoints that are accepted and that must be refused.

use crate::common::{KUNMING, key, key_json, random};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hefu_federation::checkpoint::Checkpoint;
use hefu_federation::note::{Verifier, sign};
use hefu_federation::tree::Hash;
use hefu_schemas::id::Origin;
use serde_json::{Value, json};

pub(crate) fn make() -> Value {
    let (log, witness) = (key(KUNMING, "log"), key(KUNMING, "witness"));
    let origin = Origin::parse(KUNMING).unwrap();
    let verifier = Verifier::new(KUNMING, log.public()).unwrap();
    let checkpoint = Checkpoint { origin: KUNMING.to_owned(), size: 600, root: Hash(random("root")) };
    let (body, note) = (checkpoint.body(), checkpoint.sign(&log).unwrap());
    let line = |text: &str, name: &str, key| {
        let signed = sign(text, name, key).unwrap();
        signed.split_once("\n\n").unwrap().1.to_owned()
    };
    let by_log = line(&body, KUNMING, &log);
    let by_witness = line(&body, "kunming.example/witness", &witness);
    let extended = format!("{body}an extension line\n");
    let accepted = [
        ("as signed", note.clone()),
        ("with a line of a key that is not known", format!("{note}{by_witness}")),
        ("with that line before", format!("{body}\n{by_witness}{by_log}")),
        ("with an extension line", format!("{extended}\n{}", line(&extended, KUNMING, &log))),
    ];
    let signed = |body: &str| format!("{body}\n{}", line(body, KUNMING, &log));
    let root = STANDARD.encode(random("root"));
    let mut broken = STANDARD.decode(by_log.trim_end().rsplit(' ').next().unwrap()).unwrap();
    *broken.last_mut().unwrap() ^= 1;
    let broken = format!("\u{2014} {KUNMING} {}\n", STANDARD.encode(broken));
    let refused = [
        ("changed size", note.replace("\n600\n", "\n601\n")),
        ("no signature", format!("{body}\n")),
        ("no blank line", note.replace("\n\n", "\n")),
        ("signed by another key under the same name", format!("{body}\n{}", line(&body, KUNMING, &witness))),
        ("signed under another name", format!("{body}\n{by_witness}")),
        ("a good and a broken line of the log key", format!("{note}{broken}")),
        ("a line that is no signature", format!("{note}signed\n")),
        ("no line end behind", note.trim_end().to_owned()),
        ("carriage returns", note.replace('\n', "\r\n")),
        ("leading zero of the size", signed(&format!("{KUNMING}\n0600\n{root}\n"))),
        ("size beyond 2^53 - 1", signed(&format!("{KUNMING}\n9007199254740992\n{root}\n"))),
        ("root of 31 bytes", signed(&format!("{KUNMING}\n600\n{}\n", STANDARD.encode([0; 31])))),
        ("root without padding", signed(&format!("{KUNMING}\n600\n{}\n", root.trim_end_matches('=')))),
        ("another origin", signed(&format!("chengdu.example\n600\n{root}\n"))),
        ("empty extension line", signed(&format!("{body}\nmore\n"))),
    ];
    for (name, text) in &accepted {
        assert_eq!(Checkpoint::open(text.as_bytes(), &origin, &log.public()).as_ref(), Ok(&checkpoint), "{name}");
    }
    let refused: Vec<Value> = refused
        .into_iter()
        .map(|(name, text)| {
            let why = Checkpoint::open(text.as_bytes(), &origin, &log.public()).expect_err(name);
            json!({"name": name, "note": text, "why": why.to_string()})
        })
        .collect();
    json!({
        "about": "Checkpoints as C2SP signed notes (P-5.2, P-5.3). verifierKey: the vkey of the log key, whose name is the origin. Keys are for tests.",
        "key": key_json(KUNMING, "log"),
        "verifierKey": verifier.vkey(),
        "checkpoint": {"origin": KUNMING, "size": 600, "root": root, "body": body},
        "accepted": accepted.map(|(name, note)| json!({"name": name, "note": note})),
        "mustReject": refused,
    })
}
