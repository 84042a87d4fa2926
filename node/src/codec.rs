//! How payload bodies are compressed in the store.
//!
//! | codec | body |
//! |---|---|
//! | 0 | zstd, no dictionary |
//! | 1 | zstd with the dictionary for records of schema version 1 |
//!
//! A codec number is never given another meaning: stored bodies are read with the one that they were written with.
//! Level 1: higher ones gain little on records of a few kilobytes. Contexts are kept for each thread, since making one
//! costs more than using it; the digested dictionaries are shared by all threads.

use hefu_schemas::dictionary::{RECORDS_V1, RECORDS_V1_CODEC};
use hefu_schemas::gate::MAX_RECORD_LEN;
use std::cell::RefCell;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// zstd without a dictionary.
const PLAIN: u8 = 0;
/// Effort of compression.
const LEVEL: i32 = 1;

static ENCODER_V1: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(RECORDS_V1, LEVEL));
static DECODER_V1: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(RECORDS_V1));

thread_local! {
    static COMPRESS_V1: RefCell<(Compressor<'static>, Vec<u8>)> = RefCell::new((
        Compressor::with_prepared_dictionary(&ENCODER_V1).expect("the released dictionary is a zstd dictionary"),
        Vec::new(),
    ));
    static DECOMPRESS_V1: RefCell<Decompressor<'static>> = RefCell::new(
        Decompressor::with_prepared_dictionary(&DECODER_V1).expect("the released dictionary is a zstd dictionary"),
    );
    static DECOMPRESS_PLAIN: RefCell<Decompressor<'static>> = RefCell::new(Decompressor::default());
}

/// Compresses with the newest codec: (codec, body).
pub fn compress(bytes: &[u8]) -> (u8, Vec<u8>) {
    const ENOUGH: &str = "zstd compresses into a buffer of the size that it asked for";
    // By way of a buffer that stays: a vector of the size that zstd asks for would be three times as long as the body in it.
    let body = COMPRESS_V1.with_borrow_mut(|(context, buffer)| {
        buffer.resize(zstd::zstd_safe::compress_bound(bytes.len()).max(buffer.len()), 0);
        let len = context.compress_to_buffer(bytes, buffer.as_mut_slice()).expect(ENOUGH);
        buffer.get(..len).map(<[u8]>::to_vec).expect(ENOUGH)
    });
    (RECORDS_V1_CODEC, body)
}

/// Decompresses; `None` for damaged data or an unknown codec. Never inflates beyond the record limit.
pub fn decompress(codec: u8, body: &[u8]) -> Option<Vec<u8>> {
    let inflate = |context: &mut Decompressor<'_>| context.decompress(body, MAX_RECORD_LEN).ok();
    match codec {
        PLAIN => DECOMPRESS_PLAIN.with_borrow_mut(inflate),
        RECORDS_V1_CODEC => DECOMPRESS_V1.with_borrow_mut(inflate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for bytes in [Vec::new(), b"{}".to_vec(), vec![b'x'; MAX_RECORD_LEN]] {
            let (codec, body) = compress(&bytes);
            assert_eq!(decompress(codec, &body).unwrap(), bytes);
        }
    }

    #[test]
    fn bodies_without_the_dictionary_stay_readable() {
        let body = Compressor::new(LEVEL).unwrap().compress(b"{\"a\":1}").unwrap();
        assert_eq!(decompress(PLAIN, &body).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn the_dictionary_makes_records_small() {
        let record: serde_json::Value =
            serde_json::from_str(include_str!("../../schemas/json/student-status/valid/enter.json")).unwrap();
        let record = record.to_string();
        let plain = Compressor::new(LEVEL).unwrap().compress(record.as_bytes()).unwrap();
        let (_, body) = compress(record.as_bytes());
        assert!(body.len() * 3 < plain.len() * 2, "{} of {}, plain {}", body.len(), record.len(), plain.len());
    }

    #[test]
    fn damaged_and_oversized_bodies_and_unknown_codecs_give_none() {
        let (codec, body) = compress(b"{\"a\":1}");
        assert_eq!(decompress(codec, body.get(..body.len() - 1).unwrap()), None);
        assert_eq!(decompress(codec, b"not zstd"), None);
        assert_eq!(decompress(255, &body), None);
        let (codec, body) = compress(&vec![0; MAX_RECORD_LEN + 1]);
        assert_eq!(decompress(codec, &body), None);
    }

    #[test]
    fn nothing_is_reserved_beyond_what_the_frame_says() {
        let (codec, body) = compress(&[7; 100]);
        assert!(decompress(codec, &body).unwrap().capacity() < 4096);
    }
}
