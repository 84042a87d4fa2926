//! A throw-away server for the demo and for tests: made in a folder of its own, reached over loopback, gone with the process that
//! started it, however that ends.
//!
//! PostgreSQL refuses to run as root: as root it is started as `nobody`. A shell stands between: it ends the server and removes the
//! folder when its standard input closes, which the kernel does when our process dies.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpSocket;

/// Names the folder of the server programs, where it is not one of the usual.
pub const PROGRAMS_VARIABLE: &str = "HEFU_POSTGRES_BIN";
/// Where Debian has them, one folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Name of the server's superuser.
const USER: &str = "hefu";
/// How often a server is asked whether it is ready, and how many times: half a minute in all.
const INTERVAL: Duration = Duration::from_millis(20);
const ATTEMPTS: u32 = 1_500;

/// What the shell does. Arguments: programs, folder, port, further settings of the server.
const WATCH: &str = r#"
programs=$1; folder=$2; port=$3; shift 3
trap '' INT HUP
begin() {
  "$programs/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
    -c max_connections=200 -c shared_buffers=64MB "$@" >>"$folder/log" 2>&1 &
  server=$!
}
"$programs/initdb" -D "$folder/data" -U hefu -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 || exit 1
begin "$@"
while read -r word; do
  case $word in
    quit) kill -QUIT "$server"; wait "$server"; touch "$folder/down";;
    kill)
      kill -STOP "$server"
      children=$(cat "/proc/$server/task/$server/children")
      kill -KILL "$server" $children; wait "$server"
      for child in $children; do while kill -0 "$child" 2>/dev/null; do sleep 0.01; done; done
      touch "$folder/down";;
    begin) rm "$folder/down"; begin "$@";;
  esac
done
[ -e "$folder/down" ] || { kill -INT "$server"; wait "$server"; }
rm -rf "$folder"
"#;

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// PostgreSQL's server programs are not installed.
    #[error("PostgreSQL's server programs (initdb, postgres) are not installed")]
    NoPrograms,
    /// A program or a file failed.
    #[error("the throw-away server: {0}")]
    Io(#[from] std::io::Error),
    /// It ended, or does not answer.
    #[error("the throw-away server does not answer: {0}")]
    Silent(String),
}

/// How a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its own immediate shutdown: it ends its processes and writes nothing more.
    AtOnce,
    /// SIGKILL, with all its processes.
    Killed,
}

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    /// Keeps the port for this server while it is down.
    _kept: TcpSocket,
    watch: Mutex<Child>,
}

/// The folder of the server programs, the newest version first.
pub fn programs() -> Option<PathBuf> {
    let has = |dir: &PathBuf| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    if let Some(dir) = std::env::var_os(PROGRAMS_VARIABLE).map(PathBuf::from) {
        return Some(dir).filter(has);
    }
    let version = |dir: &PathBuf| dir.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir(DEBIAN).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    versions.sort_by_key(|dir| std::cmp::Reverse(version(dir)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().map(|dir| dir.join("bin")).chain(std::env::split_paths(&path)).find(has)
}

impl Cluster {
    /// Makes a server and waits until it answers. `settings` are those of its command line, e.g. `-c ssl=on`; `files` are
    /// written first, to the folder that holds its data: it finds them as `../name`.
    ///
    /// # Errors
    /// The programs are missing, or fail.
    pub fn start(settings: &[&str], files: &[(&str, &[u8])]) -> Result<Self, ClusterError> {
        let programs = programs().ok_or(ClusterError::NoPrograms)?;
        let folder = tempfile::Builder::new().prefix("hefu-postgres-").tempdir()?.keep();
        let (kept, address) = keep_port()?;
        let port = address.port();
        for (name, bytes) in files {
            write_private(&folder.join(name), bytes)?;
        }
        let root = is_root()?;
        if root {
            run(Command::new("chown").args(["-R", "nobody"]).arg(&folder))?;
        }
        let mut command = if root { Command::new("setpriv") } else { Command::new("sh") };
        if root {
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh"]);
        }
        command.args(["-c", WATCH, "sh"]).arg(&programs).arg(&folder).arg(port.to_string()).args(settings);
        // A folder that only root may enter would make every program of another user fail.
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watch = command.spawn()?;
        let cluster = Self { folder, port, _kept: kept, watch: Mutex::new(watch) };
        cluster.wait()?;
        Ok(cluster)
    }

    /// URL of a database on it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Folder of its files: `data` and `log`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the server as a power failure would, but for what the disk has not yet written, starts it again and waits for it.
    ///
    /// # Errors
    /// It does not come back.
    pub fn crash(&self) -> Result<(), ClusterError> {
        self.end(End::AtOnce)?;
        self.begin()
    }

    /// Ends the server without a chance to tidy up, and waits until it is gone.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(&self, how: End) -> Result<(), ClusterError> {
        self.say(match how {
            End::AtOnce => "quit",
            End::Killed => "kill",
        })?;
        let down = self.folder.join("down");
        for _ in 0..ATTEMPTS {
            if down.exists() {
                return Ok(());
            }
            std::thread::sleep(INTERVAL);
        }
        Err(ClusterError::Silent("it does not end".to_owned()))
    }

    /// Starts the server that was ended, and waits until it takes connections again.
    ///
    /// # Errors
    /// It does not come back.
    pub fn begin(&self) -> Result<(), ClusterError> {
        let before = self.started();
        self.say("begin")?;
        for _ in 0..ATTEMPTS {
            // The file of a server that was killed is still there, and says that it is ready.
            if self.started().is_some_and(|now| Some(now) != before) {
                break;
            }
            std::thread::sleep(INTERVAL);
        }
        self.wait()
    }

    /// Tells the shell that watches.
    fn say(&self, word: &str) -> Result<(), ClusterError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let input = watch.stdin.as_mut().ok_or_else(|| ClusterError::Silent("its watcher is gone".to_owned()))?;
        writeln!(input, "{word}")?;
        Ok(())
    }

    /// The process id of the server, from its own file; none while it is down.
    fn started(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        text.lines().next().map(str::to_owned)
    }

    /// Waits until the server takes connections: it says so in its own file (`postmaster.pid`, line 8).
    fn wait(&self) -> Result<(), ClusterError> {
        for _ in 0..ATTEMPTS {
            let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            if text.lines().nth(7).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            let ended = self.watch.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
            if ended.is_some() {
                break;
            }
            std::thread::sleep(INTERVAL);
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(ClusterError::Silent(log.lines().last().unwrap_or("it wrote nothing").to_owned()))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let watch = self.watch.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(watch.stdin.take());
        // The shell ends the server and removes the folder; nothing can be done if it fails.
        let _ = watch.wait();
    }
}

/// A port that was free a moment ago.
/// A port of loopback that nobody else is given, with the socket that keeps it: bound, never listening. Whoever binds the
/// address by name with `SO_REUSEADDR`, as servers do, may listen there.
///
/// # Errors
/// There is no free port.
pub fn keep_port() -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

fn is_root() -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    // The owner of our own entry is who we are.
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

fn run(command: &mut Command) -> Result<(), ClusterError> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(ClusterError::Silent(format!("{command:?}: {status}"))) }
}
