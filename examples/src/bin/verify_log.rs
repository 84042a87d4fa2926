//! Verifies a copy of a node's log, offline: `verify_log DIR ORIGIN FINGERPRINT`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, origin, fingerprint] = arguments.as_slice() else {
        eprintln!(
            "usage: verify_log DIR ORIGIN FINGERPRINT\n\nDIR holds `checkpoint` and `tile/entries/…`, fetched from https://ORIGIN/."
        );
        return ExitCode::from(2);
    };
    match hefu_examples::verify_mirror(dir.as_ref(), origin, fingerprint) {
        Ok(summary) => {
            println!(
                "{}: {} entries, {} records, root {}",
                summary.origin, summary.size, summary.records, summary.root
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("does not verify: {error}");
            ExitCode::from(1)
        }
    }
}
