//! Support for the end-to-end tests: each test runs the real binary as a process, over HTTP, with
//! its own database and its own IAM sandbox.
//!
//! This crate is separate so that no test can use the service's internals. A test sees only what
//! the service answers and logs, what it writes to the database, and which calls reach IAM.
//!
//! [`Installation::start`] returns a running service. At the end of a test,
//! [`Installation::assert_sound`] runs the [`checker`] over the database and the sandbox.

pub mod administrator;
pub mod aws_login;
pub mod aws_proxy;
pub mod binary;
pub mod chaos;
pub mod checker;
pub mod client;
pub(crate) mod container;
pub mod credential_source;
pub mod database;
pub mod identity;
pub mod installation;
pub mod kill_points;
pub mod log;
mod loopback;
pub mod measuring;
pub mod older_release;
pub mod policy_documents;
pub mod polling;
pub mod pooler;
pub mod postgres_proxy;
mod process_reaper;
pub mod random;
pub mod raw_connection;
pub mod rds_login;
pub mod release_dump;
pub mod service;
pub mod slow_clients;
pub mod stages;
pub mod statements;
pub mod tls;
pub mod trace_collector;

pub use administrator::Administrator;
pub use aws_proxy::AwsProxy;
pub use client::{Answer, Client};
pub use credential_source::CredentialSource;
pub use database::Database;
pub use installation::{Installation, InstallationBuilder};
pub use polling::{eventually, within_one_hour};
pub use raw_connection::{RawAnswer, RawConnection};
pub use service::Service;
pub use stages::stages_of;
pub use tls::TlsFiles;
pub use trace_collector::TraceCollector;
