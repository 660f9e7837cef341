//! Finds, starts and stops a Postgres for development and tests.
