//! The node's secret keys: five files of mode 0600, one for each role. The recovery key is never in the folder.

use crate::clock::random;
use crate::folder::{Folder, write_new};
use crate::problem::{Code, Outcome, Problem};
use hefu_federation::base64url;
use hefu_federation::entry::Genesis;
use hefu_federation::key::{KeyId, Role, SealSecretKey, SecretKey};
use hefu_schemas::id::{Did, Digest, Origin};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// All keys that a node holds.
#[derive(Debug)]
#[expect(missing_docs, reason = "named like the roles")]
pub struct Keys {
    pub record: SecretKey,
    pub log: SecretKey,
    pub witness: SecretKey,
    pub request: SecretKey,
    pub seal: SealSecretKey,
}

impl Keys {
    /// Makes new keys and their files.
    ///
    /// # Errors
    /// A file exists or cannot be written.
    pub fn create(folder: &Folder) -> Outcome<Self> {
        for role in Role::HELD {
            let path = folder.key(role.code());
            let seed = Zeroizing::new(random::<32>());
            let text = if role == Role::Seal {
                Zeroizing::new(format!("{}\n", base64url::encode(seed.as_slice())))
            } else {
                SecretKey::from_seed(&seed).to_pem().map_err(|error| Problem::new(Code::Internal, error))?
            };
            write_new(&path, text.as_bytes()).map_err(|error| unusable(&path, &error.to_string()))?;
        }
        Self::load(folder)
    }

    /// Reads the files.
    ///
    /// # Errors
    /// One is missing, readable by others, or no key.
    pub fn load(folder: &Folder) -> Outcome<Self> {
        let signing = |role: Role| {
            let path = folder.key(role.code());
            SecretKey::from_pem(&read_private(&path)?).map_err(|error| unusable(&path, &error.to_string()))
        };
        let seal_path = folder.key(Role::Seal.code());
        let seal = base64url::decode_array::<32>(read_private(&seal_path)?.trim())
            .ok_or_else(|| unusable(&seal_path, "not 32 bytes of base64url"))?;
        Ok(Self {
            record: signing(Role::Record)?,
            log: signing(Role::Log)?,
            witness: signing(Role::Witness)?,
            request: signing(Role::Request)?,
            seal: SealSecretKey::from_seed(&seal),
        })
    }

    /// The first entry of this node's log.
    pub fn genesis(&self, origin: &Origin, did: &Did, recovery: Digest) -> Genesis {
        Genesis {
            origin: origin.clone(),
            did: did.clone(),
            record: self.record.public(),
            log: self.log.public(),
            witness: self.witness.public(),
            request: self.request.public(),
            seal: self.seal.public(),
            recovery,
        }
    }

    /// Id of the record key.
    pub fn record_id(&self, did: &Did) -> KeyId {
        KeyId { did: did.clone(), multikey: self.record.public().multikey() }
    }

    /// Id of the request key.
    pub fn request_id(&self, did: &Did) -> KeyId {
        KeyId { did: did.clone(), multikey: self.request.public().multikey() }
    }
}

/// A new recovery key, which is never in the folder.
pub struct Recovery {
    pem: Zeroizing<String>,
    public: Digest,
}

impl Recovery {
    /// Makes one.
    ///
    /// # Errors
    /// It cannot be written as PEM.
    pub fn new() -> Outcome<Self> {
        let key = SecretKey::from_seed(&Zeroizing::new(random::<32>()));
        let pem = key.to_pem().map_err(|error| Problem::new(Code::Internal, error))?;
        Ok(Self { pem, public: Digest::of(key.public().multikey().as_bytes()) })
    }

    /// Hash of its public Multikey text.
    pub fn public(&self) -> Digest {
        self.public
    }

    /// By which its file is known.
    pub fn digest(&self) -> Digest {
        Digest::of(self.pem.as_bytes())
    }

    /// Writes its file.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        write_new(path, self.pem.as_bytes()).map_err(|error| unusable(path, &error.to_string()))
    }
}

fn read_private(path: &Path) -> Outcome<Zeroizing<String>> {
    let metadata = std::fs::metadata(path).map_err(|error| unusable(path, &error.to_string()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(unusable(path, "readable by others; run chmod 600 on it"));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| unusable(path, &error.to_string()))
}

fn unusable(path: &Path, why: &str) -> Problem {
    Problem::new(Code::Configuration, format!("key file {}: {why}", path.display()))
}
