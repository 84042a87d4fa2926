//! Credits (学分) in exact fractions: hundredths of a credit, a factor num/den, one rounding, a cap (records §5, §6).
//!
//! Integers only. The product is formed in 128 bits and is never rounded twice: amount × num / den, then once to
//! hundredths. An amount below zero, a denominator of zero or a result that no longer fits is no value, not a wrong one.
use crate::code::codes;

codes! {
    /// How an amount that is no whole number of hundredths is rounded, in the order of the schema.
    pub enum Rounding {
        Down => "down",
        HalfUp => "half-up",
        HalfEven => "half-even",
    }
}

/// Largest amount in hundredths that a record or an agreement may state: 100,000 credits.
pub const MAX_HUNDREDTHS: u64 = 10_000_000;

/// An exact positive factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

impl Factor {
    /// An amount in hundredths times the factor, rounded once; `None` for a denominator of zero or a result beyond 64
    /// bits.
    pub fn apply(self, hundredths: u64, rounding: Rounding) -> Option<u64> {
        let den = u128::from(self.den);
        let product = u128::from(hundredths) * u128::from(self.num);
        let (whole, rest) = (product.checked_div(den)?, product.checked_rem(den)?);
        // Twice the rest against the denominator says on which side of the half it lies, without a fraction.
        let up = match rounding {
            Rounding::Down => false,
            Rounding::HalfUp => rest * 2 >= den,
            Rounding::HalfEven => rest * 2 > den || (rest * 2 == den && whole % 2 == 1),
        };
        u64::try_from(whole + u128::from(up)).ok()
    }
}

/// One row of the credit table of an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditRow {
    /// Its key, which a conversion cites.
    pub row: String,
    /// Scheme converted from.
    pub from: String,
    /// Scheme converted to.
    pub to: String,
    /// Credits of `to` for one of `from`.
    pub factor: Factor,
    /// How the result is rounded to hundredths.
    pub rounding: Rounding,
    /// Most hundredths of `to` that one recognition of one year may convert.
    pub cap_per_year: Option<u64>,
    /// Years after the award in which a credit may be converted.
    pub valid_years: Option<u32>,
}

impl CreditRow {
    /// What an amount in hundredths of `from` is in hundredths of `to`.
    pub fn convert(&self, hundredths: u64) -> Option<u64> {
        self.factor.apply(hundredths, self.rounding)
    }

    /// Whether a sum of converted hundredths of one year lies beyond the cap.
    pub fn exceeds_cap(&self, hundredths: u64) -> bool {
        self.cap_per_year.is_some_and(|cap| hundredths > cap)
    }
}

/// The sum of amounts; `None` where it no longer fits.
pub fn sum(amounts: impl IntoIterator<Item = u64>) -> Option<u64> {
    amounts.into_iter().try_fold(0_u64, u64::checked_add)
}

