//! What is wrong when database or disk refuse: full, held by another program, read-only, or damaged. People have to do something
//! else about each.

use crate::problem::{Code, Problem};
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;
use std::error::Error;
use std::io::ErrorKind;

/// Low byte of an extended result code of SQLite: the primary one (sqlite.org/rescode.html).
const PRIMARY: u32 = 0xff;
/// `SQLITE_IOERR_WRITE`: a quota or a limit on the size of files refuses the write. (A full disk is `SQLITE_FULL`.)
const IOERR_WRITE: u32 = 778;
/// `SQLITE_IOERR_SHMSIZE`: no room for the index of the write-ahead file.
const IOERR_SHMSIZE: u32 = 4874;
/// How the standard library begins what it says of a name that is not found; there is no stable kind of it.
const NO_SUCH_NAME: &str = "failed to lookup address information";
/// `SQLITE_IOERR_SHORT_READ`: the file ends before it should.
const IOERR_SHORT_READ: u32 = 522;

/// The problem that an error of the database is, wherever in its sources the cause stands.
pub(crate) fn code(error: &(dyn Error + 'static)) -> Code {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let database = error.downcast_ref::<sqlx::Error>().and_then(|error| error.as_database_error());
        let sqlite = database.and_then(|error| error.try_downcast_ref::<SqliteError>());
        let sqlite = sqlite.or_else(|| error.downcast_ref::<SqliteError>());
        if let Some(result) = sqlite.and_then(|error| error.code()?.parse().ok()) {
            return of_sqlite(result);
        }
        if let Some(state) =
            database.and_then(|error| error.try_downcast_ref::<PgDatabaseError>()).map(DatabaseError::code)
        {
            return of_postgres(state.as_deref().unwrap_or_default());
        }
        if let Some(sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_)) = error.downcast_ref::<sqlx::Error>() {
            return Code::DatabaseAway;
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            // What rustls says of a certificate comes as data that is not valid.
            if error.kind() == ErrorKind::InvalidData || error.to_string().starts_with(NO_SUCH_NAME) {
                return Code::DatabaseAway;
            }
            return of_io(error, Code::Unavailable);
        }
        cause = error.source();
    }
    Code::Unavailable
}

fn of_sqlite(result: u32) -> Code {
    match (result, result & PRIMARY) {
        (IOERR_WRITE | IOERR_SHMSIZE, _) | (_, 13) => Code::DiskFull,
        (_, 5 | 6) => Code::DatabaseLocked,
        (_, 8 | 14) => Code::DatabaseReadOnly,
        (IOERR_SHORT_READ, _) | (_, 11 | 26) => Code::Damaged,
        _ => Code::Unavailable,
    }
}

/// By the server's code of the error (PostgreSQL, appendix A; SQLSTATE).
fn of_postgres(state: &str) -> Code {
    match (state, state.get(..2).unwrap_or_default()) {
        ("53100", _) => Code::DiskFull,
        ("25006" | "42501", _) => Code::DatabaseReadOnly,
        // 53: too many connections, out of memory. 40: a deadlock or a serialization failure. 55P03: a lock that did not come.
        (_, "53" | "40") | ("55P03", _) => Code::DatabaseBusy,
        // 28: who is that? 3D: which database?
        (_, "28" | "3D") => Code::DatabaseDenied,
        ("57P01" | "57P02" | "57P03" | "57P05", _) | (_, "08") => Code::DatabaseAway,
        // Damaged pages and indexes.
        (_, "XX") => Code::Damaged,
        _ => Code::Unavailable,
    }
}

fn of_io(error: &std::io::Error, otherwise: Code) -> Code {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Code::DiskFull,
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Code::DatabaseReadOnly,
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::TimedOut => Code::DatabaseAway,
        _ => otherwise,
    }
}

/// A file beside the database that cannot be written.
pub(crate) fn of_file(what: &str, error: &std::io::Error, otherwise: Code) -> Problem {
    Problem::new(of_io(error, otherwise), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_problem() {
        for (result, expected) in [
            (13, Code::DiskFull),
            (778, Code::DiskFull),
            (4874, Code::DiskFull),
            (5, Code::DatabaseLocked),
            (517, Code::DatabaseLocked),
            (261, Code::DatabaseLocked),
            (8, Code::DatabaseReadOnly),
            (1544, Code::DatabaseReadOnly),
            (14, Code::DatabaseReadOnly),
            (11, Code::Damaged),
            (267, Code::Damaged),
            (26, Code::Damaged),
            (522, Code::Damaged),
            (266, Code::Unavailable),
            (1, Code::Unavailable),
        ] {
            assert_eq!(of_sqlite(result), expected, "{result}");
        }
        for (state, expected) in [
            ("53100", Code::DiskFull),
            ("25006", Code::DatabaseReadOnly),
            ("53300", Code::DatabaseBusy),
            ("40P01", Code::DatabaseBusy),
            ("40001", Code::DatabaseBusy),
            ("55P03", Code::DatabaseBusy),
            ("28P01", Code::DatabaseDenied),
            ("28000", Code::DatabaseDenied),
            ("3D000", Code::DatabaseDenied),
            ("57P01", Code::DatabaseAway),
            ("57P03", Code::DatabaseAway),
            ("08006", Code::DatabaseAway),
            ("XX001", Code::Damaged),
            ("23505", Code::Unavailable),
            ("", Code::Unavailable),
        ] {
            assert_eq!(of_postgres(state), expected, "{state}");
        }
        let full = std::io::Error::from(ErrorKind::StorageFull);
        assert_eq!(of_file("guard file", &full, Code::NotSigning).code, Code::DiskFull);
        let gone = std::io::Error::from(ErrorKind::NotFound);
        assert_eq!(of_file("guard file", &gone, Code::NotSigning).code, Code::NotSigning);
        assert_eq!(code(&crate::store::StoreError::Database(sqlx::Error::Io(full))), Code::DiskFull);
        let nowhere = std::io::Error::other(format!("{NO_SUCH_NAME}: Name or service not known"));
        assert_eq!(code(&crate::store::StoreError::Database(sqlx::Error::Io(nowhere))), Code::DatabaseAway);
    }
}
