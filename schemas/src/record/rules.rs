//! The rules of the envelope that a schema cannot state, and what the rules of the kinds share.
use super::{Kind, View};
use crate::identifier::is_uscc;
use crate::scan::{Item, Scanned};
use crate::text::Text;
use crate::violation::Violation;
use crate::{enrollment_connection, qualification_recognition, student_status};
use jiff::civil::Date;
use std::borrow::Cow;

/// A violation with its message in both languages.
pub(crate) fn violation(pointer: &str, rule: &str, zh: &str, en: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), rule: rule.to_owned(), message: Text::new(zh, en) }
}

/// Collects the violations of one part of a document. Pointers are below that part.
pub(crate) struct Checker<'a> {
    part: Item<'a>,
    prefix: &'static str,
    found: Vec<Violation>,
}

impl<'a> Checker<'a> {
    /// Begins with a part of a document and the pointer to it.
    pub(crate) fn new(part: Item<'a>, prefix: &'static str) -> Self {
        Self { part, prefix, found: Vec::new() }
    }

    /// How many violations were found until now.
    pub(crate) fn found_so_far(&self) -> usize {
        self.found.len()
    }

    /// What was found.
    pub(crate) fn found(self) -> Vec<Violation> {
        self.found
    }

    /// Adds a violation.
    pub(crate) fn refuse(&mut self, pointer: &str, rule: &str, zh: &str, en: &str) {
        self.found.push(violation(&format!("{}{pointer}", self.prefix), rule, zh, en));
    }

    /// The text at a pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<Cow<'a, str>> {
        self.part.pointer(pointer)?.as_str()
    }

    /// A date, or the date of a time, must be in the calendar; the schema checks its digits only.
    pub(crate) fn date(&mut self, pointer: &str) {
        if let Some(text) = self.text(pointer)
            && text.get(..10).is_none_or(|date| date.parse::<Date>().is_err())
        {
            self.refuse(pointer, "record/no-such-date", "日期不存在", "no such date in the calendar");
        }
    }

    /// The second of two dates must be later than the first, where both are present.
    pub(crate) fn order(&mut self, first: &str, second: &str, rule: &str) {
        // Dates of one form compare as their texts do.
        if let (Some(from), Some(to)) = (self.text(first), self.text(second))
            && from.get(..10) >= to.get(..10)
        {
            self.refuse(second, rule, "结束日期必须晚于开始日期", "the end must be later than the beginning");
        }
    }

    /// The date at a pointer must be the one of `validFrom` (bytes: Dates).
    pub(crate) fn date_of_record(&mut self, pointer: &str, view: &View<'_>, rule: &str) {
        if self.text(pointer).as_deref() != view.valid_from_text.get(..10) {
            self.refuse(pointer, rule, "日期与 validFrom 的日期不一致", "the date is not the one of validFrom");
        }
    }

    /// An institution named by its unified social credit code must have the check character of that code (GB 32100).
    pub(crate) fn uscc(&mut self, pointer: &str) {
        let Some(institution) = self.part.pointer(pointer) else { return };
        let member = |name| institution.member(name).and_then(|item| item.as_str());
        if member("scheme").as_deref() == Some("cn-uscc") && !member("code").is_some_and(|code| is_uscc(&code)) {
            self.refuse(
                &format!("{pointer}/code"),
                "record/uscc-check-character",
                "统一社会信用代码校验码不正确",
                "the check character of the unified social credit code is wrong",
            );
        }
    }

    /// `sameAs` must not repeat the subject reference of the record itself.
    pub(crate) fn same_as(&mut self) {
        let own = self.text("/id");
        let same = self.part.member("sameAs").is_some_and(|all| all.items().any(|item| item.as_str() == own));
        if same {
            self.refuse(
                "/sameAs",
                "record/same-as-itself",
                "其他假名中含有本记录自己的假名",
                "the other references contain the record's own",
            );
        }
    }
}

/// All rules that need this record alone. The schema has accepted the document.
pub(super) fn check(document: &Scanned<'_>) -> Vec<Violation> {
    let mut envelope = Checker::new(document.root(), "");
    for pointer in ["/validFrom", "/validUntil", "/proof/created"] {
        envelope.date(pointer);
    }
    if !envelope.found.is_empty() {
        return envelope.found;
    }
    let Some(view) = View::read(document) else {
        envelope.refuse("", "record/envelope", "记录的公共成员无法读取", "a member of the envelope cannot be read");
        return envelope.found;
    };
    check_envelope(&mut envelope, &view);
    let mut found = envelope.found;
    found.extend(match view.kind {
        Kind::StudentStatus => student_status::check(&view),
        Kind::EnrollmentConnection => enrollment_connection::check(&view),
        Kind::QualificationRecognition => qualification_recognition::check(&view),
        Kind::Withdrawal => check_withdrawal(&view),
    });
    found
}

fn check_envelope(envelope: &mut Checker<'_>, view: &View<'_>) {
    envelope.order("/validFrom", "/validUntil", "record/valid-until");
    envelope.uscc("/statedBy");
    // The method's controller is the issuer (protocol §2).
    if view.verification_method.split_once('#').map(|(did, _)| did) != Some(view.issuer.as_ref()) {
        envelope.refuse(
            "/proof/verificationMethod",
            "record/verification-method",
            "签名密钥不属于签发方",
            "the signing key does not belong to the issuer",
        );
    }
    for (pointer, id) in [("/follows", view.follows), ("/supersedes", view.supersedes)] {
        if id == Some(view.id) {
            refuse_itself(envelope, pointer);
        }
    }
}

fn refuse_itself(checker: &mut Checker<'_>, pointer: &str) {
    checker.refuse(pointer, "record/refers-to-itself", "记录引用了自身", "the record refers to itself");
}

/// The rules of the payload of a withdraw entry (bytes: Withdrawal).
fn check_withdrawal(view: &View<'_>) -> Vec<Violation> {
    let mut body = Checker::new(view.subject, "/credentialSubject");
    body.date_of_record("/from", view, "withdrawal/from-date");
    if body.text("/record").as_deref() == Some(view.id.to_string().as_str()) {
        refuse_itself(&mut body, "/record");
    }
    body.found
}
