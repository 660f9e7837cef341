//! What the replicas share of the account tasks: who sweeps when, and the orphans that were found.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId, Generation};
use engine_roles_domain::resources::ResourceKind;

use crate::row::{BindingRow, select_binding};
use crate::{Store, StoreError};

/// A sweep of the whole account, done by one replica for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Pass-through roles are attested again.
    Attestation,
    /// All active bindings are compared with AWS.
    Drift,
    /// Resources that no binding accounts for are looked for.
    Orphans,
}

impl Sweep {
    /// The word in the database.
    fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Drift => "drift",
            Self::Orphans => "orphans",
        }
    }
}

/// An AWS resource with our path that no binding accounts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOrphan {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name at AWS.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

/// An orphan as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name at AWS.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When a sweep first found it.
    pub found_at: DateTime<Utc>,
}

impl Store {
    /// Takes the turn at a sweep, if it is due: one replica, once an interval. The very first turn
    /// is due an interval after a replica first asks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_turn(&self, sweep: Sweep, interval: Duration) -> Result<bool, StoreError> {
        let taken = sqlx::query!(
            r#"WITH clock AS MATERIALIZED (SELECT service_now() AS now),
               first AS (
                   INSERT INTO sweeps (namespace, kind, next_at)
                   SELECT $1, $2, now + make_interval(secs => $3) FROM clock
                   ON CONFLICT (namespace, kind) DO NOTHING
               )
               UPDATE sweeps s SET next_at = clock.now + make_interval(secs => $3)
               FROM clock
               WHERE s.namespace = $1 AND s.kind = $2 AND s.next_at <= clock.now
               RETURNING s.kind"#,
            self.namespace.as_str(),
            sweep.as_str(),
            interval.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(taken.is_some())
    }

    /// The bindings that made, or would make, resources of these names.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn by_resource_name(&self, names: &[String]) -> Result<Vec<Binding>, StoreError> {
        let rows = select_binding!(
            "WHERE b.namespace = $1 AND b.resource_name = ANY($2)",
            self.namespace.as_str(),
            names,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(BindingRow::into_binding).collect()
    }

    /// Makes these bindings due now, unless somebody has the lease on them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_due(&self, ids: &[BindingId]) -> Result<(), StoreError> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        sqlx::query!(
            "UPDATE bindings SET due_at = service_now()
             WHERE id = ANY($1) AND (lease_until IS NULL OR lease_until <= service_now())",
            &ids,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records the orphans that a whole listing found, and forgets those that it did not find
    /// again. Returns the names of new ones.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn report_orphans(&self, found: &[FoundOrphan]) -> Result<Vec<String>, StoreError> {
        let kinds = found.iter().map(|orphan| orphan.kind.as_str().to_owned());
        let kinds: Vec<String> = kinds.collect();
        let names: Vec<String> = found.iter().map(|orphan| orphan.name.clone()).collect();
        let arns: Vec<String> = found.iter().map(|orphan| orphan.arn.clone()).collect();
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "DELETE FROM orphans o
             WHERE o.namespace = $1 AND NOT EXISTS (
                 SELECT 1 FROM unnest($2::text[], $3::text[]) AS seen (kind, name)
                 WHERE seen.kind = o.kind AND seen.name = o.name)",
            self.namespace.as_str(),
            &kinds,
            &names,
        )
        .execute(&mut *tx)
        .await?;
        let fresh = sqlx::query!(
            "INSERT INTO orphans (namespace, kind, name, arn, found_at)
             SELECT $1, seen.kind, seen.name, seen.arn, service_now()
             FROM unnest($2::text[], $3::text[], $4::text[]) AS seen (kind, name, arn)
             ON CONFLICT (namespace, kind, name) DO NOTHING
             RETURNING name",
            self.namespace.as_str(),
            &kinds,
            &names,
            &arns,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(fresh.into_iter().map(|row| row.name).collect())
    }

    /// Returns the orphans that the last sweep found.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let rows = sqlx::query!(
            "SELECT kind, name, arn, found_at FROM orphans WHERE namespace = $1
             ORDER BY name, kind",
            self.namespace.as_str(),
        )
        .fetch_all(&self.pool)
        .await?;
        let orphans = rows.into_iter().filter_map(|row| {
            Some(Orphan {
                // The table's own check admits no other word.
                kind: row.kind.parse().ok()?,
                name: row.name,
                arn: row.arn,
                found_at: row.found_at,
            })
        });
        Ok(orphans.collect())
    }

    /// Forgets an orphan that was removed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_orphan(&self, name: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM orphans WHERE namespace = $1 AND name = $2",
            self.namespace.as_str(),
            name,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Counts the live bindings that belong to another account or partition than this.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_of_other_accounts(&self, here: &Scope) -> Result<i64, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!" FROM bindings
               WHERE namespace = $1 AND live AND (account_id, aws_partition) <> ($2, $3)"#,
            self.namespace.as_str(),
            here.account.as_str(),
            here.partition.as_str(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.count)
    }

    /// The database's time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let row = sqlx::query!(r#"SELECT service_now() AS "now!""#)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.now)
    }

    /// Records that these active bindings were read and are as meant, if their intent is still
    /// the same and nobody works on them; they are looked at again after the interval.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verified(
        &self,
        sound: &[(BindingId, Generation)],
        interval: Duration,
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = sound.iter().map(|(id, _)| id.0).collect();
        let generations: Vec<_> = sound.iter().map(|(_, generation)| *generation).collect();
        sqlx::query!(
            "UPDATE bindings b
             SET verified_at = clock.now, due_at = clock.now + make_interval(secs => $3)
             FROM unnest($1::uuid[], $2::bigint[]) AS sound (id, generation),
                  (SELECT service_now() AS now) clock
             WHERE b.id = sound.id AND b.generation = sound.generation
               AND b.state = 'active' AND b.lease_token IS NULL",
            &ids,
            &generations,
            interval.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Active bindings with something of ours at AWS, past their consistency window, that are
    /// none of `seen`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn active_unseen(&self, seen: &[BindingId]) -> Result<Vec<BindingId>, StoreError> {
        let seen: Vec<_> = seen.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            "SELECT id FROM bindings
             WHERE namespace = $1 AND state = 'active' AND profile @> '{\"managed\": true}'
               AND (reads_settle_at IS NULL OR reads_settle_at <= service_now())
               AND NOT (id = ANY($2))",
            self.namespace.as_str(),
            &seen,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| BindingId(row.id)).collect())
    }
}
