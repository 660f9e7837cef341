//! Whether the database keeps what it has confirmed.

use crate::connection::read;
use crate::{Store, StoreError};

/// The version of the database, and the settings on which durability depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// The version of Postgres, as the server states it.
    pub server_version: String,
    /// `synchronous_commit` of this service's sessions.
    pub synchronous_commit: String,
    /// `fsync` of the server.
    pub fsync: String,
    /// `full_page_writes` of the server.
    pub full_page_writes: String,
}

impl Durability {
    /// Returns what can be lost, in a sentence each; nothing where the settings are safe.
    pub fn risks(&self) -> Vec<&'static str> {
        let mut risks = Vec::new();
        if self.synchronous_commit == "off" {
            risks.push(
                "synchronous_commit is off: a crash of the server loses the last commits, and a \
                 role whose record is lost is reported as an unknown orphan",
            );
        }
        if self.fsync == "off" || self.full_page_writes == "off" {
            risks.push(
                "fsync or full_page_writes is off: a crash of the server's machine can destroy the \
                 database",
            );
        }
        risks
    }
}

impl Store {
    /// Reads the version and the settings on which durability depends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        let (server_version, synchronous_commit, fsync, full_page_writes) = read!(
            self,
            fetch_one,
            sqlx::query_as::<_, (String, String, String, String)>(
                "/* check */ SELECT current_setting('server_version'), current_setting('synchronous_commit'),
                        current_setting('fsync'), current_setting('full_page_writes')",
            )
        )?;
        Ok(Durability {
            server_version,
            synchronous_commit,
            fsync,
            full_page_writes,
        })
    }
}
