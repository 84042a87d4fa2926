//! Who may depend on what.

use super::root;
use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a crate is built with, by their names.
fn tree(package: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.current_dir(root()).args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"]);
    let output = cargo.args(["--format", "{p}", "--package", package]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// `.cargo/config.toml` compiles the vector back ends of curve25519 in; which one runs is decided at run time.
#[test]
fn signatures_are_built_with_their_vector_back_ends() {
    let has_them = cfg!(curve25519_dalek_backend = "avx512");
    assert!(has_them, "RUSTFLAGS in the environment replaces the flags of .cargo/config.toml: unset it");
}

#[test]
fn schemas_and_federation_know_no_network_no_database_and_no_async_runtime() {
    const FOREIGN: [&str; 13] = [
        "tokio",
        "actix-web",
        "actix-rt",
        "sqlx",
        "sqlx-core",
        "libsqlite3-sys",
        "reqwest",
        "hyper",
        "rustls",
        "mio",
        "socket2",
        "futures-executor",
        "async-std",
    ];
    for package in ["hefu-schemas", "hefu-federation"] {
        let tree = tree(package);
        assert!(tree.contains(package) && tree.len() > 5, "{tree:?}");
        let found: Vec<_> = FOREIGN.iter().filter(|name| tree.contains(**name)).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
}

#[test]
fn nothing_depends_the_other_way() {
    assert!(!tree("hefu-schemas").iter().any(|name| name.starts_with("hefu-") && name != "hefu-schemas"));
    assert!(!tree("hefu-federation").contains("hefu-node"));
    let node = tree("hefu-node");
    assert!(!node.contains("hefu-tests") && !node.contains("hefu-simulation"));
    assert!(!tree("hefu-simulation").contains("hefu-tests"));
}

#[test]
fn there_is_one_tls_and_one_database_driver() {
    let tree = tree("hefu-node");
    for twice in ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "rusqlite"] {
        assert!(!tree.contains(twice), "{twice}");
    }
    for used in ["rustls", "ring", "libsqlite3-sys"] {
        assert!(tree.contains(used), "{used}");
    }
}
