//! The PostgreSQL server of a run: its databases, what its processes spend, what its tables take.

use crate::{Failure, cpu};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

/// Databases on a server that was there before.
pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    connection: PgConnection,
    url: String,
    made: Vec<String>,
}

impl Server {
    /// Connects to the database `postgres` of a server.
    pub(crate) fn connect(url: &str) -> Result<Self, Failure> {
        let url = url.strip_suffix('/').unwrap_or(url).to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(PgConnection::connect(&format!("{url}/postgres")))?;
        Ok(Self { runtime, connection, url, made: Vec::new() })
    }

    /// Makes an empty database; its URL.
    pub(crate) fn make(&mut self, name: &str) -> Result<String, Failure> {
        self.execute(format!("CREATE DATABASE {name}"))?;
        self.made.push(name.to_owned());
        Ok(format!("{}/{name}", self.url))
    }

    fn execute(&mut self, statement: String) -> Result<(), Failure> {
        // The names are ours: digits, letters and underscores.
        let query = sqlx::query(AssertSqlSafe(statement));
        self.runtime.block_on(query.execute(&mut self.connection))?;
        Ok(())
    }

    /// Bytes of a database.
    pub(crate) fn len(&mut self, name: &str) -> Result<u64, Failure> {
        let query = sqlx::query_scalar::<_, i64>("SELECT pg_database_size($1)").bind(name);
        Ok(u64::try_from(self.runtime.block_on(query.fetch_one(&mut self.connection))?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for name in std::mem::take(&mut self.made) {
            let _ = self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

/// Seconds of processor time of all PostgreSQL processes of this machine; those that have ended are in their parent's account.
pub(crate) fn spent() -> f64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    let servers = pids
        .filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres"));
    servers.filter_map(|pid| Some(cpu::of_process(pid).ok()?.total() + cpu::of_children_of(pid).ok()?.total())).sum()
}
