//! What the steps of verifying and publishing one record cost, each alone, on one thread: where a path's time goes.

use crate::Failure;
use crate::library::{Limits, time};
use crate::report::{Must, Report, Row};
use crate::sample::Sample;
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::proof::{self, Contexts};
use hefu_federation::reconcile::key::keys_of;
use hefu_federation::reconcile::view::View;
use hefu_node::codec::{compress, decompress};
use hefu_schemas::gate::MAX_RECORD_LEN;
use hefu_schemas::id::{AgreementId, RecordId};
use hefu_schemas::record::{self, CONTEXTS, Completion, Draft, Kind};
use hefu_schemas::scan::{Scanned, scan};
use hefu_schemas::validate::validate;
use std::hint::black_box;

/// All steps.
pub(crate) fn measure(sample: &Sample, limits: &Limits, report: &mut Report) -> Result<(), Failure> {
    report.push(Row {
        path: "reference: verify_strict".into(),
        figure: format!("{:.2} µs", limits.verify.one_core_us),
        limit: String::new(),
        ratio: f64::NAN,
        must: Must::Stated,
        note: "the whole check of the library, for comparison: \
               ours decides the same by multiples of the key in less (ADR 0016)"
            .into(),
    });
    let mut step = |path: &str, what: &str, us: f64| {
        report.push(Row {
            path: format!("step of {path}: {what}"),
            figure: format!("{us:.2} µs"),
            limit: String::new(),
            ratio: f64::NAN,
            must: Must::Stated,
            note: String::new(),
        });
    };
    verifying(sample, &mut step)?;
    publishing(sample, &mut step)
}

fn verifying(sample: &Sample, step: &mut impl FnMut(&str, &str, f64)) -> Result<(), Failure> {
    let scanned: Vec<Scanned<'_>> =
        sample.records.iter().map(|record| scan(record.as_slice(), MAX_RECORD_LEN)).collect::<Result<_, _>>()?;
    let bodies: Vec<(u8, Vec<u8>)> = sample.records.iter().map(|record| compress(record)).collect();
    let did = sample.keys.did().as_str();
    step(
        "verifying",
        "commitment and label",
        time(&sample.records, |record| {
            let commitment = commit(&sample.salt(), black_box(record));
            black_box(blind_label(sample.linkage.label_key(), &commitment));
        }),
    );
    step(
        "verifying",
        "proof, with its signature",
        time(&scanned, |document| {
            black_box(proof::verify(black_box(document), Contexts::Exactly(&CONTEXTS), did, &sample.public).is_ok());
        }),
    );
    step(
        "verifying",
        "schema",
        time(&scanned, |document| {
            let kind = Kind::of(document).map(Kind::schema_name);
            black_box(kind.map(|kind| validate(kind, document).is_empty()));
        }),
    );
    step(
        "verifying",
        "schema and rules of the record alone",
        time(&scanned, |document| {
            black_box(record::check(black_box(document)).is_empty());
        }),
    );
    step(
        "verifying",
        "scope of the agreement",
        time(&scanned, |document| {
            black_box(Kind::of(document).map(|kind| sample.agreement.in_scope(kind, document).is_ok()));
        }),
    );
    step(
        "storing",
        "view and keys",
        time(&scanned, |document| {
            black_box(View::read(document).map(|view| keys_of(&view)));
        }),
    );
    step(
        "storing",
        "compress",
        time(&sample.records, |record| {
            black_box(compress(black_box(record)));
        }),
    );
    step(
        "serving and reconciling",
        "decompress",
        time(&bodies, |(codec, body)| {
            black_box(decompress(*codec, black_box(body)));
        }),
    );
    Ok(())
}

fn publishing(sample: &Sample, step: &mut impl FnMut(&str, &str, f64)) -> Result<(), Failure> {
    let commitments: Vec<[u8; 32]> = sample.records.iter().map(|record| commit(&sample.salt(), record)).collect();
    let id = RecordId::from_uuid(AgreementId::HOLDER.uuid()).or_else(|_| RecordId::parse(crate::sample::AGREEMENT))?;
    let completion = Completion {
        issuer: sample.keys.did(),
        id,
        verification_method: &sample.method,
        created: crate::sample::CREATED,
    };
    let read = time(&sample.lines, |line| {
        black_box(Draft::read(black_box(line.as_bytes())).is_ok());
    });
    let completed = time(&sample.lines, |line| {
        let draft = Draft::read(black_box(line.as_bytes()));
        black_box(draft.ok().and_then(|draft| draft.complete(&completion).ok()));
    });
    let signed = time(&sample.lines, |line| {
        let draft = Draft::read(black_box(line.as_bytes()));
        let record = draft.ok().and_then(|draft| draft.complete(&completion).ok());
        black_box(record.map(|record| proof::sign(record, &sample.secret)));
    });
    let sign = time(&commitments, |commitment| {
        black_box(sample.secret.sign(black_box(commitment)));
    });
    step("publishing", "read the draft", read);
    step("publishing", "complete and check", completed - read);
    step("publishing", "sign, cut hash inputs and write the proof", signed - completed);
    step("publishing", "the signature alone", sign);
    Ok(())
}
