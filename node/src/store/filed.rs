//! What is filed under a key, and how much of it is read.

use super::OriginNo;
use hefu_federation::reconcile::MAX_FACTS_PER_ORIGIN;
use std::collections::{BTreeMap, BTreeSet};

/// Most facts of one origin that are read under one key, the latest ones: more than are evaluated, since of those that correct others
/// not all are counted there. A city that floods a key makes nobody read all of it.
pub const MAX_READ_PER_ORIGIN: usize = 4 * MAX_FACTS_PER_ORIGIN;

/// Where entries are filed: position of the key, origin, index.
pub type Filed = BTreeSet<(usize, OriginNo, u64)>;

/// Upper bound of the entries that somebody may see, by origin: of others nothing.
pub type Bounds = BTreeMap<OriginNo, u64>;

/// Of what is filed under each key by each origin the latest below the bounds, at most [`MAX_READ_PER_ORIGIN`].
pub fn latest(filed: Filed, bounds: Option<&Bounds>) -> Vec<(usize, OriginNo, u64)> {
    let is_below = |(_, origin, index): &(usize, OriginNo, u64)| {
        bounds.is_none_or(|bounds| bounds.get(origin).is_some_and(|bound| index < bound))
    };
    let below: Vec<_> = filed.into_iter().filter(is_below).collect();
    if below.len() <= MAX_READ_PER_ORIGIN {
        return below;
    }
    let of_one = below.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    of_one.flat_map(|some| some.iter().skip(some.len().saturating_sub(MAX_READ_PER_ORIGIN))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OWN;

    #[test]
    fn of_each_key_and_origin_the_latest_below_the_bounds_are_read() {
        let most = u64::try_from(MAX_READ_PER_ORIGIN).unwrap();
        let peer = OriginNo(2);
        let flood = (0..most + 10).map(|index| (1, peer, index));
        let filed: Filed = flood.chain([(0, OWN, 3), (1, OWN, 4), (2, peer, 5)]).collect();
        let read = latest(filed.clone(), None);
        assert_eq!(read.len(), MAX_READ_PER_ORIGIN + 3);
        assert_eq!((read[0], read[1], read[2]), ((0, OWN, 3), (1, OWN, 4), (1, peer, 10)));
        let bounds = Bounds::from([(peer, most + 2)]);
        let read = latest(filed.clone(), Some(&bounds));
        assert_eq!((read.len(), read[0], read.last()), (MAX_READ_PER_ORIGIN + 1, (1, peer, 2), Some(&(2, peer, 5))));
        let bounds = Bounds::from([(peer, 5), (OWN, 4)]);
        assert_eq!(latest(filed, Some(&bounds)).len(), 6);
    }
}
