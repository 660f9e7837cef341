//! What the service's own identity must be allowed to do for each of its features.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Defaults, Namespace, OWNERSHIP_TAGS, RoleReference, Scope};

/// The service that a role is passed to when it is put into an instance profile. In China it is
/// the same, although EC2's principal there is another: reported by users of Karpenter
/// (karpenter-provider-aws#6843).
pub const PASSED_TO: &str = "ec2.amazonaws.com";

/// A part of the service that needs permissions of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// A role, its policy and its instance profile are made for each cluster.
    Create,
    /// What was made is removed.
    Teardown,
    /// A prepared role is passed in an instance profile of its own.
    PassThrough,
    /// Tags that a change drops are taken off.
    DropTags,
    /// Managed policies that others attached are detached at a teardown.
    DetachPolicies,
    /// Prepared roles are attested.
    Attestation,
    /// What no record knows is found.
    Orphans,
    /// One listing checks all roles.
    BulkSweep,
    /// A full account is known before a creation starts.
    Quota,
}

impl Feature {
    /// All features, those that the service lives by first.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Teardown,
        Self::PassThrough,
        Self::DropTags,
        Self::DetachPolicies,
        Self::Attestation,
        Self::Orphans,
        Self::BulkSweep,
        Self::Quota,
    ];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Teardown => "teardown",
            Self::PassThrough => "pass_through",
            Self::DropTags => "drop_tags",
            Self::DetachPolicies => "detach_policies",
            Self::Attestation => "attestation",
            Self::Orphans => "orphans",
            Self::BulkSweep => "bulk_sweep",
            Self::Quota => "quota",
        }
    }
}

/// One thing that the service's identity must be allowed to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The action, as `iam:CreateRole`.
    pub action: &'static str,
    /// The pattern of the resources that it is done to.
    pub resource: String,
    /// The condition keys that the service's request has and that a policy may ask for.
    pub keys: BTreeMap<String, String>,
}

impl Need {
    /// A resource that stands for all that the pattern matches.
    pub fn sample(&self) -> String {
        match self.resource.as_str() {
            "*" => "*".to_owned(),
            pattern => pattern.replace('*', "some-cluster"),
        }
    }
}

/// All that a feature needs; nothing where the configuration has no use for it.
pub fn needs(
    feature: Feature,
    namespace: &Namespace,
    scope: &Scope,
    defaults: &Defaults,
) -> Vec<Need> {
    let place = Place::new(namespace, scope, defaults);
    match feature {
        Feature::Create => place.create(),
        Feature::Teardown => place.teardown(),
        Feature::PassThrough => place.pass_through(),
        Feature::DropTags => {
            let mut needs = all(&["iam:UntagRole"], &place.role);
            needs.extend(all(&["iam:UntagInstanceProfile"], &place.profile));
            needs
        }
        Feature::DetachPolicies => all(&["iam:DetachRolePolicy"], &place.role),
        Feature::Attestation => place.attestation(),
        Feature::Orphans => all(&["iam:ListRoles", "iam:ListInstanceProfiles"], "*"),
        Feature::BulkSweep => all(&["iam:GetAccountAuthorizationDetails"], "*"),
        Feature::Quota => all(&["iam:GetAccountSummary"], "*"),
    }
}

/// Where this service works, and with which settings.
struct Place<'a> {
    namespace: &'a Namespace,
    scope: &'a Scope,
    defaults: &'a Defaults,
    /// The pattern of our roles.
    role: String,
    /// The pattern of our instance profiles.
    profile: String,
}

impl<'a> Place<'a> {
    fn new(namespace: &'a Namespace, scope: &'a Scope, defaults: &'a Defaults) -> Self {
        let (partition, account) = (scope.partition, &scope.account);
        let path = namespace.path();
        let ours = |kind: &str| format!("arn:{partition}:iam::{account}:{kind}{}*", path.as_str());
        Self {
            namespace,
            scope,
            defaults,
            role: ours("role"),
            profile: ours("instance-profile"),
        }
    }

