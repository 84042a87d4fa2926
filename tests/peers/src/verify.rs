//! The same records verified by the library, by a crate and by npm packages that others wrote, one thread each.

use crate::Failure;
use crate::city::Federation;
use crate::corpus::{Corpus, Signed};
use crate::process::{command, said};
use crate::report::{Measured, float};
use hefu_federation::agreement::{SeenAct, Standing};
use hefu_federation::commitment::{blind_label, commit};
use hefu_federation::entry::{Act, Audience, Body, Entry, Genesis};
use hefu_federation::key::{KeyId, PublicKey, SealSecretKey};
use hefu_federation::linkage::Linkage;
use hefu_federation::pull::{Judge, Judged, PayloadState, Wanted, judge_line, judge_lines_then};
use hefu_federation::tree::Hash;
use hefu_federation::trust::KeyRing;
use hefu_peers::clock::{Clock, Stopwatch};
use hefu_schemas::id::{Digest, RecordId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

/// The check that must refuse a forgery.
const PROOF: &str = "proof";
/// Records whose signatures the library is given together, as `hefu pull` does with those of a page.
const PART_LEN: usize = 64;

/// Seconds for all records.
#[derive(Debug, Clone, Copy)]
struct Spent {
    cpu: f64,
    wall: f64,
}

impl Spent {
    fn measured(self, count: u64, note: &str) -> Measured {
        let wall = float(count) / self.wall;
        Measured { rate: float(count) / self.cpu, note: format!("{note}; {wall:.0}/s by wall time") }
    }
}

/// The library: what `judge_line` needs, and its figure.
pub(crate) struct Ours {
    keys: KeyRing,
    linkage: Linkage,
    wanted: Vec<Wanted>,
    now: i64,
}

impl Ours {
    pub(crate) fn new(federation: &Federation, corpus: &Corpus) -> Result<Self, Failure> {
        let city = &federation.publisher.city;
        let first: Value = serde_json::from_slice(&corpus.records.first().ok_or("no records")?.record)?;
        let method = first.pointer("/proof/verificationMethod").and_then(Value::as_str).ok_or("no method")?;
        let key = PublicKey::from_multikey(&KeyId::parse(method)?.multikey)?;
        // Of the issuer's keys only that of records is asked for.
        let [record, log, witness, request] = [key.clone(), key.clone(), key.clone(), key];
        let (origin, did) = (city.origin.clone(), city.did.clone());
        let seal = SealSecretKey::from_seed(&[1; 32]).public();
        let genesis = Genesis { origin, did, record, log, witness, request, seal, recovery: Digest([0; 32]) };
        let keys = KeyRing::from_genesis(&genesis, Hash([0; 32]));
        // Linkages stay in the nodes: with one of our own the labels are checked just as well.
        let linkage = Linkage::new(1, [1; 32], [2; 32]);
        let mut ours = Self { keys, linkage, wanted: Vec::new(), now: Clock::default().now_s() };
        let wanted: Result<Vec<_>, Failure> = corpus.records.iter().map(|signed| ours.wanted(signed)).collect();
        ours.wanted = wanted?;
        Ok(ours)
    }

    /// What the log says of a record.
    fn wanted(&self, signed: &Signed) -> Result<Wanted, Failure> {
        let document: Value = serde_json::from_slice(&signed.record)?;
        let c = commit(&signed.salt, &signed.record);
        let a = Audience::Agreement(blind_label(self.linkage.label_key(), &c));
        let withdraws = document.pointer("/type/1").and_then(Value::as_str) == Some("Withdrawal");
        let of = if withdraws { document.pointer("/credentialSubject/record") } else { document.get("supersedes") };
        let of_id = of.and_then(Value::as_str).map(RecordId::parse).transpose()?;
        let body = match of_id {
            None => Body::Record { c, a },
            Some(_) if withdraws => Body::Withdraw { c, a, of: 0 },
            Some(_) => Body::Amend { c, a, of: 0 },
        };
        Ok(Wanted { index: signed.index, entry: Entry { t: self.now, body }, of_id })
    }

    /// Verifies all records, one by one and in the parts of a page, and refuses the forgeries both ways.
    pub(crate) fn measure(&self, corpus: &Corpus, times: usize) -> Result<[Measured; 2], Failure> {
        let acts = || {
            let act = |(index, act)| SeenAct { act, index, on: None, t: self.now };
            [(0, Act::Sign), (1, Act::Open)].into_iter().map(act).collect()
        };
        let proofs: Vec<_> = corpus.agreement.parties.iter().map(|party| party.origin.clone()).collect();
        let acts: BTreeMap<_, _> = proofs.iter().map(|origin| (origin.clone(), acts())).collect();
        let standing = Standing { agreement: &corpus.agreement, proofs, acts };
        let judge = Judge { keys: &self.keys, standing: &standing, linkage: &self.linkage };
        self.refuses_forgeries(&judge, corpus)?;
        let lines: Vec<Line<'_>> =
            self.wanted.iter().zip(&corpus.records).map(|(wanted, signed)| line(wanted, signed)).collect();
        let alone = median(times, || {
            time(&lines, lines.len(), |(wanted, salt, record)| {
                usize::from(is_held(&judge_line(&judge, wanted, *salt, black_box(record))))
            })
        })?;
        let parts: Vec<&[Line<'_>]> = lines.chunks(PART_LEN).collect();
        let together = median(times, || time(&parts, lines.len(), |part| held_of(&judge, black_box(part))))?;
        let what = "commitment, canonical form, bindings, proof (strict), key at its index, schema, rules, scope";
        let count = float_len(corpus);
        Ok([
            alone.measured(count, what),
            together.measured(
                count,
                &format!("the same, {PART_LEN} together as `hefu pull` does, each signature by an equation of its own"),
            ),
        ])
    }

    /// A forgery is told by its proof, alone and among good ones.
    fn refuses_forgeries(&self, judge: &Judge<'_>, corpus: &Corpus) -> Result<(), Failure> {
        let first = corpus.records.first().ok_or("no records")?;
        let good = self.wanted.first().ok_or("no records")?;
        for (what, record) in &corpus.forgeries {
            // Committed to as it is, or the commitment would tell before the proof is looked at.
            let forged = Signed { index: first.index, salt: first.salt, record: record.clone() };
            let wanted = self.wanted(&forged)?;
            let part = [line(good, first), line(&wanted, &forged), line(good, first)];
            let among = judge_lines_then(judge, &part, |_, _| ()).into_iter().nth(1).ok_or("not judged")?.0;
            for judged in [judge_line(judge, &wanted, forged.salt, record), among] {
                if judged.state != PayloadState::Invalid || judged.reason.as_deref() != Some(PROOF) {
                    return Err(format!("a forged {what} is {:?}: {:?}", judged.state, judged.reason).into());
                }
            }
        }
        Ok(())
    }
}

/// A record as the library is given it: what the log says of it, its salt, its bytes.
type Line<'a> = (&'a Wanted, [u8; 32], &'a [u8]);

fn line<'a>(wanted: &'a Wanted, signed: &'a Signed) -> Line<'a> {
    (wanted, signed.salt, &signed.record)
}

fn is_held(judged: &Judged) -> bool {
    judged.state == PayloadState::Held
}

/// How many of a part are good.
fn held_of(judge: &Judge<'_>, part: &[Line<'_>]) -> usize {
    judge_lines_then(judge, part, |_, _| ()).iter().filter(|(judged, _)| is_held(judged)).count()
}

fn float_len(corpus: &Corpus) -> u64 {
    u64::try_from(corpus.records.len()).unwrap_or(u64::MAX)
}

/// What is handed over: `vc` for a credential, `proof` for its proof alone.
pub(crate) const NPM: [(&str, &str); 2] = [
    ("vc", "npm @digitalbazaar/vc, verify one credential"),
    ("proof", "npm @digitalbazaar/data-integrity, verify one proof"),
];

/// npm packages.
pub(crate) fn npm(corpus: &Corpus, packages: &Path, what: &str) -> Result<Measured, Failure> {
    let mut node = on_one_core("node")?;
    node.arg(packages.join("verify.mjs")).arg(what);
    foreign(node, corpus)
}

/// The crate, in a program that was built with our flags or without.
pub(crate) fn affinidi(corpus: &Corpus, program: &Path, times: usize) -> Result<Measured, Failure> {
    let mut verify = on_one_core(program)?;
    verify.arg(times.to_string());
    foreign(verify, corpus)
}

/// A command that has one core for all its threads.
fn on_one_core(program: impl AsRef<OsStr>) -> Result<Command, Failure> {
    let allowed = std::fs::read_to_string("/proc/self/status")?;
    let core = allowed.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let core = core.and_then(|list| list.trim().split([',', '-']).next()).ok_or("no list of allowed cores")?;
    let mut command = command("taskset");
    command.args(["--cpu-list", core]).arg(program);
    Ok(command)
}

/// Runs a program that prints what it has verified and refused, and its seconds.
fn foreign(mut program: Command, corpus: &Corpus) -> Result<Measured, Failure> {
    program.args([&corpus.file, &corpus.forged, &corpus.did_document]);
    let answer: Value = serde_json::from_str(said(program)?.trim())?;
    let number = |name: &str| answer.get(name).and_then(Value::as_f64).ok_or(format!("no {name} in {answer}"));
    let (count, forgeries) = (float_len(corpus), float(u64::try_from(corpus.forgeries.len())?));
    if [number("verified")?, number("refused")?] != [float(count), forgeries] {
        return Err(format!("not all were judged rightly: {answer}").into());
    }
    let spent = Spent { cpu: number("cpu")?, wall: number("wall")? };
    let how = answer.get("how").and_then(Value::as_str).unwrap_or_default();
    Ok(spent.measured(count, how))
}

fn time<T>(items: &[T], count: usize, good: impl Fn(&T) -> usize) -> Result<Spent, Failure> {
    let (clock, before) = (Stopwatch::start(), cpu_of_thread()?);
    let accepted: usize = items.iter().map(good).sum();
    let spent = Spent { cpu: cpu_of_thread()? - before, wall: clock.seconds() };
    if accepted == count { Ok(spent) } else { Err(format!("{accepted} of {count} accepted").into()) }
}

fn median(times: usize, mut run: impl FnMut() -> Result<Spent, Failure>) -> Result<Spent, Failure> {
    let mut runs = (0..times).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
    runs.get(times / 2).copied().ok_or_else(|| "nothing was run".into())
}

/// Seconds of processor time of this thread so far.
fn cpu_of_thread() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split(' ').next().ok_or("no schedstat")?.parse()?;
    Ok(std::time::Duration::from_nanos(nanoseconds).as_secs_f64())
}
