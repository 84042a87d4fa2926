//! Planted faults for the simulator, which must catch each of them: a check that nothing would miss is no check.
//!
//! Most of its faults are planted from outside, in the simulated store and shell. These are for checks that no seam reaches. Without
//! debug assertions (profile `dist`, which packages are built with) [`on`] is a constant and the hooks are not in the program.
#[cfg(debug_assertions)]
use std::cell::Cell;

/// A check that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the checks")]
pub enum Mutant {
    Commitment,
    Issuer,
    Supersedes,
    Proof,
    KeyBegin,
    KeyEnd,
    Note,
    Bundle,
    Time,
    Page,
}

#[cfg(debug_assertions)]
thread_local! {
    /// One at a time, for this thread alone.
    static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Leaves a check out on this thread, or none.
#[cfg(debug_assertions)]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this check is left out.
#[cfg(debug_assertions)]
pub(crate) fn on(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Without debug assertions nothing is planted.
#[cfg(not(debug_assertions))]
pub fn plant(_mutant: Option<Mutant>) {}

/// Without debug assertions no check is left out.
#[cfg(not(debug_assertions))]
pub(crate) const fn on(_mutant: Mutant) -> bool {
    false
}