/// An amount for people: `7.5` for 750 hundredths, `6` for 600.
pub fn in_credits(hundredths: u64) -> String {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match (part, part % 10) {
        (0, _) => whole.to_string(),
        (_, 0) => format!("{whole}.{}", part / 10),
        _ => format!("{whole}.{part:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::released_schema;
    use crate::validate::SchemaName;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Amount, numerator, denominator; down, half-up, half-even.
    const TABLE: &[(u64, u32, u32, [u64; 3])] = &[
        (0, 8, 9, [0, 0, 0]),
        (100, 1, 1, [100, 100, 100]),
        (300, 8, 9, [266, 267, 267]),
        (100, 1, 3, [33, 33, 33]),
        (200, 1, 3, [66, 67, 67]),
        // Halves: 0.5, 1.5, 2.5 hundredths.
        (1, 1, 2, [0, 1, 0]),
        (3, 1, 2, [1, 2, 2]),
        (5, 1, 2, [2, 3, 2]),
        (125, 2, 4, [62, 63, 62]),
        // Just beside a half.
        (1, 499_999, 1_000_000, [0, 0, 0]),
        (1, 500_001, 1_000_000, [0, 1, 1]),
        // ECTS 60 a year to US semester 30, CATS 120 to ECTS 60, 16 class hours to 18.
        (600, 1, 2, [300, 300, 300]),
        (2000, 1, 2, [1000, 1000, 1000]),
        (250, 16, 18, [222, 222, 222]),
        // The largest that a document may state.
        (MAX_HUNDREDTHS, 1_000_000, 1, [10_000_000_000_000; 3]),
        (MAX_HUNDREDTHS, 1, 1_000_000, [10, 10, 10]),
        (u64::MAX, 1, 1, [u64::MAX; 3]),
        (u64::MAX, 999_999, 1_000_000, [18_446_725_626_965_477_905; 3]),
    ];

    #[test]
    fn amounts_by_table() {
        for (amount, num, den, expected) in TABLE {
            let factor = Factor { num: *num, den: *den };
            for (rounding, expected) in Rounding::ALL.iter().zip(expected) {
                assert_eq!(factor.apply(*amount, *rounding), Some(*expected), "{amount} × {num}/{den} {rounding:?}");
            }
        }
    }

    #[test]
    fn what_is_no_value_is_none() {
        for rounding in Rounding::ALL {
            assert_eq!(Factor { num: 1, den: 0 }.apply(1, *rounding), None);
            assert_eq!(Factor { num: 2, den: 1 }.apply(u64::MAX, *rounding), None);
            assert_eq!(Factor { num: u32::MAX, den: 1 }.apply(u64::MAX, *rounding), None);
        }
        assert_eq!(sum([u64::MAX, 1]), None);
        assert_eq!(sum([1, 2, 3]), Some(6));
        assert_eq!(sum([]), Some(0));
    }

    #[test]
    fn a_cap_is_reached_and_not_passed() {
        let row = |cap_per_year| CreditRow {
            row: "a".to_owned(),
            from: "cn-hours-16".to_owned(),
            to: "cn-hours-18".to_owned(),
            factor: Factor { num: 8, den: 9 },
            rounding: Rounding::HalfUp,
            cap_per_year,
            valid_years: None,
        };
        assert_eq!(row(None).convert(300), Some(267));
        assert!(!row(None).exceeds_cap(u64::MAX));
        assert!(!row(Some(267)).exceeds_cap(267));
        assert!(row(Some(267)).exceeds_cap(268));
    }

    #[test]
    fn amounts_for_people() {
        for (hundredths, text) in [(0, "0"), (5, "0.05"), (50, "0.5"), (100, "1"), (750, "7.5"), (1234, "12.34")] {
            assert_eq!(in_credits(hundredths), text);
        }
    }

    #[test]
    fn the_modes_are_those_of_the_schema_in_order() {
        let schema: Value = serde_json::from_str(released_schema(SchemaName::Agreement).text).unwrap();
        let row = &schema["$defs"]["creditRow"]["properties"];
        assert_eq!(row["rounding"]["enum"], json!(Rounding::ALL.iter().map(|mode| mode.code()).collect::<Vec<_>>()));
        assert_eq!(row["capPerYear"]["maximum"], json!(MAX_HUNDREDTHS));
        assert!(Rounding::ALL.iter().all(|mode| Rounding::from_code(mode.code()) == Some(*mode)));
    }

    proptest! {
        #[test]
        fn the_rounded_amount_is_next_to_the_exact_one(amount in any::<u64>(), num in 1..=1_000_000_u32, den in 1..=1_000_000_u32) {
            let factor = Factor { num, den };
            let exact = u128::from(amount) * u128::from(num);
            let times = |value: u64| u128::from(value) * u128::from(den);
            let Some(down) = factor.apply(amount, Rounding::Down) else {
                prop_assert!(exact / u128::from(den) > u128::from(u64::MAX));
                return Ok(());
            };
            prop_assert!(times(down) <= exact && exact - times(down) < u128::from(den));
            for mode in [Rounding::HalfUp, Rounding::HalfEven] {
                let Some(near) = factor.apply(amount, mode) else {
                    prop_assert_eq!(down, u64::MAX);
                    continue;
                };
                let off = exact.abs_diff(times(near)) * 2;
                prop_assert!(off <= u128::from(den), "never further than half a hundredth");
                if off == u128::from(den) {
                    let expected = if mode == Rounding::HalfUp || down % 2 == 1 { down + 1 } else { down };
                    prop_assert_eq!(near, expected);
                }
            }
        }

        #[test]
        fn more_is_never_less(a in any::<u32>(), b in any::<u32>(), num in 1..=1_000_000_u32, den in 1..=1_000_000_u32) {
            let factor = Factor { num, den };
            for mode in Rounding::ALL {
                let of = |amount: u32| factor.apply(u64::from(amount), *mode).unwrap();
                prop_assert!(of(a.min(b)) <= of(a.max(b)));
            }
        }

        #[test]
        fn a_reduced_fraction_is_the_same_factor(amount in 0..=MAX_HUNDREDTHS, num in 1..=1000_u32, den in 1..=1000_u32, by in 1..=1000_u32) {
            for mode in Rounding::ALL {
                let plain = Factor { num, den }.apply(amount, *mode);
                prop_assert_eq!(Factor { num: num * by, den: den * by }.apply(amount, *mode), plain);
            }
        }
    }
}
