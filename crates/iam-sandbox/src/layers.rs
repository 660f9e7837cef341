use std::collections::BTreeMap;
use std::fmt;

use engine_roles_policy::{Document, Kind, PolicyError, Rule};
use serde_json::Value;

use crate::account::Account;

/// The account that owns the organization, and with it the service control policy.
const MANAGEMENT_ACCOUNT: &str = "210987654321";

/// A layer of policies that must allow a call. The layers are in the order in which the sandbox
/// names them if several deny a call: AWS names only one, in an order that is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyLayer {
    /// The service control policy of the organization.
    ServiceControl,
    /// The policy of the VPC endpoint through which the calls come.
    Endpoint,
    /// The identity-based policy of the service.
    Identity,
    /// The permissions boundary of the service's identity.
    Boundary,
    /// The policy of the session in which the service runs.
    Session,
}

impl PolicyLayer {
    /// All layers.
    pub const ALL: [Self; 5] = [
        Self::ServiceControl,
        Self::Endpoint,
        Self::Identity,
        Self::Boundary,
        Self::Session,
    ];

    /// Returns the name of the option that sets the policy, which is also the name of the route
    /// under `/_sandbox/`.
    pub fn option(self) -> &'static str {
        match self {
            Self::ServiceControl => "scp",
            Self::Endpoint => "endpoint-policy",
            Self::Identity => "identity-policy",
            Self::Boundary => "identity-boundary",
            Self::Session => "session-policy",
        }
    }

    /// Returns the reason in AWS's message if a statement of this layer denies a call. Source: IAM
    /// User Guide, "Troubleshoot access denied error messages".
    pub fn explicit_denial(self) -> String {
        let article = match self {
            Self::Identity => "an",
            _ => "a",
        };
        format!("with an explicit deny in {article} {self}")
    }

    /// Returns the reason in AWS's message if no statement of this layer allows a call. Source: as
    /// for [`PolicyLayer::explicit_denial`].
    pub fn implicit_denial(self, action: &str) -> String {
        format!("because no {self} allows the {action} action")
    }

    /// Returns the ARN of the policy, which AWS's newer messages name after an explicit denial; none
    /// for a VPC endpoint policy, which has no ARN. Source: AWS Security Blog, "Enhanced access
    /// denied error messages with policy ARNs".
    pub(crate) fn arn(self, account: &Account) -> Option<String> {
        let managed = |name| Some(account.arn("policy", "/", name));
        match self {
            Self::ServiceControl => Some(format!(
                "arn:{}:organizations::{MANAGEMENT_ACCOUNT}:policy/o-sandbox000/\
                 service_control_policy/p-sandbox0",
                account.partition
            )),
            Self::Endpoint => None,
            Self::Identity => managed("engine-roles-service"),
            Self::Boundary => managed("engine-roles-service-boundary"),
            Self::Session => managed("engine-roles-service-session"),
        }
    }

    /// # Errors
    /// Returns an error if AWS would not accept the policy, or if a VPC endpoint policy names
    /// principals other than `*`, which the sandbox does not evaluate.
    fn parse(self, policy: &Value) -> Result<Document, PolicyError> {
        match self {
            Self::Endpoint => Document::from_value(Kind::Identity, &without_principals(policy)?),
            _ => Document::from_value(Kind::Identity, policy),
        }
    }
}

impl fmt::Display for PolicyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServiceControl => "service control policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
        })
    }
}

/// Returns a VPC endpoint policy without its principals, which must be `*`.
///
/// # Errors
/// `MissingElement`, `InvalidPrincipal`.
fn without_principals(policy: &Value) -> Result<Value, PolicyError> {
    let mut policy = policy.clone();
    let statements = match &mut policy["Statement"] {
        Value::Array(statements) => statements.as_mut_slice(),
        single => std::slice::from_mut(single),
    };
    for (index, statement) in statements.iter_mut().enumerate() {
        let statement = statement.as_object_mut();
        let Some(principal) = statement.map(|statement| statement.remove("Principal")) else {
            continue;
        };
        let (rule, reason) = match principal {
            Some(principal) if principal == "*" || principal["AWS"] == "*" => continue,
            Some(_) => (Rule::InvalidPrincipal, "the sandbox accepts only \"*\""),
            None => (Rule::MissingElement, "a VPC endpoint policy has principals"),
        };
        return Err(PolicyError {
            place: format!("Statement[{index}].Principal"),
            rule,
            reason: reason.to_owned(),
        });
    }
    Ok(policy)
}

/// The policies that decide the service's calls. A layer without a policy allows everything.
#[derive(Default)]
pub(crate) struct Policies(BTreeMap<PolicyLayer, Document>);

impl Policies {
    /// # Errors
    /// The error of [`PolicyLayer::parse`]; the previous policy is then kept.
    pub(crate) fn set(
        &mut self,
        layer: PolicyLayer,
        policy: Option<&Value>,
    ) -> Result<(), PolicyError> {
        match policy {
            Some(policy) => self.0.insert(layer, layer.parse(policy)?),
            None => self.0.remove(&layer),
        };
        Ok(())
    }

    pub(crate) fn get(&self, layer: PolicyLayer) -> Option<&Document> {
        self.0.get(&layer)
    }

    /// Returns the layers that have a policy, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PolicyLayer, &Document)> {
        self.0.iter().map(|(layer, policy)| (*layer, policy))
    }
}
