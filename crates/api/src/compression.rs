//! Compression of answers for clients that accept it.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT_ENCODING, ETAG};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

use crate::audit::is_weight_of_zero;

/// Answers below this size, in bytes, are sent as they are.
const SMALLEST: u64 = 1024;

/// Compresses answers with gzip where the client accepts it, except small ones and those with an
/// entity tag: a tag belongs to the bytes, and proxies weaken the tags of compressed answers.
pub(crate) fn layer() -> CompressionLayer<And<SizeAbove, Untagged>> {
    CompressionLayer::new().compress_when(SizeAbove::new(SMALLEST).and(Untagged))
}

/// Keeps of `Accept-Encoding` only whether gzip is accepted. A client that accepts neither gzip nor an
/// answer as it is gets the answer as it is: what it asked for is done already, and a 406 would hide it.
pub(crate) async fn prefer_an_answer(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let is_gzip_accepted = accepts_gzip(values.flat_map(|value| value.split(',')));
    headers.remove(ACCEPT_ENCODING);
    if is_gzip_accepted {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    next.run(request).await
}

/// Returns whether gzip is among the accepted codings. A coding that is named counts more than `*`.
fn accepts_gzip<'a>(codings: impl Iterator<Item = &'a str>) -> bool {
    let (mut gzip, mut any) = (None, None);
    for coding in codings {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_accepted = !parts.any(is_weight_of_zero);
        if name.eq_ignore_ascii_case("gzip") {
            gzip = Some(is_accepted);
        } else if name == "*" {
            any = Some(is_accepted);
        }
    }
    gzip.or(any).unwrap_or(false)
}

/// Whether an answer has no entity tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Untagged;

impl Predicate for Untagged {
    fn should_compress<B>(&self, response: &axum::http::Response<B>) -> bool
    where
        B: http_body::Body,
    {
        !response.headers().contains_key(ETAG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_where_it_is_named_or_everything_is() {
        for (value, expected) in [
            ("", false),
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("identity;q=0", false),
            ("gzip, identity;q=0", true),
        ] {
            assert_eq!(accepts_gzip(value.split(',')), expected, "{value}");
        }
    }
}
