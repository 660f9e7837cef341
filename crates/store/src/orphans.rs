//! Orphans that sweeps found: AWS resources with our path that no binding accounts for.

use chrono::{DateTime, Utc};
use engine_roles_domain::resources::ResourceKind;

use crate::connection::run;
use crate::{Store, StoreError};

/// An AWS resource with our path that no binding accounts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOrphan {
    /// Whether it is a role or an instance profile.
    pub kind: ResourceKind,
    /// The name at AWS, without the path.
    pub name: String,
    /// The ARN, as AWS listed it.
    pub arn: String,
}

/// A recorded orphan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Whether it is a role or an instance profile.
    pub kind: ResourceKind,
    /// The name at AWS, without the path.
    pub name: String,
    /// The ARN, as AWS listed it.
    pub arn: String,
    /// When a sweep first found it.
    pub found_at: DateTime<Utc>,
}

impl Store {
    /// Records the orphans that a complete listing found, and deletes the records of all others.
    /// Returns the names of the orphans that were not recorded before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn report_orphans(&self, found: &[FoundOrphan]) -> Result<Vec<String>, StoreError> {
        let kinds = found.iter().map(|orphan| orphan.kind.as_str().to_owned());
        let kinds: Vec<String> = kinds.collect();
        let names: Vec<String> = found.iter().map(|orphan| orphan.name.clone()).collect();
        let arns: Vec<String> = found.iter().map(|orphan| orphan.arn.clone()).collect();
        let fresh = run!(
            self,
            fetch_all,
            sqlx::query!(
                "/* task: orphan sweep */ WITH seen AS (
                     SELECT seen.kind, seen.name, seen.arn
                     FROM unnest($2::text[], $3::text[], $4::text[]) AS seen (kind, name, arn)
                 ),
                 gone AS (
                     DELETE FROM orphans o
                     WHERE o.namespace = $1 AND NOT EXISTS (
                         SELECT FROM seen WHERE seen.kind = o.kind AND seen.name = o.name)
                 )
                 INSERT INTO orphans (namespace, kind, name, arn, found_at)
                 SELECT $1, seen.kind, seen.name, seen.arn, clock.now
                 FROM seen, (SELECT service_now() AS now) clock
                 ON CONFLICT (namespace, kind, name) DO NOTHING
                 RETURNING name",
                self.namespace.as_str(),
                &kinds,
                &names,
                &arns,
            )
        )?;
        Ok(fresh.into_iter().map(|row| row.name).collect())
    }

    /// Returns the orphans that the last sweep found.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let rows = run!(
            self,
            fetch_all,
            sqlx::query!(
                "/* orphans */ SELECT kind, name, arn, found_at FROM orphans WHERE namespace = $1
                 ORDER BY name, kind",
                self.namespace.as_str(),
            )
        )?;
        let orphans = rows.into_iter().filter_map(|row| {
            Some(Orphan {
                // A check constraint of the table allows no other word.
                kind: row.kind.parse().ok()?,
                name: row.name,
                arn: row.arn,
                found_at: row.found_at,
            })
        });
        Ok(orphans.collect())
    }

    /// Deletes the record of an orphan that was adopted or removed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_orphan(&self, name: &str) -> Result<(), StoreError> {
        run!(
            self,
            execute,
            sqlx::query!(
                "/* orphans */ DELETE FROM orphans WHERE namespace = $1 AND name = $2",
                self.namespace.as_str(),
                name,
            )
        )?;
        Ok(())
    }
}
