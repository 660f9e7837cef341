//! What the service's own identity must be allowed to do for each of its features.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::account::Scope;
use crate::cluster::request::Defaults;
use crate::resources::arn::IamResource;
use crate::resources::names::Namespace;
use crate::resources::tags::{MANAGED_BY, OWNERSHIP_TAGS};

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
    /// The conditions of a statement that allows it and no more.
    pub conditions: Conditions,
}

/// By operator and key, what a statement asks for.
pub type Conditions = BTreeMap<&'static str, BTreeMap<String, Vec<String>>>;

/// A tag of a user's, for a need that is about any.
const SOME_TAG: &str = "team";

impl Need {
    /// A resource that stands for all that the pattern matches.
    pub fn sample(&self) -> String {
        match self.resource.as_str() {
            "*" => "*".to_owned(),
            pattern => pattern.replace('*', "some-cluster"),
        }
    }
}

/// All that the features need, by feature.
pub fn needs(
    feature: Feature,
    namespace: &Namespace,
    scope: &Scope,
    defaults: &Defaults,
) -> Vec<Need> {
    let place = Place::new(namespace, scope);
    match feature {
        Feature::Create => place.create(defaults),
        Feature::Teardown => {
            let on_role = [
                "iam:DeleteRolePolicy",
                "iam:DeleteRole",
                "iam:ListRolePolicies",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
            ];
            let on_role = Need::all(&on_role, &place.role);
            on_role.into_iter().chain(place.remove_profile()).collect()
        }
        Feature::PassThrough => place.pass_through(defaults),
        Feature::DropTags => vec![
            Need::untagging("iam:UntagRole", &place.role),
            Need::untagging("iam:UntagInstanceProfile", &place.profile),
        ],
        Feature::DetachPolicies => Need::all(&["iam:DetachRolePolicy"], &place.role),
        Feature::Attestation => attestation(defaults, scope),
        Feature::Orphans => Need::all(&["iam:ListRoles", "iam:ListInstanceProfiles"], "*"),
        Feature::BulkSweep => Need::all(&["iam:GetAccountAuthorizationDetails"], "*"),
        Feature::Quota => Need::all(&["iam:GetAccountSummary"], "*"),
    }
}

/// Where an installation makes what it makes.
struct Place<'a> {
    namespace: &'a Namespace,
    scope: &'a Scope,
    role: String,
    profile: String,
}

impl<'a> Place<'a> {
    fn new(namespace: &'a Namespace, scope: &'a Scope) -> Self {
        let path = namespace.path();
        Self {
            namespace,
            scope,
            role: path.arn_pattern(IamResource::Role, scope),
            profile: path.arn_pattern(IamResource::InstanceProfile, scope),
        }
    }

    fn create(&self, defaults: &Defaults) -> Vec<Need> {
        let boundary = defaults.permissions_boundary.as_ref();
        let boundary = boundary.map(ToString::to_string);
        let need = |action| Need::new(action, &self.role);
        let on_role = [
            need("iam:CreateRole")
                .tagged(self.namespace)
                .bounded(boundary.clone()),
            need("iam:TagRole").retagged(self.namespace),
            need("iam:PutRolePolicy").bounded(boundary),
            need("iam:GetRole"),
            need("iam:GetRolePolicy"),
        ];
        let passed = Need::pass(&self.role);
        let others = self.fill_profile().into_iter().chain([passed]);
        on_role.into_iter().chain(others).collect()
    }

    fn pass_through(&self, defaults: &Defaults) -> Vec<Need> {
        let made = defaults.listed_roles().into_iter();
        let made = made.filter(|entry| entry.instance_profile.is_none());
        let passed: Vec<Need> = made
            .map(|entry| Need::pass(&entry.role.arn_in(self.scope).to_string()))
            .collect();
        if passed.is_empty() {
            return Vec::new();
        }
        let on_profile = self.fill_profile().into_iter();
        let on_profile = on_profile.chain(self.remove_profile());
        on_profile.chain(passed).collect()
    }

