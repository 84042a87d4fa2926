//! A disk that is full, a database that somebody else holds, that cannot be written, or that was cut off: a clear word with a hint,
//! nothing half-written, no repair behind anybody's back, and everything goes on afterwards.

use super::process::Served;
use crate::tamper::world::{
    World, assert_clean, copy_folder, drafts, open, peer, pull_from, read, serve, sqlite, states,
};
use hefu_federation::pull::PayloadState::Held;
use hefu_node::problem::Code;
use hefu_node::store::OWN;
use hefu_tests::process::{Said, hefu, run, run_with};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Drafts that are published.
const DRAFTS: usize = 200;

/// Kunming, closed, with a file of drafts.
pub(super) struct Scene {
    pub(super) world: World,
    lines: Vec<String>,
    file: PathBuf,
}

impl Scene {
    pub(super) async fn make() -> Self {
        let mut world = World::agreed().await;
        let km = world.km.as_ref().unwrap().node.clone();
        let lines = drafts(&km, &world.population(u64::try_from(DRAFTS).unwrap()), 0)[..DRAFTS].to_vec();
        drop(km);
        world.publish(20).await;
        world.close_kunming().await;
        // Connections close behind the pool's back, and files vanish with the last one.
        let dir = world.kunming.dir.clone();
        hefu_tests::until("the folder is let go", async || !is_held(&dir)).await;
        let file = world.folder().with_extension("ndjson");
        std::fs::write(&file, lines.join("\n")).unwrap();
        Self { world, lines, file }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.world.kunming.dir
    }

    pub(super) fn publish(&self) -> [String; 3] {
        ["--json".to_owned(), "publish".to_owned(), self.file.display().to_string()]
    }

    /// Publishes to the end, twice: each draft once, one behind the other, and all of it is pulled by another city.
    pub(super) async fn assert_goes_on(&self, dir: &Path) {
        let publish = self.publish();
        let args: Vec<&str> = publish.iter().map(String::as_str).collect();
        let said = run(dir, &args).await.ended(0);
        self.assert_receipts(&said.stdout);
        assert_eq!(run(dir, &args).await.ended(0).stdout, said.stdout, "the same receipts again");
        let clean = run(dir, &["--json", "fsck"]).await.ended(0).json();
        assert_eq!(clean[0]["entries"], 3 + DRAFTS);
    }

    pub(super) fn assert_receipts(&self, stdout: &str) {
        let receipts: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(receipts.len(), self.lines.len());
        for ((line, receipt), index) in self.lines.iter().zip(&receipts).zip(3_u64..) {
            let draft: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&receipt["draftId"], &receipt["index"]), (&draft["draftId"], &Value::from(index)));
            assert!(receipt["size"].as_u64().unwrap() > index, "{receipt}");
        }
    }
}

/// Whether this process has a file of the folder open.
fn is_held(dir: &Path) -> bool {
    let held = std::fs::read_dir("/proc/self/fd").unwrap();
    held.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).any(|path| path.starts_with(dir))
}

/// The command was refused with this problem: one sentence, no value of a record, a hint in both languages.
pub(super) fn assert_refused(said: &Said, code: Code, name: &str) {
    let problem =
        said.stdout.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok()?.get("code").cloned());
    assert_eq!(problem, Some(Value::from(code.as_str())), "{name}: {said:#?}");
    assert_eq!(said.code, Some(i32::from(code.exit_code())), "{name}: {said:#?}");
    assert!(!said.stderr.contains("panicked"), "{name}: {said:#?}");
    let body: Value = said.stdout.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    let detail = body["detail"].as_str().unwrap();
    assert!(!detail.contains('\n') && !detail.contains("urn:hefu:subject"), "{name}: {detail}");
    assert!(body["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{name}");
}

/// A command whose files may not grow beyond so many blocks of 512 bytes: a write beyond fails instead of ending the process.
fn limited(dir: &Path, blocks: u32, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "sh", &blocks.to_string()]);
    command.arg(hefu()).arg("--dir").arg(dir).args(args).kill_on_drop(true);
    command.env("LC_ALL", "C.UTF-8").env_remove("HEFU_DIR").stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_may_not_grow() {
    let scene = Scene::make().await;
    let publish = scene.publish();
    let args: Vec<&str> = publish.iter().map(String::as_str).collect();
    // The spool, the write-ahead file's index, the write-ahead file.
    for blocks in [16, 96, 256] {
        let said = run_with(limited(scene.dir(), blocks, &args), b"").await;
        assert_refused(&said, Code::DiskFull, &format!("publish, {blocks} blocks"));
        let clean = run(scene.dir(), &["--json", "fsck"]).await.ended(0).json();
        assert_eq!(clean[0]["entries"], 3, "{blocks} blocks: all or nothing");
    }
    let said = run_with(limited(scene.dir(), 96, &["--json", "pull"]), b"").await;
    assert_eq!(said.code, Some(4), "{said:#?}");
    assert!(said.stdout.contains("disk-full"), "{said:#?}");
    scene.assert_goes_on(scene.dir()).await;
    run(scene.dir(), &["pull"]).await.ended(0);
    let node = open(scene.dir()).await;
    let row = peer(&node, &scene.world.chengdu).await;
    assert_eq!(states(&node, row.no).await, BTreeMap::from([(Held, 20)]));
}

