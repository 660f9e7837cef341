//! Reads of bindings, which need no lease.

use engine_roles_domain::binding::{Binding, BindingId};

use crate::connection::run;
use crate::row::{BindingRow, select_binding};
use crate::{Store, StoreError};

impl Store {
    /// Returns the binding of this installation with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        let row = run!(
            self,
            fetch_optional,
            select_binding!(
                "/* read */ ",
                "WHERE b.id = $1 AND b.namespace = $2",
                id.0,
                self.namespace.as_str(),
            )
        )?;
        row.map(BindingRow::into_binding).transpose()
    }

    /// Returns the bindings whose AWS resources have these names, whether or not they exist.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn by_resource_name(&self, names: &[String]) -> Result<Vec<Binding>, StoreError> {
        let rows = run!(
            self,
            fetch_all,
            select_binding!(
                "/* task: sweep */ ",
                "WHERE b.namespace = $1 AND b.resource_name = ANY($2)",
                self.namespace.as_str(),
                names,
            )
        )?;
        rows.into_iter().map(BindingRow::into_binding).collect()
    }
}
