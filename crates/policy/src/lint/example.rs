//! Requests that show what a finding is about.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::context::Context;
use crate::evaluate::Request;
use crate::statement::Principal;

/// A request that the document allows, so that a person can see what a finding means.
///
/// The document alone allows the request: other policies of the identity, a permissions boundary or
/// a service control policy can still deny it. Names and accounts are examples, such as `any-name`
/// and `111122223333`, where the document does not fix them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct ExampleRequest {
    /// Who makes the request; only for trust policies.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The action.
    pub action: String,
    /// The ARN of the resource, or `*` for an action without a resource.
    pub resource: String,
    /// The condition keys of the request with their values. Every other key is absent.
    pub context: BTreeMap<String, Vec<String>>,
}

#[allow(
    clippy::ref_option,
    reason = "serde calls it with a reference to the member"
)]
fn as_text<S: Serializer>(principal: &Option<Principal>, to: S) -> Result<S::Ok, S::Error> {
    match principal {
        Some(principal) => to.collect_str(principal),
        None => to.serialize_none(),
    }
}

impl ExampleRequest {
    pub(super) fn new(action: &str, resource: &str) -> ExampleRequest {
        ExampleRequest {
            principal: None,
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: BTreeMap::new(),
        }
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> ExampleRequest {
        self.context.insert(key.to_owned(), vec![value.to_owned()]);
        self
    }

    /// Returns the request in the form that [`evaluate`](crate::evaluate) and
    /// [`evaluate_trust`](crate::evaluate_trust) take, with a complete context.
    pub fn to_request(&self) -> Request {
        Request {
            principal: self.principal.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            context: self.fill(Context::new()),
        }
    }

    /// Returns the same request with a partial context: every key that is not listed is unknown.
    pub(super) fn to_partial_request(&self) -> Request {
        Request {
            context: self.fill(Context::partial()),
            ..self.to_request()
        }
    }

    fn fill(&self, context: Context) -> Context {
        self.context.iter().fold(context, |context, (key, values)| {
            context.with_values(key, values)
        })
    }
}

impl fmt::Display for ExampleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(principal) = &self.principal {
            write!(f, "{principal}: ")?;
        }
        write!(f, "{} on {}", self.action, self.resource)?;
        for (number, (key, values)) in self.context.iter().enumerate() {
            let before = if number == 0 { "with" } else { "and" };
            let values = values.join(", ");
            write!(f, " {before} {key} = {values:?}")?;
        }
        Ok(())
    }
}
