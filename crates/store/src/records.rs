//! Outcomes: what was done, recorded against the lease and the generation it was done under.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, BindingId, Event};

use crate::audit::append;
use crate::claims::binding_by_id;
use crate::row::{optional_json, to_json};
use crate::wake::tell;
use crate::{Claim, Store, StoreError};

/// What becomes of the claim after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The worker goes on.
    Keep,
    /// The worker is done; somebody looks again at this time, if at all.
    Release {
        /// When.
        due_at: Option<DateTime<Utc>>,
    },
    /// The worker stops with work left: the other replicas are told.
    HandOn,
}

/// What the database made of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is written.
    Written,
    /// The intent changed meanwhile. What was learned about AWS is kept, the claim holds and has
    /// the new intent: work on.
    Superseded,
    /// The lease was lost: nothing was written, and nothing more may be done.
    Lost,
}

impl Store {
    /// Records the worker's binding, with at most one event, in one transaction.
    ///
    /// Written only if lease and generation still match. On [`Next::Release`] the lease ends.
    ///
    /// # Errors
    /// When the database fails; the lease then runs out by itself, and what was done is
    /// observed again by whoever takes over.
    pub async fn record(
        &self,
        claim: &mut Claim,
        binding: &Binding,
        event: Option<&Event>,
        next: Next,
    ) -> Result<Recorded, StoreError> {
        let mut tx = self.pool.begin().await?;
        let (keep, due_at) = match next {
            Next::Keep => (true, None),
            Next::Release { due_at } => (false, due_at),
            Next::HandOn => (false, Some(claim.now())),
        };
        let written = sqlx::query!(
            "UPDATE bindings SET
                 state = $4, live = $5, spec = $6, applied_generation = $7, applied_spec = $8,
                 role = $9, profile = $10, policy = $11, drift = $12, last_error = $13,
                 receipt = $14, usable_after = $15, verified_at = $16, attempts = $17,
                 reads_settle_at = $18, writes_settle_at = GREATEST(writes_settle_at, $19),
                 updated_at = service_now(),
                 lease_token = CASE WHEN $20 THEN lease_token END,
                 lease_until = CASE WHEN $20 THEN lease_until END,
                 -- While a write may still arrive, somebody looks again when it can no more.
                 due_at = CASE WHEN $20 THEN due_at
                     WHEN GREATEST(writes_settle_at, $19) > service_now()
                         THEN LEAST($21, GREATEST(writes_settle_at, $19))
                     ELSE $21 END,
                 unapplied_tags = $22
             WHERE id = $1 AND lease_token = $2 AND generation = $3
               AND lease_until > service_now()",
            binding.id.0,
            claim.token,
            claim.binding.generation,
            binding.state.as_str(),
            binding.live,
            to_json(&binding.spec),
            binding.applied_generation,
            optional_json(binding.applied_spec.as_ref()),
            optional_json(binding.role.as_ref()),
            optional_json(binding.profile.as_ref()),
            binding.policy.clone(),
            to_json(&binding.drift),
            optional_json(binding.last_error.as_ref()),
            optional_json(binding.receipt.as_ref()),
            binding.usable_after,
            binding.verified_at,
            binding.attempts,
            binding.reads_settle_at,
            binding.writes_settle_at,
            keep,
            due_at,
            &unapplied_tags(binding),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if written == 0 {
            drop(tx);
            return self.learn(claim, binding).await;
        }
        if let Some(event) = event {
            append(&mut tx, binding.id.0, Some(claim.binding.state), event).await?;
        }
        if next == Next::HandOn {
            tell(&mut tx, self.namespace.as_str()).await?;
        }
        tx.commit().await?;
        claim.binding.clone_from(binding);
        Ok(Recorded::Written)
    }

    /// Withdraws a refused change: the spec before it becomes a new intent, under the same claim.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn withdraw(
        &self,
        claim: &mut Claim,
        binding: &Binding,
        event: &Event,
    ) -> Result<Recorded, StoreError> {
        let mut tx = self.pool.begin().await?;
        // Intents lock the cluster before the binding; so does this.
        let generation = self.next_generation(&mut tx, &binding.cluster).await?;
        let written = sqlx::query!(
            "UPDATE bindings SET generation = $4, state = $5, spec = $6, last_error = $7,
                 attempts = 0, reads_settle_at = $8,
                 writes_settle_at = GREATEST(writes_settle_at, $9), unapplied_tags = $10,
                 updated_at = service_now()
             WHERE id = $1 AND lease_token = $2 AND generation = $3
               AND lease_until > service_now()",
            binding.id.0,
            claim.token,
            claim.binding.generation,
            generation,
            binding.state.as_str(),
            to_json(&binding.spec),
            optional_json(binding.last_error.as_ref()),
            binding.reads_settle_at,
            binding.writes_settle_at,
            &unapplied_tags(binding),
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if written == 0 {
            drop(tx);
            return self.learn(claim, binding).await;
        }
        append(&mut tx, binding.id.0, Some(claim.binding.state), event).await?;
        tx.commit().await?;
        claim.binding.clone_from(binding);
        claim.binding.generation = generation;
        claim.binding.attempts = 0;
        Ok(Recorded::Written)
    }

    /// Says that a call may have reached AWS after its lease was lost: the binding's writes count
    /// as unsettled from now on, and somebody looks again when a window has passed. Needs no
    /// lease, and takes none away.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unsettle(&self, id: BindingId) -> Result<(), StoreError> {
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

    /// Keeps what was learned about AWS under an intent that has changed meanwhile.
    async fn learn(&self, claim: &mut Claim, binding: &Binding) -> Result<Recorded, StoreError> {
        let mut tx = self.pool.begin().await?;
        let written = sqlx::query!(
            "UPDATE bindings SET
                 role = $3, profile = $4, reads_settle_at = $5,
                 writes_settle_at = GREATEST(writes_settle_at, $6),
                 applied_generation = $7, applied_spec = $8, policy = $9, usable_after = $10
             WHERE id = $1 AND lease_token = $2 AND lease_until > service_now()",
            binding.id.0,
            claim.token,
            optional_json(binding.role.as_ref()),
            optional_json(binding.profile.as_ref()),
            binding.reads_settle_at,
            binding.writes_settle_at,
            binding.applied_generation,
            optional_json(binding.applied_spec.as_ref()),
            binding.policy.clone(),
            binding.usable_after,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let current = binding_by_id(&mut *tx, binding.id.0).await?;
        tx.commit().await?;
        match current {
            Some(current) if written > 0 => {
                claim.binding = current;
                Ok(Recorded::Superseded)
            }
            _ => Ok(Recorded::Lost),
        }
    }
}

fn unapplied_tags(binding: &Binding) -> Vec<String> {
    binding.unapplied_tags.iter().cloned().collect()
}
