//! What a replica without requests asks of Postgres.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::installation_of;
use crate::Database;

/// A replica without requests.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    pub transactions_per_second: f64,
    pub seconds: f64,
}

/// The time after which the transactions of the start are counted. An idle process of Postgres reports
/// its last transactions after up to ten seconds (`PGSTAT_IDLE_INTERVAL`).
const START: Duration = Duration::from_secs(13);

/// Counts the transactions of one replica without requests, from the statistics of its database. The
/// observer uses another database, so its own transactions do not count.
///
/// # Panics
/// When the service does not start.
pub async fn idle(binary: &Path, length: Duration) -> Idle {
    let mut installation = installation_of(binary).start().await;
    let observer = Database::new(installation.postgres().url());
    // The transactions of autovacuum's workers would count.
    observer.execute("ALTER SYSTEM SET autovacuum = off").await;
    observer.execute("SELECT pg_reload_conf()").await;
    tokio::time::sleep(START).await;
    let (started, before) = (Instant::now(), transactions(&observer).await);
    tokio::time::sleep(length).await;
    let after = transactions(&observer).await;
    let seconds = started.elapsed().as_secs_f64();
    Idle {
        transactions_per_second: (after - before) / seconds,
        seconds,
    }
}

async fn transactions(observer: &Database) -> f64 {
    #[derive(Deserialize)]
    struct Count {
        ended: f64,
    }
    let ended = "SELECT xact_commit + xact_rollback AS ended FROM pg_stat_database
                 WHERE datname = 'engine_roles'";
    let found: Vec<Count> = observer.rows(ended).await;
    found.first().expect("the database exists").ended
}
