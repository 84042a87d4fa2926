//! Made-up persons.
use super::calendar::plus;
use jiff::civil::{Date, date};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Scheme of the made-up identifiers.
pub(super) const SCHEME: &str = "cn-resident-id";
/// First area code of the made-up identifiers. GB/T 2260 gives no code that begins with 99; numbers of foreign permanent
/// residents begin with 9, but behind it stands a province, and none begins with 9.
const FIRST_AREA: u64 = 990_000;
/// Persons per area: the three digits of the sequence.
const PER_AREA: u64 = 1000;
/// Numbers of residents lie below this, those of students who transfer above.
pub(super) const RESIDENTS: u64 = 8_000_000;
/// So many students transfer at most; the numbers of those whose terms are recognised follow.
pub(super) const MAX_MOVERS: u64 = 500_000;
/// Numbers of persons of planted cases begin here.
pub(super) const PLANTED_FROM: u64 = 9_000_000;
/// Weights of the first 17 digits (GB 11643-1999, after ISO 7064 MOD 11-2).
const WEIGHTS: [u64; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Check characters by remainder.
const CHECK: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

const SURNAMES: [&str; 24] = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "林", "高",
    "罗", "和", "木", "普", "岩",
];
const GIVEN: [&str; 24] = [
    "子涵", "欣怡", "浩然", "雨桐", "一诺", "梓萱", "宇轩", "思源", "嘉怡", "博文", "明", "静", "磊", "芳", "晨", "悦",
    "天佑", "佳琪", "俊杰", "若曦", "文博", "雪", "航", "蕊",
];

/// A made-up person: what `hefu subject` turns into a reference. Nobody has this identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Scheme of the identifier.
    pub scheme: &'static str,
    /// The identifier.
    pub id: String,
    /// A name.
    pub name: String,
    /// `M` or `F`.
    pub sex: char,
    /// Birth date, as in the identifier.
    pub birth_date: Date,
}

impl Person {
    /// The person of a number, of an age with which one enters school in `entry_year`.
    pub(super) fn new(random: &mut StdRng, number: u64, entry_year: i16, age: i16) -> Self {
        let birth_date = plus(date(entry_year.saturating_sub(age), 8, 31), -random.random_range(0..365));
        let surname = SURNAMES.choose(random).copied().unwrap_or("王");
        let given = GIVEN.choose(random).copied().unwrap_or("明");
        let area = FIRST_AREA + (number / PER_AREA) % (1_000_000 - FIRST_AREA);
        let sequence = number % PER_AREA;
        Self {
            scheme: SCHEME,
            id: with_check(&format!("{area}{}{sequence:03}", birth_date.strftime("%Y%m%d"))),
            name: format!("{surname}{given}"),
            sex: if sequence.is_multiple_of(2) { 'F' } else { 'M' },
            birth_date,
        }
    }

    /// The line that `hefu subject` reads.
    pub(super) fn line(&self) -> String {
        serde_json::json!({"scheme": self.scheme, "id": self.id}).to_string()
    }
}

/// 17 digits with their check character.
fn with_check(digits: &str) -> String {
    let sum: u64 =
        digits.chars().zip(WEIGHTS).map(|(digit, weight)| u64::from(digit.to_digit(10).unwrap_or(0)) * weight).sum();
    let check = usize::try_from(sum % 11).ok().and_then(|remainder| CHECK.get(remainder)).unwrap_or(&'0');
    format!("{digits}{check}")
}

#[cfg(test)]
mod tests {
    use super::super::seed::Seed;
    use super::*;

    #[test]
    fn check_character_of_the_standards_example() {
        // GB 11643-1999, appendix: an identifier in the form of an example, not of a person.
        assert_eq!(with_check("11010519491231002"), "11010519491231002X");
    }

    #[test]
    fn identifiers_are_nobodys_and_their_own() {
        let mut random = Seed(1).generator("person", 0, 0);
        let mut seen = std::collections::BTreeSet::new();
        for number in [0, 1, 999, 1000, RESIDENTS - 1, RESIDENTS, PLANTED_FROM, PLANTED_FROM + 999_999] {
            let person = Person::new(&mut random, number, 2025, 6);
            assert!(person.id.starts_with("99") && person.id.len() == 18);
            assert!(seen.insert(format!("{}{}", &person.id[..6], &person.id[14..17])));
            assert!((date(2018, 9, 1)..=date(2019, 8, 31)).contains(&person.birth_date));
        }
    }
}
