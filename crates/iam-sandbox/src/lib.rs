//! An IAM on loopback that speaks AWS's wire protocol, for development, tests and benchmarks.
