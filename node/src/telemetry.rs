//! The log of the process: to stderr, filtered by `HEFU_LOG`. It never holds payloads, identifiers or secrets.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts the log. `default` is the filter without `HEFU_LOG`.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("HEFU_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A file has no colours; https://no-color.org: nor has a terminal whose user wants none.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = log.with_ansi(colours).with_target(false).try_init();
}
