//! The only user of sqlx: bindings, leases, audit events.
