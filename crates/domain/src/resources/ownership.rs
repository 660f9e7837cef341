//! The proof that a resource at AWS is this binding's own.

use std::collections::BTreeMap;

use crate::binding::id::BindingId;
use crate::binding::record::Binding;
use crate::cluster::name::ClusterName;
use crate::resources::names::Namespace;
use crate::resources::tags::{MANAGED_BY, OWNERSHIP_TAGS, Tags};

/// Whose a resource would have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The installation.
    pub namespace: Namespace,
    /// The cluster that the tags name.
    pub cluster: ClusterName,
    /// The incarnation of the cluster's role.
    pub binding: BindingId,
}

/// Why a resource is not ours, for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Foreign(pub String);

impl Ownership {
    /// The ownership of one binding.
    pub fn of(binding: &Binding) -> Self {
        Self {
            namespace: binding.namespace.clone(),
            cluster: binding.cluster.clone(),
            binding: binding.id,
        }
    }

    /// The four tags that say so.
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

    /// These tags and the user's, as they are set on what is made.
    pub fn with_user_tags(&self, user: &Tags) -> BTreeMap<String, String> {
        let own = self.tags().map(|(key, value)| (key.to_owned(), value));
        let user = user
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        own.into_iter().chain(user).collect()
    }

    /// Proves a resource ours by path, unique id and tags.
    ///
    /// Where a unique id was recorded it must match, and then a missing tag is drift; where none
    /// was (an unanswered create), all four tags must be there. A tag with another value is
    /// somebody else's claim either way.
    ///
    /// # Errors
    /// Names the first thing that does not match. A resource is then left alone.
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
                "its unique id is {id}, but {recorded} was made"
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
