//! Queries of URLs, for who asks and for who writes a link.

/// Percent-encodes a value of a path or query (RFC 3986 §2.3; a colon may stand in both).
pub(crate) fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Appends the members that have a value to a path that has a query already.
pub(crate) fn push_query<'a>(path: &mut String, members: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
    for (name, value) in members {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_absent_members_left_out() {
        let mut path = "/v1/records?limit=1".to_owned();
        push_query(&mut path, [("kind", Some("a&b=c 学")), ("state", None), ("agreement", Some("urn:uuid:1"))]);
        assert_eq!(path, "/v1/records?limit=1&kind=a%26b%3Dc%20%E5%AD%A6&agreement=urn:uuid:1");
    }
}