    fn fill_profile(&self) -> Vec<Need> {
        let made = Need::new("iam:CreateInstanceProfile", &self.profile).tagged(self.namespace);
        let tagged = Need::new("iam:TagInstanceProfile", &self.profile).retagged(self.namespace);
        let plain = ["iam:AddRoleToInstanceProfile", "iam:GetInstanceProfile"];
        let plain = Need::all(&plain, &self.profile);
        [made, tagged].into_iter().chain(plain).collect()
    }

    fn remove_profile(&self) -> Vec<Need> {
        let actions = [
            "iam:RemoveRoleFromInstanceProfile",
            "iam:DeleteInstanceProfile",
        ];
        Need::all(&actions, &self.profile)
    }
}

fn attestation(defaults: &Defaults, scope: &Scope) -> Vec<Need> {
    let read = [
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListRolePolicies",
        "iam:ListAttachedRolePolicies",
    ];
    let roles = prepared_roles(defaults, scope);
    if roles.is_empty() {
        return Vec::new();
    }
    let Scope { account, partition } = scope;
    let policies = [
        format!("arn:{partition}:iam::{account}:policy/*"),
        format!("arn:{partition}:iam::aws:policy/*"),
    ];
    let read_policy = ["iam:GetPolicy", "iam:GetPolicyVersion"];
    let on_policies = policies.iter().flat_map(|arn| Need::all(&read_policy, arn));
    let on_roles = roles.iter().flat_map(|arn| Need::all(&read, arn));
    on_roles.chain(on_policies).collect()
}

impl Need {
    fn new(action: &'static str, resource: &str) -> Self {
        Self {
            action,
            resource: resource.to_owned(),
            keys: BTreeMap::new(),
            conditions: BTreeMap::new(),
        }
    }

    fn all(actions: &[&'static str], resource: &str) -> Vec<Self> {
        let actions = actions.iter();
        actions.map(|action| Self::new(action, resource)).collect()
    }

    fn pass(resource: &str) -> Self {
        let passed = Self::new("iam:PassRole", resource);
        passed.asked("StringEquals", "iam:PassedToService", PASSED_TO)
    }

    /// Making something with the tags of ownership.
    fn tagged(self, namespace: &Namespace) -> Self {
        self.owned("StringEquals", namespace)
    }

    /// Setting tags, those of ownership only to what they are. Most requests have none of these.
    fn retagged(self, namespace: &Namespace) -> Self {
        self.owned("StringEqualsIfExists", namespace)
    }

    fn owned(self, operator: &'static str, namespace: &Namespace) -> Self {
        let key = |place: usize| format!("aws:RequestTag/{}", OWNERSHIP_TAGS[place]);
        self.asked(operator, key(0), MANAGED_BY)
            .asked(operator, key(1), namespace.as_str())
    }

    /// Taking tags off, none of ownership among them.
    fn untagging(action: &'static str, resource: &str) -> Self {
        let key = || "aws:TagKeys".to_owned();
        let mut need = Self::new(action, resource);
        need.keys.insert(key(), SOME_TAG.to_owned());
        let kept = OWNERSHIP_TAGS.map(str::to_owned).to_vec();
        let conditions = [
            ("ForAllValues:StringNotEqualsIgnoreCase", kept),
            ("Null", vec!["false".to_owned()]),
        ];
        let conditions = conditions.map(|(operator, values)| (operator, [(key(), values)].into()));
        need.conditions.extend(conditions);
        need
    }

    fn bounded(self, boundary: Option<String>) -> Self {
        match boundary {
            Some(arn) => self.asked("StringEquals", "iam:PermissionsBoundary", arn),
            None => self,
        }
    }

    fn asked(
        mut self,
        operator: &'static str,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (key, value) = (key.into(), value.into());
        let asked = self.conditions.entry(operator).or_default();
        asked.insert(key.clone(), vec![value.clone()]);
        self.keys.insert(key, value);
        self
    }
}

fn prepared_roles(defaults: &Defaults, scope: &Scope) -> Vec<String> {
    let listed = defaults.listed_roles().into_iter();
    listed
        .map(|entry| entry.role.arn_in(scope).to_string())
        .collect()
}
