//! The permissions that the service's own identity needs for each feature.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::account::Scope;
use crate::binding::record::Binding;
use crate::cluster::request::Defaults;
use crate::cluster::spec::ModeSpec;
use crate::grant::boundary::BoundaryArn;
use crate::resources::arn::IamResource;
use crate::resources::names::Namespace;
use crate::resources::tags::{MANAGED_BY, OWNERSHIP_TAGS};

/// The value of `iam:PassedToService` when a role is added to an instance profile. The value is the
/// same in China, although EC2's principal differs there: reported by users of Karpenter
/// (karpenter-provider-aws#6843).
pub const PASSED_TO: &str = "ec2.amazonaws.com";

/// A feature of the service that needs permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Creating a role, its policy and its instance profile for each cluster.
    Create,
    /// Removing what was created.
    Teardown,
    /// Passing a prepared role in an instance profile that this service creates for the cluster.
    PassThrough,
    /// Removing tags that a change of the spec drops.
    DropTags,
    /// Detaching, in a teardown, managed policies that others attached.
    DetachPolicies,
    /// Attesting prepared roles.
    Attestation,
    /// Finding orphans.
    Orphans,
    /// Checking all roles for drift with one listing.
    BulkSweep,
    /// Knowing that a quota is used up before a creation starts.
    Quota,
}

impl Feature {
    /// All features, the essential ones first.
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

    /// Returns the word in JSON.
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

/// One permission that the service's identity needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The action, such as `iam:CreateRole`.
    pub action: &'static str,
    /// The pattern of the resources that the action is taken on.
    pub resource: String,
    /// The condition keys of the service's request that a policy may test, with their values.
    pub keys: BTreeMap<String, String>,
    /// The conditions of a policy statement that allows this need and nothing more.
    pub conditions: Conditions,
}

/// The conditions of a policy statement: values by operator and condition key.
pub type Conditions = BTreeMap<&'static str, BTreeMap<String, Vec<String>>>;

/// A sample of a user's tag key, for needs about any of them.
const SOME_TAG: &str = "team";

impl Need {
    /// Returns a sample of the resources that the pattern matches.
    pub fn sample(&self) -> String {
        match self.resource.as_str() {
            "*" => "*".to_owned(),
            pattern => pattern.replace('*', "some-cluster"),
        }
    }
}

/// Returns the needs of a feature; empty where the configuration does not use the feature.
pub fn needs(
    feature: Feature,
    namespace: &Namespace,
    scope: &Scope,
    defaults: &Defaults,
) -> Vec<Need> {
    let place = Place::new(namespace, scope);
    match feature {
        Feature::Create => place.create(defaults.permissions_boundary.as_ref()),
        Feature::Teardown => place.tear_down(),
        Feature::PassThrough => place.pass_through(defaults),
        Feature::DropTags => place.drop_tags(),
        Feature::DetachPolicies => Need::all(&["iam:DetachRolePolicy"], &place.role),
        Feature::Attestation => attestation(defaults, scope),
        Feature::Orphans => Need::all(&["iam:ListRoles", "iam:ListInstanceProfiles"], "*"),
        Feature::BulkSweep => Need::all(&["iam:GetAccountAuthorizationDetails"], "*"),
        Feature::Quota => Need::all(&["iam:GetAccountSummary"], "*"),
    }
}

/// Returns the needs of all work on a binding.
pub(crate) fn needs_of_binding(binding: &Binding) -> Vec<Need> {
    let place = Place::new(&binding.namespace, &binding.scope);
    let of_mode: Vec<Need> = match &binding.spec.mode {
        ModeSpec::Create(create) => {
            let created = place
                .create(create.permissions_boundary.as_ref())
                .into_iter();
            let detached = Need::all(&["iam:DetachRolePolicy"], &place.role);
            created.chain(place.tear_down()).chain(detached).collect()
        }
        ModeSpec::PassThrough(_) => {
            let on_profile = place.fill_profile().into_iter();
            let on_profile = on_profile.chain(place.remove_profile());
            let passed = Need::pass(&binding.role_resource());
            let read = Need::new("iam:GetRole", &binding.role_resource());
            on_profile.chain([passed, read]).collect()
        }
    };
    of_mode.into_iter().chain(place.drop_tags()).collect()
}

