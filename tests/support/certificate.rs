//! One certificate authority and one certificate for `localhost`, made once for all tests of a process.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::sync::OnceLock;

/// PEM texts for every node of the process: on loopback all of them are `localhost`.
#[derive(Debug)]
pub struct Certificates {
    /// The authority: what peers are told to trust.
    pub ca: String,
    /// The certificate of `localhost`.
    pub chain: String,
    /// Its private key.
    pub key: String,
}

/// The certificates of this process.
///
/// # Panics
/// When they cannot be made.
pub fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "Hefu test CA");
        let key = KeyPair::generate().expect("a key for the authority");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a self-signed authority");
        let key = KeyPair::generate().expect("a key for localhost");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a valid host name");
        let chain = params.signed_by(&key, &issuer).expect("a signed certificate");
        Certificates { ca: issuer.pem(), chain: chain.pem(), key: key.serialize_pem() }
    })
}
