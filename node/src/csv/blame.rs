//! Which column is to blame for what validation says of a record.

use super::fault::Fault;
use super::mapping::{Mapping, Source};
use super::row::Columns;
use hefu_schemas::text::Text;
use hefu_schemas::violation::Violation;

/// The column of a member of `credentialSubject`, with `/` for members of members; the outermost mapped one that fits.
pub(super) fn column_of<'a>(mapping: &'a Mapping, member: &str) -> Option<&'a str> {
    let of = |source: &'a Source| match source {
        Source::Column(column) => Some(column.name.as_str()),
        Source::Fixed(_) => None,
    };
    match member {
        "id" => return mapping.subject.as_ref().map(|subject| subject.id.as_str()),
        "identityCheck" => {
            let identity = mapping.subject.as_ref()?.identity.as_ref()?;
            return Some(identity.name.as_str());
        }
        _ => {}
    }
    let path: Vec<&str> = member.split('/').collect();
    let fits = |mapped: &[String]| mapped.iter().zip(&path).all(|(a, b)| a == b);
    let found = mapping.members.iter().find(|mapped| fits(&mapped.path));
    match found {
        Some(member) => of(&member.source),
        // An event that was derived is the status' own.
        None if member == "event" => column_of(mapping, "status"),
        None => None,
    }
}

fn column_of_pointer<'a>(mapping: &'a Mapping, pointer: &str) -> Option<&'a str> {
    if let Some(member) = pointer.strip_prefix("/credentialSubject/") {
        return column_of(mapping, member);
    }
    match pointer.split('/').nth(1) {
        Some("statedBy") => match &mapping.stated_by {
            Source::Column(column) => Some(column.name.as_str()),
            Source::Fixed(_) => None,
        },
        Some("validFrom") => column_of(mapping, mapping.date_member()),
        Some("follows") => column_of(mapping, "event").or_else(|| column_of(mapping, "step")),
        _ => None,
    }
}

/// What validation or the chain says of a draft, as a fault of its row.
pub(super) fn fault_of(mapping: &Mapping, columns: &Columns, row: usize, violation: &Violation) -> Fault {
    let rule = violation.rule.as_str();
    let remedy = if rule.starts_with("agreement/") {
        Text::new(
            "请对照协议（hefu agreement show）更正映射，或经缔约方修订协议。",
            "compare the mapping with the agreement (`hefu agreement show`), or have the parties amend it",
        )
    } else if rule.starts_with("follows/") || rule.contains("/illegal") {
        Text::new(
            "请对照已发布的记录（hefu record list --subject、hefu record history）更正此行。",
            "compare the row with what is published (`hefu record list --subject`, `hefu record history`)",
        )
    } else {
        Text::new("请更正单元格或映射。", "correct the cell or the mapping")
    };
    let message = match violation.pointer.strip_prefix("/credentialSubject") {
        Some(member) if !member.is_empty() => {
            let member = member.trim_start_matches('/').replace('/', ".");
            Text::new(format!("{member}：{}", violation.message.zh), format!("{member}: {}", violation.message.en))
        }
        _ => violation.message.clone(),
    };
    let fault = Fault { row, column: None, code: rule.to_owned(), message, remedy };
    match column_of_pointer(mapping, &violation.pointer) {
        Some(name) => columns.name(fault, name),
        None => fault,
    }
}
