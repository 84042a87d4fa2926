//! Sealed records on their way to the sequencer, in a file without a name. It is written and read by one process and vanishes
//! with it: its form is nobody else's business, and the cheapest that there is.
//!
//! ```text
//! record   fields, each its length (4 bytes, big endian) and its bytes: draft id · content · id · kind · agreement · audience ·
//!          commitment · salt · codec · corrects · body · number of keys · key · key …
//! ```

use crate::problem::{Code, Outcome, Problem};
use crate::sequencer::Sealed;
use crate::store::{AgreementNo, Payload};
use hefu_federation::entry::Audience;
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::record::Kind;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Bytes written or read at a time.
const BUFFER_LEN: usize = 256 * 1024;
/// Longest field: a compressed record is little longer than the record at worst.
const MAX_FIELD_LEN: usize = 2 * hefu_schemas::gate::MAX_RECORD_LEN;

/// The spool while it is written.
pub(super) struct Spool {
    file: BufWriter<File>,
    /// Of one record, kept for the next one.
    fields: Vec<u8>,
}

fn failed(error: std::io::Error) -> Problem {
    crate::store::fault::of_file("spool file", &error, Code::Unavailable)
}

fn damaged() -> Problem {
    Problem::new(Code::Internal, "the spool file does not read back")
}

impl Spool {
    pub(super) fn new(dir: &Path) -> Outcome<Self> {
        let file = tempfile::tempfile_in(dir).map_err(failed)?;
        Ok(Self { file: BufWriter::with_capacity(BUFFER_LEN, file), fields: Vec::new() })
    }

    pub(super) fn write(&mut self, sealed: &Sealed) -> Outcome<()> {
        let (label, audience): ([u8; 16], &[u8]) = match sealed.audience {
            Audience::Agreement(label) => (label, &[]),
            Audience::Public => ([0; 16], b"public"),
            Audience::Holder => ([0; 16], b"holder"),
        };
        let audience = if audience.is_empty() { label.as_slice() } else { audience };
        let keys = u32::try_from(sealed.keys.len()).map_err(|_| damaged())?.to_be_bytes();
        let (id, agreement) = (sealed.id.uuid().into_bytes(), sealed.agreement.0.to_be_bytes());
        let corrects = sealed.corrects.map(|id| id.uuid().into_bytes());
        let fields: [&[u8]; 12] = [
            sealed.draft_id.as_bytes(),
            &sealed.content.0,
            &id,
            sealed.kind.code().as_bytes(),
            &agreement,
            audience,
            &sealed.commitment,
            &sealed.payload.salt,
            &[sealed.payload.codec],
            corrects.as_ref().map_or(&[], <[u8; 16]>::as_slice),
            &sealed.payload.body,
            &keys,
        ];
        self.fields.clear();
        for field in fields.into_iter().chain(sealed.keys.iter().map(Key::bytes)) {
            let len = u32::try_from(field.len()).map_err(|_| damaged())?;
            self.fields.extend_from_slice(&len.to_be_bytes());
            self.fields.extend_from_slice(field);
        }
        self.file.write_all(&self.fields).map_err(failed)
    }

    pub(super) fn into_reader(self) -> Outcome<Reader> {
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(Reader(BufReader::with_capacity(BUFFER_LEN, file)))
    }
}

/// The spool while it is read.
pub(super) struct Reader(BufReader<File>);

impl Reader {
    /// The next records, at most `limit`; none at the end.
    pub(super) fn read(&mut self, limit: usize) -> Outcome<Vec<Sealed>> {
        let mut batch = Vec::with_capacity(limit);
        while batch.len() < limit {
            let Some(draft_id) = self.field()? else { break };
            batch.push(self.sealed(draft_id)?);
        }
        Ok(batch)
    }

