//! What a statement is run for. Every statement begins with a comment that names it, so that an
//! operator sees in `pg_stat_activity` and in Postgres's log what the service is doing.

/// What a worker or a request does with a binding. Its word begins each of its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A request for a role.
    Provision,
    /// A request to remove a role.
    TearDown,
    /// An operator adopts or removes an orphan.
    Orphans,
    /// The reconciler converges a due binding, without a request.
    Reconcile,
}

impl Operation {
    /// Returns the word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::TearDown => "tear_down",
            Self::Orphans => "orphans",
            Self::Reconcile => "reconcile",
        }
    }
}

/// Runs a statement under the comment of its operation, with [`crate::connection::run`] or the macro
/// that is named first. `$statement` is a macro that takes the
/// comment and expands to the query.
macro_rules! run_for {
    ($operation:expr, $store:expr, $fetch:ident, $statement:ident) => {
        $crate::operation::run_for!(run, $operation, $store, $fetch, $statement)
    };
    ($run:ident, $operation:expr, $store:expr, $fetch:ident, $statement:ident) => {
        match $operation {
            $crate::Operation::Provision => {
                $crate::connection::$run!($store, $fetch, $statement!("/* provision */ "))
            }
            $crate::Operation::TearDown => {
                $crate::connection::$run!($store, $fetch, $statement!("/* tear down */ "))
            }
            $crate::Operation::Orphans => {
                $crate::connection::$run!($store, $fetch, $statement!("/* orphans */ "))
            }
            $crate::Operation::Reconcile => {
                $crate::connection::$run!($store, $fetch, $statement!("/* task: reconcile */ "))
            }
        }
    };
}
pub(crate) use run_for;
