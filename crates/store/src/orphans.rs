//! Orphans that sweeps found: AWS resources with our path that no binding accounts for.

use chrono::{DateTime, Utc};
use engine_roles_domain::audit::{Cause, InstallationEvent, OrphanNamed};
use engine_roles_domain::resources::ResourceKind;
use serde_json::Value;

use crate::audit::append;
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
    /// Records the orphans that a complete listing found, and deletes the records of all others, with
    /// an event in the audit log for each difference. Returns the names of the orphans that were not
    /// recorded before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn report_orphans(&self, found: &[FoundOrphan]) -> Result<Vec<String>, StoreError> {
        let recorded = self.orphans().await?;
        let is =
            |one: &Orphan, found: &FoundOrphan| one.kind == found.kind && one.name == found.name;
        let is_fresh = |found: &&FoundOrphan| !recorded.iter().any(|one| is(one, found));
        let fresh: Vec<&FoundOrphan> = found.iter().filter(is_fresh).collect();
        let is_gone = |one: &&Orphan| !found.iter().any(|found| is(one, found));
        let gone: Vec<&Orphan> = recorded.iter().filter(is_gone).collect();
        if !fresh.is_empty() || !gone.is_empty() {
            self.change_orphans(&fresh, &gone).await?;
        }
        Ok(fresh.into_iter().map(|found| found.name.clone()).collect())
    }

    /// Records and deletes orphans, with their events.
    async fn change_orphans(
        &self,
        fresh: &[&FoundOrphan],
        gone: &[&Orphan],
    ) -> Result<(), StoreError> {
        let cause = Cause::reconciler();
        let named = |kind: ResourceKind, name: &String, arn: &String| OrphanNamed {
            kind: kind.as_str().to_owned(),
            name: name.clone(),
            arn: arn.clone(),
        };
        let found = fresh.iter().map(|one| InstallationEvent::OrphanFound {
            orphan: named(one.kind, &one.name, &one.arn),
        });
        let lost = gone.iter().map(|one| InstallationEvent::OrphanGone {
            orphan: named(one.kind, &one.name, &one.arn),
        });
        let events = found.chain(lost);
        let events: Vec<Value> = events
            .map(|event| append::of_installation(&cause, &event))
            .collect();
        let kinds = fresh.iter().map(|one| one.kind.as_str().to_owned());
        let kinds: Vec<String> = kinds.collect();
        let names: Vec<String> = fresh.iter().map(|one| one.name.clone()).collect();
        let arns: Vec<String> = fresh.iter().map(|one| one.arn.clone()).collect();
        let gone_kinds = gone.iter().map(|one| one.kind.as_str().to_owned());
        let gone_kinds: Vec<String> = gone_kinds.collect();
        let gone_names: Vec<String> = gone.iter().map(|one| one.name.clone()).collect();
        run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* task: orphan sweep */
                 WITH clock AS MATERIALIZED (SELECT service_now() AS now),
                 gone AS (
                     DELETE FROM orphans o
                     USING unnest($5::text[], $6::text[]) AS gone (kind, name)
                     WHERE o.namespace = $1 AND o.kind = gone.kind AND o.name = gone.name
                 ),
                 fresh AS (
                     INSERT INTO orphans (namespace, kind, name, arn, found_at)
                     SELECT $1, fresh.kind, fresh.name, fresh.arn, clock.now
                     FROM unnest($2::text[], $3::text[], $4::text[]) AS fresh (kind, name, arn),
                          clock
                     ON CONFLICT (namespace, kind, name) DO NOTHING
                 )
                 SELECT count(audit_append(event, clock.now, $1, NULL, NULL, NULL, NULL, NULL))
                     AS "added!"
                 FROM unnest($7::jsonb[]) AS event, clock"#,
                self.namespace.as_str(),
                &kinds,
                &names,
                &arns,
                &gone_kinds,
                &gone_names,
                &events,
            )
        )?;
        Ok(())
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
