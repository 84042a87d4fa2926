//! Agreements, proofs, linkages.

use super::{Memory, differs};
use async_trait::async_trait;
use hefu_node::store::{AgreementNo, AgreementStore, DocumentRow, StoreResult};
use hefu_schemas::id::{AgreementId, Did, Digest, Origin};
use zeroize::Zeroizing;

fn number(model: &mut super::Model, id: AgreementId) -> AgreementNo {
    let built_in = [(AgreementId::PUBLIC, AgreementNo::PUBLIC), (AgreementId::HOLDER, AgreementNo::HOLDER)];
    if let Some((_, no)) = built_in.into_iter().find(|(known, _)| *known == id) {
        return no;
    }
    let next = AgreementNo(model.numbers.values().map(|no| no.0).max().unwrap_or(AgreementNo::HOLDER.0) + 1);
    *model.numbers.entry(id).or_insert(next)
}

#[async_trait]
impl AgreementStore for Memory {
    async fn add_document(
        &self,
        id: AgreementId,
        version: u32,
        digest: &Digest,
        bytes: &[u8],
        now_ms: i64,
    ) -> StoreResult<AgreementNo> {
        self.write("add_document", |model| {
            let stored = model.documents.values().find(|row| row.id == id && row.version == version);
            if stored.is_some_and(|row| row.digest != *digest) {
                return Err(differs(format!("agreement {id}, version {version}")));
            }
            let no = number(model, id);
            let row = DocumentRow { no, id, version, digest: *digest, bytes: bytes.to_vec(), received_ms: now_ms };
            model.documents.entry((no, version)).or_insert(row);
            Ok(no)
        })
    }
    async fn documents(&self) -> StoreResult<Vec<DocumentRow>> {
        self.read("documents", |model| Ok(model.documents.values().cloned().collect()))
    }
    async fn add_proof(&self, digest: &Digest, party: &Origin, proof: &[u8]) -> StoreResult<()> {
        self.write("add_proof", |model| {
            model.proofs.entry((*digest, party.to_string())).or_insert_with(|| proof.to_vec());
            Ok(())
        })
    }
    async fn proofs(&self, digest: &Digest) -> StoreResult<Vec<(Origin, Vec<u8>)>> {
        self.read("proofs", |model| {
            let of_it = model.proofs.iter().filter(|((of, _), _)| of == digest);
            let read = |((_, party), proof): (&(Digest, String), &Vec<u8>)| {
                let party = Origin::parse(party).map_err(|_| super::damaged("agreement_proof: party"))?;
                Ok((party, proof.clone()))
            };
            of_it.map(read).collect()
        })
    }
    async fn add_linkage(&self, agreement: AgreementNo, epoch: u32, secret: &[u8; 64]) -> StoreResult<()> {
        self.write("add_linkage", |model| {
            let stored = model.linkages.entry((agreement, epoch)).or_insert(*secret);
            if stored == secret { Ok(()) } else { Err(differs(format!("linkage of epoch {epoch}"))) }
        })
    }
    async fn linkages(&self, agreement: AgreementNo) -> StoreResult<Vec<(u32, Zeroizing<[u8; 64]>)>> {
        self.read("linkages", |model| {
            let of_it = model.linkages.range((agreement, 0)..=(agreement, u32::MAX));
            Ok(of_it.map(|((_, epoch), secret)| (*epoch, Zeroizing::new(*secret))).collect())
        })
    }
    async fn add_sealed(&self, agreement: AgreementNo, epoch: u32, to: &Did, sealed: &[u8]) -> StoreResult<()> {
        self.write("add_sealed", |model| {
            model.sealed.entry((agreement, epoch, to.to_string())).or_insert_with(|| sealed.to_vec());
            Ok(())
        })
    }
    async fn sealed(&self, agreement: AgreementNo, epoch: u32, to: &Did) -> StoreResult<Option<Vec<u8>>> {
        self.read("sealed", |model| Ok(model.sealed.get(&(agreement, epoch, to.to_string())).cloned()))
    }
}
