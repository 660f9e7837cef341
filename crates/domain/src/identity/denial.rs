//! Which layer of AWS's policies denied a call.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layer of AWS's policies, each of which can deny a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyingLayer {
    /// The policies of the identity itself.
    IdentityPolicy,
    /// A service control policy of the organization.
    ServiceControlPolicy,
    /// A resource control policy of the organization.
    ResourceControlPolicy,
    /// The permissions boundary of the identity.
    PermissionsBoundary,
    /// The policy of the identity's session.
    SessionPolicy,
    /// The policy of the VPC endpoint through which the call went.
    EndpointPolicy,
    /// The policy of the resource.
    ResourcePolicy,
    /// A policy that AWS does not name.
    Unknown,
}

impl DenyingLayer {
    /// All layers that AWS names.
    pub const ALL: [Self; 7] = [
        Self::IdentityPolicy,
        Self::ServiceControlPolicy,
        Self::ResourceControlPolicy,
        Self::PermissionsBoundary,
        Self::SessionPolicy,
        Self::EndpointPolicy,
        Self::ResourcePolicy,
    ];

    /// Returns the word on the wire and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentityPolicy => "identity_policy",
            Self::ServiceControlPolicy => "service_control_policy",
            Self::ResourceControlPolicy => "resource_control_policy",
            Self::PermissionsBoundary => "permissions_boundary",
            Self::SessionPolicy => "session_policy",
            Self::EndpointPolicy => "endpoint_policy",
            Self::ResourcePolicy => "resource_policy",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the words with which AWS's messages name the layer.
    ///
    /// Source: IAM User Guide, "Troubleshoot access denied error messages".
    fn words(self) -> &'static str {
        match self {
            Self::IdentityPolicy => "identity-based policy",
            Self::ServiceControlPolicy => "service control policy",
            Self::ResourceControlPolicy => "resource control policy",
            Self::PermissionsBoundary => "permissions boundary",
            Self::SessionPolicy => "session policy",
            Self::EndpointPolicy => "VPC endpoint policy",
            Self::ResourcePolicy => "resource-based policy",
            Self::Unknown => "policy that AWS does not name",
        }
    }
}

/// What denied a call, as far as AWS says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedBy {
    /// The layer that denied the call.
    pub layer: DenyingLayer,
    /// Whether a policy of the layer has a Deny that matches. Otherwise no policy of the layer allows
    /// the call.
    pub explicit: bool,
    /// The ARN of the policy with the Deny; none where AWS does not name it.
    #[serde(default)]
    pub policy: Option<String>,
}

impl DeniedBy {
    /// Reads the layer from the message of a denial: only the message contains it. None where the
    /// message speaks neither of a layer nor of an explicit Deny.
    ///
    /// Source: IAM User Guide, "Troubleshoot access denied error messages".
    pub fn parse(message: &str) -> Option<Self> {
        let lower = message.to_ascii_lowercase();
        if lower.contains("with an explicit deny") && !lower.contains("with an explicit deny in ") {
            return Some(Self {
                layer: DenyingLayer::Unknown,
                explicit: true,
                policy: None,
            });
        }
        let explicit = lower.rfind("with an explicit deny in ");
        let implicit = lower.rfind("because no ");
        let (rest_at, explicit) = match (explicit, implicit) {
            (Some(at), _) => (at, true),
            (None, Some(at)) => (at, false),
            (None, None) => return None,
        };
        let rest = &lower[rest_at..];
        // The layer that is named first denied the call. A policy's ARN, which may contain other
        // layers' words, comes after it.
        let named = DenyingLayer::ALL.into_iter().filter_map(|layer| {
            let at = rest.find(&layer.words().to_ascii_lowercase())?;
            Some((at, layer))
        });
        let (_, layer) = named.min_by_key(|(at, _)| *at)?;
        let policy = message[rest_at..]
            .split(|c: char| c.is_whitespace() || c == ',' || c == ';')
            .map(|word| word.trim_matches(|c| matches!(c, '.' | '(' | ')' | '"' | '\'')))
            .find(|word| word.starts_with("arn:") && word.contains("policy/"));
        Some(Self {
            layer,
            explicit,
            policy: policy.filter(|_| explicit).map(str::to_owned),
        })
    }

    /// Returns whether an Allow statement for the identity would help: only where no policy of the
    /// identity allows the call.
    pub fn is_mended_by_allowing(&self) -> bool {
        self.layer == DenyingLayer::IdentityPolicy && !self.explicit
    }
}

impl fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.layer.words();
        if self.layer == DenyingLayer::Unknown {
            return write!(f, "a Deny in a {words}");
        }
        if !self.explicit {
            return write!(f, "the {words}, which does not allow it");
        }
        write!(f, "a Deny in the {words}")?;
        match &self.policy {
            Some(policy) => write!(f, " {policy}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "User: arn:aws:sts::123456789012:assumed-role/session policy/x is not \
                         authorized to perform: iam:CreateRole on resource: \
                         arn:aws:iam::123456789012:role/r";

    #[test]
    fn a_deny_without_a_layer_is_not_mended_by_allowing() {
        let message = format!("{START} with an explicit deny");
        let denied = DeniedBy::parse(&message).expect("a denial");
        assert_eq!(
            (denied.layer, denied.explicit),
            (DenyingLayer::Unknown, true)
        );
        assert!(!denied.is_mended_by_allowing());
        assert_eq!(
            denied.to_string(),
            "a Deny in a policy that AWS does not name"
        );
    }

    #[test]
    fn each_layer_is_read_from_awss_words() {
        let article = |layer| match layer {
            DenyingLayer::IdentityPolicy => "an",
            _ => "a",
        };
        for layer in DenyingLayer::ALL {
            let words = layer.words();
            let explicit = format!(
                "{START} with an explicit deny in {} {words}",
                article(layer)
            );
            let denied = DeniedBy::parse(&explicit).expect("a layer");
            assert_eq!((denied.layer, denied.explicit), (layer, true), "{explicit}");
            let implicit = format!("{START} because no {words} allows the iam:CreateRole action");
            let denied = DeniedBy::parse(&implicit).expect("a layer");
            assert_eq!(
                (denied.layer, denied.explicit),
                (layer, false),
                "{implicit}"
            );
            let helps = layer == DenyingLayer::IdentityPolicy;
            assert_eq!(denied.is_mended_by_allowing(), helps, "{implicit}");
        }
    }

    #[test]
    fn the_policy_is_the_one_that_aws_names() {
        let arn = "arn:aws:organizations::111111111111:policy/o-a/service_control_policy/p-b";
        let message = format!("{START} with an explicit deny in a service control policy: {arn}");
        let denied = DeniedBy::parse(&message).expect("a layer");
        assert_eq!(denied.policy.as_deref(), Some(arn));
        assert!(!denied.is_mended_by_allowing());
    }

    #[test]
    fn a_message_without_a_layer_has_none() {
        assert_eq!(DeniedBy::parse(START), None);
        assert_eq!(DeniedBy::parse("Access Denied"), None);
        assert_eq!(DeniedBy::parse("because no spell helps"), None);
    }
}
