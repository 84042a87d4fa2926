//! Seeded randomness: one generator for each thing that is drawn, so that nothing depends on the order of drawing.
use hefu_schemas::id::RecordId;
use jiff::civil::Date;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use sha2::{Digest, Sha256};

/// Shanghai is eight hours ahead of UTC, all year.
const OFFSET_SECONDS: i64 = 8 * 3600;
/// Milliseconds of a day: ids are minted within the day of the population.
const DAY_MS: u64 = 86_400_000;

/// The seed of a population.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(pub(super) u64);

impl Seed {
    /// The generator of one thing: what it is, of which city, and its number.
    pub(super) fn generator(self, what: &str, city: usize, number: u64) -> StdRng {
        let mut hash = Sha256::new();
        hash.update(b"hefu/synthetic/v1\0");
        hash.update(self.0.to_be_bytes());
        hash.update(u64::try_from(city).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(number.to_be_bytes());
        hash.update(what.as_bytes());
        StdRng::from_seed(hash.finalize().into())
    }
}

/// Mints record ids at a given time.
#[derive(Debug)]
pub(super) struct Mint {
    random: StdRng,
    at_ms: u64,
}

impl Mint {
    /// Ids of a day; the number of the thing that gets them puts them in order within it.
    pub(super) fn new(random: StdRng, day: Date, number: u64) -> Self {
        let midnight = day.duration_since(jiff::civil::date(1970, 1, 1)).as_secs().saturating_sub(OFFSET_SECONDS);
        let at_ms = u64::try_from(midnight).unwrap_or(0).saturating_mul(1000).saturating_add(number % DAY_MS);
        Self { random, at_ms }
    }

    /// The next id: RFC 9562 §5.7.
    pub(super) fn id(&mut self) -> RecordId {
        let mut random = [0_u8; 10];
        self.random.fill_bytes(&mut random);
        let uuid = uuid::Builder::from_unix_timestamp_millis(self.at_ms, &random).into_uuid();
        RecordId::from_uuid(uuid).expect("the builder makes version 7")
    }
}

/// One of some weighted things; the last when the weights end early.
pub(super) fn weighted<T: Copy>(random: &mut StdRng, choices: &[(u32, T)]) -> Option<T> {
    let total: u32 = choices.iter().map(|(weight, _)| *weight).sum();
    let mut ticket = random.random_range(0..total.max(1));
    for (weight, choice) in choices {
        if ticket < *weight {
            return Some(*choice);
        }
        ticket -= weight;
    }
    choices.last().map(|(_, choice)| *choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_their_day_and_never_the_same() {
        let day = jiff::civil::date(2026, 9, 1);
        let mut mint = Mint::new(Seed(1).generator("x", 0, 0), day, 5);
        let (one, two) = (mint.id(), mint.id());
        assert_ne!(one, two);
        let (seconds, nanoseconds) = one.uuid().get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanoseconds), (1_788_192_000, 5_000_000));
        assert_eq!(Mint::new(Seed(1).generator("x", 0, 0), day, 5).id(), one);
        assert_ne!(Mint::new(Seed(2).generator("x", 0, 0), day, 5).id(), one);
    }
}