/// In a file system of its own, mounted in a user namespace: filled up to so many KiB, published under, emptied.
const FULL: &str = r#"
hefu=$1 from=$2 drafts=$3 out=$4 at=$5
mount -t tmpfs -o size=24m tmpfs "$at" && cp -a "$from/." "$at/" || exit 99
for free in 0 48 160 400; do
  dd if=/dev/zero of="$at/filler" bs=4096 2>/dev/null
  truncate -s "-${free}K" "$at/filler"
  "$hefu" --dir "$at" --json publish "$drafts" >"$out/publish-$free" 2>"$out/publish-$free.err"; echo $? >"$out/publish-$free.code"
  "$hefu" --dir "$at" --json pull >"$out/pull-$free" 2>"$out/pull-$free.err"; echo $? >"$out/pull-$free.code"
  rm "$at/filler"
  "$hefu" --dir "$at" --json fsck >"$out/fsck-$free"; echo $? >"$out/fsck-$free.code"
done
"$hefu" --dir "$at" --json publish "$drafts" >"$out/after" || exit 1
"$hefu" --dir "$at" --json pull >"$out/pull-after" || exit 2
"$hefu" --dir "$at" --json fsck >"$out/fsck" || exit 3
"#;

/// Mounted read-only as a whole, then the database file alone.
const READ_ONLY: &str = r#"
hefu=$1 from=$2 drafts=$3 out=$4 at=$5
mount -t tmpfs -o size=64m tmpfs "$at" && cp -a "$from/." "$at/" || exit 99
mount -o remount,ro "$at" || exit 99
"$hefu" --dir "$at" --json publish "$drafts" >"$out/folder"; echo $? >"$out/folder.code"
"$hefu" --dir "$at" --json fsck >"$out/folder-fsck"; echo $? >"$out/folder-fsck.code"
"$hefu" --dir "$at" --json serve >"$out/folder-serve"; echo $? >"$out/folder-serve.code"
mount -o remount,rw "$at" && mount --bind "$at/hefu.db" "$at/hefu.db" && mount -o remount,bind,ro "$at/hefu.db" || exit 99
"$hefu" --dir "$at" --json publish "$drafts" >"$out/file"; echo $? >"$out/file.code"
timeout 20 "$hefu" --dir "$at" --json serve --listener stdin <&0 >"$out/file-serve"; echo $? >"$out/file-serve.code"
umount "$at/hefu.db" || exit 99
"$hefu" --dir "$at" --json publish "$drafts" >"$out/after" || exit 1
"$hefu" --dir "$at" --json fsck >"$out/fsck" || exit 3
"#;

/// Says that a disk of its own cannot be had; fails where it must be.
fn skip(name: &str, needs: &str) {
    assert!(std::env::var_os("HEFU_REQUIRE_DISKS").is_none(), "{name} needs {needs}");
    eprintln!("skipped: {name} needs {needs}");
}