    fn sealed(&mut self, draft_id: Vec<u8>) -> Outcome<Sealed> {
        let draft_id = String::from_utf8(draft_id).map_err(|_| damaged())?;
        let content = Digest(self.array()?);
        let id = record_id(self.array()?)?;
        let kind = String::from_utf8(self.next()?).ok().and_then(|code| Kind::from_code(&code)).ok_or_else(damaged)?;
        let agreement = AgreementNo(i64::from_be_bytes(self.array()?));
        let audience = match self.next()?.as_slice() {
            b"public" => Audience::Public,
            b"holder" => Audience::Holder,
            label => Audience::Agreement(label.try_into().map_err(|_| damaged())?),
        };
        let (commitment, salt, [codec]) = (self.array()?, self.array()?, self.array()?);
        let corrects = self.next()?;
        let corrects = match <[u8; 16]>::try_from(corrects.as_slice()) {
            Ok(id) => Some(record_id(id)?),
            Err(_) if corrects.is_empty() => None,
            Err(_) => return Err(damaged()),
        };
        let payload = Payload { salt, codec, body: self.next()? };
        let count = u32::from_be_bytes(self.array()?);
        let keys = (0..count).map(|_| Key::from_bytes(self.next()?).ok_or_else(damaged)).collect::<Outcome<_>>()?;
        Ok(Sealed { draft_id, content, id, kind, agreement, audience, commitment, payload, corrects, keys })
    }

    /// The next field; `None` at the end of the file.
    fn field(&mut self) -> Outcome<Option<Vec<u8>>> {
        use std::io::BufRead;
        if self.0.fill_buf().map_err(failed)?.is_empty() {
            return Ok(None);
        }
        let mut len = [0; 4];
        self.0.read_exact(&mut len).map_err(failed)?;
        let len =
            usize::try_from(u32::from_be_bytes(len)).ok().filter(|len| *len <= MAX_FIELD_LEN).ok_or_else(damaged)?;
        let mut field = vec![0; len];
        self.0.read_exact(&mut field).map_err(failed)?;
        Ok(Some(field))
    }

    fn next(&mut self) -> Outcome<Vec<u8>> {
        self.field()?.ok_or_else(damaged)
    }

    fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        self.next()?.try_into().map_err(|_| damaged())
    }
}

fn record_id(bytes: [u8; 16]) -> Outcome<RecordId> {
    RecordId::from_uuid(uuid::Uuid::from_bytes(bytes)).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_federation::reconcile::key::KeyType;

    fn sealed(audience: Audience, corrects: Option<RecordId>, keys: Vec<Key>, body: Vec<u8>) -> Sealed {
        Sealed {
            draft_id: "a:1".to_owned(),
            content: Digest([1; 32]),
            id: RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057").unwrap(),
            kind: Kind::Withdrawal,
            agreement: AgreementNo(7),
            audience,
            commitment: [2; 32],
            payload: Payload { salt: [3; 32], codec: 1, body },
            corrects,
            keys,
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let corrects = RecordId::parse("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8058").unwrap();
        let keys = vec![Key::new(KeyType::Subject, "a"), Key::new(KeyType::Connection, "b")];
        let records = [
            sealed(Audience::Agreement([9; 16]), Some(corrects), keys, vec![5; 300_000]),
            sealed(Audience::Public, None, Vec::new(), Vec::new()),
            sealed(Audience::Holder, None, Vec::new(), b"{}".to_vec()),
        ];
        let mut spool = Spool::new(dir.path()).unwrap();
        records.iter().for_each(|record| spool.write(record).unwrap());
        let mut reader = spool.into_reader().unwrap();
        let read: Vec<Sealed> = [2, 2, 2].into_iter().flat_map(|limit| reader.read(limit).unwrap()).collect();
        assert_eq!(format!("{read:?}"), format!("{records:?}"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn a_file_that_breaks_off_is_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path()).unwrap();
        spool.write(&sealed(Audience::Public, None, Vec::new(), vec![5; 100])).unwrap();
        let mut reader = spool.into_reader().unwrap();
        let mut bytes = Vec::new();
        reader.0.read_to_end(&mut bytes).unwrap();
        for len in 1..bytes.len() {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes[..len]).unwrap();
            file.rewind().unwrap();
            assert!(Reader(BufReader::new(file)).read(1).is_err(), "{len}");
        }
    }
}
