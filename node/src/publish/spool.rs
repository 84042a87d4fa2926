//! Sealed records on their way to the sequencer, in a file without a name.

use crate::problem::{Code, Outcome, Problem};
use crate::sequencer::Sealed;
use crate::store::{AgreementNo, Payload};
use hefu_federation::base64url::{decode_array, encode};
use hefu_federation::entry::Audience;
use hefu_federation::reconcile::key::Key;
use hefu_schemas::id::{Digest, RecordId};
use hefu_schemas::record::Kind;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// One line before the body: everything of a sealed record but its compressed bytes.
#[derive(Serialize, Deserialize)]
struct Header {
    draft_id: String,
    content: String,
    id: String,
    kind: String,
    agreement: i64,
    audience: String,
    commitment: String,
    salt: String,
    codec: u8,
    len: usize,
    corrects: Option<String>,
    keys: Vec<String>,
}

/// The spool while it is written.
pub(super) struct Spool(BufWriter<File>);

fn failed(error: std::io::Error) -> Problem {
    crate::store::fault::of_file("spool file", &error, Code::Unavailable)
}

fn damaged() -> Problem {
    Problem::new(Code::Internal, "the spool file does not read back")
}

impl Spool {
    pub(super) fn new(dir: &Path) -> Outcome<Self> {
        Ok(Self(BufWriter::new(tempfile::tempfile_in(dir).map_err(failed)?)))
    }

    pub(super) fn write(&mut self, sealed: &Sealed) -> Outcome<()> {
        let header = Header {
            draft_id: sealed.draft_id.clone(),
            content: sealed.content.to_string(),
            id: sealed.id.to_string(),
            kind: sealed.kind.code().to_owned(),
            agreement: sealed.agreement.0,
            audience: match sealed.audience {
                Audience::Agreement(label) => encode(&label),
                Audience::Public => "public".to_owned(),
                Audience::Holder => "holder".to_owned(),
            },
            commitment: encode(&sealed.commitment),
            salt: encode(&sealed.payload.salt),
            codec: sealed.payload.codec,
            len: sealed.payload.body.len(),
            corrects: sealed.corrects.map(|id| id.to_string()),
            keys: sealed.keys.iter().map(|key| encode(key.bytes())).collect(),
        };
        let mut line = serde_json::to_vec(&header).map_err(|_| damaged())?;
        line.push(b'\n');
        self.0.write_all(&line).and_then(|()| self.0.write_all(&sealed.payload.body)).map_err(failed)
    }

    pub(super) fn into_reader(self) -> Outcome<Reader> {
        let mut file = self.0.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(Reader(BufReader::new(file)))
    }
}

/// The spool while it is read.
pub(super) struct Reader(BufReader<File>);

impl Reader {
    /// The next records, at most `limit`; none at the end.
    pub(super) fn read(&mut self, limit: usize) -> Outcome<Vec<Sealed>> {
        let mut batch = Vec::with_capacity(limit);
        let mut line = Vec::new();
        while batch.len() < limit {
            line.clear();
            if self.0.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                break;
            }
            let header: Header = serde_json::from_slice(&line).map_err(|_| damaged())?;
            let mut body = vec![0; header.len];
            self.0.read_exact(&mut body).map_err(failed)?;
            batch.push(sealed(header, body).ok_or_else(damaged)?);
        }
        Ok(batch)
    }
}

fn sealed(header: Header, body: Vec<u8>) -> Option<Sealed> {
    let audience = match header.audience.as_str() {
        "public" => Audience::Public,
        "holder" => Audience::Holder,
        label => Audience::Agreement(decode_array(label)?),
    };
    let keys = header.keys.iter().map(|key| Key::from_bytes(hefu_federation::base64url::decode(key)?));
    Some(Sealed {
        content: Digest::parse(&header.content).ok()?,
        id: RecordId::parse(&header.id).ok()?,
        kind: Kind::from_code(&header.kind)?,
        agreement: AgreementNo(header.agreement),
        audience,
        commitment: decode_array(&header.commitment)?,
        payload: Payload { salt: decode_array(&header.salt)?, codec: header.codec, body },
        corrects: match header.corrects {
            Some(id) => Some(RecordId::parse(&id).ok()?),
            None => None,
        },
        keys: keys.collect::<Option<Vec<_>>>()?,
        draft_id: header.draft_id,
    })
}