/// Runs a script in namespaces of its own; the folder with what it wrote, or `None` where that is not allowed.
pub(super) async fn apart(scene: &Scene, script: &str, name: &str) -> Option<PathBuf> {
    let (out, at) = (scene.world.folder(), scene.world.folder());
    for folder in [&out, &at] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let allowed = Command::new("unshare").args(["-rm", "true"]).output().await;
    if !allowed.is_ok_and(|output| output.status.success()) {
        skip(name, "user namespaces (unshare -rm)");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(hefu());
    command.arg(scene.dir()).arg(&scene.file).arg(&out).arg(&at);
    command.env("LC_ALL", "C.UTF-8").env_remove("HEFU_DIR");
    // For a server that a script starts.
    command.stdin(Stdio::from(OwnedFd::from(scene.world.kunming.listener.try_clone().unwrap())));
    let output = command.output().await.unwrap();
    if output.status.code() == Some(99) {
        skip(name, "to mount a tmpfs");
        return None;
    }
    assert!(output.status.success(), "{name}: {output:?}");
    Some(out)
}

/// What a command of a script said.
pub(super) fn said(out: &Path, name: &str) -> Said {
    let read = |name: String| std::fs::read_to_string(out.join(name)).unwrap_or_default();
    let code = read(format!("{name}.code")).trim().parse().ok();
    Said { code, stdout: read(name.to_owned()), stderr: read(format!("{name}.err")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full() {
    let scene = Scene::make().await;
    let Some(out) = apart(&scene, FULL, "a_disk_that_is_full").await else { return };
    for free in [0, 48, 160, 400] {
        let name = format!("{free} KiB free");
        let publish = said(&out, &format!("publish-{free}"));
        assert!(!publish.stderr.contains("panicked"), "{name}: {publish:?}");
        if free == 0 || publish.code != Some(0) {
            assert_refused(&publish, Code::DiskFull, &name);
        }
        let pull = said(&out, &format!("pull-{free}"));
        assert!(pull.code == Some(0) || pull.stdout.contains("disk-full"), "{name}: {pull:?}");
        let fsck = said(&out, &format!("fsck-{free}"));
        assert_eq!(fsck.code, Some(0), "{name}: {fsck:?}");
        let entries = fsck.json()[0]["entries"].as_u64().unwrap();
        assert!([3, 203].contains(&entries), "{name}: all or nothing: {entries}");
    }
    scene.assert_receipts(&said(&out, "after").stdout);
    assert_eq!(said(&out, "fsck").json()[0]["entries"], 203);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_or_database_that_is_read_only() {
    let scene = Scene::make().await;
    let Some(out) = apart(&scene, READ_ONLY, "a_folder_or_database_that_is_read_only").await else { return };
    for name in ["folder", "folder-fsck", "folder-serve", "file", "file-serve"] {
        assert_refused(&said(&out, name), Code::DatabaseReadOnly, name);
    }
    scene.assert_receipts(&said(&out, "after").stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_program_holds() {
    let scene = Scene::make().await;
    let serving = Served::start(scene.dir(), &scene.world.kunming.listener).await;
    let mut holder = sqlite(&scene.dir().join("hefu.db")).await;
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut holder).await.unwrap();
    let publish = scene.publish();
    let args: Vec<&str> = publish.iter().map(String::as_str).collect();
    let said = run(scene.dir(), &args).await;
    assert_refused(&said, Code::DatabaseLocked, "publish");
    // What is there is served meanwhile.
    let port = scene.world.kunming.listener.local_addr().unwrap().port();
    assert_eq!(read(port, "checkpoint").await.0, 200);
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    drop(holder);
    scene.assert_goes_on(scene.dir()).await;
    pull_from(&scene.world.cd.node, &scene.world.kunming).await.unwrap();
    let row = peer(&scene.world.cd.node, &scene.world.kunming).await;
    assert_eq!(states(&scene.world.cd.node, row.no).await, BTreeMap::from([(Held, 200)]));
    serving.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_file_that_was_cut_off() {
    let scene = Scene::make().await;
    scene.assert_goes_on(scene.dir()).await;
    let whole = scene.world.folder();
    copy_folder(scene.dir(), &whole).await;
    let len = std::fs::metadata(whole.join("hefu.db")).unwrap().len();
    let publish = scene.publish();
    for kept in [0, 50, 16_384, len / 2, len - 16_384] {
        let dir = scene.world.folder();
        copy_folder(&whole, &dir).await;
        let database = dir.join("hefu.db");
        std::fs::OpenOptions::new().write(true).open(&database).unwrap().set_len(kept).unwrap();
        let before = std::fs::read(&database).unwrap();
        for args in [&["--json", "fsck"][..], &[&publish[0], &publish[1], &publish[2]]] {
            let said = run(&dir, args).await;
            assert_refused(&said, Code::Damaged, &format!("{kept} of {len} bytes: {args:?}"));
        }
        assert!(std::fs::read(&database).unwrap() == before, "{kept} of {len} bytes: left for people to look at");
    }
    assert_clean(&open(&whole).await, "the copy that was not cut off").await;
}

fn copy_files(from: &Path, to: &Path) {
    for folder in ["", "keys"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for file in std::fs::read_dir(from.join(folder)).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                std::fs::copy(&file, to.join(folder).join(file.file_name().unwrap())).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ahead_file_that_was_cut_off() {
    let scene = Scene::make().await;
    let serving = Served::start(scene.dir(), &scene.world.kunming.listener).await;
    scene.assert_goes_on(scene.dir()).await;
    serving.kill().await;
    let len = std::fs::metadata(scene.dir().join("hefu.db-wal")).unwrap().len();
    assert!(len > 0, "a killed process leaves its write-ahead file");
    for (kept, signs) in [(len, true), (0, false), (len / 8, false)] {
        let name = format!("{kept} of {len} bytes");
        let dir = scene.world.folder();
        copy_files(scene.dir(), &dir);
        std::fs::OpenOptions::new().write(true).open(dir.join("hefu.db-wal")).unwrap().set_len(kept).unwrap();
        let node = open(&dir).await;
        let size = node.store.head(OWN).await.unwrap().size;
        match node.sequencer.signing() {
            Ok(()) => assert!(signs && size == 203, "{name}: {size} entries"),
            Err(why) => assert!(!signs && why.contains("the guard file has 203 entries"), "{name}: {why}"),
        }
        // It serves what it has.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let door = serve(node.clone(), &listener);
        assert_eq!(read(door.port, "checkpoint").await.0, 200, "{name}");
        assert_eq!(read(door.port, "health/ready").await.0, if signs { 200 } else { 503 }, "{name}");
        door.stop().await;
    }
}
