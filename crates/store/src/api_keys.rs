//! API keys and tokens: their hashes, and what changed since they were last read.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::audit::{Cause, InstallationEvent};
use engine_roles_domain::caller::{AwsIdentity, ClusterPrefix, KeyId, KeyName, KeyScopes};
use uuid::Uuid;

use crate::audit::append;
use crate::connection::{read, run};
use crate::row::corrupt;
use crate::{Store, StoreError};

/// The SHA-256 of a key's text.
pub type KeyHash = [u8; 32];

/// A key that is created.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// The id of the key.
    pub id: KeyId,
    /// The name, which the audit log shows as the actor.
    pub name: KeyName,
    /// The SHA-256 of the key's text.
    pub hash: KeyHash,
    /// What the key permits.
    pub scopes: KeyScopes,
    /// The clusters that the key is limited to; none for all.
    pub prefix: Option<ClusterPrefix>,
    /// How long the key is valid; none for ever. A token always expires.
    pub valid_for: Option<Duration>,
    /// The AWS identity to which a token belongs; none for a key.
    pub identity: Option<AwsIdentity>,
    /// The ids of the calls to AWS that confirmed the identity, for the event; none for a key.
    pub aws_request_ids: Vec<String>,
}

/// The record of a key, without its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The id of the key.
    pub id: KeyId,
    /// The name, which the audit log shows as the actor.
    pub name: KeyName,
    /// What the key permits.
    pub scopes: KeyScopes,
    /// The clusters that the key is limited to; none for all.
    pub prefix: Option<ClusterPrefix>,
    /// The database's time when the key was created.
    pub created_at: DateTime<Utc>,
    /// When the key stops being valid; none where it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the key was revoked; none where it was not.
    pub revoked_at: Option<DateTime<Utc>>,
    /// At most one hour before the last request with the key; none where there was none.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The AWS identity to which a token belongs; none for a key.
    pub identity: Option<AwsIdentity>,
}

/// A key that was created or revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The SHA-256 of the key's text.
    pub hash: KeyHash,
    /// The record of the key.
    pub key: ApiKeyRecord,
    /// How long the key is still valid by the database's time; none where it does not expire.
    pub valid_for: Option<Duration>,
}

/// What changed of an installation's keys.
#[derive(Clone, Debug, Default)]
pub struct KeyChanges {
    /// The keys that changed, in the order of their last changes.
    pub changes: Vec<KeyChange>,
    /// The number of the last change.
    pub version: i64,
}

struct KeyRow {
    id: Uuid,
    name: String,
    scopes: Vec<String>,
    cluster_prefix: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    principal: Option<String>,
}

impl Store {
    /// Creates a key, with its event in the audit log. Returns the record of the key.
    ///
    /// # Errors
    /// When the database does not answer, or the installation has a key with this hash already.
    pub async fn create_api_key(
        &self,
        key: &NewApiKey,
        cause: &Cause,
    ) -> Result<ApiKeyRecord, StoreError> {
        let event = InstallationEvent::KeyCreated {
            key_id: key.id,
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            cluster_prefix: key.prefix.clone(),
            valid_seconds: key.valid_for.map(|valid_for| valid_for.as_secs()),
        };
        let event = append::of_installation_after(cause, &key.aws_request_ids, &event);
        let scopes: Vec<String> = key.scopes.iter().map(|it| it.as_str().to_owned()).collect();
        let row = run!(
            self,
            fetch_one,
            sqlx::query_as!(
                KeyRow,
                "/* keys */
                 WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                 change AS (
                     INSERT INTO api_key_versions (namespace, version) VALUES ($2, 1)
                     ON CONFLICT (namespace) DO UPDATE SET version = api_key_versions.version + 1
                     RETURNING version
                 ),
                 created AS (
                     INSERT INTO api_keys (id, namespace, name, sha256, scopes, cluster_prefix,
                                           created_at, expires_at, version, principal)
                     SELECT $1, $2, $3, $4, $5, $6, clock.now,
                            clock.now + make_interval(secs => $7), change.version, $8
                     FROM clock, change
                     RETURNING id, name, scopes, cluster_prefix, created_at, expires_at,
                               revoked_at, last_used_at, principal
                 )
                 SELECT created.* FROM created
                 WHERE audit_append($9, created.created_at, $2, NULL, NULL, NULL, NULL, NULL)",
                key.id.0,
                self.namespace.as_str(),
                key.name.as_str(),
                &key.hash[..],
                &scopes,
                key.prefix.as_ref().map(ClusterPrefix::as_str),
                key.valid_for.map(|valid_for| valid_for.as_secs_f64()) as Option<f64>,
                key.identity.as_ref().map(AwsIdentity::arn),
                event,
            )
        )?;
        row.into_record()
    }

