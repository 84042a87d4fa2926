//! Verifying a record that somebody hands over: in the replica of its issuer's log that this node keeps, or in the log itself,
//! read from outside. What is known is gathered here; the judgement is `hefu_federation::verdict`.

use crate::Node;
use crate::codec::decompress;
use crate::outside::{self, ReadError, Reader};
use crate::problem::{Outcome, Problem};
use crate::pull::entries_between;
use crate::registry::Known;
use crate::ring::ring_of;
use crate::store::{OriginRow, PayloadRow};
use hefu_federation::commitment::commit;
use hefu_federation::pull::{Check, PayloadState};
use hefu_federation::tree::Hash;
use hefu_federation::trust::{KeyRing, TrustError};
use hefu_federation::verdict::{
    City, Cover, LogView, NoLog, Place, Policy, Question, Search, Source, Statement, Submitted, Verdict, judge,
};
use hefu_federation::walk::{Step, WalkError};
use hefu_schemas::id::{AgreementId, RecordId};
use hefu_schemas::identifier::Identifier;
use std::sync::Arc;

/// Entries of a stored log that are read at a time.
const STEP: u64 = 256 * 64;

/// What is required: by the policy, or by default.
pub fn required(policy: Option<&Policy>) -> &[Statement] {
    policy.map_or(&Statement::DEFAULT, |policy| &policy.require)
}

/// The verdict where no log of the issuer is at hand.
pub fn without_log(submitted: &Submitted, policy: Option<&Policy>, why: NoLog, subject: bool, now: i64) -> Verdict {
    let subject = subject.then_some(None);
    judge(&Question { submitted, log: Err(why), cover: None, subject, required: required(policy), now })
}

/// A member of the record as text.
pub fn text(submitted: &Submitted, pointer: &str) -> Option<String> {
    submitted.document.root().pointer(pointer)?.as_str().map(std::borrow::Cow::into_owned)
}

/// The verdict by the replica that this node keeps of the issuer's log; `None` when it keeps none.
///
/// # Errors
/// The store fails.
pub async fn in_replica(
    node: &Arc<Node>,
    submitted: &Submitted,
    policy: Option<&Policy>,
    subject: Option<&Identifier>,
) -> Outcome<Option<Verdict>> {
    let now = node.clock.now_s();
    let issuer = text(submitted, "/issuer").unwrap_or_default();
    let without = |why| Ok(Some(without_log(submitted, policy, why, subject.is_some(), now)));
    let city = policy.map(|policy| policy.city(&issuer));
    if city == Some(None) {
        return without(NoLog::NotInPolicy);
    }
    let row = node.store.origins().await?.into_iter().find(|row| row.did.as_str() == issuer);
    let Some(row) = row else { return Ok(None) };
    if city.flatten().is_some_and(|city| city.fingerprint.0 != row.fingerprint.0 || city.origin != row.origin) {
        return without(NoLog::OtherFingerprint);
    }
    if row.stopped.is_some() {
        return without(NoLog::Contradicts);
    }
    let head = node.store.head(row.no).await?;
    if head.size == 0 {
        return Ok(None);
    }
    let held = held(node, &row, submitted).await?;
    let (ring, place) = place(node, &row, head.size, submitted, held.as_ref()).await?;
    let known = cited(node, submitted);
    let settled = settled(known.as_deref(), held.as_ref());
    let question = Question {
        submitted,
        log: Ok(LogView { ring: &ring, size: head.size, t: head.t, source: Source::Replica, place }),
        cover: known.as_ref().map(|known| Cover { agreement: &known.document, settled }),
        subject: subject.map(|identifier| same_person(known.as_deref(), submitted, identifier)),
        required: required(policy),
        now,
    };
    Ok(Some(judge(&question)))
}

/// What this node has at the record's id: the row, and whether its bytes are these.
async fn held(node: &Node, row: &OriginRow, submitted: &Submitted) -> Outcome<Option<(PayloadRow, bool)>> {
    let Some(id) = text(submitted, "/id").and_then(|id| RecordId::parse(&id).ok()) else { return Ok(None) };
    let Some(index) = node.store.index_of(row.no, id).await? else { return Ok(None) };
    let Some(stored) = node.store.row(row.no, index).await? else { return Ok(None) };
    let Some(payload) = &stored.payload else { return Ok(None) };
    let same = decompress(payload.codec, &payload.body).is_some_and(|bytes| bytes == submitted.document.bytes());
    Ok(Some((stored, same)))
}

