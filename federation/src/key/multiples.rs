//! Multiples of a point, which make a multiplication 32 additions: for the base point, and for a key that signed much.
//!
//! The equation of a signature is `[s]B − [k]A`. With a scalar written in digits of a byte, `Σ dᵢ·256ⁱ`, and all `d·256ⁱ·P` at hand,
//! `[k]P` is the sum of 32 points, without a doubling. All of it is public, so the time it takes tells nothing.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, OnceLock};

/// Digits of a scalar: a byte each.
const DIGITS: usize = 32;
/// Digits go from −127 to 128: so many multiples are kept for each place, the others are their opposites.
const HALF: usize = 128;

/// All `d·256ⁱ·P` for `d` from 1 to 128: 655 kB, which take as long to make as some forty signatures to verify.
pub(super) struct Multiples(Vec<EdwardsPoint>);

/// Those of the base point.
static BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));

impl Multiples {
    pub(super) fn of(point: EdwardsPoint) -> Self {
        let mut multiples = Vec::with_capacity(DIGITS * HALF);
        let mut unit = point;
        for _ in 0..DIGITS {
            let mut multiple = unit;
            for _ in 1..HALF {
                multiples.push(multiple);
                multiple += unit;
            }
            multiples.push(multiple);
            // 128 of this place twice are one of the next.
            unit = multiple + multiple;
        }
        Self(multiples)
    }

    /// Adds `[scalar]P` to each sum. It goes place by place, with all sums at each: the multiples of one place are 20 kB, which stay near
    /// the processor meanwhile, while those of all places do not.
    fn add_each<'s>(&self, sums: &mut [EdwardsPoint], scalars: impl Iterator<Item = &'s Scalar> + Clone) {
        let mut carries = vec![0_i16; sums.len()];
        // A scalar is below 2²⁵³: nothing is carried out of the last byte.
        for (place, multiples) in self.0.chunks_exact(HALF).enumerate() {
            for ((sum, carry), scalar) in sums.iter_mut().zip(&mut carries).zip(scalars.clone()) {
                let byte = scalar.as_bytes().get(place).map_or(0, |byte| i16::from(*byte)) + *carry;
                *carry = i16::from(byte > 128);
                let digit = byte - 256 * *carry;
                let multiple = usize::from(digit.unsigned_abs()).checked_sub(1).and_then(|at| multiples.get(at));
                match multiple {
                    Some(multiple) if digit > 0 => *sum += multiple,
                    Some(multiple) => *sum -= multiple,
                    None => {}
                }
            }
        }
    }
}

/// `[s]B + [k]P`, with the multiples of `P`.
#[derive(Clone, Copy)]
pub(super) struct Product<'m> {
    pub(super) multiples: &'m Multiples,
    pub(super) k: Scalar,
    pub(super) s: Scalar,
}

