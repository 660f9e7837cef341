//! Pass-through roles: what the last read of IAM returned about them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::AccountId;
use engine_roles_domain::audit::{Cause, InstallationEvent};
use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::prepared::HeldRole;
use serde_json::Value;

use crate::audit::append;
use crate::connection::run;
use crate::row::to_json;
use crate::{Store, StoreError};

/// What the last read of a pass-through role returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// No read of the role was ever answered.
    Never,
    /// The role does not exist.
    Absent,
    /// The role and its policy documents.
    Held(Arc<HeldRole>),
    /// What the caller has seen already.
    AsSeen,
}

/// The record of a pass-through role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedRole {
    /// What the last read that IAM answered returned.
    pub reading: Reading,
    /// When IAM answered that read; none when it never answered one.
    pub read_at: Option<DateTime<Utc>>,
    /// Whether that read is as recent as the caller requires.
    pub fresh: bool,
    /// Why the last attempt to read the role failed; none when it succeeded.
    pub unread: Option<String>,
    /// When the last attempt to read the role was made.
    pub tried_at: DateTime<Utc>,
}

impl Store {
    /// Returns the record of a pass-through role, which is fresh when the role was read within the
    /// last `age`. Returns none when no attempt to read the role was recorded. The documents, which may
    /// be long, are left out if the last answered read is the one that the caller has seen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prepared_role(
        &self,
        account: &AccountId,
        role: &RoleReference,
        age: Duration,
        seen: Option<DateTime<Utc>>,
    ) -> Result<Option<PreparedRole>, StoreError> {
        let row = run!(
            self,
            fetch_optional,
            sqlx::query!(
                r#"/* attestation */ SELECT CASE WHEN read_at = $5 THEN NULL ELSE held END AS held,
                          read_at, unread, tried_at,
                          COALESCE(read_at > service_now() - make_interval(secs => $4), false)
                              AS "fresh!"
                   FROM prepared_roles WHERE namespace = $1 AND account_id = $2 AND role = $3"#,
                self.namespace.as_str(),
                account.as_str(),
                role.to_string(),
                age.as_secs_f64(),
                seen,
            )
        )?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(PreparedRole {
            reading: match row.held {
                Some(held) => reading(held),
                None if row.read_at.is_some() && row.read_at == seen => Reading::AsSeen,
                None => Reading::Never,
            },
            read_at: row.read_at,
            fresh: row.fresh,
            unread: row.unread,
            tried_at: row.tried_at,
        }))
    }

    /// Records what IAM returned about a pass-through role. `held` is none when the role does not
    /// exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_reading(
        &self,
        account: &AccountId,
        role: &RoleReference,
        held: Option<&HeldRole>,
    ) -> Result<(), StoreError> {
        let held = held.map_or(Value::Null, to_json);
        run!(
            self,
            execute,
            sqlx::query!(
                "/* attestation */
                 INSERT INTO prepared_roles (namespace, account_id, role, held, read_at, tried_at)
                 SELECT $1, $2, $3, $4, now, now FROM service_now() AS now
                 ON CONFLICT (namespace, account_id, role) DO UPDATE
                 SET held = $4, read_at = EXCLUDED.read_at, unread = NULL,
                     tried_at = EXCLUDED.tried_at",
                self.namespace.as_str(),
                account.as_str(),
                role.to_string(),
                held,
            )
        )?;
        Ok(())
    }

    /// Records that a pass-through role could not be read. What was read before is kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_unread(
        &self,
        account: &AccountId,
        role: &RoleReference,
        reason: &str,
    ) -> Result<(), StoreError> {
        run!(
            self,
            execute,
            sqlx::query!(
                "/* attestation */
                 INSERT INTO prepared_roles (namespace, account_id, role, unread, tried_at)
                 VALUES ($1, $2, $3, $4, service_now())
                 ON CONFLICT (namespace, account_id, role) DO UPDATE
                 SET unread = $4, tried_at = EXCLUDED.tried_at",
                self.namespace.as_str(),
                account.as_str(),
                role.to_string(),
                reason,
            )
        )?;
        Ok(())
    }

    /// Records the verdict about a pass-through role, with an event in the audit log, if it is another
    /// one than the last recorded one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_verdict(
        &self,
        account: &AccountId,
        role: &RoleReference,
        verdict: &str,
        reasons: &str,
    ) -> Result<(), StoreError> {
        let event = InstallationEvent::RoleAttested {
            role: role.to_string(),
            verdict: verdict.to_owned(),
            reasons: reasons.to_owned(),
        };
        run!(
            self,
            fetch_optional,
            sqlx::query!(
                r#"/* attestation */
                 WITH changed AS (
                     UPDATE prepared_roles SET verdict = $4
                     WHERE namespace = $1 AND account_id = $2 AND role = $3
                       AND verdict IS DISTINCT FROM $4
                     RETURNING namespace
                 )
                 SELECT true AS "is_changed!" FROM changed
                 WHERE audit_append($5, service_now(), $1, NULL, NULL, NULL, NULL, NULL)"#,
                self.namespace.as_str(),
                account.as_str(),
                role.to_string(),
                verdict,
                append::of_installation(&Cause::reconciler(), &event),
            )
        )?;
        Ok(())
    }

    /// Returns the name of an active role that this service created in an account; none when none of
    /// the first hundred active roles is in this account.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn some_created_role(
        &self,
        account: &AccountId,
    ) -> Result<Option<String>, StoreError> {
        let row = run!(
            self,
            fetch_optional,
            sqlx::query!(
                r#"/* capabilities */ SELECT first.resource_name FROM (
                     SELECT resource_name, account_id FROM bindings
                     WHERE namespace = $1 AND newest AND state = 'active' AND live
                       AND mode = 'create'
                     ORDER BY drifted, cluster COLLATE "C" LIMIT 100
                 ) first
                 WHERE first.account_id = $2 LIMIT 1"#,
                self.namespace.as_str(),
                account.as_str(),
            )
        )?;
        Ok(row.map(|row| row.resource_name))
    }
}

// A value that an older release wrote and this one can't read counts as never read.
fn reading(held: Value) -> Reading {
    match serde_json::from_value(held) {
        Ok(Some(held)) => Reading::Held(Arc::new(held)),
        Ok(None) => Reading::Absent,
        Err(_) => Reading::Never,
    }
}
