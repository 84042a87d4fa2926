//! `hefu openapi`.

use super::{Globals, output};
use crate::config::Config;
use crate::http::{Door, document};
use crate::problem::Outcome;

const EXAMPLE: &str = "\
Example:
  hefu openapi > local.json
  hefu --dir km openapi --door public";

/// Print the OpenAPI 3.1 document of a door, as the node serves it at /openapi.json.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Openapi {
    /// The door of local systems, or the public one
    #[arg(long, value_name = "DOOR", default_value = "local", value_parser = ["local", "public"])]
    door: String,
}

impl Openapi {
    pub(super) fn run(&self, globals: &Globals) -> Outcome<u8> {
        // Without a folder there is no URL to name; the document is the same otherwise.
        let config = Config::load(&globals.dir).ok();
        let text = if self.door == "public" {
            document(Door::Public, config.as_ref().map_or("/", Config::base_url))?
        } else {
            document(Door::Local, "/")?
        };
        output::data(text);
        Ok(0)
    }
}
