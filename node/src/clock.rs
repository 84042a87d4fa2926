//! The one source of time and randomness. Everything else takes them as arguments.

use hefu_schemas::id::{AgreementId, RecordId};
use jiff::civil::Date;
use std::sync::atomic::{AtomicI64, Ordering};

/// The system's clock, which tests can move.
#[derive(Debug, Default)]
pub struct Clock {
    shift_ms: AtomicI64,
}

impl Clock {
    /// Milliseconds since 1970, UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the one source of time")]
    pub fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond().saturating_add(self.shift_ms.load(Ordering::Relaxed))
    }

    /// Seconds since 1970, UTC.
    pub fn now_s(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Moves this clock by some milliseconds (tests).
    pub fn shift(&self, by_ms: i64) {
        self.shift_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// The date in a time zone; UTC when the zone is unknown.
    pub fn today(&self, time_zone: &str) -> Date {
        date_at(self.now_ms(), time_zone)
    }

    /// A new record id (UUID version 7).
    pub fn record_id(&self) -> RecordId {
        RecordId::from_uuid(uuid_v7(self.now_ms())).expect("made as version 7")
    }

    /// A new agreement id (UUID version 7).
    pub fn agreement_id(&self) -> AgreementId {
        AgreementId::from_uuid(uuid_v7(self.now_ms()))
    }
}

/// The date of a time in a time zone; UTC when the zone is unknown.
pub fn date_at(ms: i64, time_zone: &str) -> Date {
    let timestamp = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    timestamp.to_zoned(zone).date()
}

fn uuid_v7(ms: i64) -> uuid::Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(ms).unwrap_or(0), &random()).into_uuid()
}

/// Random bytes of the operating system.
///
/// # Panics
/// As [`fill_random`].
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

/// Random bytes of the operating system, many at once: asking costs more than they do.
///
/// # Panics
/// When the operating system has none: nothing can be signed or salted then.
#[expect(clippy::disallowed_methods, reason = "this is the one source of randomness")]
pub fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// A stopwatch for progress and reports; never for decisions.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "this is the one source of time")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// Whole milliseconds since the start.
    pub fn milliseconds(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
