//! TLS to the server.

use hefu_node::problem::{Code, Problem};
use hefu_node::store::Database;
use hefu_node::store::postgres::cluster::Cluster;
use hefu_node::store::postgres::{Address, create_database};
use hefu_tests::postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::{Path, PathBuf};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "Test CA");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for `localhost`, and the file of its authority.
async fn server(dir: &Path) -> Option<(Cluster, PathBuf)> {
    postgres::cluster()?;
    let (ca, key) = (authority(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let files = [("server.pem", certificate.pem()), ("server-key.pem", key.serialize_pem())];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let settings = ["-c", "ssl=on", "-c", "ssl_cert_file=../server.pem", "-c", "ssl_key_file=../server-key.pem"];
    let cluster = Cluster::start(&settings, &files).unwrap();
    let path = dir.join("ca.pem");
    std::fs::write(&path, ca.pem()).unwrap();
    create_database(&Address::parse(&cluster.url("postgres")).unwrap(), "node").await.unwrap();
    Some((cluster, path))
}

#[tokio::test]
async fn the_servers_certificate_is_verified() {
    let dir = tempfile::TempDir::new().unwrap();
    let Some((cluster, ca)) = server(dir.path()).await else { return };
    let other = dir.path().join("other.pem");
    std::fs::write(&other, authority().pem()).unwrap();
    let by_name = cluster.url("node").replace("127.0.0.1", "localhost");
    let open = async |url: &str, mode: &str, ca: &Path| {
        let url = format!("{url}?sslmode={mode}&sslrootcert={}", ca.display());
        Database::found(&Address::parse(&url).unwrap()).await
    };
    open(&by_name, "verify-full", &ca).await.unwrap();
    // The wrong authority, and the wrong name: the certificate is for `localhost`.
    for (url, mode, ca) in [
        (by_name.as_str(), "verify-full", other.as_path()),
        (by_name.as_str(), "verify-ca", other.as_path()),
        (cluster.url("node").as_str(), "verify-full", ca.as_path()),
    ] {
        let refused = open(url, mode, ca).await.unwrap_err();
        assert_eq!(Problem::from(refused).code, Code::DatabaseAway, "{mode}");
    }
    open(&cluster.url("node"), "verify-ca", &ca).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let Some(url) = postgres::database().await else { return };
    for mode in ["require", "verify-full"] {
        let address = Address::parse(&format!("{url}?sslmode={mode}")).unwrap();
        assert!(Database::connect(&address).await.is_err(), "{mode}");
    }
}
