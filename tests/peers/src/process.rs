//! Processes that this program starts: they end with it, whatever ends it, and nothing else is ever ended.

use crate::Failure;
use crate::report::float;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// Looks in a second.
const LOOKS_PER_SECOND: usize = 100;
/// Longest start or stop of a server.
const MAX_WAIT_S: usize = 60;
/// Environment of the user that would change what is measured.
const UNSET: [&str; 8] =
    ["HEFU_DIR", "HEFU_LOG", "RUST_LOG", "NODE_OPTIONS", "PGHOST", "PGPORT", "PGUSER", "PGOPTIONS"];

/// A command that the kernel ends when this program ends (prctl(2), `PR_SET_PDEATHSIG`).
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    wrapped(&[], program.as_ref())
}

/// The same as another user.
pub(crate) fn command_as(user: &str, group: &str, program: &Path) -> Command {
    let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
    wrapped(&[&user, &group, "--clear-groups"], program.as_os_str())
}

fn wrapped(options: &[&str], program: &OsStr) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=INT").args(options).arg("--").arg(program).stdin(Stdio::null());
    for name in UNSET {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end; what it said on standard output.
pub(crate) fn said(mut command: Command) -> Result<String, Failure> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
    said_in(&command, &output)
}

/// What a command said that has ended well.
pub(crate) fn said_in(command: &Command, output: &Output) -> Result<String, Failure> {
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout.clone())?);
    }
    let arguments: Vec<_> = command.get_args().skip_while(|argument| *argument != "--").skip(1).take(8).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    let tail = |text: &str| text.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    Err(format!("{arguments:?} ended with {}: {} {}", output.status, tail(errors.trim()), tail(text.trim())).into())
}

/// Waits until something holds.
pub(crate) fn wait(what: &str, done: impl FnMut() -> bool) -> Result<(), Failure> {
    wait_for(what, MAX_WAIT_S, done)
}

/// Waits until something holds, for some seconds at most.
pub(crate) fn wait_for(what: &str, seconds: usize, mut done: impl FnMut() -> bool) -> Result<(), Failure> {
    for _ in 0..seconds.saturating_mul(LOOKS_PER_SECOND) {
        if done() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("{what}: waited for too long").into())
}

/// Seconds of processor time of the commands that have ended.
pub(crate) fn cpu_of_commands() -> Result<f64, Failure> {
    cpu("/proc/self/stat", 13)
}

/// User and system time: two neighbouring fields behind the name, which may itself hold spaces (proc(5), `/proc/pid/stat`).
fn cpu(path: &str, field: usize) -> Result<f64, Failure> {
    /// `USER_HZ` of every Linux that Rust knows.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string(path)?;
    let (_, fields) = text.rsplit_once(") ").ok_or("no stat as in proc(5)")?;
    let ticks = fields.split(' ').skip(field).take(2).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    Ok(ticks.into_iter().map(float).sum::<f64>() / TICKS_PER_SECOND)
}

/// A server: it is stopped when this goes out of scope.
pub(crate) struct Server {
    child: Child,
    /// What asks it to stop.
    signal: &'static str,
}

impl Server {
    /// Starts one that stops on this signal.
    pub(crate) fn start(mut command: Command, signal: &'static str) -> Result<Self, Failure> {
        Ok(Self { child: command.spawn()?, signal })
    }

    /// Seconds of processor time so far, of all its threads.
    pub(crate) fn cpu(&self) -> Result<f64, Failure> {
        cpu(&format!("/proc/{}/stat", self.child.id()), 11)
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.runs() {
            let _ = Command::new("kill").args(["-s", self.signal, &self.child.id().to_string()]).status();
            if wait("a server stops", || !self.runs()).is_err() {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}
