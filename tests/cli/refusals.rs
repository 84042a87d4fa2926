//! What commands refuse: with a stable code, a hint, the documented exit code, and without changing anything.

use hefu_node::problem::Code;
use hefu_tests::Serving;
use hefu_tests::process::{Said, command, run, run_with};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn code(said: &Said) -> String {
    let problem = said.json();
    for name in ["title", "titleZh", "hint", "hintZh", "detail"] {
        assert!(problem[name].is_string(), "{name}: {problem}");
    }
    problem["code"].as_str().unwrap().to_owned()
}

/// Every file below a folder with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

async fn init(dir: &Path, recovery: &Path, more: &[&str]) -> Said {
    let recovery = recovery.display().to_string();
    let given =
        ["--json", "init", "--url", "https://km.example", "--city", "530100", "--name", "昆明", "--behind-gateway"];
    run(dir, &[&given[..], &["--recovery-out", &recovery], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn init_never_overwrites() {
    let base = tempfile::tempdir().unwrap();
    let (dir, recovery) = (base.path().join("km"), base.path().join("recovery.pem"));
    let made = init(&dir, &recovery, &[]).await.ended(0).json();
    assert_eq!(made["fingerprint"].as_str().unwrap().len(), 64);
    for path in files(&dir).into_keys().chain([recovery.clone()]) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is readable by others", path.display());
    }
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o077, 0);
    let before = files(base.path());
    for other in [recovery.clone(), base.path().join("other.pem")] {
        assert_eq!(code(&init(&dir, &other, &[]).await.ended(3)), "already-initialised");
    }
    let elsewhere = base.path().join("elsewhere");
    assert_eq!(
        code(&init(&elsewhere, &recovery, &[]).await.ended(3)),
        "already-initialised",
        "the recovery key exists"
    );
    assert_eq!(files(base.path()), before);
    assert!(!elsewhere.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_refuses_what_cannot_work_and_can_be_given_again() {
    let base = tempfile::tempdir().unwrap();
    let (dir, good) = (base.path().join("km"), base.path().join("recovery.pem"));
    std::fs::create_dir(base.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(base.path(), base.path().join("link")).unwrap();
    for inside in ["km/recovery.pem", "km/keys/recovery.pem", "folder/../km/recovery.pem", "link/km/recovery.pem"] {
        let refused = init(&dir, &base.path().join(inside), &[]).await.ended(3);
        assert_eq!(code(&refused), "configuration", "{inside}: {refused:?}");
        assert!(refused.stdout.contains("outside"), "{inside}: {refused:?}");
        assert!(!dir.exists(), "{inside}");
    }
    let nowhere = init(&dir, &base.path().join("missing/recovery.pem"), &[]).await.ended(3);
    assert_eq!(code(&nowhere), "configuration", "{nowhere:?}");
    for (name, url, city) in [
        ("plain HTTP", "http://km.example", "530100"),
        ("upper case", "https://KM.example", "530100"),
        ("an address", "https://10.0.0.1", "530100"),
        ("no URL", "km.example", "530100"),
        ("five digits", "https://km.example", "53010"),
        ("letters", "https://km.example", "kunmin"),
    ] {
        let recovery = good.display().to_string();
        let args = [
            "--json",
            "init",
            "--url",
            url,
            "--city",
            city,
            "--name",
            "x",
            "--behind-gateway",
            "--recovery-out",
            &recovery,
        ];
        assert_eq!(code(&run(&dir, &args).await.ended(3)), "configuration", "{name}");
    }
    assert!(files(&dir).into_keys().all(|path| path.ends_with("lock")), "nothing was made");
    assert!(!good.exists());
    init(&dir, &good, &[]).await.ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_initialised_is_left_alone() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("nothing");
    let id = "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057";
    let print = "0".repeat(64);
    for args in [
        &["serve"][..],
        &["pull"],
        &["reconcile"],
        &["fsck"],
        &["peer", "list"],
        &["peer", "add", "https://x.example", "--fingerprint", &print],
        &["agreement", "list"],
        &["agreement", "show", id],
        &["agreement", "sign", id],
        &["finding", "list"],
        &["tally", "show", "--agreement", id],
    ] {
        let said = run(&dir, &[&["--json"][..], args].concat()).await.ended(3);
        assert_eq!(code(&said), "not-initialised", "{args:?}");
        assert!(said.stderr.is_empty(), "{args:?}: {}", said.stderr);
        let said = run(&dir, args).await.ended(3);
        assert!(said.stdout.is_empty(), "{args:?}: data only on standard output");
        assert!(
            said.stderr.starts_with("error[not-initialised]: ") && said.stderr.contains("\nhint: "),
            "{}",
            said.stderr
        );
        assert!(!dir.exists(), "{args:?} made something");
    }
    let file = base.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = run(&file, &["--json", "fsck"]).await.ended(3);
    assert_eq!(code(&said), "not-initialised", "{said:?}");
    assert!(said.stdout.contains("is not a folder"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_languages_are_spoken() {
    let base = tempfile::tempdir().unwrap();
    let dir = base.path().join("nothing");
    let chinese = |text: &str| text.chars().any(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c));
    let said = run(&dir, &["--lang", "zh", "fsck"]).await.ended(3);
    assert!(said.stderr.starts_with("错误[not-initialised]: ") && said.stderr.contains("\n提示: "), "{}", said.stderr);
    for (name, value, zh) in [
        ("LC_ALL", "zh_CN.UTF-8", true),
        ("LANG", "zh_CN.UTF-8", true),
        ("LC_MESSAGES", "zh_TW", true),
        ("LC_ALL", "en_GB.UTF-8", false),
        ("LANG", "C.UTF-8", false),
        ("LANG", "", false),
    ] {
        let mut command = command(&dir, &["fsck"]);
        command.env(name, value);
        let said = run_with(command, b"").await.ended(3);
        assert_eq!(chinese(&said.stderr), zh, "{name}={value}: {}", said.stderr);
    }
    // LC_ALL goes before LANG, the option before both.
    let mut command = command(&dir, &["--lang", "en", "fsck"]);
    command.env("LC_ALL", "zh_CN.UTF-8");
    assert!(!chinese(&run_with(command, b"").await.ended(3).stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_others_may_read_are_refused() {
    let base = tempfile::tempdir().unwrap();
    let mut node = Serving::init(base.path(), "530100").await;
    for role in ["record", "log", "witness", "request", "seal"] {
        let path = node.dir.join("keys").join(format!("{role}.pem"));
        for mode in [0o640, 0o604, 0o644] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let said = node.run(&["--json", "fsck"]).await.ended(3);
            assert_eq!(code(&said), "configuration");
            assert!(said.stdout.contains(&format!("{role}.pem")) && said.stdout.contains("chmod 600"), "{said:?}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    // A key that is not one, or another node's, is refused as well.
    let path = node.dir.join("keys").join("log.pem");
    let kept = std::fs::read(&path).unwrap();
    let other = std::fs::read(node.dir.join("keys").join("record.pem")).unwrap();
    for bytes in [&b"no key"[..], b"", &other] {
        std::fs::write(&path, bytes).unwrap();
        let said = node.run(&["--json", "fsck"]).await.ended(3);
        assert_eq!(code(&said), "configuration", "{said:?}");
        assert!(!said.stdout.contains("PRIVATE KEY"), "{said:?}");
    }
    std::fs::write(&path, kept).unwrap();
    node.run(&["fsck"]).await.ended(0);
    node.serve(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_with_a_typing_error_are_refused_by_name() {
    let base = tempfile::tempdir().unwrap();
    let node = Serving::init(base.path(), "530100").await;
    let path = node.dir.join("hefu.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let top = |line: &str| format!("{line}\n{good}");
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        good.replace(from, to)
    };
    for (name, text) in [
        ("pull_intervall_s", top("pull_intervall_s = 5")),
        ("pull_interval_s", changed("pull_interval_s = 60", "pull_interval_s = 0")),
        ("city", changed("city = \"530100\"", "city = \"Kunming\"")),
        ("time_zone", changed("Asia/Shanghai", "Asia/Kunming")),
        ("database", changed("database = \"sqlite\"", "database = \"postgres\"")),
        ("url", changed(&node.url, "https://other.example")),
        ("url", changed(&node.url, "http://localhost")),
        ("hefu.toml", "no settings".to_owned()),
        ("url", String::new()),
    ] {
        std::fs::write(&path, text).unwrap();
        let said = node.run(&["--json", "fsck"]).await.ended(3);
        assert_eq!(code(&said), "configuration", "{name}");
        assert!(said.json()["detail"].as_str().unwrap().contains(name), "{name}: {said:?}");
    }
    std::fs::write(&path, good).unwrap();
    node.run(&["fsck"]).await.ended(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_read_are_named() {
    let base = tempfile::tempdir().unwrap();
    let node = Serving::init(base.path(), "530100").await;
    let print = "0".repeat(64);
    for (args, name) in [
        (&["publish", "missing.ndjson"][..], "missing.ndjson"),
        (&["publish", "/"], "/"),
        (&["agreement", "propose", "missing.json"], "missing.json"),
        (&["peer", "add", "https://x.example", "--fingerprint", &print, "--ca", "missing.pem"], "missing.pem"),
    ] {
        let said = node.run(&[&["--json"][..], args].concat()).await.ended(3);
        assert_eq!(code(&said), "input", "{args:?}");
        assert!(said.json()["detail"].as_str().unwrap().contains(name), "{said:?}");
    }
}

#[test]
fn exit_codes_are_those_of_the_documentation() {
    for code in Code::ALL {
        let exit = hefu_node::problem::Problem::new(*code, "").exit_code();
        assert!((1..=5).contains(&exit) && exit != 2, "{code:?}: 2 is for the command line alone");
        let later = matches!(exit, 4)
            == (matches!(code.status(), 502 | 503 | 507) || matches!(code, Code::Busy | Code::Behind));
        let evidence = matches!(code, Code::PeerMisbehaved | Code::SplitView);
        assert!(later || evidence, "{code:?}: 4 is for what may be tried again");
    }
}