/// All the products, in their order. Those that follow one another with the same point are made together.
pub(super) fn products(all: &[Product<'_>]) -> Vec<EdwardsPoint> {
    let mut sums = vec![EdwardsPoint::default(); all.len()];
    let mut rest = sums.as_mut_slice();
    for same in all.chunk_by(|one, next| std::ptr::eq(one.multiples, next.multiples)) {
        let (sums, others) = rest.split_at_mut(same.len());
        rest = others;
        if let Some(Product { multiples, .. }) = same.first() {
            multiples.add_each(sums, same.iter().map(|product| &product.k));
            BASE.add_each(sums, same.iter().map(|product| &product.s));
        }
    }
    sums
}

/// Signatures of a key after which its multiples are worth making.
const WORTH: u32 = 96;
/// Most keys whose multiples are kept at a time in a process: 21 MB. Further keys take longer, with the same answers.
const MOST: u32 = 32;
/// How many there are.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// The multiples of a key, once it has signed enough; shared by all copies of the key.
#[derive(Default)]
pub(super) struct Growing {
    used: AtomicU32,
    multiples: OnceLock<Multiples>,
}

impl Growing {
    /// The multiples of `point`, if they are worth it by now. Asked for each signature.
    pub(super) fn get(&self, point: impl FnOnce() -> EdwardsPoint) -> Option<&Multiples> {
        if let Some(multiples) = self.multiples.get() {
            return Some(multiples);
        }
        // Where the counter comes around, for a key beyond `MOST`, some signatures take the longer way as well: the same answers.
        if self.used.fetch_add(1, Ordering::Relaxed) < WORTH {
            return None;
        }
        let room = KEPT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |kept| (kept < MOST).then_some(kept + 1));
        room.ok()?;
        let mut made = false;
        let multiples = self.multiples.get_or_init(|| {
            made = true;
            Multiples::of(point())
        });
        if !made {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
        Some(multiples)
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if self.multiples.get().is_some() {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> EdwardsPoint {
        EdwardsPoint::mul_base(&Scalar::from(0x1234_5678_9abc_def0_u64))
    }

    #[test]
    fn digits_at_their_ends() {
        let multiples = Multiples::of(point());
        assert_eq!(multiples.0.len(), DIGITS * HALF);
        let order_less_one = -Scalar::ONE;
        let all = |byte| Scalar::from_bytes_mod_order([byte; 32]);
        let small = [0_u64, 1, 127, 128, 129, 255, 256, 0x7f80, 0x8080, 0x80ff, u64::MAX].map(Scalar::from);
        for scalar in small.into_iter().chain([order_less_one, all(0x7f), all(0x80), all(0x81), all(0xff)]) {
            let zero = Product { multiples: &multiples, k: scalar, s: Scalar::ZERO };
            let both = Product { s: scalar, ..zero };
            let expected = [point() * scalar, (point() + ED25519_BASEPOINT_POINT) * scalar];
            assert_eq!(products(&[zero, both]), expected, "{scalar:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_same_as_the_library(k in any::<[u8; 32]>(), s in any::<[u8; 32]>()) {
            let (k, s) = (Scalar::from_bytes_mod_order(k), Scalar::from_bytes_mod_order(s));
            static MULTIPLES: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(point()));
            let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &point(), &s);
            let product = Product { multiples: &MULTIPLES, k, s };
            prop_assert_eq!(products(&[product]), [expected]);
        }

        /// Points come and go between the products of a batch: each has its own sum.
        #[test]
        fn many_at_once_are_as_each_by_itself(
            scalars in proptest::collection::vec((any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>()), 0..40)
        ) {
            static TWO: LazyLock<[Multiples; 2]> =
                LazyLock::new(|| [Multiples::of(point()), Multiples::of(point() + point())]);
            let product = |(k, s, other): &([u8; 32], [u8; 32], bool)| Product {
                multiples: &TWO[usize::from(*other)],
                k: Scalar::from_bytes_mod_order(*k),
                s: Scalar::from_bytes_mod_order(*s),
            };
            let all: Vec<Product<'_>> = scalars.iter().map(product).collect();
            let alone: Vec<EdwardsPoint> = all.iter().flat_map(|one| products(&[*one])).collect();
            prop_assert_eq!(products(&all), alone);
        }
    }

    /// One test for all: the number of those kept is that of the process.
    #[test]
    fn they_are_made_when_they_are_worth_it_and_only_so_many() {
        let key = Growing::default();
        assert!((0..WORTH).all(|_| key.get(point).is_none()));
        assert!(key.get(point).is_some());
        assert!(key.get(|| panic!("made again")).is_some());
        let worth = || Growing { used: AtomicU32::new(WORTH), multiples: OnceLock::new() };
        let more: Vec<Growing> = (0..MOST).map(|_| worth()).collect();
        let made = more.iter().filter(|growing| growing.get(point).is_some()).count();
        assert!(made < more.len(), "{made}");
        drop((key, more));
        assert!(worth().get(point).is_some(), "there is room again");
    }
}
