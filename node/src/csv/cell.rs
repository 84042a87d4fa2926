//! What a cell says: dates and months as people in an office write them.

use jiff::civil::Date;

/// A day: `2026-09-01`, `2026/9/1`, `2026.9.1`, `20260901` or `2026年9月1日`. The year comes first and has four digits: what
/// `1/9/2026` means depends on who wrote it.
pub(super) fn date(text: &str) -> Option<Date> {
    let [year, month, day] = parts(text, "日")?.try_into().ok()?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A month as `YYYY-MM`: written as a day without its last part, or as a day.
pub(super) fn month(text: &str) -> Option<String> {
    let parts = match date(text) {
        Some(date) => vec![date.year(), i16::from(date.month())],
        None => parts(text, "月")?,
    };
    let [year, month] = parts.try_into().ok()?;
    ((1..=12).contains(&month)).then(|| format!("{year:04}-{month:02}"))
}

/// Year, month and perhaps day.
fn parts(text: &str, last: &str) -> Option<Vec<i16>> {
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i16>().ok().filter(|_| digits)
    };
    let parts: Vec<&str> = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        match text.len() {
            6 => vec![text.get(..4)?, text.get(4..)?],
            8 => vec![text.get(..4)?, text.get(4..6)?, text.get(6..)?],
            _ => return None,
        }
    } else if text.contains('年') {
        text.strip_suffix(last)?.split(['年', '月']).map(str::trim).collect()
    } else {
        let separator = ['-', '/', '.'].into_iter().find(|separator| text.contains(*separator))?;
        text.split(separator).collect()
    };
    let long_year = parts.first().is_some_and(|year| year.len() == 4);
    let short = parts.iter().skip(1).all(|part| (1..=2).contains(&part.len()));
    let numbers: Option<Vec<i16>> = parts.into_iter().map(number).collect();
    numbers.filter(|_| long_year && short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_in_the_forms_of_an_office() {
        let expected = jiff::civil::date(2026, 9, 1);
        for text in [
            "2026-09-01",
            "2026-9-1",
            "2026/9/1",
            "2026/09/01",
            "2026.9.1",
            "20260901",
            "2026年9月1日",
            "2026年09月01日",
            "2026年 9月 1日",
        ] {
            assert_eq!(date(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-09",
            "202609",
            "1/9/2026",
            "26-09-01",
            "2026-13-01",
            "2026-02-30",
            "2026-9-1-1",
            "2026/9-1",
            "46266",
            "2026-09-01T00:00",
            "二〇二六年九月一日",
            "2026年9月1",
            "2026年9月",
            "+2026-9-1",
            "2026-+9-1",
            "2026--1",
            "年月日",
            "2026年9月1日日",
            "99999999999999999999",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn months_in_the_forms_of_an_office() {
        for text in ["2026-09", "2026/9", "202609", "2026年9月", "2026.09", "2026-09-01", "20260901", "2026年9月1日"]
        {
            assert_eq!(month(text).as_deref(), Some("2026-09"), "{text}");
        }
        for text in ["", "2026", "2026-13", "2026-0", "9/2026", "2026年", "2026年9", "2026年13月", "月"] {
            assert_eq!(month(text), None, "{text}");
        }
    }
}
