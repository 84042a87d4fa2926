//! The records as the publisher serves them to the puller: the same bytes for everybody.

use crate::Failure;
use crate::city::{Federation, Node};
use crate::process::{command, said};
use hefu_federation::key::{KeyId, SecretKey};
use hefu_federation::page::{self, Asked, Line, MAX_PAGE_LEN};
use hefu_federation::request::{self, Parts};
use hefu_peers::clock::{Clock, random};
use hefu_schemas::agreement::Agreement;
use hefu_schemas::canonical;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// One signed record.
pub(crate) struct Signed {
    pub(crate) index: u64,
    pub(crate) salt: [u8; 32],
    /// Canonical bytes.
    pub(crate) record: Vec<u8>,
}

/// All records of the publisher.
pub(crate) struct Corpus {
    pub(crate) records: Vec<Signed>,
    /// Changed after they were signed: what, and canonical bytes.
    pub(crate) forgeries: Vec<(&'static str, Vec<u8>)>,
    pub(crate) agreement: Agreement,
    /// Records, one a line.
    pub(crate) file: PathBuf,
    /// Forgeries, one a line.
    pub(crate) forged: PathBuf,
    /// The issuer's DID document: the key of the records.
    pub(crate) did_document: PathBuf,
}

impl Corpus {
    /// Asks the publisher, which serves, as the puller would; writes the files that other programs read.
    pub(crate) fn new(federation: &Federation, base: &Path) -> Result<Self, Failure> {
        let shown = federation.publisher.ask(&["agreement", "show", &federation.agreement.to_string()])?;
        let document = shown.get("document").unwrap_or(&shown);
        let agreement = Agreement::read(&canonical::write(document)?).map_err(|error| format!("{error:?}"))?;
        let records = fetch(federation, base)?;
        if u64::try_from(records.len())? != federation.count {
            return Err(format!("{} of {} records are served", records.len(), federation.count).into());
        }
        let first = records.first().ok_or("no records")?;
        let forgeries = forge(&first.record)?;
        let [file, forged, did_document] = ["records.ndjson", "forged.ndjson", "did.json"].map(|name| base.join(name));
        write(&file, records.iter().map(|signed| signed.record.as_slice()))?;
        write(&forged, forgeries.iter().map(|(_, record)| record.as_slice()))?;
        let url = format!("{}/.well-known/did.json", federation.publisher.url);
        std::fs::write(&did_document, curl(&federation.publisher, base, &url, &[])?)?;
        Ok(Self { records, forgeries, agreement, file, forged, did_document })
    }

    /// Mean length of a record, bytes.
    pub(crate) fn record_len(&self) -> usize {
        let sum: usize = self.records.iter().map(|signed| signed.record.len()).sum();
        sum / self.records.len().max(1)
    }
}

fn fetch(federation: &Federation, base: &Path) -> Result<Vec<Signed>, Failure> {
    let Federation { publisher, puller, agreement, .. } = federation;
    let checkpoint = String::from_utf8(curl(publisher, base, &format!("{}/checkpoint", publisher.url), &[])?)?;
    let until: u64 =
        checkpoint.lines().nth(1).and_then(|size| size.parse().ok()).ok_or("a checkpoint without a size")?;
    let key = |node: &Node| -> Result<SecretKey, Failure> {
        Ok(SecretKey::from_pem(&std::fs::read_to_string(node.dir.join("keys/request.pem"))?)?)
    };
    let (own, theirs) = (key(puller)?, key(publisher)?.public());
    let own_id = KeyId { did: puller.city.did.clone(), multikey: own.public().multikey() };
    let (mut records, mut next) = (Vec::new(), Some(0));
    while let Some(from) = next {
        let path = format!("v1/agreements/{}/records?from={from}&until={until}", agreement.uuid());
        let url = format!("{}/{path}", publisher.url);
        let parts = Parts { method: "GET", target_uri: &url, body: &[] };
        let signed = request::sign(parts, &own_id, &own, Clock::default().now_s(), &random());
        let headers =
            [format!("signature-input: {}", signed.signature_input), format!("signature: {}", signed.signature)];
        let compressed = curl(publisher, base, &url, &headers)?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_PAGE_LEN)?;
        zstd::Decoder::new(compressed.as_slice())?.take(limit).read_to_end(&mut bytes)?;
        let asked = Asked { agreement: *agreement, to: &puller.city.did, from, until };
        let page = page::read(&bytes, &asked, |_| Some(theirs.clone()))?;
        records.extend(page.lines().iter().filter_map(|line| match line {
            Line::Record { index, salt, record } => {
                Some(Signed { index: *index, salt: *salt, record: record.to_vec() })
            }
            Line::Erased { .. } | Line::Refused { .. } => None,
        }));
        next = page.trailer().next;
    }
    Ok(records)
}

/// One GET over TLS, with the node's own certificate trusted.
fn curl(node: &Node, base: &Path, url: &str, headers: &[String]) -> Result<Vec<u8>, Failure> {
    let out = base.join("answer");
    let mut curl = command("curl");
    curl.args(["--silent", "--show-error", "--fail", "--globoff", "--noproxy", "*", "--cacert"]);
    curl.arg(node.certificate()).arg("--output").arg(&out);
    for header in headers {
        curl.args(["--header", header]);
    }
    said({
        curl.arg(url);
        curl
    })?;
    Ok(std::fs::read(&out)?)
}

fn write<'a>(path: &Path, lines: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
    let mut file = BufWriter::new(File::create(path)?);
    for line in lines {
        file.write_all(line)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Copies of a record, each changed after it was signed. All are canonical: only the proof can tell.
fn forge(record: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    let document: Value = serde_json::from_slice(record)?;
    let value = document.pointer("/proof/proofValue").and_then(Value::as_str).ok_or("a record without a proof")?;
    let other = |text: &str| {
        let (rest, last) = text.split_at(text.len().saturating_sub(1));
        format!("{rest}{}", if last == "2" { "3" } else { "2" })
    };
    let changes = [
        ("/validFrom", json!("2000-01-01T00:00:00+08:00")),
        ("/statedBy/code", json!("000000")),
        ("/termsOfUse/0/version", json!(2)),
        ("/proof/created", json!("2026-01-01T00:00:00Z")),
        ("/proof/proofValue", json!(other(value))),
        ("/proof/proofPurpose", json!("authentication")),
    ];
    let forge = |(path, value): (&'static str, Value)| -> Result<_, Failure> {
        let mut copy = document.clone();
        let member = copy.pointer_mut(path).filter(|member| **member != value).ok_or("a record without a member")?;
        *member = value;
        Ok((path, canonical::write(&copy)?))
    };
    changes.into_iter().map(forge).collect()
}
