//! The row of a cluster. Its row lock serialises all changes of the cluster's intent.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, Generation};
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::resources::Namespace;
use sqlx::PgConnection;

use crate::StoreError;
use crate::row::{BindingRow, select_binding};

/// A cluster's newest binding, read while the cluster's row is locked.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The binding, live or a tombstone; none when the cluster never had one.
    pub binding: Option<Binding>,
    /// The generation of the cluster's last intent; 0 when it had none.
    pub generation: Generation,
    /// The database's time, read under the lock; never earlier than the binding's last change.
    pub now: DateTime<Utc>,
}

/// Locks a cluster and reads its newest binding.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    namespace: &Namespace,
    cluster: &ClusterName,
) -> Result<Latest, StoreError> {
    // The update changes nothing; it locks the row, whether the row existed or not. Postgres
    // evaluates RETURNING after the wait for the lock, so the time is not too early.
    let row = sqlx::query!(
        r#"INSERT INTO clusters (namespace, cluster) VALUES ($1, $2)
           ON CONFLICT (namespace, cluster) DO UPDATE SET generation = clusters.generation
           RETURNING generation, service_now() AS "now!""#,
        namespace.as_str(),
        cluster.as_str(),
    )
    .fetch_one(&mut *connection)
    .await?;
    // The binding is locked too, so that no worker can record an outcome between the decision that
    // is based on this read and the write. Every transaction locks the cluster before the binding.
    let binding = select_binding!(
        "WHERE b.namespace = $1 AND b.cluster = $2 AND b.generation = $3 FOR UPDATE OF b",
        namespace.as_str(),
        cluster.as_str(),
        row.generation,
    )
    .fetch_optional(connection)
    .await?;
    let binding = binding.map(BindingRow::into_binding).transpose()?;
    // A worker may have written the binding after `row.now`, while this transaction waited for the
    // binding's lock.
    let updated_at = binding.as_ref().map(|binding| binding.updated_at);
    Ok(Latest {
        now: updated_at.map_or(row.now, |updated_at| updated_at.max(row.now)),
        binding,
        generation: row.generation,
    })
}

/// Writes a binding's generation to its cluster, unless the cluster has a higher one.
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
