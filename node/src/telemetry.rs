//! The log of the process: to stderr, filtered by `HEFU_LOG`. It never holds payloads, identifiers or secrets.

use tracing_subscriber::EnvFilter;

/// Starts the log. `default` is the filter without `HEFU_LOG`.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("HEFU_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A second start in one process (tests) keeps the first.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}
