//! PouchDB replication over HTTP on loopback: a server process with the records, and a process that pulls them.

use crate::Failure;
use crate::corpus::Corpus;
use crate::process::{Server, command, said, wait_for};
use crate::report::{Measured, float};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;

/// Sizes of the batches.
pub(crate) const BATCHES: [u32; 2] = [100, 1_000];
/// Longest time in which the server stores the records.
const LOAD_S: usize = 900;

/// Pulls once for each size of batches.
pub(crate) fn measure(corpus: &Corpus, packages: &Path, base: &Path) -> Result<Vec<(u32, Measured)>, Failure> {
    let folder = base.join("pouchdb");
    std::fs::create_dir_all(&folder)?;
    let (ready, log) = (folder.join("url"), std::fs::File::create(folder.join("log"))?);
    let mut serve = command("node");
    serve.arg(packages.join("pouchdb-server.mjs")).arg(&corpus.file).arg(&folder).arg(&ready);
    serve.current_dir(&folder).stdout(Stdio::null()).stderr(log);
    let mut server = Server::start(serve, "TERM")?;
    wait_for("the server of PouchDB starts", LOAD_S, || ready.exists() || !server.runs())?;
    let Ok(url) = std::fs::read_to_string(&ready) else {
        return Err(format!("the server ended: {}", std::fs::read_to_string(folder.join("log"))?).into());
    };
    BATCHES.iter().map(|batch| Ok((*batch, pull(corpus, packages, &folder, url.trim(), *batch)?))).collect()
}

fn pull(corpus: &Corpus, packages: &Path, folder: &Path, url: &str, batch: u32) -> Result<Measured, Failure> {
    said(command("sync"))?;
    let mut node = command("node");
    node.arg(packages.join("pouchdb-pull.mjs")).arg(url).arg(folder.join(format!("pulled-{batch}")));
    let answer: Value = serde_json::from_str(
        said({
            node.arg(batch.to_string());
            node
        })?
        .trim(),
    )?;
    let count = u64::try_from(corpus.records.len())?;
    let held = answer.get("held").and_then(Value::as_u64);
    let seconds = answer.get("seconds").and_then(Value::as_f64).ok_or("no seconds")?;
    if held != Some(count) {
        return Err(format!("{answer}: not all of {count} are held").into());
    }
    let how = answer.get("how").and_then(Value::as_str).unwrap_or_default();
    Ok(Measured { rate: float(count) / seconds, note: format!("verifies nothing; {how}") })
}
