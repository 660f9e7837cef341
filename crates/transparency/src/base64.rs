//! Base64 as C2SP's documents use it: RFC 4648, section 4, with padding, in one spelling.

use data_encoding::BASE64;

/// Decodes a text.
///
/// `data-encoding` also reads encodings that follow one another, such as `AAA=AAA=`. A text that has
/// another spelling than the bytes' own is none.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (encode(&bytes) == text).then_some(bytes)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
