//! Where the cities of the demo keep their data.

use crate::config::DatabaseSetting;
use crate::config::database::Place;
use crate::problem::{Code, Outcome, Problem};
use crate::store::postgres::cluster::{Cluster, ClusterError};
use crate::store::postgres::{Address, create_database, drop_database};
use crate::synthetic::City;
use std::convert::Infallible;

/// Says that the demo starts a server itself.
const OWN: &str = "postgres";

/// The databases of the cities.
pub(super) enum Databases {
    /// A file in each folder.
    Embedded,
    /// On a server of our own, which ends when this is dropped.
    Own(Cluster, String),
    /// On somebody's server.
    Server(Box<Address>, String),
}

/// Takes any text: an error of clap's would quote it, and it may hold a password.
pub(super) fn setting(text: &str) -> Result<DatabaseSetting, Infallible> {
    Ok(DatabaseSetting::new(text))
}

impl Databases {
    /// Starts a server if one is to be started, and makes the databases.
    pub(super) async fn prepare(setting: &DatabaseSetting, keep: bool) -> Outcome<Self> {
        let prefix = format!("hefu_demo_{:016x}", u64::from_be_bytes(crate::clock::random()));
        if setting.to_string() == OWN {
            if keep {
                return Err(Problem::new(
                    Code::Configuration,
                    "--keep: the throw-away server ends with the demo; give one that stays: --database postgres://user@host/database",
                ));
            }
            let cluster = tokio::task::spawn_blocking(|| Cluster::start(&[], &[]))
                .await
                .map_err(|error| Problem::new(Code::Internal, error))?
                .map_err(|error| missing(&error))?;
            let address = address(&cluster.url("postgres"))?;
            make(&address, &prefix).await?;
            return Ok(Self::Own(cluster, prefix));
        }
        match setting.place().map_err(|why| Problem::new(Code::Configuration, format!("--database: {why}")))? {
            Place::Embedded => Ok(Self::Embedded),
            Place::Server(address) => {
                make(&address, &prefix).await?;
                Ok(Self::Server(address, prefix))
            }
        }
    }

    /// URL of a city's database; `None` for a file in its folder.
    pub(super) fn of(&self, code: &str) -> Option<String> {
        match self {
            Self::Embedded => None,
            Self::Own(cluster, prefix) => Some(cluster.url(&name(prefix, code))),
            Self::Server(address, prefix) => Some(address.with_database(&name(prefix, code))),
        }
    }

    /// Takes the databases away again, once nobody uses them.
    pub(super) async fn drop_all(&self) {
        let Self::Server(address, prefix) = self else { return };
        for code in City::CODES {
            if let Err(error) = drop_database(address, &name(prefix, code)).await {
                tracing::warn!(database = name(prefix, code), %error, "not dropped");
            }
        }
    }
}

fn name(prefix: &str, code: &str) -> String {
    format!("{prefix}_{code}")
}

fn address(url: &str) -> Outcome<Address> {
    Address::parse(url).map_err(|why| Problem::new(Code::Internal, why))
}

async fn make(address: &Address, prefix: &str) -> Outcome<()> {
    for code in City::CODES {
        create_database(address, &name(prefix, code)).await?;
    }
    Ok(())
}

fn missing(error: &ClusterError) -> Problem {
    let code = if matches!(error, ClusterError::NoPrograms) { Code::NoServerPrograms } else { Code::DatabaseAway };
    Problem::new(code, error)
}
