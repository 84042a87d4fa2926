//! `hefu completions`.

use super::Cli;
use crate::problem::Outcome;
use clap::CommandFactory;
use clap_complete::Shell;

const EXAMPLE: &str = "\
Example:
  hefu completions bash > /etc/bash_completion.d/hefu
  hefu completions zsh > ~/.zfunc/_hefu
  hefu completions fish > ~/.config/fish/completions/hefu.fish";

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Outcome<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hefu", &mut script);
        super::output::data(String::from_utf8_lossy(&script).trim_end());
        Ok(0)
    }
}
