//! The settings of the server for the connections: time limits for statements, and how they are planned.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::database::Pooler;

/// The server's own time limits for the statements of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest time that a statement may wait for a lock.
    pub(crate) lock: Duration,
    /// The longest time that a statement may take, and that a transaction may be idle.
    pub(crate) statement: Duration,
}

/// The limits of requests and background tasks.
pub(crate) const LIMITS: Limits = Limits {
    lock: Duration::from_secs(3),
    statement: Duration::from_secs(8),
};

/// Has a kept statement planned once, for all values of its parameters.
///
/// By itself, Postgres plans a list anew at each execution, because it expects that a limit it does not
/// know yet is a tenth of all rows. Among a million bindings, this takes as long as the list. The test of
/// the plans shows that every query finds its rows by an index with such a plan, too.
const PLANNED_ONCE: (&str, &str) = ("plan_cache_mode", "force_generic_plan");

impl Limits {
    fn settings(self) -> [(&'static str, String); 3] {
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        [
            ("lock_timeout", milliseconds(self.lock)),
            ("statement_timeout", milliseconds(self.statement)),
            (
                "idle_in_transaction_session_timeout",
                milliseconds(self.statement),
            ),
        ]
    }

    /// Adds the settings to the parameters with which a connection begins. A pooler refuses these, so
    /// behind one they are set on the open connection, or at the beginning of each transaction.
    pub(crate) fn at_startup(self, options: PgConnectOptions, pooler: Pooler) -> PgConnectOptions {
        match pooler {
            Pooler::None => options.options(self.settings()).options([PLANNED_ONCE]),
            Pooler::Session | Pooler::Transaction => options,
        }
    }

    fn as_sql(self, set: &str) -> String {
        let settings = self.settings().into_iter();
        let settings = settings.map(|(name, value)| format!("{set} {name} = {value};"));
        settings.collect::<Vec<_>>().join(" ")
    }

    /// What makes the settings for the rest of a session, if they can't be made at its beginning.
    pub(crate) fn for_session(self, pooler: Pooler) -> Option<String> {
        let (name, value) = PLANNED_ONCE;
        let sql = || format!("{} SET {name} = {value}", self.as_sql("SET"));
        (pooler == Pooler::Session).then(sql)
    }

    /// What begins a transaction with these limits. Its statements are not kept.
    pub(crate) fn begin(self) -> String {
        format!("BEGIN; {}", self.as_sql("SET LOCAL"))
    }
}
