//! The server's time limits for statements.

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

    /// Adds the limits to the parameters with which a connection begins. A pooler refuses these, so
    /// behind one they are set on the open connection, or at the beginning of each transaction.
    pub(crate) fn at_startup(self, options: PgConnectOptions, pooler: Pooler) -> PgConnectOptions {
        match pooler {
            Pooler::None => options.options(self.settings()),
            Pooler::Session | Pooler::Transaction => options,
        }
    }

    fn as_sql(self, set: &str) -> String {
        let settings = self.settings().into_iter();
        let settings = settings.map(|(name, value)| format!("{set} {name} = {value};"));
        settings.collect::<Vec<_>>().join(" ")
    }

    /// What sets the limits for the rest of a session, if they can't be set at its beginning.
    pub(crate) fn for_session(self, pooler: Pooler) -> Option<String> {
        (pooler == Pooler::Session).then(|| self.as_sql("SET"))
    }

    /// What begins a transaction with these limits.
    pub(crate) fn begin(self) -> String {
        format!("BEGIN; {}", self.as_sql("SET LOCAL"))
    }
}
