//! `hefu.toml`: the settings of a node. Unknown settings are refused: a typing error must not be a default.

pub mod database;
pub mod setting;

pub use database::DatabaseSetting;

use crate::problem::{Code, Outcome, Problem};
use hefu_schemas::id::{Did, Origin};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Name of the file in the node's folder.
pub const FILE_NAME: &str = "hefu.toml";

/// The settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Public URL under which peers reach this node: decides origin and DID, and never changes.
    pub url: String,
    /// Address that `serve` listens on.
    pub listen: SocketAddr,
    /// Address of the door for local systems with tokens; none: it stays shut. Plain HTTP on a loopback address or behind a
    /// gateway, else TLS with the listener's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    /// GB/T 2260 code of the city, six digits.
    pub city: String,
    /// Name of the city by BCP 47 key.
    pub name: std::collections::BTreeMap<String, String>,
    /// IANA time zone of the node, for records under the built-in agreements and for display.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// Database: `sqlite` keeps `hefu.db` in the folder, `postgres://…` is a server's.
    #[serde(default)]
    pub database: DatabaseSetting,
    /// Seconds between two pulls from a peer, before jitter.
    #[serde(default = "default_pull_interval_s")]
    pub pull_interval_s: u64,
    /// Whether peers may have private or loopback addresses.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// TLS certificate and key of the listener.
    #[serde(default)]
    pub tls: Tls,
}

/// TLS of the listener.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain, relative to the folder.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key, relative to the folder.
    pub key: Option<PathBuf>,
    /// A gateway in front terminates TLS: listen in plain HTTP.
    #[serde(default)]
    pub behind_gateway: bool,
}

fn default_time_zone() -> String {
    "Asia/Shanghai".to_owned()
}

fn default_pull_interval_s() -> u64 {
    60
}

impl Config {
    /// Reads the settings of a folder.
    ///
    /// # Errors
    /// `not-initialised` when there are none; `configuration` when they are not usable.
    pub fn load(dir: &Path) -> Outcome<Self> {
        let path = dir.join(FILE_NAME);
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Problem::new(Code::NotInitialised, format!("{} is missing", path.display()))
            }
            std::io::ErrorKind::NotADirectory => {
                Problem::new(Code::NotInitialised, format!("{} is not a folder", dir.display()))
            }
            _ => Problem::new(Code::Configuration, format!("{}: {error}", path.display())),
        })?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| Problem::new(Code::Configuration, format!("{}: {}", path.display(), error.message())))?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// The first setting that is not usable, by name.
    pub fn check(&self) -> Outcome<()> {
        let wrong = |setting: &str, why: &str| Problem::new(Code::Configuration, format!("{setting}: {why}"));
        self.origin()?;
        if self.city.len() != 6 || !self.city.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong("city", "expected the six digits of GB/T 2260, e.g. 530100"));
        }
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return Err(wrong("time_zone", "expected an IANA name, e.g. Asia/Shanghai"));
        }
        self.database.place().map_err(|why| wrong("database", &why.to_string()))?;
        if !(1..=86_400).contains(&self.pull_interval_s) {
            return Err(wrong("pull_interval_s", "expected 1 to 86400 seconds"));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Err(wrong("tls", "certificate and key go together"));
        }
        Ok(())
    }

    /// Origin of the log.
    ///
    /// # Errors
    /// The URL has no usable origin.
    pub fn origin(&self) -> Outcome<Origin> {
        Origin::from_url(&self.url)
            .map_err(|_| Problem::new(Code::Configuration, "url: expected https://host[:port][/path] in lower case"))
    }

    /// DID of the node.
    ///
    /// # Errors
    /// The URL has no usable host.
    pub fn did(&self) -> Outcome<Did> {
        let origin = self.origin()?;
        Did::from_authority(origin.authority())
            .map_err(|error| Problem::new(Code::Configuration, format!("url: {error}")))
    }

    /// The public URL without a trailing slash.
    pub fn base_url(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}
