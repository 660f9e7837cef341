//! Reads of bindings, which need no lease.

use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::{Binding, BindingId, State};
use engine_roles_domain::cluster::{ClusterName, Mode};
use uuid::Uuid;

use crate::row::{BindingRow, binding_by_id, select_binding};
use crate::{Store, StoreError};

/// Selects bindings for a list.
#[derive(Clone, Debug, Default)]
pub struct BindingFilter {
    /// Only bindings in this state; none for all.
    pub state: Option<State>,
    /// Only bindings of this mode; none for all.
    pub mode: Option<Mode>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items of the page, in the order of the list.
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last page.
    pub next: Option<Uuid>,
}

impl Store {
    /// Returns the binding of this installation with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        let found = binding_by_id(&self.pool, id.0).await?;
        Ok(found.filter(|binding| binding.namespace == self.namespace))
    }

    /// Returns the cluster's newest binding, live or a tombstone; none when it never had one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn latest(&self, cluster: &ClusterName) -> Result<Option<Binding>, StoreError> {
        let row = select_binding!(
            "JOIN clusters c USING (namespace, cluster)
             WHERE c.namespace = $1 AND c.cluster = $2 AND b.generation = c.generation",
            self.namespace.as_str(),
            cluster.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(BindingRow::into_binding).transpose()
    }

    /// Returns each cluster's newest binding, newest first.
    ///
    /// `after` is the cursor that came with the previous page. Returns none when `after` is not the
    /// id of a binding.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<BindingId>,
        limit: i64,
    ) -> Result<Option<Page<Binding>>, StoreError> {
        if let Some(id) = after
            && self.binding(id).await?.is_none()
        {
            return Ok(None);
        }
        let rows = select_binding!(
            r"JOIN clusters c USING (namespace, cluster)
             WHERE c.namespace = $1 AND b.generation = c.generation
               AND ($2::text IS NULL OR b.state = $2)
               AND ($3::text IS NULL OR b.mode = $3)
               AND ($4::uuid IS NULL OR (b.created_at, b.id) <
                    (SELECT p.created_at, p.id FROM bindings p WHERE p.id = $4))
             ORDER BY b.created_at DESC, b.id DESC
             LIMIT $5",
            self.namespace.as_str(),
            filter.state.map(State::as_str),
            filter.mode.map(Mode::as_str),
            after.map(|id| id.0),
            limit + 1,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut items = rows
            .into_iter()
            .map(BindingRow::into_binding)
            .collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        if more {
            items.pop();
        }
        let next = items.last().filter(|_| more).map(|binding| binding.id.0);
        Ok(Some(Page { items, next }))
    }

    /// Returns the bindings whose AWS resources have these names, whether or not they exist.
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

    /// Counts the bindings in each state, tombstones of earlier incarnations included.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_by_state(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT state, count(*) AS "count!" FROM bindings
               WHERE namespace = $1 GROUP BY state"#,
            self.namespace.as_str(),
        )
        .fetch_all(&self.pool)
        .await?;
        let counted = rows
            .into_iter()
            .filter_map(|row| Some((row.state.parse().ok()?, row.count)));
        Ok(counted.collect())
    }

    /// Counts the live bindings that do not belong to this account and partition.
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
}
