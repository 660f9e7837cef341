//! The proof that a resource at AWS belongs to a binding.

use std::collections::BTreeMap;

use crate::binding::id::BindingId;
use crate::binding::record::Binding;
use crate::cluster::name::ClusterName;
use crate::resources::names::Namespace;
use crate::resources::tags::{MANAGED_BY, OWNERSHIP_TAGS, Tags};

/// The owner that a resource's tags have to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The namespace of the installation.
    pub namespace: Namespace,
    /// The cluster that the role is for.
    pub cluster: ClusterName,
    /// The incarnation of the cluster's role.
    pub binding: BindingId,
}

/// Why a resource is not ours, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Foreign(pub String);

impl Ownership {
    /// Returns the ownership of a binding's resources.
    pub fn of(binding: &Binding) -> Self {
        Self {
            namespace: binding.namespace.clone(),
            cluster: binding.cluster.clone(),
            binding: binding.id,
        }
    }

    /// Returns the four ownership tags, in the order of [`OWNERSHIP_TAGS`].
    pub fn tags(&self) -> [(&'static str, String); 4] {
        let values = [
            MANAGED_BY.to_owned(),
            self.namespace.to_string(),
            self.cluster.to_string(),
            self.binding.to_string(),
        ];
        let mut values = values.into_iter();
        OWNERSHIP_TAGS.map(|key| (key, values.next().unwrap_or_default()))
    }

    /// Returns all tags of a created resource: the ownership tags, the administrator's and
    /// the caller's.
    pub fn with_user_tags(&self, user: &Tags) -> BTreeMap<String, String> {
        let own = self.tags().map(|(key, value)| (key.to_owned(), value));
        let user = user
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        own.into_iter().chain(user).collect()
    }

    /// Proves by path, unique id and tags that a resource is ours.
    ///
    /// Where a unique id was recorded, the id must match; a missing tag is then drift. Where none
    /// was recorded, because the create call was not answered, all four tags must exist. In both
    /// cases a tag with another value means that the resource is somebody else's.
    ///
    /// # Errors
    /// Names the first part that does not match. Such a resource must not be changed.
    pub fn prove(
        &self,
        path: &str,
        tags: &BTreeMap<String, String>,
        id: &str,
        recorded_id: Option<&str>,
    ) -> Result<(), Foreign> {
        let expected = self.namespace.path();
        if path != expected.as_str() {
            return Err(Foreign(format!(
                "its path is {path}, not {}",
                expected.as_str()
            )));
        }
        if let Some(recorded) = recorded_id.filter(|recorded| *recorded != id) {
            return Err(Foreign(format!(
                "its unique id is {id}, but we created {recorded}"
            )));
        }
        for (key, value) in self.tags() {
            match tags.get(key) {
                Some(found) if *found == value => {}
                Some(_) => return Err(Foreign(format!("its tag {key} has another value"))),
                None if recorded_id.is_some() => {}
                None => return Err(Foreign(format!("it has no tag {key}"))),
            }
        }
        Ok(())
    }
}
