//! Patterns that are a row of bytes and classes of bytes, as most of ours are: `^urn:uuid:[0-9a-f]{8}-…$`. Each byte is looked up by
//! itself, where a step of an automaton waits for the step before it.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The bytes of a class.
type Set = Box<[bool; 256]>;

/// What a text must match.
pub(super) enum Row {
    /// One of these from its first byte on, and to its last one if so said.
    Anchored { choices: Vec<Vec<Part>>, to_end: bool },
    /// So many ASCII characters of a class in a row, anywhere.
    Somewhere { set: Set, count: usize },
}

/// A part of a row. How far it reaches is decided without looking back.
pub(super) enum Part {
    /// These bytes.
    Literal(Box<[u8]>),
    /// At least `min` bytes of a class, as many as there are up to `max`.
    Run { set: Set, min: usize, max: usize },
    /// The first of these that is there; all of them are as long.
    Choice(Vec<Vec<Part>>),
}

impl Row {
    /// `None` if the pattern is anything else.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let whole = regex_syntax::parse(pattern).ok()?;
        if let Some(Part::Run { set, min: count @ 1.., .. }) = Part::new(&whole)
            && is_ascii(&set)
        {
            return Some(Self::Somewhere { set, count });
        }
        let HirKind::Concat(items) = whole.kind() else { return None };
        let (first, items) = items.split_first()?;
        let is = |item: &Hir, look: Look| matches!(item.kind(), HirKind::Look(found) if *found == look);
        let (items, to_end) = match items.split_last() {
            Some((last, items)) if is(last, Look::End) => (items, true),
            _ => (items, false),
        };
        let choices = match items {
            [only] => choices(only).or_else(|| Some(vec![parts(items)?]))?,
            _ => vec![parts(items)?],
        };
        is(first, Look::Start).then_some(Self::Anchored { choices, to_end })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Anchored { choices, to_end } => choices
                .iter()
                .filter_map(|parts| strip_all(parts, text.as_bytes()))
                .any(|rest| rest.is_empty() || !to_end),
            Self::Somewhere { set, count } => {
                let mut rest = text.as_bytes();
                while let Some(window) = rest.get(..*count) {
                    // No run of that length can hold the last byte that is not of the class.
                    let Some(last) = window.iter().rposition(|byte| !holds(set, *byte)) else { return true };
                    rest = rest.get(last + 1..).unwrap_or_default();
                }
                false
            }
        }
    }
}

impl Part {
    fn new(item: &Hir) -> Option<Self> {
        let (of, min, max) = match item.kind() {
            HirKind::Literal(literal) => return Some(Self::Literal(literal.0.clone())),
            HirKind::Capture(_) => {
                let choices = choices(item)?;
                let len = choices.first().and_then(|parts| len(parts))?;
                return choices.iter().all(|parts| self::len(parts) == Some(len)).then_some(Self::Choice(choices));
            }
            HirKind::Repetition(repeated) => (&*repeated.sub, repeated.min, repeated.max),
            _ => (item, 1, Some(1)),
        };
        let HirKind::Class(class) = of.kind() else { return None };
        let set = set_of(class)?;
        // Other characters have several bytes: how many there are of them is not counted.
        if !is_ascii(&set) && (min > 1 || max.is_some()) {
            return None;
        }
        let count = |count: u32| usize::try_from(count).ok();
        Some(Self::Run { set, min: count(min)?, max: max.map_or(Some(usize::MAX), count)? })
    }

    /// Whether it reaches the same way whatever stands behind it: its length is fixed, or the next one begins with no byte of its.
    fn ends_before(&self, next: &Self) -> bool {
        match (self, next) {
            _ if self.len().is_some() => true,
            (Self::Run { set, .. }, Self::Literal(literal)) => literal.first().is_some_and(|byte| !holds(set, *byte)),
            (Self::Run { set, .. }, Self::Run { set: next, min: 1.., .. }) => {
                set.iter().zip(next.iter()).all(|(one, other)| !(*one && *other))
            }
            _ => false,
        }
    }

