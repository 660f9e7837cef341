//! The store against a real Postgres, a database a test.

mod audit;
mod intents;
mod leases;
mod readiness;
mod reading;
mod rows;
mod test_store;