/// The ARN patterns of an installation's resources.
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

    fn create(&self, boundary: Option<&BoundaryArn>) -> Vec<Need> {
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
        let without_profile = defaults.listed_roles().into_iter();
        let without_profile = without_profile.filter(|entry| entry.instance_profile.is_none());
        let passed: Vec<Need> = without_profile
            .flat_map(|entry| {
                let arn = entry.role.arn_in(self.scope).to_string();
                // A role that was listed by ARN is read before it is passed.
                let by_arn = entry.role.arn().is_some();
                let read = by_arn.then(|| Need::new("iam:GetRole", &arn));
                [Some(Need::pass(&arn)), read].into_iter().flatten()
            })
            .collect();
        if passed.is_empty() {
            return Vec::new();
        }
        let on_profile = self.fill_profile().into_iter();
        let on_profile = on_profile.chain(self.remove_profile());
        on_profile.chain(passed).collect()
    }

    fn tear_down(&self) -> Vec<Need> {
        let on_role = [
            "iam:DeleteRolePolicy",
            "iam:DeleteRole",
            "iam:ListRolePolicies",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
        ];
        let on_role = Need::all(&on_role, &self.role).into_iter();
        on_role.chain(self.remove_profile()).collect()
    }

    fn drop_tags(&self) -> Vec<Need> {
        vec![
            Need::untagging("iam:UntagRole", &self.role),
            Need::untagging("iam:UntagInstanceProfile", &self.profile),
        ]
    }

    fn fill_profile(&self) -> Vec<Need> {
        let created = Need::new("iam:CreateInstanceProfile", &self.profile).tagged(self.namespace);
        let tagged = Need::new("iam:TagInstanceProfile", &self.profile).retagged(self.namespace);
        let plain = ["iam:AddRoleToInstanceProfile", "iam:GetInstanceProfile"];
        let plain = Need::all(&plain, &self.profile);
        [created, tagged].into_iter().chain(plain).collect()
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
    let listed = defaults.listed_roles().into_iter();
    let profiles = listed.filter_map(|entry| entry.instance_profile);
    let on_profiles = profiles.map(|name| {
        // The administrator's list has names only, so the path is assumed to be "/".
        let arn = format!("arn:{partition}:iam::{account}:instance-profile/{name}");
        Need::new("iam:GetInstanceProfile", &arn)
    });
    on_roles.chain(on_profiles).chain(on_policies).collect()
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
        passed.with_condition("StringEquals", "iam:PassedToService", PASSED_TO)
    }

    /// Adds the conditions of a call that creates a resource with the ownership tags.
    fn tagged(self, namespace: &Namespace) -> Self {
        self.owned("StringEquals", namespace)
    }

    /// Adds the conditions of a call that sets tags: an ownership tag may only get its proper
    /// value. Most requests set no ownership tag.
    fn retagged(self, namespace: &Namespace) -> Self {
        self.owned("StringEqualsIfExists", namespace)
    }

    fn owned(self, operator: &'static str, namespace: &Namespace) -> Self {
        let key = |place: usize| format!("aws:RequestTag/{}", OWNERSHIP_TAGS[place]);
        self.with_condition(operator, key(0), MANAGED_BY)
            .with_condition(operator, key(1), namespace.as_str())
    }

    /// Returns the need of a call that removes tags, none of them an ownership tag.
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
            Some(arn) => self.with_condition("StringEquals", "iam:PermissionsBoundary", arn),
            None => self,
        }
    }

    fn with_condition(
        mut self,
        operator: &'static str,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (key, value) = (key.into(), value.into());
        let tested = self.conditions.entry(operator).or_default();
        tested.insert(key.clone(), vec![value.clone()]);
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
