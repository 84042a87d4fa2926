//! The command line: one file for each command, each of them a request to the control socket and a rendering of the answer.
//! Data go to stdout, words to stderr.

mod agreement;
mod amend;
mod ask;
mod completions;
mod config;
mod control;
mod demo;
mod doctor;
mod finding;
mod fsck;
mod fsck_url;
mod init;
mod moving;
mod openapi;
mod output;
mod peer;
mod publish;
mod pull;
mod record;
mod schema;
mod serve;
mod status;
mod subject;
mod tally;
mod token;
mod verify;
mod withdraw;

use crate::problem::{Code, Outcome, Problem};
use clap::{Args, Parser, Subcommand};
use hefu_schemas::text::Lang;
use std::path::PathBuf;
use tokio::runtime::Builder;

/// What every command ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  done; where something is checked: all of it holds
  1  checked, and it does not hold (a record not valid, tallies that differ, damage, a defect)
  2  the command line is not understood
  3  what was given is refused; nothing was changed
  4  a node or peer is away, busy or not ready; try again
  5  an error inside the program, or damaged data

Settings: hefu.toml in the folder (`hefu config show`). HEFU_DIR: the folder. HEFU_LOG: log filter, e.g. `debug`.";

/// Hefu (合符): a city's node for student status, enrollment connections and qualification recognitions.
///
/// Each city publishes its own signed records, pulls and verifies its peers', and both halves are put together to see
/// whether they fit. Start with `hefu demo`, or `hefu init --help` for a node of your own.
#[derive(Debug, Parser)]
#[command(name = "hefu", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// The node's folder.
    #[arg(long, global = true, env = "HEFU_DIR", value_name = "DIR", default_value = "hefu-node")]
    pub dir: PathBuf,
    /// Machine-readable output: JSON on stdout, also for errors (not for a wrong command line: exit code 2).
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of texts: zh or en; by default that of the locale (LC_ALL, LC_MESSAGES, LANG).
    #[arg(long, global = true, value_name = "LANG", value_parser = parse_lang)]
    pub lang: Option<Lang>,
}

fn parse_lang(text: &str) -> Result<Lang, String> {
    match text {
        "zh" => Ok(Lang::Zh),
        "en" => Ok(Lang::En),
        _ => Err("expected zh or en".to_owned()),
    }
}

impl Globals {
    /// The language to speak.
    pub fn lang(&self) -> Lang {
        let of_locale = || {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
            if locale.is_some_and(|locale| locale.starts_with("zh")) { Lang::Zh } else { Lang::En }
        };
        self.lang.unwrap_or_else(of_locale)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a node: keys, settings, database and the first entry of its log
    Init(init::Init),
    /// How the node is: log, signing, peers, findings, agreements
    Status(status::Status),
    /// The settings: show them, check them, print the defaults
    #[command(subcommand)]
    Config(config::Config),
    /// Run the node until it is told to stop (Ctrl-C or SIGTERM)
    Serve(serve::Serve),
    /// Publish drafts: validated and signed as a whole, then appended to the log
    Publish(publish::Publish),
    /// Look at records, own ones and those held of peers
    #[command(subcommand)]
    Record(record::Record),
    /// Correct a record of this node: a new one takes its place
    Amend(amend::Amend),
    /// Withdraw a record of this node: its chain ends
    Withdraw(withdraw::Withdraw),
    /// Follow other cities' nodes
    #[command(subcommand)]
    Peer(peer::Peer),
    /// Propose, sign and look at agreements
    #[command(subcommand)]
    Agreement(agreement::Command),
    /// Turn identifiers of persons into subject references of an agreement
    Subject(subject::Subject),
    /// Bring the replicas of the peers' logs and records up to date
    Pull(pull::Pull),
    /// Put the halves together: evaluate all rules on what has come
    Reconcile(pull::Reconcile),
    /// The worklist: where the halves do not fit
    #[command(subcommand)]
    Finding(finding::Finding),
    /// The signed result of reconciling, compared with the other parties'
    #[command(subcommand)]
    Tally(tally::Tally),
    /// Print the OpenAPI 3.1 document of a door
    Openapi(openapi::Openapi),
    /// Let local systems in: make, list and revoke their tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Read everything back and verify it
    Fsck(fsck::Fsck),
    /// Move the node to another database: to a PostgreSQL server, or back into its folder
    Move(moving::Move),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Look for what may be wrong with this node: what is seen, what is expected, what to do
    Doctor(doctor::Doctor),
    /// Verify a record that somebody hands over: what is established, what is not, as of when
    Verify(verify::Verify),
    /// Look at the schemas and code lists, and check files against them; needs no node
    #[command(subcommand)]
    Schema(schema::Schema),
    /// A federation of three cities on this machine, from nothing to compared tallies
    Demo(demo::Demo),
}

impl Cli {
    /// Reads the command line; help and usage errors end the program here.
    pub fn read() -> Self {
        Self::parse()
    }
}

/// Runs a command to its end; its exit code.
///
/// The runtime is started here and not in the program: what an `async fn` does is compiled where it is awaited.
pub fn run(cli: Cli) -> u8 {
    let globals = cli.globals;
    let default_log = if matches!(cli.command, Command::Serve(_)) { "info" } else { "warn" };
    crate::telemetry::start(default_log);
    let done = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(Code::Internal, format!("the async runtime does not start: {error}")))
        .and_then(|runtime| runtime.block_on(dispatch(&globals, cli.command)));
    match done {
        Ok(code) => code,
        Err(problem) => {
            output::problem(&globals, &problem);
            problem.exit_code()
        }
    }
}

async fn dispatch(globals: &Globals, command: Command) -> Outcome<u8> {
    match command {
        Command::Init(command) => command.run(globals).await,
        Command::Status(command) => command.run(globals).await,
        Command::Config(command) => command.run(globals),
        Command::Completions(command) => command.run(),
        Command::Serve(command) => command.run(globals).await,
        Command::Publish(command) => command.run(globals).await,
        Command::Record(command) => command.run(globals).await,
        Command::Amend(command) => command.run(globals).await,
        Command::Withdraw(command) => command.run(globals).await,
        Command::Peer(command) => command.run(globals).await,
        Command::Agreement(command) => command.run(globals).await,
        Command::Subject(command) => command.run(globals).await,
        Command::Pull(command) => command.run(globals).await,
        Command::Reconcile(command) => command.run(globals).await,
        Command::Finding(command) => command.run(globals).await,
        Command::Tally(command) => command.run(globals).await,
        Command::Openapi(command) => command.run(globals),
        Command::Token(command) => command.run(globals).await,
        Command::Fsck(command) => command.run(globals).await,
        Command::Move(command) => command.run(globals).await,
        Command::Doctor(command) => command.run(globals).await,
        Command::Verify(command) => command.run(globals).await,
        Command::Schema(command) => command.run(globals),
        Command::Demo(command) => command.run(globals).await,
    }
}
