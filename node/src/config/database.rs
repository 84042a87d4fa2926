//! The setting `database`.

use crate::store::postgres::{Address, AddressError, is_address, redacted};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The embedded database.
const EMBEDDED: &str = "sqlite";

/// Which database a node has. Shown without a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseSetting(String);

/// Where a node keeps what it keeps.
#[derive(Debug, Clone)]
pub enum Place {
    /// `hefu.db` in its folder.
    Embedded,
    /// A database on a server.
    Server(Box<Address>),
}

impl DatabaseSetting {
    /// From the words of the settings: `sqlite`, or the URL of a server.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What it says.
    ///
    /// # Errors
    /// Neither `sqlite` nor the URL of a server that is safe to use.
    pub fn place(&self) -> Result<Place, AddressError> {
        match self.0.as_str() {
            EMBEDDED => Ok(Place::Embedded),
            url => Ok(Place::Server(Box::new(Address::parse(url)?))),
        }
    }

    /// Whether it is the embedded one.
    pub fn is_embedded(&self) -> bool {
        !is_address(&self.0)
    }
}

impl Default for DatabaseSetting {
    fn default() -> Self {
        Self(EMBEDDED.to_owned())
    }
}

impl fmt::Display for DatabaseSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

impl fmt::Debug for DatabaseSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redacted(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_the_file_or_a_server() {
        assert!(matches!(DatabaseSetting::default().place(), Ok(Place::Embedded)));
        let server = DatabaseSetting::new("postgres://km:s3cret@db.example/hefu");
        assert!(matches!(server.place(), Ok(Place::Server(_))) && !server.is_embedded());
        assert!(!format!("{server} {server:?} {:?}", server.place()).contains("s3cret"));
        assert!(DatabaseSetting::new("oracle").place().is_err());
    }
}
