//! Writes documents with our verdict on each, as NDJSON, for programs that others wrote to judge as well. The same seed
//! gives the same documents.

mod canonical;
mod mutation;
mod random;
mod validation;

use random::Random;
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::Path;

const USAGE: &str = "usage: interop-corpus canonical SEED COUNT | interop-corpus validation SEED COUNT SCHEMAS";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    match arguments.as_slice() {
        ["canonical", seed, count] => canonical::write(&mut Random::new(seed.parse()?), count.parse()?, &mut out)?,
        ["validation", seed, count, schemas] => {
            validation::write(&mut Random::new(seed.parse()?), count.parse()?, Path::new(schemas), &mut out)?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(out.flush()?)
}
