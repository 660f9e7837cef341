//! The whole service from outside: the real binary as a process, over HTTP, on a database and a
//! sandbox of its own.
//!
//! The wall exists so that nothing here can reach inside. What the tests know of the service is
//! what it answers, what it logs, what it leaves in the database, and which calls reached IAM.
//!
//! [`Installation::start`] gives a running service. At the end of a test
//! [`Installation::assert_sound`] runs the [`checker`] over what the database and the sandbox hold.

pub mod administrator;
pub mod binary;
pub mod chaos;
pub mod checker;
pub mod client;
pub mod database;
pub mod identity;
pub mod installation;
pub mod kill_points;
pub mod log;
pub mod policy_documents;
pub mod polling;
pub mod postgres_proxy;
mod process_reaper;
pub mod random;
pub mod service;
pub mod stages;

pub use administrator::Administrator;
pub use client::{Answer, Client};
pub use database::Database;
pub use installation::{Installation, InstallationBuilder};
pub use polling::eventually;
pub use service::Service;
pub use stages::stages_of;
