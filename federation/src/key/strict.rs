//! The decisions of `verify_strict`, for one signature or for many, cheaper.
//!
//! `verify_strict` refuses a weak key, an `s` that is not reduced, an `R` that does not decode or is of small order, and an `R`
//! that is not the encoding of `R' = [s]B − [k]A`. An `R` that passes the last test *is* the encoding of `R'`: it decodes to it,
//! and is of small order if it is one of eight encodings. So decoding it, a square root, decides nothing and is left out; and the
//! one inversion that encoding needs is shared by many signatures. Each signature keeps an equation of its own: nothing is added
//! up, nothing is random (docs/adr/0016).
use super::PublicKey;
use super::multiples::{Multiples, Product, products};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::sync::LazyLock;

/// The encodings of the eight points of small order.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// A signature that is said to be of a key over a message.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Whose signature; decoded, and so not weak.
    pub key: &'a PublicKey,
    /// What was signed.
    pub message: &'a [u8],
    /// `R` and `s`.
    pub signature: &'a [u8; 64],
}

impl Claim<'_> {
    /// The multiples of −A, if the key has signed enough for them.
    fn multiples(&self) -> Option<&Multiples> {
        self.key.1.get(|| minus(self.key))
    }

    /// The `k` and `s` of the equation; `None` when `s` is not reduced.
    fn scalars(&self) -> Option<(Scalar, Scalar)> {
        let (r, s) = self.halves();
        let s: Scalar = Option::from(Scalar::from_canonical_bytes(*s))?;
        let hash = Sha512::new().chain_update(r).chain_update(self.key.0.as_bytes()).chain_update(self.message);
        Some((Scalar::from_hash(hash), s))
    }

    fn halves(&self) -> (&[u8; 32], &[u8; 32]) {
        const HALVES: &str = "64 bytes are twice 32";
        let (r, s) = self.signature.split_at(32);
        (r.try_into().expect(HALVES), s.try_into().expect(HALVES))
    }

    /// Whether `R` is the encoding of `R'`, and not of small order.
    fn is_right(&self, recomputed: &[u8; 32]) -> bool {
        let (r, _) = self.halves();
        r == recomputed && !SMALL_ORDER.contains(r)
    }
}

fn minus(key: &PublicKey) -> EdwardsPoint {
    -key.0.to_edwards()
}

/// Verifies one signature.
pub(super) fn verify(claim: &Claim<'_>) -> bool {
    let point = recomputed(&[(*claim, claim.multiples())]).first().copied().flatten();
    point.is_some_and(|point| claim.is_right(point.compress().as_bytes()))
}