    fn create(&self) -> Vec<Need> {
        let boundary = self.defaults.permissions_boundary.as_ref();
        let boundary = boundary.map(ToString::to_string);
        let need = |action| Need::new(action, &self.role);
        let on_role = [
            need("iam:CreateRole")
                .tagged(self.namespace)
                .bounded(boundary.clone()),
            need("iam:TagRole").tagged(self.namespace),
            need("iam:PutRolePolicy").bounded(boundary),
            need("iam:GetRole"),
            need("iam:GetRolePolicy"),
            pass(&self.role),
        ];
        on_role.into_iter().chain(self.profile_around()).collect()
    }

    fn profile_around(&self) -> Vec<Need> {
        let tagged = ["iam:CreateInstanceProfile", "iam:TagInstanceProfile"];
        let tagged = tagged.map(|action| Need::new(action, &self.profile).tagged(self.namespace));
        let plain = ["iam:AddRoleToInstanceProfile", "iam:GetInstanceProfile"];
        tagged
            .into_iter()
            .chain(all(&plain, &self.profile))
            .collect()
    }

    fn profile_removed(&self) -> Vec<Need> {
        let actions = [
            "iam:RemoveRoleFromInstanceProfile",
            "iam:DeleteInstanceProfile",
        ];
        all(&actions, &self.profile)
    }

    fn teardown(&self) -> Vec<Need> {
        let on_role = [
            "iam:DeleteRolePolicy",
            "iam:DeleteRole",
            "iam:ListRolePolicies",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
        ];
        let mut needs = all(&on_role, &self.role);
        needs.extend(self.profile_removed());
        needs
    }

    fn pass_through(&self) -> Vec<Need> {
        let listed = self.defaults.listed_roles().into_iter();
        let in_ours = listed.filter(|entry| entry.instance_profile.is_none());
        let mut needs: Vec<Need> = in_ours
            .map(|entry| pass(&role_arn(&entry.role, self.scope)))
            .collect();
        if !needs.is_empty() {
            needs.extend(self.profile_around());
            needs.extend(self.profile_removed());
        }
        needs
    }

    fn attestation(&self) -> Vec<Need> {
        let read = [
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListRolePolicies",
            "iam:ListAttachedRolePolicies",
        ];
        let listed = self.defaults.listed_roles().into_iter();
        let mut needs: Vec<Need> = listed
            .flat_map(|entry| all(&read, &role_arn(&entry.role, self.scope)))
            .collect();
        if !needs.is_empty() {
            let (partition, account) = (self.scope.partition, &self.scope.account);
            let policies = format!("arn:{partition}:iam::{account}:policy/*");
            needs.extend(all(&["iam:GetPolicy", "iam:GetPolicyVersion"], &policies));
        }
        needs
    }
}

fn all(actions: &[&'static str], resource: &str) -> Vec<Need> {
    let needs = actions.iter().map(|action| Need::new(action, resource));
    needs.collect()
}

fn pass(role: &str) -> Need {
    let mut need = Need::new("iam:PassRole", role);
    need.keys
        .insert("iam:PassedToService".to_owned(), PASSED_TO.to_owned());
    need
}

impl Need {
    fn new(action: &'static str, resource: &str) -> Self {
        Self {
            action,
            resource: resource.to_owned(),
            keys: BTreeMap::new(),
        }
    }

    fn tagged(mut self, namespace: &Namespace) -> Self {
        let tags = [
            (OWNERSHIP_TAGS[0], "engine-roles".to_owned()),
            (OWNERSHIP_TAGS[1], namespace.to_string()),
        ];
        let tags = tags.map(|(key, value)| (format!("aws:RequestTag/{key}"), value));
        self.keys.extend(tags);
        self
    }

    fn bounded(mut self, boundary: Option<String>) -> Self {
        self.keys
            .extend(boundary.map(|arn| ("iam:PermissionsBoundary".to_owned(), arn)));
        self
    }
}

/// A role's ARN; one that is known by its name alone is taken to have no path.
pub fn role_arn(role: &RoleReference, scope: &Scope) -> String {
    match role.arn() {
        Some(arn) => arn.to_string(),
        None => format!(
            "arn:{}:iam::{}:role/{}",
            scope.partition,
            scope.account,
            role.name()
        ),
    }
}
