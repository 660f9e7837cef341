//! Tests of the store on a real Postgres, with one database per test.

mod api_keys;
mod audit;
mod audit_filters;
mod audit_numbering;
mod audit_partitions;
mod audit_size;
mod audit_tree;
mod budget;
mod console_sessions;
mod counts;
mod heartbeat;
mod intents;
mod leases;
mod login;
mod many_writers;
mod older_release;
mod query_plans;
mod races;
mod raw_events;
mod readiness;
mod reading;
mod rows;
mod side_by_side;
mod sweeps;
mod test_store;
