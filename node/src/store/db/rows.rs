//! Many rows in one value. Handing over a row from the database's thread costs more than finding it: SQLite packs many of them
//! into one value, and they are taken apart here. (PostgreSQL's cost less to hand over than to pack.)

use super::row::record_id;
use super::session::Row;
use crate::store::number::{damaged, fixed, kind, state, unsigned, unsigned_option};
use crate::store::{AgreementNo, OriginNo, Payload, PayloadRow, StoreResult};

/// Rows of one packed value: even if each were as long as a record may be, it would have 16 MiB.
pub(super) const ROWS_AT_ONCE: usize = 64;

/// Rows `p` of `payload` for SQLite. Numbers in decimal, each with a space behind it (`-` for null), then the bytes that the last four
/// of them are the lengths of. `||` joins the bytes of blobs as they are, and so does the cast back.
macro_rules! packed_rows {
    () => {
        "CAST(GROUP_CONCAT(p.origin || ' ' || p.idx || ' ' || p.agreement || ' ' || p.t || ' ' \
         || p.state || ' ' || IFNULL(p.of_idx, '-') || ' ' || IFNULL(p.kind, '-') || ' ' || IFNULL(p.codec, '-') || ' ' \
         || IFNULL(LENGTH(p.record_id), '-') || ' ' || IFNULL(LENGTH(p.salt), '-') || ' ' \
         || IFNULL(LENGTH(p.body), '-') || ' ' || IFNULL(LENGTH(CAST(p.reason AS BLOB)), '-') || ' ' \
         || IFNULL(p.record_id, x'') || IFNULL(p.salt, x'') || IFNULL(p.body, x'') || IFNULL(p.reason, ''), '') AS BLOB)"
    };
}
pub(super) use packed_rows;

/// Packed rows, read from the front.
pub(super) struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    /// Those of a row of one column.
    pub(super) fn of(row: &'a Row) -> StoreResult<Self> {
        Ok(Self(row.get::<Option<&[u8]>>(0)?.unwrap_or_default()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next number.
    pub(super) fn number(&mut self) -> StoreResult<i64> {
        self.number_option()?.ok_or_else(|| damaged("packed row"))
    }

    fn number_option(&mut self) -> StoreResult<Option<i64>> {
        let space = self.0.iter().position(|byte| *byte == b' ').ok_or_else(|| damaged("packed row"))?;
        let text = self.bytes(space)?;
        self.bytes(1)?;
        if text == b"-" {
            return Ok(None);
        }
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| damaged("packed row"))
    }

    fn bytes(&mut self, len: usize) -> StoreResult<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(|| damaged("packed row"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes of a length that may be that of a null.
    fn blob(&mut self, len: Option<i64>) -> StoreResult<Option<&'a [u8]>> {
        let len = len.map(|len| usize::try_from(len).map_err(|_| damaged("packed row"))).transpose()?;
        len.map(|len| self.bytes(len)).transpose()
    }

    /// The next row of `payload`.
    pub(super) fn row(&mut self) -> StoreResult<(OriginNo, PayloadRow)> {
        let origin = OriginNo(self.number()?);
        let index = unsigned(self.number()?, "payload: idx")?;
        let what = |column: &str| format!("payload {} index {index}: {column}", origin.0);
        let (agreement, t) = (AgreementNo(self.number()?), self.number()?);
        let state = state(self.number()?, "payload: state")?;
        let (of, kind_number, codec) = (self.number_option()?, self.number_option()?, self.number_option()?);
        let lens = (self.number_option()?, self.number_option()?, self.number_option()?, self.number_option()?);
        let (id, salt) = (self.blob(lens.0)?, self.blob(lens.1)?);
        let (body, reason) = (self.blob(lens.2)?, self.blob(lens.3)?);
        let payload = match (salt, codec, body) {
            (Some(salt), Some(codec), Some(body)) => {
                let codec = u8::try_from(codec).map_err(|_| damaged(what("codec")))?;
                Some(Payload { salt: fixed(salt, &what("salt"))?, codec, body: body.to_vec() })
            }
            (None, None, None) => None,
            _ => return Err(damaged(what("payload"))),
        };
        let row = PayloadRow {
            index,
            agreement,
            state,
            reason: reason.map(|reason| String::from_utf8_lossy(reason).into_owned()),
            t,
            of: unsigned_option(of, "payload: of_idx")?,
            id: id.map(record_id).transpose()?,
            kind: kind_number.map(|number| kind(number, "payload: kind")).transpose()?,
            payload,
        };
        Ok((origin, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hefu_federation::pull::PayloadState;

    #[test]
    fn a_row_cut_short_is_damaged() {
        let salt = [7_u8; 32];
        let whole = [b"2 9 3 50 1 - 1 1 - 32 4 2 ".as_slice(), &salt, b"\0\xff 1ok"].concat();
        let (origin, row) = Packed(&whole).row().unwrap();
        assert_eq!((origin, row.index, row.of, row.id), (OriginNo(2), 9, None, None));
        assert_eq!((row.reason.as_deref(), row.payload.unwrap().body.as_slice()), (Some("ok"), b"\0\xff 1".as_slice()));
        for len in 0..whole.len() {
            assert!(Packed(&whole[..len]).row().is_err(), "{len}");
        }
        let (_, row) = Packed(b"2 9 3 50 7 - 1 - - - - - ").row().unwrap();
        assert_eq!((row.state, row.payload), (PayloadState::Invalid, None));
        // No kind 9, no index -1, half a payload, no codec 300.
        for bad in [
            "2 9 3 50 1 - 9 1 - 0 0 0 ",
            "2 9 3 50 7 -1 1 - - - - - ",
            "2 9 3 50 7 - 1 1 - - - - ",
            "2 9 3 50 7 - 1 300 - 32 0 - ",
        ] {
            assert!(Packed(&[bad.as_bytes(), &salt].concat()).row().is_err(), "{bad}");
        }
    }
}
