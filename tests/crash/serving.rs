//! A node that serves while its disk fills up: it says so, goes on answering, gives no receipt that does not hold, and publishes
//! and pulls again, without a restart, when there is room.

use super::disk::{Scene, apart, assert_refused, said};
use crate::tamper::world::{peer, pull_from, read, states};
use hefu_federation::pull::PayloadState::Held;
use hefu_node::problem::Code;
use hefu_tests::process::{Said, hefu, run};
use hefu_tests::until;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Bytes that a file may have: the spool, the index of the write-ahead file, the write-ahead file.
const LIMITS: [u32; 3] = [8_192, 49_152, 131_072];

/// As a quota that an administrator sets and lifts: a limit on the size of each file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_may_not_grow_while_it_serves() {
    let scene = Scene::make().await;
    let town = &scene.world.kunming;
    let port = town.listener.local_addr().unwrap().port();
    let mut serve = Command::new("sh");
    // A write beyond the limit fails instead of ending the process.
    serve.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(hefu()).arg("--dir").arg(scene.dir());
    serve.args(["serve", "--listener", "stdin"]).env("LC_ALL", "C.UTF-8").env_remove("HEFU_DIR").kill_on_drop(true);
    serve.stdin(Stdio::from(OwnedFd::from(town.listener.try_clone().unwrap()))).stdout(Stdio::null());
    let mut serving = serve.stderr(Stdio::null()).spawn().unwrap();
    let socket = scene.dir().join("control.sock");
    until("it serves", async || tokio::net::UnixStream::connect(&socket).await.is_ok()).await;
    let (_, before) = read(port, "checkpoint").await;
    for limit in LIMITS {
        let name = format!("{limit} bytes");
        limit_files(&serving, &limit.to_string()).await;
        let publish = scene.publish();
        let args: Vec<&str> = publish.iter().map(String::as_str).collect();
        assert_refused(&run(scene.dir(), &args).await, Code::DiskFull, &name);
        // It goes on answering, and what it shows is what it showed.
        assert_eq!(read(port, "checkpoint").await, (200, before.clone()), "{name}");
        run(scene.dir(), &["status"]).await.ended(0);
        let clean = run(scene.dir(), &["--json", "fsck"]).await.ended(0).json();
        assert_eq!(clean[0]["entries"], 3, "{name}: all or nothing");
    }
    limit_files(&serving, "unlimited").await;
    scene.assert_goes_on(scene.dir()).await;
    assert_eq!(read(port, "health/ready").await.0, 200);
    pull_from(&scene.world.cd.node, town).await.unwrap();
    let row = peer(&scene.world.cd.node, town).await;
    assert_eq!(states(&scene.world.cd.node, row.no).await, BTreeMap::from([(Held, 200)]));
    serving.kill().await.unwrap();
}

/// Sets the limit that the process itself could lift.
async fn limit_files(process: &Child, limit: &str) {
    let (pid, limit) = (process.id().unwrap().to_string(), format!("--fsize={limit}:unlimited"));
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().await;
    assert!(status.unwrap().success(), "prlimit");
}

/// In a file system of its own. Filled up to so many KiB, the server is asked to publish and to pull; then there is room again.
const FULL: &str = r#"
hefu=$1 from=$2 drafts=$3 out=$4 at=$5
mount -t tmpfs -o size=24m tmpfs "$at" && cp -a "$from/." "$at/" || exit 99
exec 3<&0 </dev/null
"$hefu" --dir "$at" serve --listener stdin <&3 >"$out/serve.log" 2>&1 & server=$!
trap 'kill -9 $server 2>/dev/null' EXIT
until [ -S "$at/control.sock" ]; do kill -0 $server || exit 4; sleep 0.02; done
for free in 0 48 160 400; do
  dd if=/dev/zero of="$at/filler" bs=4096 2>/dev/null
  truncate -s "-${free}K" "$at/filler"
  "$hefu" --dir "$at" --json publish "$drafts" >"$out/publish-$free" 2>"$out/publish-$free.err"; echo $? >"$out/publish-$free.code"
  "$hefu" --dir "$at" --json pull >"$out/pull-$free" 2>"$out/pull-$free.err"; echo $? >"$out/pull-$free.code"
  "$hefu" --dir "$at" --json status >"$out/status-$free"; echo $? >"$out/status-$free.code"
  rm "$at/filler"
  "$hefu" --dir "$at" --json fsck >"$out/fsck-$free"; echo $? >"$out/fsck-$free.code"
done
"$hefu" --dir "$at" --json publish "$drafts" >"$out/after" || exit 1
"$hefu" --dir "$at" --json pull >"$out/pull-after" || exit 2
"$hefu" --dir "$at" --json fsck >"$out/fsck" || exit 3
kill -0 $server || exit 5
kill $server; wait $server || exit 6
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_while_it_serves() {
    let scene = Scene::make().await;
    let Some(out) = apart(&scene, FULL, "a_disk_that_fills_up_while_it_serves").await else { return };
    let mut held: Vec<String> = Vec::new();
    for free in [0, 48, 160, 400] {
        let name = format!("{free} KiB free");
        let publish: Said = said(&out, &format!("publish-{free}"));
        if free == 0 || publish.code != Some(0) {
            assert_refused(&publish, Code::DiskFull, &name);
        }
        // Whoever got a receipt, in the middle of it, gets the same one at the end.
        held.extend(publish.stdout.lines().filter(|line| line.contains("leafHash")).map(str::to_owned));
        let pull = said(&out, &format!("pull-{free}"));
        assert!(pull.code == Some(0) || pull.stdout.contains("disk-full"), "{name}: {pull:?}");
        assert_eq!(said(&out, &format!("status-{free}")).code, Some(0), "{name}: it answers");
        let fsck = said(&out, &format!("fsck-{free}"));
        assert_eq!(fsck.code, Some(0), "{name}: {fsck:?}");
        let entries = fsck.json()[0]["entries"].as_u64().unwrap();
        assert!([3, 203].contains(&entries), "{name}: all or nothing: {entries}");
    }
    let after = said(&out, "after").stdout;
    scene.assert_receipts(&after);
    assert!(held.iter().all(|receipt| after.lines().any(|line| line == receipt)), "receipts stay as they are");
    let log = std::fs::read_to_string(out.join("serve.log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
