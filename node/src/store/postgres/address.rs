//! Where a server is: the URL of the settings, checked, without its password in anything that is shown.

use hefu_schemas::text::Text;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;

/// What an address begins with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// Statements kept prepared per connection: all of ours.
const STATEMENTS: usize = 200;
/// What a server's administrator sees.
const APPLICATION: &str = "hefu";
/// Parameters of a URL that are understood; a typing error must not be a default.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// Where a server is, and how to connect to it.
#[derive(Clone)]
pub struct Address {
    url: String,
    shown: String,
    options: PgConnectOptions,
    plain: bool,
}

/// Why an address is not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not a URL of a database.
    #[error("expected postgres://user@host[:port]/database[?sslmode=…&sslrootcert=…]")]
    Url,
    /// No database is named.
    #[error("the URL names no database: postgres://user@host/database")]
    NoDatabase,
    /// A parameter that is not understood.
    #[error("no such parameter: {0}")]
    Parameter(String),
    /// A mode that falls back to a plain connection, to another machine.
    #[error(
        "sslmode=prefer and allow fall back to a plain connection without a word; to another machine say sslmode=verify-full \
         (the default), verify-ca or require, or disable if the network is trusted"
    )]
    Fallback,
}

impl Address {
    /// Reads a URL as libpq does. The password may be absent and come from `PGPASSWORD` or `~/.pgpass`. To another machine TLS with
    /// a verified name is the default; a plain connection must be asked for by `sslmode=disable`.
    ///
    /// # Errors
    /// The URL is not one, or asks for what is not safe.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        if !is_address(url) {
            return Err(AddressError::Url);
        }
        let parameters = names(url);
        if let Some(unknown) = parameters.iter().find(|name| !PARAMETERS.contains(&name.as_str())) {
            return Err(AddressError::Parameter(unknown.clone()));
        }
        // The error may quote the URL.
        let mut options = PgConnectOptions::from_str(url).map_err(|_| AddressError::Url)?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(AddressError::NoDatabase);
        }
        let local = options.get_socket().is_some() || is_local(options.get_host());
        let said = parameters.iter().any(|name| name == "sslmode") || std::env::var_os("PGSSLMODE").is_some();
        let mut plain = false;
        if !local {
            match options.get_ssl_mode() {
                _ if !said => options = options.ssl_mode(PgSslMode::VerifyFull),
                PgSslMode::Disable => plain = true,
                PgSslMode::Allow | PgSslMode::Prefer => return Err(AddressError::Fallback),
                PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => {}
            }
        }
        let options = options.statement_cache_capacity(STATEMENTS).application_name(APPLICATION);
        let options = sqlx::ConnectOptions::disable_statement_logging(options);
        Ok(Self { url: url.to_owned(), shown: redacted(url), options, plain })
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The whole URL, password and all, with another database. Not to be shown.
    pub fn with_database(&self, name: &str) -> String {
        let scheme_len = self.url.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = self.url.split_at_checked(scheme_len).unwrap_or(("", &self.url));
        let (before, query) = rest.split_once('?').map_or((rest, String::new()), |(b, q)| (b, format!("?{q}")));
        let authority = before.split('/').next().unwrap_or_default();
        format!("{scheme}{authority}/{name}{query}")
    }

    /// What is to be said about the connection: it crosses a network in the clear.
    pub fn warning(&self) -> Option<Text> {
        self.plain.then(|| {
            Text::new(
                "与数据库的连接未加密（sslmode=disable），仅可用于可信网络",
                "the connection to the database is not encrypted (sslmode=disable): only for a network that is trusted",
            )
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// Whether a setting is an address and not a name.
pub(crate) fn is_address(url: &str) -> bool {
    SCHEMES.iter().any(|scheme| url.starts_with(scheme))
}

fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Names of the parameters in a URL.
fn names(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap_or_default().to_owned())
        .collect()
}

/// A URL without its password, wherever it stands. What is not an address comes back as it is.
pub(crate) fn redacted(url: &str) -> String {
    const HIDDEN: &str = "***";
    let Some((scheme, rest)) = SCHEMES.iter().find_map(|scheme| Some((*scheme, url.strip_prefix(scheme)?))) else {
        return url.to_owned();
    };
    // A password with an unescaped `/`, `?` or `@` must not show either: all up to the last `@` belongs to it.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:{HIDDEN}@"), rest),
            None => (format!("{user}@"), rest),
        },
        None => (String::new(), rest),
    };
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let mut out = format!("{scheme}{user}{before}");
    for (number, pair) in (0..).zip(query.into_iter().flat_map(|query| query.split('&'))) {
        let secret = pair.split('=').next().is_some_and(|name| name.to_ascii_lowercase().contains("pass"));
        out.push(if number == 0 { '?' } else { '&' });
        out.push_str(if secret { "password=***" } else { pair });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://km:s3cret@db.example/hefu", "postgres://km:***@db.example/hefu"),
            ("postgresql://km:s3c@r/e?t@db.example/hefu", "postgresql://km:***@db.example/hefu"),
            ("postgres://km@db.example/hefu?password=s3cret", "postgres://km@db.example/hefu?password=***"),
            ("postgres://db/hefu?sslmode=disable&PASSWORD=s3cret", "postgres://db/hefu?sslmode=disable&password=***"),
            ("postgres:///hefu", "postgres:///hefu"),
            ("sqlite", "sqlite"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        let address = Address::parse("postgres://km:s3cret@db.example/hefu").unwrap();
        assert!(!format!("{address} {address:?}").contains("s3cret"));
    }

    #[test]
    fn another_machine_is_verified_unless_the_operator_says_otherwise() {
        let mode = |url: &str| Address::parse(url).map(|address| format!("{:?}", address.options.get_ssl_mode()));
        let full = || Ok("VerifyFull".to_owned());
        assert_eq!(mode("postgres://km@db.example/hefu"), full());
        assert_eq!(mode("postgres://km@192.0.2.1/hefu?sslrootcert=/etc/ca.pem"), full());
        assert_eq!(mode("postgres://km@db.example/hefu?sslmode=require"), Ok("Require".to_owned()));
        assert_eq!(mode("postgres://km@db.example/hefu?sslmode=prefer"), Err(AddressError::Fallback));
        assert_eq!(mode("postgres://km@db.example/hefu?sslmode=allow"), Err(AddressError::Fallback));
        // The parameter moves the host.
        assert_eq!(mode("postgres://km@localhost/hefu?host=db.example&sslmode=prefer"), Err(AddressError::Fallback));
        let plain = Address::parse("postgres://km@db.example/hefu?sslmode=disable").unwrap();
        assert!(plain.warning().is_some());
        for local in ["127.0.0.1", "localhost", "[::1]", "%2Frun%2Fpostgresql"] {
            let address = Address::parse(&format!("postgres://km@{local}/hefu?sslmode=prefer")).unwrap();
            assert!(address.warning().is_none(), "{local}");
        }
    }

    #[test]
    fn another_database_is_on_the_same_server() {
        for (url, other) in [
            (
                "postgres://km:s3cret@db.example:5433/hefu?sslmode=require",
                "postgres://km:s3cret@db.example:5433/x?sslmode=require",
            ),
            ("postgres://km@%2Frun%2Fpostgresql/hefu", "postgres://km@%2Frun%2Fpostgresql/x"),
        ] {
            assert_eq!(Address::parse(url).unwrap().with_database("x"), other);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        use AddressError as E;
        for (url, error) in [
            ("mysql://db/hefu", E::Url),
            ("postgres://km@db:port/hefu", E::Url),
            ("postgres://km@db/hefu?sslmode=perhaps", E::Url),
            ("postgres://km@db/hefu?sslmood=disable", E::Parameter("sslmood".to_owned())),
        ] {
            assert_eq!(Address::parse(url).unwrap_err(), error, "{url}");
        }
    }
}
