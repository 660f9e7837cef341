//! The whole service from outside: the real binary as a process, over HTTP, on a database and a
//! sandbox of its own.
//!
//! The wall exists so that nothing here can reach inside. What the tests know of the service is
//! what it answers, what it logs, what it leaves in the database, and which calls reached IAM.
//!
//! [`World::start`] gives a running service. At the end of a test [`World::assert_sound`] runs
//! the [`checker`] over what the database and the sandbox hold.

pub mod administrator;
pub mod binary;
pub mod chaos;
pub mod checker;
pub mod client;
pub mod database;
pub mod dice;
pub mod identity;
pub mod kill_points;
pub mod log;
pub mod patience;
pub mod postgres_proxy;
pub mod rest;
pub mod service;
pub mod stages;
mod undertaker;
pub mod world;

pub use administrator::Administrator;
pub use client::{Answer, Client};
pub use database::Database;
pub use patience::eventually;
pub use service::Service;
pub use stages::stages_of;
pub use world::{World, WorldBuilder};
