//! The service from outside.

mod creating;