/// Verifies many; the answers in the order of the claims.
pub(super) fn verify_all(claims: &[Claim<'_>]) -> Vec<bool> {
    let points = recomputed(&claims.iter().map(|claim| (*claim, claim.multiples())).collect::<Vec<_>>());
    // Where there is no point any will do: the answer is no.
    let defined: Vec<EdwardsPoint> = points.iter().map(|point| point.unwrap_or_else(EdwardsPoint::identity)).collect();
    let encoded = EdwardsPoint::compress_batch_alloc(&defined);
    let all = claims.iter().zip(points.iter().zip(encoded));
    all.map(|(claim, (point, encoded))| point.is_some() && claim.is_right(encoded.as_bytes())).collect()
}

/// `R'` of each claim, by the multiples of −A if they are at hand; `None` when `s` is not reduced.
fn recomputed(claims: &[(Claim<'_>, Option<&Multiples>)]) -> Vec<Option<EdwardsPoint>> {
    let (mut points, mut by_multiples, mut places) = (vec![None; claims.len()], Vec::new(), Vec::new());
    for ((claim, multiples), point) in claims.iter().zip(&mut points) {
        let Some((k, s)) = claim.scalars() else { continue };
        match multiples {
            Some(multiples) => {
                by_multiples.push(Product { multiples, k, s });
                places.push(point);
            }
            None => *point = Some(EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &minus(claim.key), &s)),
        }
    }
    for (place, product) in places.into_iter().zip(products(&by_multiples)) {
        *place = Some(product);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{SecretKey, published_vector};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A claim with its own bytes.
    #[derive(Debug, Clone)]
    struct Case {
        key: [u8; 32],
        message: Vec<u8>,
        signature: [u8; 64],
    }
    impl Case {
        fn signed(seed: u8, message: &[u8]) -> Self {
            let secret = SecretKey::from_seed(&[seed; 32]);
            Self { key: secret.public().bytes(), message: message.to_vec(), signature: secret.sign(message) }
        }
        /// What the library's strict check says of it; a key that we refuse to decode is no key.
        fn by_the_library(&self) -> bool {
            let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&self.key) else { return false };
            let signature = ed25519_dalek::Signature::from_bytes(&self.signature);
            key.verify_strict(&self.message, &signature).is_ok()
        }
    }

    /// Compares one by one and all at once with the library; how many hold.
    fn compare(cases: &[Case]) -> usize {
        let keys: Vec<Option<PublicKey>> = cases.iter().map(|case| PublicKey::from_bytes(&case.key).ok()).collect();
        let both = || cases.iter().zip(&keys).filter_map(|(case, key)| Some((case, key.as_ref()?)));
        let claims: Vec<_> =
            both().map(|(c, key)| Claim { key, message: &c.message, signature: &c.signature }).collect();
        let expected: Vec<bool> = both().map(|(case, _)| case.by_the_library()).collect();
        let single: Vec<bool> = claims.iter().map(verify).collect();
        assert_eq!(single, expected);
        assert_eq!(verify_all(&claims), expected);
        // Together by the multiples of their keys, but for every fifth, which goes the other way.
        for (claims, expected) in claims.chunks(16).zip(expected.chunks(16)) {
            let multiples: BTreeMap<[u8; 32], Multiples> =
                claims.iter().map(|claim| (claim.key.bytes(), Multiples::of(minus(claim.key)))).collect();
            let part = (0..)
                .zip(claims)
                .map(|(at, claim)| (*claim, multiples.get(&claim.key.bytes()).filter(|_| at % 5 != 4)));
            let points = recomputed(&part.collect::<Vec<_>>());
            let answer = |(claim, point): (&Claim<'_>, &Option<EdwardsPoint>)| {
                point.is_some_and(|point| claim.is_right(point.compress().as_bytes()))
            };
            assert_eq!(claims.iter().zip(&points).map(answer).collect::<Vec<_>>(), expected, "by multiples");
        }
        for (case, key) in cases.iter().zip(&keys).filter(|(_, key)| key.is_none()) {
            // A key in another spelling than its own is refused before: of all others the library must say no too.
            let decoded = ed25519_dalek::VerifyingKey::from_bytes(&case.key).ok();
            let respelt = decoded.is_some_and(|key| key.to_edwards().compress().to_bytes() != case.key);
            assert!(key.is_none() && (respelt || !case.by_the_library()), "{case:?}");
        }
        expected.into_iter().filter(|holds| *holds).count()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    /// C2SP CCTV: small-order and mixed keys and R, reduced and unreduced s, canonical and other spellings.
    #[test]
    fn decides_as_the_library_on_every_published_edge_case() {
        #[derive(serde::Deserialize)]
        struct Edge {
            key: String,
            sig: String,
            msg: String,
        }
        let Some(text) = published_vector("edge cases of Ed25519", "cctv/ed25519/ed25519vectors.json") else { return };
        let edges: Vec<Edge> = serde_json::from_str(&text).unwrap();
        let case = |edge: &Edge| Case {
            key: unhex(&edge.key).try_into().unwrap(),
            message: edge.msg.as_bytes().to_vec(),
            signature: unhex(&edge.sig).try_into().unwrap(),
        };
        let cases: Vec<Case> = edges.iter().map(case).collect();
        assert_eq!((cases.len(), compare(&cases)), (914, 43));
    }

    fn hashed(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
        Scalar::from_hash(Sha512::new().chain_update(r).chain_update(key).chain_update(message))
    }

    /// Signatures made with torsion in the key, in R, or in both, so that the equation holds as often as it can: only those whose
    /// R and key are more than torsion may pass, and exactly those that pass with the library do.
    #[test]
    fn every_point_of_torsion_in_key_and_r() {
        let (a, r) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(0xfeed_beef_u64));
        let mut cases = Vec::new();
        for (in_key, in_r) in (0..8).flat_map(|key| (0..8).map(move |r| (key, r))) {
            for (a, r) in [(a, r), (Scalar::ZERO, r), (a, Scalar::ZERO), (Scalar::ZERO, Scalar::ZERO)] {
                let key = (EdwardsPoint::mul_base(&a) + EIGHT_TORSION[in_key]).compress().to_bytes();
                let commitment = (EdwardsPoint::mul_base(&r) + EIGHT_TORSION[in_r]).compress().to_bytes();
                for number in 0..16_u8 {
                    let s = r + hashed(&commitment, &key, &[number]) * a;
                    let signature = [commitment, s.to_bytes()].concat().try_into().unwrap();
                    cases.push(Case { key, message: vec![number], signature });
                }
            }
        }
        let held = compare(&cases);
        assert!(held >= 8 * 16, "{held}: those without torsion in the key, and more by chance");
    }

    #[test]
    fn scalars_and_points_that_are_not_reduced() {
        let good = Case::signed(7, b"message");
        let mut cases = vec![good.clone()];
        // s + ℓ, s + 2ℓ, …: the same scalar, spelt otherwise.
        let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        for _ in 0..8 {
            let mut next = cases.last().unwrap().clone();
            let mut carry = 0;
            for (byte, add) in next.signature[32..].iter_mut().zip(&order) {
                let sum = u16::from(*byte) + u16::from(*add) + carry;
                (*byte, carry) = (u8::try_from(sum & 0xff).unwrap(), sum >> 8);
            }
            cases.push(next);
        }
        // R with y ≥ p, or the sign of x = 0.
        for r in [
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            let mut case = good.clone();
            case.signature[..32].copy_from_slice(&unhex(r));
            cases.push(case);
        }
        assert_eq!(compare(&cases), 1);
    }

    #[test]
    fn none_at_all() {
        assert!(verify_all(&[]).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Many with some of them changed in a bit of the key, the message or the signature: each has its own answer.
        #[test]
        fn one_flipped_bit(
            cases in proptest::collection::vec(
                (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..100), proptest::option::of(any::<u16>())), 0..40)
        ) {
            let case = |(seed, message, flip): &(u8, Vec<u8>, Option<u16>)| {
                let mut case = Case::signed(*seed, message);
                if let Some(flip) = flip.map(usize::from) {
                    let message = case.message.len();
                    let bytes = case.signature.iter_mut().chain(&mut case.key).chain(&mut case.message);
                    let at = flip / 8 % (96 + message);
                    *bytes.into_iter().nth(at).unwrap() ^= 1 << (flip % 8);
                }
                case
            };
            let made: Vec<Case> = cases.iter().map(case).collect();
            let untouched = cases.iter().filter(|(_, _, flip)| flip.is_none()).count();
            prop_assert_eq!(compare(&made), untouched);
        }
    }
}
