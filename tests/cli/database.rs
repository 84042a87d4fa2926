//! The password of a database on a server: where it is taken from, and that it is shown nowhere.

use hefu_node::store::postgres::cluster::Cluster;
use hefu_tests::process::{Said, command, run, run_with};
use hefu_tests::{TestNode, postgres, until};
use sqlx::Connection;
use std::path::{Path, PathBuf};

/// Who logs in: `km` by a password, the tests' own user without.
const HBA: &str = "host all hefu 127.0.0.1/32 trust\nhost all km 127.0.0.1/32 scram-sha-256\n";
const PASSWORD: &str = "s3cret";

/// A server that asks for the password, and the URL of a database on it without one.
async fn server() -> Option<(Cluster, String)> {
    postgres::cluster()?;
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(&[], &[])).await.unwrap().unwrap();
    std::fs::write(cluster.folder().join("data/pg_hba.conf"), HBA).unwrap();
    let mut conn = postgres::connection(&cluster.url("postgres")).await;
    for sql in ["CREATE ROLE km LOGIN PASSWORD 's3cret'", "CREATE DATABASE node OWNER km"] {
        sqlx::query(sql).execute(&mut conn).await.unwrap();
    }
    sqlx::query("SELECT pg_reload_conf()").execute(&mut conn).await.unwrap();
    let url = cluster.url("node").replace("hefu@", "km@");
    until("it asks for the password", async || sqlx::PgConnection::connect(&url).await.is_err()).await;
    Some((cluster, url))
}

/// A command with its own home and nothing of ours about passwords.
fn at_home(dir: &Path, home: &Path, args: &[&str]) -> tokio::process::Command {
    let mut command = command(dir, args);
    command.env("HOME", home);
    for name in ["PGPASSWORD", "PGPASSFILE", "HEFU_DATABASE"] {
        command.env_remove(name);
    }
    command
}

fn write_private(path: &Path, text: &str, mode: u32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.to_owned()
}

fn assert_denied(said: &Said, how: &str) {
    assert_eq!((said.code, said.json()["code"].as_str()), (Some(4), Some("database-denied")), "{how}: {said:?}");
    assert!(!format!("{said:?}").contains(PASSWORD), "{how}: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_comes_from_the_environment_or_a_file_of_ones_own() {
    let Some((_cluster, url)) = server().await else { return };
    let base = tempfile::tempdir().unwrap();
    let (home, elsewhere) = (base.path().join("home"), base.path().join("elsewhere"));
    std::fs::create_dir(&home).unwrap();
    let (dir, recovery) = (base.path().join("km"), base.path().join("recovery.pem").display().to_string());
    let named = ["--json", "init", "--url", "https://localhost:8441", "--city", "530100", "--name", "昆明"];
    let args = [&named[..], &["--recovery-out", &recovery]].concat();
    let init = || {
        let mut init = at_home(&dir, &home, &args);
        init.env("HEFU_DATABASE", &url);
        init
    };
    assert_denied(&run_with(init(), b"").await, "no password");
    let mut wrong = init();
    wrong.env("PGPASSWORD", "wrong");
    assert_denied(&run_with(wrong, b"").await, "a wrong password");
    // What was refused has left nothing in the way.
    let mut right = init();
    right.env("PGPASSWORD", PASSWORD);
    run_with(right, b"").await.ended(0);

    let fsck = || at_home(&dir, &home, &["--json", "fsck"]);
    let (_, server) = url.split_once('@').unwrap();
    let (host, port) = server.split_once('/').unwrap().0.split_once(':').unwrap();
    let line = format!("{host}:{port}:node:km:{PASSWORD}\n");
    let file = write_private(&elsewhere, &line, 0o600);
    let mut by_file = fsck();
    by_file.env("PGPASSFILE", &file);
    run_with(by_file, b"").await.ended(0);
    let own = write_private(&home.join(".pgpass"), &line, 0o600);
    run_with(fsck(), b"").await.ended(0);
    // A file that others may read is not used, as libpq does not.
    write_private(&own, &line, 0o644);
    assert_denied(&run_with(fsck(), b"").await, "a file that others may read");
    // Of another database.
    write_private(&own, &line.replace(":node:", ":other:"), 0o600);
    assert_denied(&run_with(fsck(), b"").await, "a line for another database");
    // The environment comes before the file, and the URL before both.
    write_private(&own, &line, 0o600);
    let mut by_both = fsck();
    by_both.env("PGPASSWORD", "wrong");
    assert_denied(&run_with(by_both, b"").await, "a wrong password in the environment");
    let settings = dir.join("hefu.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("km@", &format!("km:{PASSWORD}@"))).unwrap();
    let mut by_url = fsck();
    by_url.env("PGPASSWORD", "wrong");
    run_with(by_url, b"").await.ended(0);
}

#[tokio::test]
async fn the_password_in_a_url_is_not_shown() {
    let node = TestNode::init("530100").await;
    let settings = node.dir().join("hefu.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(text.contains("database = \"sqlite\""));
    for (url, shown) in [
        ("postgres://km:s3cret@127.0.0.1:1/node", "postgres://km:***@127.0.0.1:1/node"),
        ("postgres://km@127.0.0.1:1/node?password=s3cret", "postgres://km@127.0.0.1:1/node?password=***"),
        ("postgres://km:s3cret/@127.0.0.1:1/node?sslmood=x", "postgres://km:***@127.0.0.1:1/node?sslmood=x"),
    ] {
        std::fs::write(&settings, text.replace("\"sqlite\"", &format!("{url:?}"))).unwrap();
        for args in [
            &["config", "show"][..],
            &["--json", "config", "show"],
            &["config", "check"],
            &["--json", "config", "check"],
            &["status"],
            &["--json", "fsck"],
            &["doctor"],
            &["serve"],
        ] {
            let said = run(node.dir(), args).await;
            assert!(!format!("{said:?}").contains("s3cret"), "{args:?}: {said:?}");
            if args.contains(&"show") && !url.contains("sslmood") {
                assert!(said.clone().ended(0).stdout.contains(shown), "{said:?}");
            }
        }
    }
}
