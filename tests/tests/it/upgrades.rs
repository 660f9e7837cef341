//! Upgrades, replicas of two releases side by side, and databases that were restored from a backup.
//!
//! `upgrading` has the upgrade from an early version with an older schema.

mod backups;
mod last_release;
mod side_by_side;
