//! page.json: a page of records with its signed trailer, and pages that must be refused.

use crate::common::{CHENGDU, KUNMING, did, digest, hex, key, key_id, key_json, random, utf8};
use hefu_federation::page::{Asked, Line, PageWriter, read};
use hefu_schemas::id::{AgreementId, Did};
use serde_json::{Value, json};

const AGREEMENT: &str = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
const RECORD: &[u8] = br#"{"id":"urn:uuid:01890a5d-ac96-774b-bcce-000000000011"}"#;

fn asked(to: &Did, from: u64, until: u64) -> Asked<'_> {
    Asked { agreement: AgreementId::parse(AGREEMENT).unwrap(), to, from, until }
}

fn lines() -> [Line<'static>; 4] {
    [
        Line::Record { index: 7, salt: random("salt 7"), record: RECORD },
        Line::Erased { index: 8 },
        Line::Refused { index: 9, row: "transfer".to_owned() },
        Line::Refused { index: 11, row: "roll".to_owned() },
    ]
}

fn page(lines: &[Line<'_>], from: u64, until: u64, asked_until: u64, role: &str) -> String {
    let (to, mut writer) = (did(CHENGDU), PageWriter::new());
    assert!(lines.iter().all(|line| writer.push(line)));
    utf8(writer.finish(&asked(&to, from, asked_until), until, &key_id(KUNMING, "request"), &key(KUNMING, role)))
}

pub(crate) fn make() -> Value {
    let whole = page(&lines(), 5, 20, 20, "request");
    let part = page(&lines()[..2], 5, 9, 20, "request");
    let empty = page(&[], 12, 20, 20, "request");
    let pages = [("all that was asked for", 5, whole.clone()), ("the first part of it", 5, part), ("no lines", 12, empty)]
        .map(|(name, from, page)| {
            judge(&page, from, 20).unwrap();
            let body_len = page.trim_end().rfind('\n').map_or(0, |at| at + 1);
            let trailer = &page[body_len..page.len() - 1];
            let mut unsigned: Value = serde_json::from_str(trailer).unwrap();
            unsigned.as_object_mut().unwrap().remove("sig");
            let signed = format!("hefu/page/v1\0{unsigned}");
            json!({"name": name, "from": from, "until": 20, "bodyDigest": digest(&page.as_bytes()[..body_len]), "signedBytes": hex(signed.as_bytes()), "page": page})
        });
    json!({
        "about": "Pages of records before compression (P-9.1 to P-9.3), asked by `to` for [from, until). bodyDigest: H of all bytes before the trailer; signedBytes: what the trailer's signature is over. The record is no valid one: a page does not look into it. mustReject: pages of which nothing is stored. Keys are for tests.",
        "agreement": AGREEMENT,
        "to": did(CHENGDU).as_str(),
        "key": key_json(KUNMING, "request"),
        "pages": pages,
        "mustReject": must_reject(&whole),
    })
}

fn judge(page: &str, from: u64, until: u64) -> Result<(), String> {
    let (to, known) = (did(CHENGDU), key_id(KUNMING, "request"));
    let found = |id: &_| (*id == known).then(|| key(KUNMING, "request").public());
    read(page.as_bytes(), &asked(&to, from, until), found).map(|_| ()).map_err(|error| error.to_string())
}

fn must_reject(whole: &str) -> Vec<Value> {
    let [record, erased, refused, last] = lines();
    let line_end = whole.find('\n').unwrap() + 1;
    let trailer_at = whole.trim_end().rfind('\n').unwrap() + 1;
    let cases = [
        ("cut off before the trailer", whole[..trailer_at].to_owned(), 5),
        ("cut off within the trailer", whole[..whole.len() - 2].to_owned(), 5),
        ("a line left out", whole[line_end..].to_owned(), 5),
        ("a changed salt", whole.replacen("\"salt\":\"", "\"salt\":\"A", 1), 5),
        ("a line more behind the trailer", format!("{whole}{}", &whole[..line_end]), 5),
        ("the answer to another question", whole.to_owned(), 6),
        ("signed by another key of the peer", page(&lines(), 5, 20, 20, "record"), 5),
        ("lines out of order", page(&[erased.clone(), record.clone()], 5, 20, 20, "request"), 5),
        ("one index twice", page(&[erased.clone(), erased], 5, 20, 20, "request"), 5),
        ("an index behind the range", page(&[last], 5, 11, 20, "request"), 5),
        ("an index before the range", page(&[record], 8, 20, 20, "request"), 8),
        ("does not bring forward", page(&[], 5, 5, 20, "request"), 5),
        (
            "another spelling of a line",
            whole.replacen("{\"erased\":true,\"index\":8}", "{\"index\":8,\"erased\":true}", 1),
            5,
        ),
        (
            "a row that is cited and not in the trailer",
            whole.replacen("\"transfer\",", "", 1).replacen("\"transfer\"", "\"roll\"", 1),
            5,
        ),
        ("white space in the trailer", whole.replacen("{\"agreement\"", "{ \"agreement\"", 1), 5),
    ];
    assert_eq!(refused.index(), 9);
    let case = |(name, page, from): (&str, String, u64)| {
        let why = judge(&page, from, 20).expect_err(name);
        json!({"name": name, "from": from, "until": 20, "page": page, "why": why})
    };
    cases.into_iter().map(case).collect()
}
