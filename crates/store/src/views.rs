//! Reading bindings.

use engine_roles_domain::binding::{Binding, BindingId, State};
use engine_roles_domain::cluster::{ClusterName, Mode};
use uuid::Uuid;

use crate::row::{BindingRow, select_binding};
use crate::{Store, StoreError};

/// Which bindings a list shows.
#[derive(Clone, Debug, Default)]
pub struct BindingFilter {
    /// In this state only.
    pub state: Option<State>,
    /// Of this mode only.
    pub mode: Option<Mode>,
    /// Of clusters whose name begins so.
    pub cluster_prefix: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next: Option<Uuid>,
}

impl Store {
    /// The cluster's newest binding, live or not.
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

    /// Each cluster's newest binding, newest first.
    ///
    /// `after` is the id of the last binding of the page before; none where there is no such
    /// binding.
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
               AND ($4::text IS NULL OR starts_with(b.cluster, $4))
               AND ($5::uuid IS NULL OR (b.created_at, b.id) <
                    (SELECT p.created_at, p.id FROM bindings p WHERE p.id = $5))
             ORDER BY b.created_at DESC, b.id DESC
             LIMIT $6",
            self.namespace.as_str(),
            filter.state.map(State::as_str),
            filter.mode.map(Mode::as_str),
            filter.cluster_prefix.as_deref(),
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

    /// How many bindings stand in each state, tombstones of earlier lives included.
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
}
