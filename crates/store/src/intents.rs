//! Intents: what a caller asks for, written down before anything is done.

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{
    Actor, Binding, BindingId, Deletion, Event, EventAction, Generation, Intent, Receipt, State,
};
use engine_roles_domain::cluster::{ClusterName, Mode, ModeSpec, RoleSpec};
use engine_roles_domain::resources::{Claimed, resource_name};
use serde_json::json;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::audit::append;
use crate::claims::binding_by_id;
use crate::row::{BindingRow, select_binding, to_json};
use crate::{Claim, Store, StoreError};

/// Who declares an intent, and for which cluster.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The cluster.
    pub cluster: ClusterName,
    /// Who asks.
    pub actor: Actor,
    /// The HTTP request that asks.
    pub request_id: Option<String>,
}

/// What a declaration did to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is a new binding.
    Created,
    /// The binding has a new intent.
    Changed,
    /// Nothing had to change.
    Unchanged,
}

/// A declared intent.
#[derive(Debug)]
pub struct Declared {
    /// The binding with the intent.
    pub binding: Binding,
    /// What the declaration did.
    pub change: Change,
    /// The right to work on it, unless somebody else has it or there is nothing to do.
    pub claim: Option<Claim>,
}

impl Store {
    /// Writes down what a PUT means: intent, lease and audit event in one transaction.
    ///
    /// `decide` sees the cluster's newest binding under the cluster's lock.
    ///
    /// # Errors
    /// The outer error when the database fails: nothing was written, or the commit's answer was
    /// lost. The inner one is `decide`'s, and nothing was written.
    pub async fn declare_role<E>(
        &self,
        declaration: &Declaration,
        scope: &Scope,
        decide: impl FnOnce(Option<&Binding>) -> Result<Intent, E>,
    ) -> Result<Result<Declared, E>, StoreError> {
        let mut tx = self.pool.begin().await?;
        self.lock_cluster(&mut tx, &declaration.cluster).await?;
        let latest = self.latest_within(&mut tx, &declaration.cluster).await?;
        let intent = match decide(latest.as_ref()) {
            Ok(intent) => intent,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (id, change) = match (intent, latest) {
            (Intent::Change(spec), Some(live)) => {
                self.change_spec(&mut tx, declaration, &live, &spec).await?;
                (live.id, Change::Changed)
            }
            (Intent::Unchanged, Some(live)) => (live.id, Change::Unchanged),
            (Intent::New(spec) | Intent::Change(spec), _) => {
                let id = self.insert(&mut tx, declaration, scope, &spec).await?;
                (id, Change::Created)
            }
            (Intent::Unchanged, None) => {
                return Err(StoreError::Query(sqlx::Error::RowNotFound));
            }
        };
        self.finish_declaration(tx, id, change).await.map(Ok)
    }

    /// Writes down what a DELETE means: intent, lease and audit event in one transaction.
    ///
    /// # Errors
    /// As [`Store::declare_role`].
    pub async fn declare_teardown<E>(
        &self,
        declaration: &Declaration,
        decide: impl FnOnce(Option<&Binding>) -> Result<Deletion, E>,
    ) -> Result<Result<Declared, E>, StoreError> {
        let mut tx = self.pool.begin().await?;
        self.lock_cluster(&mut tx, &declaration.cluster).await?;
        let latest = self.latest_within(&mut tx, &declaration.cluster).await?;
        let deletion = match decide(latest.as_ref()) {
            Ok(deletion) => deletion,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(binding) = latest else {
            return Err(StoreError::Query(sqlx::Error::RowNotFound));
        };
        let change = match deletion {
            Deletion::Begin => {
                self.begin_teardown(&mut tx, declaration, &binding).await?;
                Change::Changed
            }
            Deletion::Close => {
                self.close_failed(&mut tx, declaration, &binding).await?;
                Change::Changed
            }
            Deletion::Continue if binding.state == State::Blocked => {
                self.resume_teardown(&mut tx, declaration, &binding).await?;
                Change::Changed
            }
            Deletion::Continue | Deletion::Done => Change::Unchanged,
        };
        self.finish_declaration(tx, binding.id, change)
            .await
            .map(Ok)
    }

    /// Writes down a binding that AWS shows and no record knew: as one to be brought to its spec
    /// again, or, without a spec to live by, as a life that is over and has left something.
    ///
    /// Returns the right to work on it; none where the binding is known, or the cluster has
    /// another live one.
    ///
    /// # Errors
    /// When the database fails; nothing was then written.
    pub async fn adopt(
        &self,
        declaration: &Declaration,
        scope: &Scope,
        claimed: &Claimed,
        spec: &RoleSpec,
        lives: bool,
    ) -> Result<Option<Claim>, StoreError> {
        let mut tx = self.pool.begin().await?;
        self.lock_cluster(&mut tx, &claimed.cluster).await?;
        let latest = self.latest_within(&mut tx, &claimed.cluster).await?;
        let taken = latest.is_some_and(|binding| binding.live) && lives;
        let known = binding_by_id(&mut *tx, claimed.binding.0).await?.is_some();
        if taken || known {
            return Ok(None);
        }
        // A tombstone takes no generation, so that it never hides the cluster's newest binding.
        let generation = if lives {
            self.next_generation(&mut tx, &claimed.cluster).await?
        } else {
            0
        };
        let name = resource_name(
            &claimed.prefix,
            &claimed.cluster,
            &self.namespace,
            claimed.binding,
        );
        let state = if lives {
            State::Provisioning
        } else {
            State::Deleted
        };
        let mode = match spec.mode {
            ModeSpec::Create(_) => Mode::Create,
            ModeSpec::PassThrough(_) => Mode::PassThrough,
        };
        sqlx::query!(
            "INSERT INTO bindings (id, namespace, cluster, account_id, aws_partition, state, live,
                                   mode, generation, spec, resource_name, created_at, updated_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now, now
             FROM service_now() AS now",
            claimed.binding.0,
            self.namespace.as_str(),
            claimed.cluster.as_str(),
            scope.account.as_str(),
            scope.partition.as_str(),
            state.as_str(),
            lives,
            mode.as_str(),
            generation,
            to_json(spec),
            name.as_str(),
        )
        .execute(&mut *tx)
        .await?;
        let action = if lives {
            EventAction::ProvisionRequested
        } else {
            EventAction::TeardownRequested
        };
        let event = declaration.event(action, json!({ "adopted": true, "spec": spec }));
        append(&mut tx, claimed.binding.0, None, &event).await?;
        let claim = self.claim_within(&mut tx, claimed.binding.0).await?;
        tx.commit().await?;
        Ok(claim)
    }

    async fn finish_declaration(
        &self,
        mut tx: Transaction<'_, Postgres>,
        id: BindingId,
        change: Change,
    ) -> Result<Declared, StoreError> {
        let binding = binding_by_id(&mut *tx, id.0)
            .await?
            .ok_or(StoreError::Query(sqlx::Error::RowNotFound))?;
        let finished = binding.applied_generation == Some(binding.generation) || !binding.live;
        let claim = if finished && change == Change::Unchanged || !binding.live {
            None
        } else {
            self.claim_within(&mut tx, id.0).await?
        };
        tx.commit().await?;
        Ok(Declared {
            binding,
            change,
            claim,
        })
    }

    async fn lock_cluster(
        &self,
        connection: &mut PgConnection,
        cluster: &ClusterName,
    ) -> Result<(), StoreError> {
        // The update that changes nothing takes the row's lock, whether it was there or not.
        sqlx::query!(
            "INSERT INTO clusters (namespace, cluster) VALUES ($1, $2)
             ON CONFLICT (namespace, cluster) DO UPDATE SET generation = clusters.generation",
            self.namespace.as_str(),
            cluster.as_str(),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    // The binding is locked too: a worker's record must not come between what is decided on and
    // what is written. The order, cluster before binding, is the same everywhere.
    async fn latest_within(
        &self,
        connection: &mut PgConnection,
        cluster: &ClusterName,
    ) -> Result<Option<Binding>, StoreError> {
        let row = select_binding!(
            "JOIN clusters c USING (namespace, cluster)
             WHERE c.namespace = $1 AND c.cluster = $2 AND b.generation = c.generation
             FOR UPDATE OF b",
            self.namespace.as_str(),
            cluster.as_str(),
        )
        .fetch_optional(connection)
        .await?;
        row.map(BindingRow::into_binding).transpose()
    }

    pub(crate) async fn next_generation(
        &self,
        connection: &mut PgConnection,
        cluster: &ClusterName,
    ) -> Result<Generation, StoreError> {
        let row = sqlx::query!(
            "UPDATE clusters SET generation = generation + 1
             WHERE namespace = $1 AND cluster = $2 RETURNING generation",
            self.namespace.as_str(),
            cluster.as_str(),
        )
        .fetch_one(connection)
        .await?;
        Ok(row.generation)
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        declaration: &Declaration,
        scope: &Scope,
        spec: &RoleSpec,
    ) -> Result<BindingId, StoreError> {
        let id = Uuid::now_v7();
        let generation = self
            .next_generation(connection, &declaration.cluster)
            .await?;
        let cluster = &declaration.cluster;
        let name = resource_name(&spec.role_prefix, cluster, &self.namespace, BindingId(id));
        let mode = match spec.mode {
            ModeSpec::Create(_) => Mode::Create,
            ModeSpec::PassThrough(_) => Mode::PassThrough,
        };
        sqlx::query!(
            "INSERT INTO bindings (id, namespace, cluster, account_id, aws_partition, state, live,
                                   mode, generation, spec, resource_name, created_at, updated_at)
             SELECT $1, $2, $3, $4, $5, 'provisioning', true, $6, $7, $8, $9, now, now
             FROM service_now() AS now",
            id,
            self.namespace.as_str(),
            declaration.cluster.as_str(),
            scope.account.as_str(),
            scope.partition.as_str(),
            mode.as_str(),
            generation,
            to_json(spec),
            name.as_str(),
        )
        .execute(&mut *connection)
        .await?;
        let event = declaration.event(EventAction::ProvisionRequested, json!({ "spec": spec }));
        append(connection, id, None, &event).await?;
        Ok(BindingId(id))
    }

    async fn change_spec(
        &self,
        connection: &mut PgConnection,
        declaration: &Declaration,
        live: &Binding,
        spec: &RoleSpec,
    ) -> Result<(), StoreError> {
        let sent = live.spec.tags.iter().map(|(key, _)| key.to_owned());
        let sent: Vec<String> = sent.chain(live.unapplied_tags.iter().cloned()).collect();
        let generation = self
            .next_generation(connection, &declaration.cluster)
            .await?;
        sqlx::query!(
            "UPDATE bindings
             SET state = 'provisioning', generation = $2, spec = $3, attempts = 0,
                 last_error = NULL, unapplied_tags = $4, updated_at = service_now()
             WHERE id = $1",
            live.id.0,
            generation,
            to_json(spec),
            &sent,
        )
        .execute(&mut *connection)
        .await?;
        let event = declaration.event(EventAction::UpdateRequested, json!({ "spec": spec }));
        append(connection, live.id.0, Some(live.state), &event).await
    }

    async fn begin_teardown(
        &self,
        connection: &mut PgConnection,
        declaration: &Declaration,
        live: &Binding,
    ) -> Result<(), StoreError> {
        let generation = self
            .next_generation(connection, &declaration.cluster)
            .await?;
        sqlx::query!(
            "UPDATE bindings
             SET state = 'deleting', generation = $2, attempts = 0, last_error = NULL,
                 drift = '[]', receipt = $3, updated_at = service_now()
             WHERE id = $1",
            live.id.0,
            generation,
            to_json(&Receipt::default()),
        )
        .execute(&mut *connection)
        .await?;
        let event = declaration.event(EventAction::TeardownRequested, json!({}));
        append(connection, live.id.0, Some(live.state), &event).await
    }

    async fn resume_teardown(
        &self,
        connection: &mut PgConnection,
        declaration: &Declaration,
        blocked: &Binding,
    ) -> Result<(), StoreError> {
        // A new intent, so that a worker who is at it hears of it, and its answer is awaited. The
        // receipt goes on: it says when the grant ended.
        let generation = self
            .next_generation(connection, &declaration.cluster)
            .await?;
        sqlx::query!(
            "UPDATE bindings
             SET state = 'deleting', generation = $2, attempts = 0, last_error = NULL,
                 updated_at = service_now()
             WHERE id = $1",
            blocked.id.0,
            generation,
        )
        .execute(&mut *connection)
        .await?;
        let event = declaration.event(EventAction::TeardownRequested, json!({ "again": true }));
        append(connection, blocked.id.0, Some(blocked.state), &event).await
    }

    async fn close_failed(
        &self,
        connection: &mut PgConnection,
        declaration: &Declaration,
        failed: &Binding,
    ) -> Result<(), StoreError> {
        let generation = self
            .next_generation(connection, &declaration.cluster)
            .await?;
        sqlx::query!(
            "UPDATE bindings
             SET state = 'deleted', generation = $2, receipt = $3, updated_at = service_now()
             WHERE id = $1",
            failed.id.0,
            generation,
            to_json(&Receipt::default()),
        )
        .execute(&mut *connection)
        .await?;
        let event = declaration.event(EventAction::TornDown, json!({ "nothing_was_made": true }));
        append(connection, failed.id.0, Some(State::Failed), &event).await
    }
}

impl Declaration {
    fn event(&self, action: EventAction, detail: serde_json::Value) -> Event {
        Event {
            action,
            actor: self.actor.clone(),
            request_id: self.request_id.clone(),
            detail,
        }
    }
}
