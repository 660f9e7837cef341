//! The sessions of the console.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::caller::{ClusterPrefix, KeyId, KeyScopes};
use uuid::Uuid;

use crate::api_keys::KeyHash;
use crate::connection::{read, run};
use crate::row::corrupt;
use crate::{Store, StoreError};

/// How many sessions one key can have at the same time. A further one ends the oldest.
const MOST_OF_ONE_KEY: i64 = 20;
/// For how many seconds a session is kept after it has expired, so that its holder is told that it has.
const KEEP_EXPIRED: f64 = 600.0;

/// The SHA-256 of a session's token.
pub type SessionHash = [u8; 32];

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewConsoleSession {
    /// Names the session in logs.
    pub id: Uuid,
    /// The SHA-256 of the session's token.
    pub hash: SessionHash,
    /// The key with which somebody signed in; none for the key in the configuration.
    pub key: Option<KeyId>,
    /// The SHA-256 of that key.
    pub key_hash: KeyHash,
    /// What the session permits.
    pub scopes: KeyScopes,
    /// The clusters that the session shows; none for all.
    pub prefix: Option<ClusterPrefix>,
    /// How long the session lasts. It ends earlier if its key expires.
    pub valid_for: Duration,
    /// The token of the session that the new one takes the place of; none where it takes the place of none.
    pub replaces: Option<SessionHash>,
}

/// A session of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSession {
    /// Names the session in logs.
    pub id: Uuid,
    /// The SHA-256 of the key with which somebody signed in.
    pub key_hash: KeyHash,
    /// What the session permits.
    pub scopes: KeyScopes,
    /// The clusters that the session shows; none for all.
    pub prefix: Option<ClusterPrefix>,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
    /// How long the session still lasts by the database's time; none where it has expired.
    pub valid_for: Option<Duration>,
}

impl Store {
    /// Begins a session, ends the one that it replaces and the oldest sessions of its key where there are too
    /// many, and deletes expired ones. Returns when the session ends.
    ///
    /// # Errors
    /// When the database does not answer, or the key was deleted.
    pub async fn begin_console_session(
        &self,
        session: &NewConsoleSession,
    ) -> Result<DateTime<Utc>, StoreError> {
        let scopes = session.scopes.iter().map(|it| it.as_str().to_owned());
        let scopes: Vec<String> = scopes.collect();
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                "/* console */
                 WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                 replaced AS (
                     DELETE FROM console_sessions WHERE namespace = $2 AND sha256 = $11
                 ),
                 too_many AS (
                     DELETE FROM console_sessions WHERE sha256 IN (
                         SELECT sha256 FROM console_sessions
                         WHERE namespace = $2 AND key_sha256 = $4 AND sha256 IS DISTINCT FROM $11
                         ORDER BY created_at DESC OFFSET $8)
                 ),
                 expired AS (
                     DELETE FROM console_sessions
                     WHERE namespace = $2
                       AND expires_at <= service_now() - make_interval(secs => $9)
                 )
                 INSERT INTO console_sessions
                     (sha256, id, namespace, key_id, key_sha256, scopes, cluster_prefix,
                      created_at, expires_at)
                 SELECT $1, $10, $2, $3, $4, $5, $6, clock.now,
                        LEAST(clock.now + make_interval(secs => $7),
                              (SELECT k.expires_at FROM api_keys k WHERE k.id = $3))
                 FROM clock
                 RETURNING expires_at",
                &session.hash[..],
                self.namespace.as_str(),
                session.key.map(|key| key.0),
                &session.key_hash[..],
                &scopes,
                session.prefix.as_ref().map(ClusterPrefix::as_str),
                session.valid_for.as_secs_f64(),
                MOST_OF_ONE_KEY - 1,
                KEEP_EXPIRED,
                session.id,
                session.replaces.as_ref().map(|hash| &hash[..]),
            )
        )?;
        Ok(row.expires_at)
    }

    /// Returns the session of a token; none where there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn console_session(
        &self,
        hash: &SessionHash,
    ) -> Result<Option<ConsoleSession>, StoreError> {
        let row = read!(
            self,
            fetch_optional,
            sqlx::query!(
                r#"/* console */
                 SELECT id, key_sha256, scopes, cluster_prefix, expires_at,
                        EXTRACT(EPOCH FROM expires_at - service_now())::float8 AS "seconds_left!"
                 FROM console_sessions WHERE sha256 = $1 AND namespace = $2"#,
                &hash[..],
                self.namespace.as_str(),
            )
        )?;
        let Some(row) = row else {
            return Ok(None);
        };
        let id = row.id;
        let key_hash = row.key_sha256.as_slice().try_into();
        let prefix = row.cluster_prefix.as_deref().map(ClusterPrefix::parse);
        let left = (row.seconds_left > 0.0).then_some(row.seconds_left);
        Ok(Some(ConsoleSession {
            id,
            key_hash: key_hash.map_err(|error| corrupt(id, "key_sha256", error))?,
            scopes: KeyScopes::parse(row.scopes.iter().map(String::as_str))
                .map_err(|error| corrupt(id, "scopes", error))?,
            prefix: prefix
                .transpose()
                .map_err(|error| corrupt(id, "cluster_prefix", error))?,
            expires_at: row.expires_at,
            valid_for: left.map(|left| Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)),
        }))
    }

    /// Ends a session. Returns false where there was none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_console_session(&self, hash: &SessionHash) -> Result<bool, StoreError> {
        let deleted = run!(
            self,
            execute,
            sqlx::query!(
                "/* console */ DELETE FROM console_sessions WHERE sha256 = $1 AND namespace = $2",
                &hash[..],
                self.namespace.as_str(),
            )
        )?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Deletes the sessions that have expired long enough ago. Returns how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_expired_console_sessions(&self) -> Result<u64, StoreError> {
        let deleted = run!(
            self,
            execute,
            sqlx::query!(
                "/* console */ DELETE FROM console_sessions
                 WHERE namespace = $1 AND expires_at <= service_now() - make_interval(secs => $2)",
                self.namespace.as_str(),
                KEEP_EXPIRED,
            )
        )?;
        Ok(deleted.rows_affected())
    }
}
