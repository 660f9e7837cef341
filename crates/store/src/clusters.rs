//! The row of a cluster. Its lock puts all changes of the cluster's intent in order.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, Generation};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::resources::Namespace;
use sqlx::PgConnection;

use crate::StoreError;
use crate::row::{BindingRow, select_binding};

/// A cluster's newest binding as it is under the cluster's lock.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The binding, live or not; none where the cluster never had one.
    pub binding: Option<Binding>,
    /// The number of the cluster's last intent; 0 where there was none.
    pub generation: Generation,
    /// The database's time, read under the lock; never before the binding's last change.
    pub now: DateTime<Utc>,
}

/// Locks a cluster and reads its newest binding.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    namespace: &Namespace,
    cluster: &ClusterName,
) -> Result<Latest, StoreError> {
    // The update that changes nothing takes the row's lock, whether the row existed or not. The
    // time is read after the wait for the lock.
    let row = sqlx::query!(
        r#"INSERT INTO clusters (namespace, cluster) VALUES ($1, $2)
           ON CONFLICT (namespace, cluster) DO UPDATE SET generation = clusters.generation
           RETURNING generation, service_now() AS "now!""#,
        namespace.as_str(),
        cluster.as_str(),
    )
    .fetch_one(&mut *connection)
    .await?;
    // The binding is locked too: a worker's record must not come between what is decided on and
    // what is written. The order, cluster before binding, is the same everywhere.
    let binding = select_binding!(
        "WHERE b.namespace = $1 AND b.cluster = $2 AND b.generation = $3 FOR UPDATE OF b",
        namespace.as_str(),
        cluster.as_str(),
        row.generation,
    )
    .fetch_optional(connection)
    .await?;
    let binding = binding.map(BindingRow::into_binding).transpose()?;
    // A worker may have written the binding while its lock was waited for, after `row.now`.
    let updated_at = binding.as_ref().map(|binding| binding.updated_at);
    Ok(Latest {
        now: updated_at.map_or(row.now, |updated_at| updated_at.max(row.now)),
        binding,
        generation: row.generation,
    })
}

/// Writes the number of a cluster's intent, which is that of its newest binding.
pub(crate) async fn set_generation(
    connection: &mut PgConnection,
    binding: &Binding,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE clusters SET generation = GREATEST(generation, $3)
         WHERE namespace = $1 AND cluster = $2",
        binding.namespace.as_str(),
        binding.cluster.as_str(),
        binding.generation,
    )
    .execute(connection)
    .await?;
    Ok(())
}
