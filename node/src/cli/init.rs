//! `hefu init`.

use super::{Globals, output};
use crate::config::{Config, DatabaseSetting, Tls};
use crate::node::{self, Init as Parts};
use crate::problem::{Code, Outcome, Problem};
use hefu_schemas::id::{Digest, Origin};
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Example:
  hefu --dir km init --url https://localhost:8441 --city 530100 --name 昆明市教育体育局 --name-en 'Kunming' \\
       --recovery-out km-recovery.pem

The URL decides the node's identity and never changes. The recovery key is the only way to replace a lost or stolen
key: print it or store it offline, never beside the node.";

/// Make a node: keys, settings, database and the first entry of its log.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Init {
    /// Public URL under which peers will reach this node: https://host:port/path in lower case; port and path may be absent
    #[arg(long, value_name = "URL")]
    url: String,
    /// GB/T 2260 code of the city, six digits
    #[arg(long, value_name = "CODE")]
    city: String,
    /// Name of the bureau in Chinese
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Name of the bureau in English
    #[arg(long, value_name = "NAME")]
    name_en: Option<String>,
    /// New file for the recovery key, outside the node's folder
    #[arg(long, value_name = "FILE")]
    recovery_out: PathBuf,
    /// Address to listen on [default: all addresses, port of the URL; loopback for a localhost URL]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// PEM file with the TLS certificate chain (for a localhost URL one is made)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// PEM file with the TLS private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Where to keep the data: `sqlite`, a file in the folder, or an empty database of a PostgreSQL server:
    /// postgres://user@host/database [default: sqlite]
    #[arg(long, value_name = "URL", value_parser = database, env = "HEFU_DATABASE", hide_env_values = true)]
    database: Option<DatabaseSetting>,
    /// A gateway in front terminates TLS: listen in plain HTTP
    #[arg(long, conflicts_with = "tls_certificate")]
    behind_gateway: bool,
}

impl Init {
    pub(super) async fn run(self, globals: &Globals) -> Outcome<u8> {
        let origin = Origin::from_url(&self.url).map_err(|_| {
            Problem::new(Code::Configuration, "--url: expected https://host[:port][/path] in lower case")
        })?;
        let host = origin.authority().split(':').next().unwrap_or_default().to_owned();
        let local = host == "localhost";
        let config = self.config(&origin, local)?;
        let parts = Parts { config, recovery_out: &self.recovery_out };
        let own_certificate = local && self.tls_certificate.is_none() && !self.behind_gateway;
        let make = || if own_certificate { local_certificate(&globals.dir, &host) } else { Ok(()) };
        let fingerprint = Digest(node::init_with(&globals.dir, &parts, make).await?.0);
        self.report(globals, &origin, &fingerprint);
        Ok(0)
    }

    fn config(&self, origin: &Origin, local: bool) -> Outcome<Config> {
        let port = origin.authority().split_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(443);
        let address = if local { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        let absolute =
            |path: &PathBuf| std::path::absolute(path).map_err(|error| Problem::new(Code::Configuration, error));
        let made = |name: &str| (local && !self.behind_gateway).then(|| PathBuf::from(name));
        let certificate = self.tls_certificate.as_ref().map(absolute).transpose()?.or_else(|| made("tls.pem"));
        let key = self.tls_key.as_ref().map(absolute).transpose()?.or_else(|| made("tls-key.pem"));
        let mut name = BTreeMap::from([("zh".to_owned(), self.name.clone())]);
        name.extend(self.name_en.clone().map(|text| ("en".to_owned(), text)));
        Ok(Config {
            local: None,
            url: self.url.trim_end_matches('/').to_owned(),
            listen: self.listen.unwrap_or_else(|| SocketAddr::new(IpAddr::V4(address), port)),
            city: self.city.clone(),
            name,
            time_zone: "Asia/Shanghai".to_owned(),
            database: self.database.clone().unwrap_or_default(),
            pull_interval_s: 60,
            allow_private_addresses: local,
            tls: Tls { certificate, key, behind_gateway: self.behind_gateway },
        })
    }

    fn report(&self, globals: &Globals, origin: &Origin, fingerprint: &Digest) {
        let dir = globals.dir.display();
        if globals.json {
            output::json(
                &json!({"origin": origin.as_str(), "fingerprint": fingerprint.to_string(), "dir": dir.to_string()}),
            );
            return;
        }
        output::words(
            globals,
            format!("已建立节点 {origin}（目录 {dir}）。指纹如下，请通过电话等其他途径告知对方："),
            format!(
                "The node {origin} is made (folder {dir}). Its fingerprint; tell it to your partners by telephone or in person:"
            ),
        );
        output::data(fingerprint.to_string());
        let recovery = self.recovery_out.display();
        output::words(
            globals,
            format!(
                "恢复密钥在 {recovery}，请离线保管。\n下一步：\n  hefu --dir {dir} serve\n  hefu --dir {dir} peer add <对方网址> --fingerprint <对方指纹>"
            ),
            format!(
                "The recovery key is in {recovery}: store it offline.\nNext:\n  hefu --dir {dir} serve\n  hefu --dir {dir} peer add <URL> --fingerprint <FINGERPRINT>"
            ),
        );
    }
}

/// Takes any text: an error of clap's would quote it, and it may hold a password. `init` checks it.
fn database(text: &str) -> Result<DatabaseSetting, Infallible> {
    Ok(DatabaseSetting::new(text))
}

/// A self-signed certificate for trying things out on one machine: peers are given it with `peer add --ca`.
fn local_certificate(dir: &std::path::Path, host: &str) -> Outcome<()> {
    let failed = |error: &dyn std::fmt::Display| Problem::new(Code::Internal, format!("certificate: {error}"));
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).map_err(|error| failed(&error))?;
    for (name, text) in [("tls.pem", made.cert.pem()), ("tls-key.pem", made.signing_key.serialize_pem())] {
        crate::folder::write_new(&dir.join(name), text.as_bytes()).map_err(|error| failed(&error))?;
    }
    Ok(())
}