    /// Its length, if it has but one.
    fn len(&self) -> Option<usize> {
        match self {
            Self::Literal(literal) => Some(literal.len()),
            Self::Run { min, max, .. } => (min == max).then_some(*min),
            Self::Choice(choices) => choices.first().and_then(|parts| len(parts)),
        }
    }

    /// What is left of a text behind this part; `None` when it does not begin with it.
    fn strip<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        match self {
            Self::Literal(literal) => text.strip_prefix(&**literal),
            Self::Run { set, min, max } => {
                let most = text.get(..*max).unwrap_or(text);
                let len = most.iter().position(|byte| !holds(set, *byte)).unwrap_or(most.len());
                text.get(len..).filter(|_| len >= *min)
            }
            Self::Choice(choices) => choices.iter().find_map(|parts| strip_all(parts, text)),
        }
    }
}

/// The parts of a group of choices; `None` if it is anything else.
fn choices(item: &Hir) -> Option<Vec<Vec<Part>>> {
    let HirKind::Capture(group) = item.kind() else { return None };
    let HirKind::Alternation(choices) = group.sub.kind() else { return None };
    let parts_of = |choice: &Hir| match choice.kind() {
        HirKind::Concat(items) => parts(items),
        _ => parts(std::slice::from_ref(choice)),
    };
    choices.iter().map(parts_of).collect()
}

/// Parts in a row; `None` if one of them is anything else, or does not know where to end.
fn parts(items: &[Hir]) -> Option<Vec<Part>> {
    let parts = items.iter().map(Part::new).collect::<Option<Vec<Part>>>()?;
    let is_decided = parts.windows(2).all(|pair| matches!(pair, [one, next] if one.ends_before(next)));
    is_decided.then_some(parts)
}

fn len(parts: &[Part]) -> Option<usize> {
    parts.iter().map(Part::len).sum()
}

fn strip_all<'t>(parts: &[Part], text: &'t [u8]) -> Option<&'t [u8]> {
    parts.iter().try_fold(text, |rest, part| part.strip(rest))
}

fn holds(set: &Set, byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or_default()
}

fn is_ascii(set: &Set) -> bool {
    !holds(set, 0x80)
}

/// A class of ASCII characters, or of all others besides.
fn set_of(class: &Class) -> Option<Set> {
    let Class::Unicode(class) = class else { return None };
    let mut set = Box::new([false; 256]);
    for range in class.ranges() {
        let (start, end) = (u32::from(range.start()), u32::from(range.end()));
        let all_others = start <= 0x80 && range.end() == char::MAX;
        if end >= 0x80 && !all_others {
            return None;
        }
        for byte in start..=end.min(0xff) {
            *set.get_mut(usize::try_from(byte).ok()?)? = true;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_that_can_be_walked_without_looking_back() {
        for pattern in [
            "^[0-9]{6}$",
            "^[1-9]",
            "[0-9]{15}",
            "^[a-z][A-Za-z]{0,31}$",
            "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
            "^([1-9][0-9]{5}|[A-Z]{2}-[A-Z0-9]{1,3}|[A-Z]{2}[A-Z2-9]{3})$",
            r"^[^\x00-\x1F\x7F]+$",
            "^urn:hefu:subject:[1-9][0-9]{0,8}:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$",
        ] {
            assert!(Row::new(pattern).is_some(), "{pattern}");
        }
        for pattern in [
            "[0-9]{0,3}",
            "^[a-z]*[a-f]$",
            "^[a-z]+[0-9]*[a-z]$",
            "^(a|bc)c$",
            "^([a-z]*[a-f]|b)$",
            "^[a-z]+(-[a-z]+)*$",
            r"^[^\x00-\x1F\x7F]{1,12}$",
            "^[学籍]$",
            "[a-z]$",
            "a$",
            "(?m)^a$",
        ] {
            assert!(Row::new(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn runs_are_found_wherever_they_stand() {
        let row = Row::new("[0-9]{3}").unwrap();
        for text in ["123", "a123", "12a345", "学123", "12345", "12学籍1234"] {
            assert!(row.is_match(text), "{text}");
        }
        for text in ["", "12", "12a34", "1学2籍3", "１２３"] {
            assert!(!row.is_match(text), "{text}");
        }
    }
}
