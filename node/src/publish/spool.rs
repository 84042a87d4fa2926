//! Sealed records on their way to the sequencer, in a file without a name. It is written and read by one process and vanishes
//! with it: its form is nobody else's business, and the cheapest that there is.
//!
//! ```text
//! record   its length (4 bytes, big endian), then fields, each its length and its bytes: draft id · content · id · kind ·
//!          agreement · audience · commitment · salt · codec · body · corrects · key · key …
//! ```

use crate::problem::{Code, Outcome, Problem};
use crate::sequencer::Sealed;
use crate::store::{AgreementNo, Payload};
use hefu_federation::entry::Audience;
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::record::Kind;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Bytes written or read at a time.
const BUFFER_LEN: usize = 256 * 1024;
/// Longest record here: compressed it is little longer than before at worst, and its keys are made of its members.
const MAX_LEN: usize = 4 * hefu_schemas::gate::MAX_RECORD_LEN;

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
        let (id, agreement) = (sealed.id.uuid().into_bytes(), sealed.agreement.0.to_be_bytes());
        let corrects = sealed.corrects.map(|id| id.uuid().into_bytes());
        let fields: [&[u8]; 11] = [
            sealed.draft_id.as_bytes(),
            &sealed.content.0,
            &id,
            sealed.kind.code().as_bytes(),
            &agreement,
            audience,
            &sealed.commitment,
            &sealed.payload.salt,
            &[sealed.payload.codec],
            &sealed.payload.body,
            corrects.as_ref().map_or(&[], <[u8; 16]>::as_slice),
        ];
        self.fields.clear();
        for field in fields.into_iter().chain(sealed.keys.iter().map(Key::bytes)) {
            let len = u32::try_from(field.len()).map_err(|_| damaged())?;
            self.fields.extend_from_slice(&len.to_be_bytes());
            self.fields.extend_from_slice(field);
        }
        let len = u32::try_from(self.fields.len()).map_err(|_| damaged())?;
        self.file.write_all(&len.to_be_bytes()).map_err(failed)?;
        self.file.write_all(&self.fields).map_err(failed)
    }

    pub(super) fn into_reader(self) -> Outcome<Reader> {
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(Reader { file: BufReader::with_capacity(BUFFER_LEN, file), fields: Vec::new() })
    }
}

/// The spool while it is read.
pub(super) struct Reader {
    file: BufReader<File>,
    /// Of one record, kept for the next one.
    fields: Vec<u8>,
}

impl Reader {
    /// The next records, at most `limit`; none at the end.
    pub(super) fn read(&mut self, limit: usize) -> Outcome<Vec<Sealed>> {
        let mut batch = Vec::with_capacity(limit);
        while batch.len() < limit && !self.file.fill_buf().map_err(failed)?.is_empty() {
            let mut len = [0; 4];
            self.file.read_exact(&mut len).map_err(failed)?;
            let len = length(len).filter(|len| *len <= MAX_LEN).ok_or_else(damaged)?;
            self.fields.resize(len, 0);
            self.file.read_exact(&mut self.fields).map_err(failed)?;
            batch.push(Fields(&self.fields).sealed().ok_or_else(damaged)?);
        }
        Ok(batch)
    }
}

fn length(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

/// The fields of a record that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk()?;
        let (field, rest) = rest.split_at_checked(length(*len)?)?;
        self.0 = rest;
        Some(field)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.next()?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.next()?).ok()
    }

    fn record_id(&mut self) -> Option<RecordId> {
        RecordId::from_uuid(uuid::Uuid::from_bytes(self.array()?)).ok()
    }

    fn audience(&mut self) -> Option<Audience> {
        Some(match self.next()? {
            b"public" => Audience::Public,
            b"holder" => Audience::Holder,
            label => Audience::Agreement(label.try_into().ok()?),
        })
    }

    /// Empty where there is none.
    fn corrects(&mut self) -> Option<Option<RecordId>> {
        let mut one = Fields(self.0);
        if self.next()?.is_empty() { Some(None) } else { one.record_id().map(Some) }
    }

    fn keys(&mut self) -> Option<Vec<Key>> {
        let mut keys = Vec::new();
        while !self.0.is_empty() {
            keys.push(Key::from_bytes(self.next()?.to_vec())?);
        }
        Some(keys)
    }

    fn sealed(&mut self) -> Option<Sealed> {
        Some(Sealed {
            draft_id: self.text()?.to_owned(),
            content: Digest(self.array()?),
            id: self.record_id()?,
            kind: Kind::from_code(self.text()?)?,
            agreement: AgreementNo(i64::from_be_bytes(self.array()?)),
            audience: self.audience()?,
            commitment: self.array()?,
            payload: Payload {
                salt: self.array()?,
                codec: u8::from_be_bytes(self.array()?),
                body: self.next()?.to_vec(),
            },
            corrects: self.corrects()?,
            keys: self.keys()?,
        })
    }
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
        reader.file.read_to_end(&mut bytes).unwrap();
        for len in 1..bytes.len() {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes[..len]).unwrap();
            file.rewind().unwrap();
            assert!(Reader { file: BufReader::new(file), fields: Vec::new() }.read(1).is_err(), "{len}");
        }
    }
}