/// The keys of a stored log, and the record's place in it, for which it is read once.
async fn place(
    node: &Node,
    row: &OriginRow,
    size: u64,
    submitted: &Submitted,
    held: Option<&(PayloadRow, bool)>,
) -> Outcome<(KeyRing, Place)> {
    let bytes = submitted.document.bytes();
    let by_row =
        held.filter(|(_, same)| *same).and_then(|(stored, _)| Some((stored.payload.as_ref()?.salt, stored.index)));
    let mut search = match (by_row, submitted.salt) {
        (Some((salt, index)), _) => Some(Search::new(commit(&salt, bytes), Some(index))),
        (None, Some(salt)) => Some(Search::new(commit(&salt, bytes), submitted.index)),
        (None, None) => None,
    };
    let ring = ring_of(node.store.as_ref(), row).await?;
    let mut from = 0;
    while let Some(search) = search.as_mut().filter(|_| from < size) {
        let until = size.min(from + STEP);
        for (index, entry) in entries_between(node, row.no, from, until).await? {
            search.observe(index, &entry);
        }
        from = until;
    }
    let place = match (search, held) {
        // The id stands once in a log: what stands there is another content.
        (None, Some((stored, false))) => Place::Differs { index: stored.index },
        (Some(search), Some((stored, false))) if search.place() == Place::Nowhere => {
            Place::Differs { index: stored.index }
        }
        (Some(search), _) => search.place(),
        (None, _) => Place::NotHeld,
    };
    Ok((ring, place))
}

/// The agreement that the record cites, in the version that it names if that is known.
fn cited(node: &Node, submitted: &Submitted) -> Option<Arc<Known>> {
    let terms = submitted.document.root().member("termsOfUse")?.items().next()?;
    let id = AgreementId::parse(&terms.member("id")?.as_str()?).ok()?;
    let version = terms.member("version")?.as_integer()?;
    let snapshot = node.registry.snapshot();
    let fits = |known: &&Arc<Known>| known.document.id == id && i64::from(known.document.version) == version;
    snapshot.iter().find(fits).cloned()
}

fn settled(known: Option<&Known>, held: Option<&(PayloadRow, bool)>) -> Option<(PayloadState, Option<Check>)> {
    let (row, same) = held?;
    let fits = *same && known.is_some_and(|known| known.no == row.agreement);
    fits.then(|| (row.state, row.reason.as_deref().and_then(Check::from_code)))
}

/// Whether an identifier is the subject's; `None` where the agreement's secret is not here.
fn same_person(known: Option<&Known>, submitted: &Submitted, identifier: &Identifier) -> Option<bool> {
    let reference = known?.linkage.as_ref()?.subject_reference(identifier);
    let subject = submitted.document.root().member("credentialSubject")?;
    let is = |item: hefu_schemas::scan::Item<'_>| item.as_str().is_some_and(|text| text == reference);
    let also = submitted.document.root().member("sameAs").or_else(|| subject.member("sameAs"));
    Some(subject.member("id").is_some_and(is) || also.is_some_and(|list| list.items().any(is)))
}

/// Searches a log while it is read from outside.
struct Searching<F> {
    search: Option<Search>,
    progress: F,
    malformed: bool,
}

impl<F: FnMut(u64, u64)> Reader for Searching<F> {
    fn step(&mut self, step: &Step, size: u64, all: u64) {
        self.malformed |= !step.complaints.is_empty();
        for (index, entry) in &step.entries {
            if let Some(search) = &mut self.search {
                search.observe(*index, entry);
            }
        }
        (self.progress)(size, all);
    }
}

/// The verdict by the issuer's log, read whole from outside; and why it could not be read, if so.
pub async fn outside(
    source: &outside::Source,
    city: &City,
    (submitted, policy, subject): (&Submitted, &Policy, bool),
    now: i64,
    progress: impl FnMut(u64, u64),
) -> (Verdict, Option<Problem>) {
    let search = submitted.salt.map(|salt| Search::new(commit(&salt, submitted.document.bytes()), submitted.index));
    let mut reader = Searching { search, progress, malformed: false };
    let read = outside::read(source, &city.origin, &Hash(city.fingerprint.0), &mut reader).await;
    let walked = match read {
        Ok(walked) if !reader.malformed => walked,
        Ok(_) => return (without_log(submitted, Some(policy), NoLog::Contradicts, subject, now), None),
        Err(error) => {
            let why = match &error {
                ReadError::Unavailable(_) | ReadError::Missing(_) => NoLog::Unavailable,
                ReadError::Bad(WalkError::Trust(TrustError::Fingerprint)) => NoLog::OtherFingerprint,
                ReadError::Bad(_) => NoLog::Contradicts,
            };
            return (without_log(submitted, Some(policy), why, subject, now), Some(error.into_problem(&city.origin)));
        }
    };
    let view = LogView {
        ring: &walked.ring,
        size: walked.checkpoint.size,
        t: walked.t,
        source: match source {
            outside::Source::Https(_) => Source::Fetched,
            outside::Source::Folder(_) => Source::Mirror,
        },
        place: reader.search.as_ref().map_or(Place::NoSalt, Search::place),
    };
    let question = Question {
        submitted,
        log: Ok(view),
        cover: None,
        subject: subject.then_some(None),
        required: &policy.require,
        now,
    };
    (judge(&question), None)
}
