//! Where our nodes keep what they hold, and how a puller is made to forget: each pull begins with nothing.

use crate::city::{Federation, Node};
use crate::postgres::{Cluster, psql};
use crate::process::{command, said};
use crate::{Failure, Options};
use std::path::Path;

/// The store of the nodes.
pub(crate) enum Store {
    Sqlite,
    /// Two databases on a server: (its URL, names); they are dropped at the end.
    Postgres {
        server: String,
        names: [String; 2],
        _own: Option<Cluster>,
    },
}

impl Store {
    /// `sqlite`; `postgres` for a cluster of its own; the URL of a server.
    pub(crate) fn new(options: &Options, base: &Path) -> Result<Self, Failure> {
        if options.database == "sqlite" {
            return Ok(Self::Sqlite);
        }
        let own = (options.database == "postgres").then(|| Cluster::start(base, "store")).transpose()?;
        let server = own.as_ref().map_or_else(|| options.database.clone(), Cluster::url);
        let name = |city: &str| format!("hefu_peers_{}_{city}", std::process::id());
        let store = Self::Postgres {
            server: server.trim_end_matches('/').to_owned(),
            names: ["publisher", "puller"].map(name),
            _own: own,
        };
        if let Self::Postgres { names, .. } = &store {
            for name in names {
                store.admin(&[&format!("CREATE DATABASE {name}")])?;
            }
        }
        Ok(store)
    }

    /// URLs of the databases; none for SQLite.
    pub(crate) fn databases(&self) -> Option<[String; 2]> {
        match self {
            Self::Sqlite => None,
            Self::Postgres { server, names, .. } => Some(names.each_ref().map(|name| format!("{server}/{name}"))),
        }
    }

    /// Keeps the puller as it is.
    pub(crate) fn keep(&self, federation: &Federation) -> Result<(), Failure> {
        copy(&federation.puller.dir, &kept(&federation.puller))?;
        if let Self::Postgres { names: [_, puller], .. } = self {
            self.admin(&[&format!("CREATE DATABASE {puller}_kept TEMPLATE {puller}")])?;
        }
        Ok(())
    }

    /// Makes the puller what it was.
    pub(crate) fn restore(&self, federation: &Federation) -> Result<(), Failure> {
        copy(&kept(&federation.puller), &federation.puller.dir)?;
        if let Self::Postgres { names: [_, puller], .. } = self {
            self.admin(&[
                &format!("DROP DATABASE {puller}"),
                &format!("CREATE DATABASE {puller} TEMPLATE {puller}_kept"),
                "CHECKPOINT",
            ])?;
        }
        said(command("sync")).map(|_| ())
    }

    fn admin(&self, statements: &[&str]) -> Result<(), Failure> {
        let Self::Postgres { server, .. } = self else { return Ok(()) };
        let mut psql = psql(&format!("{server}/postgres"));
        for statement in statements {
            psql.args(["-c", statement]);
        }
        said(psql).map(|_| ())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Self::Postgres { names: [publisher, puller], _own: None, .. } = self {
            for name in [publisher.clone(), puller.clone(), format!("{puller}_kept")] {
                let _ = self.admin(&[&format!("DROP DATABASE IF EXISTS {name}")]);
            }
        }
    }
}

fn kept(node: &Node) -> std::path::PathBuf {
    node.dir.with_extension("kept")
}

/// A folder in place of another.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    let mut cp = command("cp");
    cp.arg("--archive").arg(from).arg(to);
    said(cp).map(|_| ())
}
