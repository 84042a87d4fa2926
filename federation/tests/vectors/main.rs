//! The published test vectors in `federation/vectors/`, made from fixed inputs and compared byte for byte.
//!
//! `HEFU_WRITE_VECTORS=1 cargo test -p hefu-federation --test vectors` writes the files instead. A change of a definition
//! shows as a difference there and nowhere else.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod common;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod identifiers;
#[cfg(test)]
mod linkage;
#[cfg(test)]
mod log;
#[cfg(test)]
mod note;
#[cfg(test)]
mod page;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod records;
#[cfg(test)]
mod request;
#[cfg(test)]
mod tally;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    type Make = fn() -> Value;

    /// Files and what makes them, in the order in which an implementer needs them.
    const FILES: [(&str, Make); 12] = [
        ("canonical.json", canonical::make),
        ("identifiers.json", identifiers::make),
        ("proof.json", proof::make),
        ("entries.json", entries::make),
        ("note.json", note::make),
        ("log.json", log::make),
        ("records.json", records::make),
        ("agreement.json", agreement::make),
        ("linkage.json", linkage::make),
        ("request.json", request::make),
        ("page.json", page::make),
        ("tally.json", tally::make),
    ];

    #[test]
    fn published_vectors_are_reproduced_byte_for_byte() {
        let mut differ = Vec::new();
        for (name, make) in FILES {
            let (path, text) = (common::path(name), format!("{:#}\n", make()));
            if std::env::var_os("HEFU_WRITE_VECTORS").is_some() {
                std::fs::write(path, text).unwrap();
            } else if std::fs::read_to_string(path).unwrap() != text {
                differ.push(name);
            }
        }
        assert!(differ.is_empty(), "other bytes than published: {differ:?}");
    }

    #[test]
    fn every_published_file_is_made_here() {
        let mut found: Vec<String> = std::fs::read_dir(common::path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".json"))
            .collect();
        let mut made: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        found.sort();
        made.sort();
        assert_eq!(found, made);
    }
}
