//! Records that others cite.

use super::Model;
use hefu_federation::pull::PayloadState;
use hefu_federation::reconcile::key::Key;
use hefu_node::store::{AgreementNo, OriginNo, PayloadRow, StoreResult};
use std::collections::BTreeSet;

impl Model {
    /// Notes what arriving records cite.
    pub(super) fn note_cited(&mut self, agreement: AgreementNo, rows: &[(PayloadRow, &[Key])]) {
        let cited = rows.iter().flat_map(|(_, keys)| keys.iter()).filter(|key| key.cited().is_some());
        self.cited.extend(cited.map(|key| (agreement, key.clone())));
    }

    /// The keys of cited records that rows are, correct or withdraw, or whose correction they cite; sorted.
    pub(super) fn concerned(
        &self,
        agreement: AgreementNo,
        origin: OriginNo,
        rows: &[(PayloadRow, &[Key])],
    ) -> StoreResult<Vec<Key>> {
        let log = self.log(origin)?;
        let Some(did) = self.origins.get(&origin).map(|row| row.did.to_string()) else { return Ok(Vec::new()) };
        let mut keys = BTreeSet::new();
        for (row, filed) in rows {
            keys.extend(row.id.map(|id| Key::record(&did, id)));
            let own = filed.iter().filter_map(Key::cited).filter(|(issuer, _)| *issuer == did);
            let cited = own.filter_map(|(_, id)| log.ids.get(&id).copied());
            for index in row.of.into_iter().chain(cited) {
                let mut at = Some(index);
                while let Some(row) = at.and_then(|index| log.rows.get(&index)) {
                    keys.extend(row.id.map(|id| Key::record(&did, id)));
                    at = row.of.filter(|of| *of < row.index);
                }
            }
        }
        Ok(keys.into_iter().filter(|key| self.cited.contains(&(agreement, key.clone()))).collect())
    }

    /// What a `record` key has in sight besides those who cite: places, sorted.
    pub(super) fn in_sight(&self, agreement: AgreementNo, key: &Key) -> BTreeSet<(OriginNo, u64)> {
        let mut places = BTreeSet::new();
        let Some((issuer, id)) = key.cited() else { return places };
        for origin in self.origins.values().filter(|row| row.did.as_str() == issuer) {
            let Some(log) = self.logs.get(&origin.no) else { continue };
            let Some(first) = log.ids.get(&id).copied() else { continue };
            let mut chain = BTreeSet::from([first]);
            // Corrections stand behind what they correct: one pass in index order finds them all.
            for row in log.rows.range(first..).map(|(_, row)| row) {
                if row.of.is_some_and(|of| chain.contains(&of)) {
                    chain.insert(row.index);
                }
            }
            let held = |index: &u64| log.rows.get(index).filter(|row| row.state == PayloadState::Held);
            for correction in chain.iter().filter(|index| **index != first).filter_map(held).filter_map(|row| row.id) {
                let citing = self.filed(agreement, &Key::record(issuer, correction));
                places.extend(citing.filter(|(no, _)| *no == origin.no));
            }
            places.extend(chain.into_iter().map(|index| (origin.no, index)));
        }
        let good = |place: &(OriginNo, u64)| {
            let row = self.row_at(place.0, place.1);
            row.is_some_and(|row| row.state == PayloadState::Held && row.agreement == agreement)
        };
        places.retain(good);
        places
    }
}
