//! Tests of the store on a real Postgres, with one database per test.

mod audit;
mod intents;
mod leases;
mod readiness;
mod reading;
mod rows;
mod test_store;
