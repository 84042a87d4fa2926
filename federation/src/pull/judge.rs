//! Judging what a page brought, line by line.
use super::check::{self, Check, Failed};
use super::payload::PayloadState;
use crate::agreement::Standing;
use crate::entry::{Body, Entry};
use crate::key::PublicKey;
use crate::linkage::Linkage;
use crate::page::{Line, Page};
use crate::proof::Claimed;
use crate::trust::KeyRing;
use hefu_schemas::agreement::Agreement;
use hefu_schemas::id::RecordId;
use hefu_schemas::record::Kind;
use hefu_schemas::scan::Scanned;
use std::borrow::Cow;

/// The reason of a payload whose issuer says it was erased, without an entry of its log that says so.
pub const ERASED_WITHOUT_ENTRY: &str = "erased-without-entry";

/// What the per-record checks need besides the line itself.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The peer's keys by index.
    pub keys: &'a KeyRing,
    /// The agreement under which the page was asked for, with acts and proofs.
    pub standing: &'a Standing<'a>,
    /// Its linkage: the label key.
    pub linkage: &'a Linkage,
}
/// A wanted entry: what the log says at an index.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// 0-based.
    pub index: u64,
    /// The entry there.
    pub entry: Entry,
    /// For amend and withdraw: the record id at `of`, when held. ([`judge_page`] looks for it in the page, too.)
    pub of_id: Option<RecordId>,
}
/// What came of one wanted index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// 0-based.
    pub index: u64,
    /// The payload state to store.
    pub state: PayloadState,
    /// The check that failed (`Invalid`, `Pending`, `Quarantined`, of other bytes `Withheld`), the scope row (`Refused`).
    pub reason: Option<String>,
    /// Payload to keep: salt and canonical bytes. Absent for refused, withheld, erased and over-scope, and for bytes that
    /// the log does not commit to: they are not the payload of that entry.
    pub payload: Option<([u8; 32], Vec<u8>)>,
    /// Id and kind, when the record was well-formed.
    pub record: Option<(RecordId, Kind)>,
}
impl Judged {
    /// A row that brought nothing.
    fn without_payload(index: u64, state: PayloadState, reason: Option<String>) -> Self {
        Self { index, state, reason, payload: None, record: None }
    }
}
/// A page that was judged. Only [`judge_page`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedPage {
    rows: Vec<Judged>,
    next: Option<u64>,
}
impl JudgedPage {
    /// One row for every wanted index that the page speaks for, in index order; what is missing is `Withheld`.
    pub fn rows(&self) -> &[Judged] {
        &self.rows
    }
    /// Where to go on.
    pub fn next(&self) -> Option<u64> {
        self.next
    }
}
/// Judges one line against its entry, by the ordered named checks (all but `IdNew`, which needs the store).
pub fn judge_line(judge: &Judge<'_>, wanted: &Wanted, salt: [u8; 32], record: &[u8]) -> Judged {
    judge_line_then(judge, wanted, salt, record, |_| ()).0
}
/// [`judge_line`], and what the caller reads of a document that is held: it is scanned once.
pub fn judge_line_then<T>(
    judge: &Judge<'_>,
    wanted: &Wanted,
    salt: [u8; 32],
    record: &[u8],
    held: impl FnOnce(&Scanned<'_>) -> T,
) -> (Judged, Option<T>) {
    judge_with(judge, wanted, salt, record, held, &mut |claimed| claimed.holds())
}
/// [`judge_line_then`] of many lines: the same verdicts, with their signatures verified together, each by itself, once all else
/// was checked. A line whose signature turns out not to hold is judged again alone: that names the check.
pub fn judge_lines_then<T>(
    judge: &Judge<'_>,
    lines: &[(&Wanted, [u8; 32], &[u8])],
    held: impl Fn(&Wanted, &Scanned<'_>) -> T,
) -> Vec<(Judged, Option<T>)> {
    let mut claims = Vec::with_capacity(lines.len());
    let mut judged = Vec::with_capacity(lines.len());
    for (at, (wanted, salt, record)) in lines.iter().enumerate() {
        let mut later = |claimed| {
            claims.push((at, claimed));
            true
        };
        judged.push(judge_with(judge, wanted, *salt, record, |document| held(wanted, document), &mut later));
    }
    let answers = PublicKey::verify_all(&claims.iter().map(|(_, claimed)| claimed.claim()).collect::<Vec<_>>());
    for ((at, _), _) in claims.iter().zip(answers).filter(|(_, holds)| !holds) {
        if let (Some(judged), Some((wanted, salt, record))) = (judged.get_mut(*at), lines.get(*at)) {
            *judged = judge_line_then(judge, wanted, *salt, record, |document| held(wanted, document));
        }
    }
    judged
}
/// Judges a line; `holds` says whether a signature does.
fn judge_with<'j, T>(
    judge: &Judge<'j>,
    wanted: &Wanted,
    salt: [u8; 32],
    record: &[u8],
    held: impl FnOnce(&Scanned<'_>) -> T,
    holds: &mut impl FnMut(Claimed<'j>) -> bool,
) -> (Judged, Option<T>) {
    let document = match read(wanted, &salt, record) {
        Ok(document) => document,
        Err(failed) => {
            let reason = Some(failed.check.code().to_owned());
            return (Judged::without_payload(wanted.index, failed.state, reason), None);
        }
    };
    let failed = examine(judge, wanted, &document, holds).err();
    let keep = match failed {
        None => true,
        // Deny by default: where the scope was not reached it is asked for now.
        Some(failed) => failed.check != Check::Scope && is_covered(judge.standing.agreement, &document),
    };
    let judged = Judged {
        index: wanted.index,
        state: failed.map_or(PayloadState::Held, |failed| failed.state),
        reason: failed.map(|failed| reason(judge.standing.agreement, failed.check, &document)),
        payload: keep.then(|| (salt, record.to_vec())),
        record: identify(&document),
    };
    (judged, failed.is_none().then(|| held(&document)))
}
/// The name of the check; of an over-scope record also the part of the terms that refuses it.
fn reason(agreement: &Agreement, check: Check, document: &Scanned<'_>) -> String {
    let part =
        Kind::of(document).filter(|_| check == Check::Scope).and_then(|kind| agreement.in_scope(kind, document).err());
    part.map_or_else(|| check.code().to_owned(), |part| format!("{}: {part}", check.code()))
}
/// The document that the log commits to.
fn read<'a>(wanted: &Wanted, salt: &[u8; 32], record: &'a [u8]) -> Result<Scanned<'a>, Failed> {
    check::commitment(&wanted.entry, salt, record)?;
    check::canonical(record)
}
/// The checks of a document, in their order.
fn examine<'j>(
    judge: &Judge<'j>,
    wanted: &Wanted,
    document: &Scanned<'_>,
    holds: &mut impl FnMut(Claimed<'j>) -> bool,
) -> Result<(), Failed> {
    check::issuer(judge.keys, document)?;
    check::label(judge, &wanted.entry, document)?;
    check::entry_kind(&wanted.entry, document)?;
    check::supersedes(wanted, document)?;
    check::signature(judge.keys, wanted.index, document, holds)?;
    let kind = check::schema(judge.standing.agreement, document)?;
    check::content(kind, document)?;
    check::open(judge.standing, judge.keys, wanted)?;
    check::scope(judge.standing.agreement, kind, document)
}
/// Whether the agreement covers a record that failed some check: only then may its payload be kept. Of a kind that we do
/// not know it is enough that the agreement pins its schema.
fn is_covered(agreement: &Agreement, document: &Scanned<'_>) -> bool {
    match Kind::of(document) {
        Some(kind) => check::scope(agreement, kind, document).is_ok(),
        None => {
            let schema = document.root().pointer("/credentialSchema/id").and_then(|id| id.as_str());
            schema.is_some_and(|id| agreement.terms.schemas.contains_key(id.as_ref()))
        }
    }
}
fn identify(document: &Scanned<'_>) -> Option<(RecordId, Kind)> {
    let id = RecordId::parse(&document.root().member("id")?.as_str()?).ok()?;
    Some((id, Kind::of(document)?))
}
/// Judges a verified page. `judge_lines` maps [`judge_line`] over all lines (in parallel, in the node); `wanted`: all wanted
/// entries from `from` on, in index order. Lines that nobody wanted are ignored.
pub fn judge_page<'a>(
    page: &Page<'a>,
    wanted: &[Wanted],
    judge_lines: impl FnOnce(&[(&Wanted, [u8; 32], &'a [u8])]) -> Vec<Judged>,
) -> JudgedPage {
    let trailer = page.trailer();
    let position = |index| wanted.partition_point(|entry| entry.index < index);
    let spoken_for = wanted.get(position(trailer.from)..position(trailer.until)).unwrap_or(&[]);
    let mut rows = Vec::new();
    let mut records = Vec::new();
    let mut lines = page.lines().iter().peekable();
    for entry in spoken_for {
        // Both ascend: lines before this index are of entries that nobody wanted.
        while lines.next_if(|line| line.index() < entry.index).is_some() {}
        match lines.next_if(|line| line.index() == entry.index) {
            Some(Line::Record { salt, record, .. }) => records.push((resolve(page, spoken_for, entry), *salt, *record)),
            Some(Line::Refused { row, .. }) => {
                rows.push(Judged::without_payload(entry.index, PayloadState::Refused, Some(row.clone())));
            }
            Some(Line::Erased { .. }) => {
                let reason = Some(ERASED_WITHOUT_ENTRY.to_owned());
                rows.push(Judged::without_payload(entry.index, PayloadState::Withheld, reason));
            }
            None => rows.push(Judged::without_payload(entry.index, PayloadState::Withheld, None)),
        }
    }
    let records: Vec<_> = records.iter().map(|(wanted, salt, record)| (wanted.as_ref(), *salt, *record)).collect();
    rows.extend(judge_lines(&records));
    rows.sort_by_key(|row| row.index);
    JudgedPage { rows, next: trailer.next }
}
/// A correction may come in the same page as what it corrects, before that is held: its id is then in the page.
fn resolve<'w>(page: &Page<'_>, all: &'w [Wanted], wanted: &'w Wanted) -> Cow<'w, Wanted> {
    let (Body::Amend { of, .. } | Body::Withdraw { of, .. }, None) = (&wanted.entry.body, wanted.of_id) else {
        return Cow::Borrowed(wanted);
    };
    Cow::Owned(Wanted { of_id: id_in_page(page, all, *of), ..wanted.clone() })
}
/// The id of the record at an index, if the page brings the bytes that the log commits to there.
fn id_in_page(page: &Page<'_>, all: &[Wanted], index: u64) -> Option<RecordId> {
    let wanted = all.get(all.binary_search_by_key(&index, |wanted| wanted.index).ok()?)?;
    let line = page.lines().get(page.lines().binary_search_by_key(&index, Line::index).ok()?)?;
    let Line::Record { salt, record, .. } = line else { return None };
    Some(identify(&read(wanted, salt, record).ok()?)?.0)
}
/// Turns a judged row invalid because its record id already stands in this log (check `IdNew`, made by the store).
/// A row that an earlier check refused keeps its reason.
pub fn refuse_known_id(row: &mut Judged) {
    let mut earlier = Check::ALL.iter().take_while(|check| **check != Check::IdNew);
    let refused_before =
        row.state == PayloadState::Invalid && earlier.any(|check| row.reason.as_deref() == Some(check.code()));
    if !refused_before {
        row.state = PayloadState::Invalid;
        row.reason = Some(Check::IdNew.code().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{
        SALT, World, amendment, did, key, key_id, record_body, record_id, sign, student_status, withdrawal,
    };
    use super::*;
    use crate::page::{Asked, PageWriter, read};
    use hefu_schemas::canonical;
    use hefu_schemas::id::AgreementId;
    use serde_json::Value;

    const UNTIL: u64 = 30;

    /// Writes and reads a page from 10 to `until`, and judges it.
    fn judge_lines_of(world: &World, wanted: &[Wanted], lines: &[Line<'_>], until: u64) -> JudgedPage {
        let to = did("cd");
        let asked = Asked { agreement: world.agreement.id, to: &to, from: 10, until: UNTIL };
        let mut writer = PageWriter::new();
        lines.iter().for_each(|line| assert!(writer.push(line)));
        let bytes = writer.finish(&asked, until, &key_id(4), &key(4));
        let page = read(&bytes, &asked, |_| Some(key(4).public())).unwrap();
        let standing = world.standing();
        let judge = Judge { keys: &world.keys, standing: &standing, linkage: &world.linkage };
        judge_page(&page, wanted, |lines| {
            let one = |(wanted, salt, record): &(&Wanted, [u8; 32], &[u8])| judge_line(&judge, wanted, *salt, record);
            let each: Vec<Judged> = lines.iter().map(one).collect();
            let together = judge_lines_then(&judge, lines, |_, _| ()).into_iter().map(|(judged, _)| judged);
            assert_eq!(together.collect::<Vec<_>>(), each);
            each
        })
    }
    fn line(index: u64, record: &[u8]) -> Line<'_> {
        Line::Record { index, salt: SALT, record }
    }
    fn row(page: &JudgedPage, index: u64) -> (PayloadState, Option<&str>) {
        let row = page.rows().iter().find(|row| row.index == index).unwrap();
        (row.state, row.reason.as_deref())
    }
    fn good(number: u8) -> Vec<u8> {
        sign(student_status(number), 1)
    }

    #[test]
    fn every_wanted_index_gets_its_row() {
        let world = World::new();
        let (a, b, tampered) = (good(1), good(2), sign(student_status(3), 99));
        let wanted = |index, record: &[u8]| world.wanted(index, record, record_body);
        let wanted = [
            wanted(9, &a),
            wanted(10, &a),
            wanted(12, &b),
            wanted(13, &b),
            wanted(14, &b),
            wanted(16, &tampered),
            wanted(20, &b),
            wanted(25, &b),
        ];
        let lines = [
            line(10, &a),
            line(11, &a),
            Line::Erased { index: 13 },
            Line::Refused { index: 14, row: "direction".to_owned() },
            Line::Erased { index: 15 },
            line(16, &tampered),
            line(20, &b),
            line(21, &b),
        ];
        let page = judge_lines_of(&world, &wanted, &lines, 25);
        assert_eq!(page.next(), Some(25));
        let indexes: Vec<_> = page.rows().iter().map(|row| row.index).collect();
        assert_eq!(indexes, [10, 12, 13, 14, 16, 20]);
        assert_eq!(row(&page, 10), (PayloadState::Held, None));
        assert_eq!(row(&page, 12), (PayloadState::Withheld, None));
        assert_eq!(row(&page, 13), (PayloadState::Withheld, Some(ERASED_WITHOUT_ENTRY)));
        assert_eq!(row(&page, 14), (PayloadState::Refused, Some("direction")));
        assert_eq!(row(&page, 16), (PayloadState::Invalid, Some("key-at-index")));
        assert_eq!(row(&page, 20), (PayloadState::Held, None), "a bad record does not stop the cursor");
        for index in [12, 13, 14] {
            let row = page.rows().iter().find(|row| row.index == index).unwrap();
            assert_eq!((&row.payload, row.record), (&None, None), "{index}");
        }
    }

    /// A bad signature is named before what is wrong besides, as it is where a line is judged alone.
    #[test]
    fn a_bad_signature_among_good_ones() {
        let world = World::new();
        let broken = |number| {
            let mut document: Value = serde_json::from_slice(&good(number)).unwrap();
            // The signature of another record.
            let other: Value = serde_json::from_slice(&good(number + 1)).unwrap();
            document["proof"]["proofValue"] = other["proof"]["proofValue"].clone();
            document
        };
        let (mut twice, once) = (broken(4), broken(2));
        twice["credentialSubject"]["stage"] = Value::from("none of this name");
        let records = [good(1), canonical::write(&once).unwrap(), canonical::write(&twice).unwrap(), good(6)];
        let wanted: Vec<_> = (10..).zip(&records).map(|(index, r)| world.wanted(index, r, record_body)).collect();
        let lines: Vec<_> = (10..).zip(&records).map(|(index, record)| line(index, record)).collect();
        let page = judge_lines_of(&world, &wanted, &lines, UNTIL);
        let states: Vec<_> = (10..14).map(|index| row(&page, index)).collect();
        let (held, bad) = ((PayloadState::Held, None), (PayloadState::Invalid, Some("proof")));
        assert_eq!(states, [held, bad, bad, held]);
    }

    #[test]
    fn the_last_page_speaks_for_all_that_was_asked() {
        let world = World::new();
        let record = good(1);
        let page = judge_lines_of(&world, &[world.wanted(29, &record, record_body)], &[], UNTIL);
        assert_eq!((row(&page, 29), page.next()), ((PayloadState::Withheld, None), None));
        assert_eq!(judge_lines_of(&world, &[], &[line(12, &record)], UNTIL).rows(), []);
    }

    #[test]
    fn corrections_in_the_page_of_what_they_correct() {
        let world = World::new();
        let (first, second, third) = (good(1), sign(amendment(2, 1), 1), sign(withdrawal(3, 2), 1));
        let amend = |of| move |c, a| Body::Amend { c, a, of };
        let withdraw = |of| move |c, a| Body::Withdraw { c, a, of };
        let lines = [line(10, &first), line(11, &second), line(12, &third)];
        let mut wanted = [
            world.wanted(10, &first, record_body),
            world.wanted(11, &second, amend(10)),
            world.wanted(12, &third, withdraw(11)),
        ];
        let page = judge_lines_of(&world, &wanted, &lines, UNTIL);
        assert!(page.rows().iter().all(|row| row.state == PayloadState::Held), "{page:?}");

        // What stands at `of` is another record than the one that the correction names.
        wanted[2].entry.body = world.wanted(12, &third, withdraw(10)).entry.body;
        let page = judge_lines_of(&world, &wanted, &lines, UNTIL);
        assert_eq!(row(&page, 12), (PayloadState::Invalid, Some("supersedes")));
        // Bytes that the log does not commit to at `of` say nothing.
        wanted[0] = world.wanted(10, &second, record_body);
        let page = judge_lines_of(&world, &wanted, &lines, UNTIL);
        assert_eq!(row(&page, 10), (PayloadState::Withheld, Some("commitment")));
        assert_eq!(row(&page, 11), (PayloadState::Pending, Some("supersedes")));
    }

    #[test]
    fn check_id_new_refuses_what_no_earlier_check_refused() {
        let world = World::new();
        let record = good(1);
        let mut held = world.judge_record(&record);
        refuse_known_id(&mut held);
        assert_eq!((held.state, held.reason.as_deref()), (PayloadState::Invalid, Some("id-new")));
        assert_eq!(held.record.unwrap().0, RecordId::parse(&record_id(1)).unwrap());

        let mut later = world.judge_record(&sign(student_status(1), 99));
        assert_eq!(later.reason.as_deref(), Some("key-at-index"));
        refuse_known_id(&mut later);
        assert_eq!(later.reason.as_deref(), Some("id-new"));

        let mut foreign = student_status(1);
        foreign["issuer"] = serde_json::json!("did:web:cd.example");
        let mut earlier = world.judge_record(&sign(foreign, 1));
        refuse_known_id(&mut earlier);
        assert_eq!((earlier.state, earlier.reason.as_deref()), (PayloadState::Invalid, Some("issuer")));

        let correction = sign(amendment(2, 1), 1);
        let amend = |c, a| Body::Amend { c, a, of: 9 };
        let mut pending = world.judge(&world.wanted(10, &correction, amend), &correction);
        assert_eq!(pending.state, PayloadState::Pending);
        refuse_known_id(&mut pending);
        assert_eq!((pending.state, pending.reason.as_deref()), (PayloadState::Invalid, Some("id-new")));
    }

    #[test]
    fn a_label_of_another_agreement_is_no_reason_to_trust_the_page() {
        let world = World::new();
        let record = good(1);
        let other = World { linkage: Linkage::new(1, [1; 32], [3; 32]), ..World::new() };
        let judged = other.judge(&world.wanted(10, &record, record_body), &record);
        assert_eq!(judged.reason.as_deref(), Some("label"));
        assert_ne!(world.agreement.id, AgreementId::PUBLIC);
    }
}
