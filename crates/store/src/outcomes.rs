//! Outcomes: what a worker did. An outcome is recorded only while lease and generation match.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::lifecycle::{Transition, superseded};
use engine_roles_domain::binding::{Binding, BindingId, Cause};

use crate::audit::append;
use crate::clusters::set_generation;
use crate::notify::notify_replicas;
use crate::row::{BindingRow, select_binding, update_binding};
use crate::{Lease, Store, StoreError};

/// What happens to the lease when an outcome is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The worker keeps the lease and continues.
    Keep,
    /// The worker has finished and releases the lease.
    Release {
        /// When the binding is due again; none when only a request makes it due.
        due_at: Option<DateTime<Utc>>,
    },
    /// The worker stops before it has finished: the binding is due at once, and the other replicas
    /// are notified.
    HandOver,
}

/// Whether an outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The outcome and its event were written.
    Written,
    /// Another request changed the intent first. What was learned about AWS was written, but not the
    /// outcome. The worker still has the lease, whose binding now has the new intent.
    Superseded,
    /// The lease was lost: nothing was written, and the worker must stop.
    Lost,
}

impl Store {
    /// Records the binding and the event of a transition in one transaction, but only while lease and
    /// generation match. [`Next::Release`] and [`Next::HandOver`] end the lease.
    ///
    /// # Errors
    /// When the database fails. The lease then expires, and the worker that takes it over observes
    /// what was done.
    pub async fn record(
        &self,
        lease: &mut Lease,
        transition: &Transition,
        cause: &Cause,
        next: Next,
    ) -> Result<Recorded, StoreError> {
        let mut tx = self.pool.begin().await?;
        let binding = &transition.binding;
        let (keep, due_at) = match next {
            Next::Keep => (true, None),
            Next::Release { due_at } => (false, due_at),
            Next::HandOver => (false, Some(lease.now())),
        };
        if binding.generation != lease.binding.generation {
            // The cluster is locked before the binding, in the same order as when an intent is
            // recorded.
            set_generation(&mut tx, binding).await?;
        }
        let now: Option<DateTime<Utc>> = None;
        let written = update_binding!(
            binding,
            now,
            ",
                 lease_token = CASE WHEN $24 THEN lease_token END,
                 lease_until = CASE WHEN $24 THEN lease_until END,
                 -- While a write may still take effect, the binding is due when it can no more.
                 due_at = CASE WHEN $24 THEN due_at
                     WHEN GREATEST(writes_settle_at, $19) > service_now()
                         THEN LEAST($23, GREATEST(writes_settle_at, $19))
                     ELSE $23 END
             WHERE id = $1 AND lease_token = $21 AND generation = $22
               AND lease_until > service_now()
             RETURNING updated_at",
            lease.token,
            lease.binding.generation,
            due_at,
            keep,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(written) = written else {
            drop(tx);
            return self.keep_what_was_learned(lease, binding).await;
        };
        if let Some(event) = &transition.event {
            append(
                &mut tx,
                binding.id,
                Some(lease.binding.state()),
                cause,
                event,
            )
            .await?;
        }
        if next == Next::HandOver {
            notify_replicas(&mut tx, self.namespace.as_str()).await?;
        }
        tx.commit().await?;
        lease.binding = Binding {
            updated_at: written.updated_at,
            ..binding.clone()
        };
        Ok(Recorded::Written)
    }

    /// Records that a call may have reached AWS after the lease was lost: the binding's writes count
    /// as unresolved for one consistency window from now, and the binding is due when the window
    /// ends. The caller needs no lease, and a lease of another worker is not affected.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_writes_unresolved(&self, id: BindingId) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE bindings b
             SET writes_settle_at = GREATEST(b.writes_settle_at, late.at),
                 due_at = LEAST(b.due_at, late.at)
             FROM (SELECT service_now() + make_interval(secs => $2) AS at) late
             WHERE b.id = $1",
            id.0,
            self.window.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records what was learned about AWS under an intent that another request has changed since.
    async fn keep_what_was_learned(
        &self,
        lease: &mut Lease,
        learned: &Binding,
    ) -> Result<Recorded, StoreError> {
        let mut tx = self.pool.begin().await?;
        let current = select_binding!(
            "WHERE b.id = $1 AND b.lease_token = $2 AND b.lease_until > service_now()
             FOR UPDATE OF b",
            learned.id.0,
            lease.token,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(current) = current else {
            return Ok(Recorded::Lost);
        };
        let binding = superseded(BindingRow::into_binding(current)?, learned);
        let updated_at = Some(binding.updated_at);
        update_binding!(binding, updated_at, "\n             WHERE id = $1")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        lease.binding = binding;
        Ok(Recorded::Superseded)
    }
}
