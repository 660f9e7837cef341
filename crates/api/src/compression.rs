//! Compression of answers for clients that accept it.

use axum::http::header::ETAG;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

/// Answers below this size, in bytes, are sent as they are.
const SMALLEST: u64 = 1024;

/// Compresses answers with gzip where the client accepts it, except small ones and those with an
/// entity tag: a tag belongs to the bytes, and proxies weaken the tags of compressed answers.
pub(crate) fn layer() -> CompressionLayer<And<SizeAbove, Untagged>> {
    CompressionLayer::new().compress_when(SizeAbove::new(SMALLEST).and(Untagged))
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
