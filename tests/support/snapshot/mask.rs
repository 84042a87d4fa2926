//! What differs by run, replaced by what it is, in the same width where tables show it.

const UUID: &str = "xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx";
const DATE: &str = "YYYY-MM-DD";
const TIME: &str = "YYYY-MM-DDThh:mm:ssZ";
/// What stands before the pseudonym of a person.
const SUBJECT: &str = "urn:hefu:subject:1:";

/// A text with the given names put in, and then everything masked that looks like an id, a hash, a key, a date or a time.
pub fn mask(text: &str, names: &[(String, String)]) -> String {
    let mut named = text.to_owned();
    for (own, name) in names {
        named = named.replace(own.as_str(), name);
    }
    let mut out = String::with_capacity(named.len());
    let mut rest = named.as_str();
    while let Some(first) = rest.chars().next() {
        let len = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(len);
        if run.is_empty() {
            out.push(first);
            rest = after.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        // A time goes on behind its colons.
        let time = run.get(..10).is_some_and(date) && run.get(10..11) == Some("T");
        let tail = after.find(|c: char| !(c.is_ascii_digit() || ":.+Z-".contains(c))).unwrap_or(after.len());
        let masked = if out.ends_with(SUBJECT) { "<subject>" } else { replaced(run) };
        out.push_str(if time { TIME } else { masked });
        rest = if time { after.get(tail..).unwrap_or_default() } else { after };
    }
    out
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// What stands for a run of letters, digits, `-` and `_`.
fn replaced(run: &str) -> &str {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    // Words of the schemas have two capitals at most.
    let mixed = run.bytes().filter(u8::is_ascii_uppercase).count() > 2;
    let digits = run.bytes().all(|b| b.is_ascii_digit());
    match run.len() {
        36 if uuid(run) => UUID,
        64 if hex(run) => "<hash>",
        10 if date(run) => DATE,
        // Seconds and milliseconds since 1970.
        10 if digits && run.starts_with('1') => "<seconds>",
        13 if digits && run.starts_with('1') => "<milliseconds>",
        48 if run.starts_with("z6Mk") => "<key>",
        22.. if mixed => "<bytes>",
        _ => run,
    }
}

fn date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() })
}

fn uuid(text: &str) -> bool {
    let dash = |at: usize| [8, 13, 18, 23].contains(&at);
    text.bytes().enumerate().all(|(at, b)| if dash(at) { b == b'-' } else { b.is_ascii_hexdigit() })
}