    /// Returns all keys and tokens of the installation, oldest first, revoked and expired ones included.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRecord>, StoreError> {
        let rows = read!(
            self,
            fetch_all,
            sqlx::query_as!(
                KeyRow,
                "/* keys */ SELECT id, name, scopes, cluster_prefix, created_at, expires_at,
                        revoked_at, last_used_at, principal
                 FROM api_keys WHERE namespace = $1 ORDER BY created_at, id",
                self.namespace.as_str(),
            )
        )?;
        rows.into_iter().map(KeyRow::into_record).collect()
    }

    /// Revokes a key, with its event in the audit log. All replicas refuse the key within two seconds.
    /// Returns its record; none where it was revoked already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revoke_api_key(
        &self,
        key: &ApiKeyRecord,
        cause: &Cause,
    ) -> Result<Option<ApiKeyRecord>, StoreError> {
        let event = InstallationEvent::KeyRevoked {
            key_id: key.id,
            name: key.name.clone(),
        };
        let event = append::of_installation(cause, &event);
        let row = run!(
            self,
            fetch_optional,
            sqlx::query_as!(
                KeyRow,
                "/* keys */
                 WITH change AS (
                     INSERT INTO api_key_versions (namespace, version) VALUES ($2, 1)
                     ON CONFLICT (namespace) DO UPDATE SET version = api_key_versions.version + 1
                     RETURNING version
                 ),
                 revoked AS (
                     UPDATE api_keys SET revoked_at = service_now(), version = change.version
                     FROM change WHERE id = $1 AND namespace = $2 AND revoked_at IS NULL
                     RETURNING id, name, scopes, cluster_prefix, created_at, expires_at,
                               revoked_at, last_used_at, principal
                 )
                 SELECT revoked.* FROM revoked
                 WHERE audit_append($3, revoked.revoked_at, $2, NULL, NULL, NULL, NULL, NULL)",
                key.id.0,
                self.namespace.as_str(),
                event,
            )
        )?;
        row.map(KeyRow::into_record).transpose()
    }

    /// Returns the keys that changed after the change with this number; all keys for 0.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_key_changes(&self, after: i64) -> Result<KeyChanges, StoreError> {
        let rows = read!(
            self,
            fetch_all,
            sqlx::query!(
                r#"/* keys */ SELECT id, name, sha256, scopes, cluster_prefix, created_at, expires_at,
                          revoked_at, last_used_at, principal, version,
                          EXTRACT(EPOCH FROM expires_at - service_now())::float8 AS seconds_left
                   FROM api_keys WHERE namespace = $1 AND version > $2 ORDER BY version"#,
                self.namespace.as_str(),
                after,
            )
        )?;
        let version = rows.last().map_or(after, |row| row.version);
        let changes = rows.into_iter().map(|row| {
            let hash = row.sha256.as_slice().try_into();
            let seconds = row.seconds_left.map(|seconds| seconds.max(0.0));
            let key = KeyRow {
                id: row.id,
                name: row.name,
                scopes: row.scopes,
                cluster_prefix: row.cluster_prefix,
                created_at: row.created_at,
                expires_at: row.expires_at,
                revoked_at: row.revoked_at,
                last_used_at: row.last_used_at,
                principal: row.principal,
            };
            Ok(KeyChange {
                hash: hash.map_err(|error| corrupt(row.id, "sha256", error))?,
                key: key.into_record()?,
                valid_for: seconds
                    .map(|it| Duration::try_from_secs_f64(it).unwrap_or(Duration::MAX)),
            })
        });
        Ok(KeyChanges {
            changes: changes.collect::<Result<_, StoreError>>()?,
            version,
        })
    }

    /// Deletes the tokens that expired at least this long ago. Returns how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_expired_tokens(&self, ago: Duration) -> Result<u64, StoreError> {
        let deleted = run!(
            self,
            execute,
            sqlx::query!(
                "/* keys */ DELETE FROM api_keys
                 WHERE namespace = $1 AND principal IS NOT NULL
                   AND expires_at <= service_now() - make_interval(secs => $2)",
                self.namespace.as_str(),
                ago.as_secs_f64(),
            )
        )?;
        Ok(deleted.rows_affected())
    }

    /// Records that these keys were used, each so long ago. A key whose recorded use is within the last
    /// hour is not written again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_api_keys_used(&self, keys: &[(KeyId, Duration)]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = keys.iter().map(|(key, _)| key.0).collect();
        let ages: Vec<f64> = keys.iter().map(|(_, age)| age.as_secs_f64()).collect();
        run!(
            self,
            execute,
            sqlx::query!(
                "/* keys */ UPDATE api_keys k
                 SET last_used_at = service_now() - make_interval(secs => used.age)
                 FROM unnest($1::uuid[], $3::float8[]) AS used (id, age)
                 WHERE k.id = used.id AND k.namespace = $2
                   AND COALESCE(k.last_used_at < service_now() - interval '1 hour', true)",
                &ids,
                self.namespace.as_str(),
                &ages,
            )
        )?;
        Ok(())
    }
}

impl KeyRow {
    fn into_record(self) -> Result<ApiKeyRecord, StoreError> {
        let id = self.id;
        let prefix = self.cluster_prefix.as_deref().map(ClusterPrefix::parse);
        let scopes = KeyScopes::parse(self.scopes.iter().map(String::as_str));
        let identity = self.principal.map(|arn| {
            let identity = AwsIdentity::of_arn(&arn);
            identity.ok_or_else(|| corrupt(id, "principal", UnknownIdentity))
        });
        Ok(ApiKeyRecord {
            id: KeyId(id),
            name: KeyName::parse(&self.name).map_err(|error| corrupt(id, "name", error))?,
            scopes: scopes.map_err(|error| corrupt(id, "scopes", error))?,
            prefix: prefix
                .transpose()
                .map_err(|error| corrupt(id, "cluster_prefix", error))?,
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            last_used_at: self.last_used_at,
            identity: identity.transpose()?,
        })
    }
}

/// The ARN of a token is not that of an identity which this release knows.
#[derive(Debug, thiserror::Error)]
#[error("not the ARN of a session or a user")]
struct UnknownIdentity;
