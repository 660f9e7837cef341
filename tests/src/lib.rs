//! The whole service from outside, over HTTP.
