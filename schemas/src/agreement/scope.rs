//! Whether a record may flow under an agreement (rule A3, over-sharing).
use super::{Agreement, ScopeRow};
use crate::id::Did;
use crate::record::Kind;
use crate::scan::{Item, Scanned};
use std::borrow::Cow;

/// Members that the schema of the kind requires, always or under a condition: an agreement cannot forbid them.
pub(super) fn required_by_schema(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::StudentStatus => &["id", "stage", "status", "event", "effectiveOn", "until", "connection"],
        Kind::EnrollmentConnection => &[
            "connection",
            "connectionKind",
            "role",
            "id",
            "sending",
            "receiving",
            "requestedOn",
            "plannedPeriod",
            "step",
            "stepOn",
            "reason",
            "quota",
            "formerRegistration",
        ],
        Kind::QualificationRecognition => &[
            "role",
            "id",
            "source",
            "step",
            "stepOn",
            "authority",
            "purpose",
            "outcome",
            "conditions",
            "reasons",
            "appealUntil",
            "revocation",
        ],
        Kind::Withdrawal => &[],
    }
}

impl Agreement {
    /// Whether a record of this kind may flow under this agreement with just the members it has. `Err` names the part
    /// of the terms that refuses it: `scope/kind`, `scope/direction`, `scope/stage`, `scope/institution`,
    /// `crossBorderBasis`, `fields/required/<member>` or `fields/allowed/<member>`.
    ///
    /// The document has passed [`crate::record::check`]. A withdrawal, which has no subject, may always flow.
    ///
    /// # Errors
    /// The reason, as a code.
    pub fn in_scope(&self, kind: Kind, document: &Scanned<'_>) -> Result<(), String> {
        if kind == Kind::Withdrawal {
            return Ok(());
        }
        let root = document.root();
        let body = root.member("credentialSubject").ok_or("scope/kind")?;
        self.covering_rows(kind, root, body)?;
        if body.member("id").is_some() && !self.subjects_may_flow() {
            return Err("crossBorderBasis".to_owned());
        }
        self.check_members(kind, body)
    }

    /// Whether a party may receive a record: one of the rows that cover it is directed to the party.
    ///
    /// # Errors
    /// The key of a row that covers the record but is not directed to the party, or the reason of [`Self::in_scope`].
    pub fn may_receive(&self, kind: Kind, document: &Scanned<'_>, to: &Did) -> Result<(), String> {
        if kind == Kind::Withdrawal || self.flows_whole(kind, to) {
            return Ok(());
        }
        let root = document.root();
        let body = root.member("credentialSubject").ok_or("scope/kind")?;
        let rows = self.covering_rows(kind, root, body)?;
        if rows.iter().any(|row| row.to.contains(to)) {
            return Ok(());
        }
        Err(rows.first().map_or("scope/direction", |row| row.row.as_str()).to_owned())
    }

    /// Whether every row of a kind is directed to a party: its records need not be read to know.
    pub fn flows_whole(&self, kind: Kind, to: &Did) -> bool {
        self.terms.scope.iter().filter(|row| row.kind == kind).all(|row| row.to.contains(to))
    }

    /// The rows that cover a record; never empty.
    fn covering_rows(&self, kind: Kind, root: Item<'_>, body: Item<'_>) -> Result<Vec<&ScopeRow>, &'static str> {
        let issuer = text(root, "/issuer");
        // A connection has no stage of its own, but for a quota; a recognition has that of its target, if any.
        let stage = text(body, "/stage").or_else(|| text(body, "/quota/level")).or_else(|| text(body, "/target/level"));
        let rows = self.terms.scope.iter().collect();
        let rows = keep(rows, "scope/kind", |row| row.kind == kind)?;
        let rows =
            keep(rows, "scope/direction", |row| row.from.iter().any(|did| Some(did.as_str()) == issuer.as_deref()))?;
        let rows = keep(rows, "scope/stage", |row| stage.as_deref().is_none_or(|stage| row.stages.contains(stage)))?;
        // Fail closed: where only some schools are in scope, a record that names none is not.
        keep(rows, "scope/institution", |row| {
            row.institutions.as_ref().is_none_or(|all| institution(kind, body).is_some_and(|one| all.contains(&one)))
        })
    }

    fn check_members(&self, kind: Kind, body: Item<'_>) -> Result<(), String> {
        let fields = self.terms.fields.get(kind.code()).ok_or("scope/kind")?;
        if let Some(missing) = fields.required.iter().find(|name| body.member(name).is_none()) {
            return Err(format!("fields/required/{missing}"));
        }
        // Both in canonical order, so one pass; a name that is out of order where it is not ASCII is none that may be here.
        let mut possible = fields.possible.iter();
        let mut may = |name: &str| possible.find(|one| one.as_str() >= name).is_some_and(|one| one == name);
        match body.members().find(|(name, _)| !may(name)) {
            Some((name, _)) => Err(format!("fields/allowed/{name}")),
            None => Ok(()),
        }
    }
}

/// The rows that fit, or the part of the terms that leaves none.
fn keep<'a>(
    rows: Vec<&'a ScopeRow>,
    part: &'static str,
    fits: impl Fn(&ScopeRow) -> bool,
) -> Result<Vec<&'a ScopeRow>, &'static str> {
    let mut rows = rows;
    rows.retain(|row| fits(row));
    if rows.is_empty() { Err(part) } else { Ok(rows) }
}

fn text<'a>(item: Item<'a>, pointer: &str) -> Option<Cow<'a, str>> {
    item.pointer(pointer)?.as_str()
}

/// Scheme and code of the institution that the record is about: of its own side in a connection, of the awarding body
/// in a recognition.
fn institution(kind: Kind, body: Item<'_>) -> Option<(String, String)> {
    let institution = match kind {
        Kind::StudentStatus => body.member("institution")?,
        Kind::EnrollmentConnection => body.member(&text(body, "/role")?)?.member("institution")?,
        Kind::QualificationRecognition => body.pointer("/source/awardingBody")?,
        Kind::Withdrawal => return None,
    };
    Some((text(institution, "/scheme")?.into_owned(), text(institution, "/code")?.into_owned()))
}
