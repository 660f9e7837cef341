//! Bindings in every state, and the AWS resources of a binding.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::binding::lifecycle::{self, Lifecycle, NewBinding};
use engine_roles_domain::binding::{
    Binding, BindingId, Conditions, Consistency, Drift, DriftKind, Failure, FailureCode,
    Generation, IfMatch, IfNoneMatch, ProfileRecord, Receipt, Revised, RoleRecord,
};
use engine_roles_domain::cluster::{
    ClusterName, CreateSpec, Defaults, Limits, ModeSpec, PassThroughSpec, RoleReference, RoleSpec,
    SecretName, Secrets,
};
use engine_roles_domain::resources::{
    Desired, DesiredProfile, DesiredRole, InlinePolicies, Namespace, ObservedProfile, ObservedRole,
    Ownership, RolePrefix, Step, Tags,
};
use uuid::Uuid;

pub(crate) const PATH: &str = "/ai-unlimited/engine/test/";

pub(crate) fn scope() -> Scope {
    Scope {
        account: "123456789012".parse().expect("an account"),
        partition: Partition::Aws,
    }
}

pub(crate) fn cluster() -> ClusterName {
    ClusterName::parse("one").expect("a cluster")
}

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Tags::new(pairs).expect("tags")
}

pub(crate) fn named_secrets(names: &[&str]) -> Secrets {
    let names = names.iter().map(|name| SecretName::parse(name));
    Secrets::named(names.map(|name| name.expect("a secret"))).expect("secrets")
}

pub(crate) fn spec() -> RoleSpec {
    RoleSpec {
        mode: ModeSpec::Create(CreateSpec {
            permissions_boundary: None,
        }),
        secrets: Secrets::All,
        session_manager: false,
        region: "us-west-2".parse().expect("a region"),
        kms_key: None,
        role_prefix: RolePrefix::parse("td-").expect("a prefix"),
        tags: tags(&[("team", "x")]),
        administrator_tag_keys: BTreeSet::new(),
    }
}

/// A spec in mode pass-through, with the administrator's instance profile where a name is given.
pub(crate) fn pass_through_spec(role: &str, profile: Option<&str>) -> RoleSpec {
    RoleSpec {
        mode: ModeSpec::PassThrough(PassThroughSpec {
            iam_role: RoleReference::parse(role).expect("a role"),
            instance_profile: profile.map(|name| name.parse().expect("a profile")),
        }),
        ..spec()
    }
}

/// A binding whose AWS resources do not exist yet.
pub(crate) fn binding() -> Binding {
    binding_of(spec())
}

pub(crate) fn binding_of(spec: RoleSpec) -> Binding {
    lifecycle::provision_requested(new_binding(spec), at(0)).binding
}

pub(crate) fn new_binding(spec: RoleSpec) -> NewBinding {
    NewBinding {
        id: BindingId(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
        cluster: cluster(),
        namespace: Namespace::parse("test").expect("a namespace"),
        scope: scope(),
        spec,
        generation: 1,
    }
}

/// A binding whose spec IAM has accepted in full.
pub(crate) fn active() -> Binding {
    let requested = binding();
    Binding {
        lifecycle: Lifecycle::Active { last_error: None },
        applied_generation: Some(1),
        applied_spec: Some(requested.spec.clone()),
        role: Some(role_record(&requested)),
        profile: Some(profile_record(&requested)),
        ..requested
    }
}

pub(crate) fn deleting(binding: Binding) -> Binding {
    let transition = lifecycle::teardown_begun(binding, at(0));
    transition.expect("the teardown has not begun yet").binding
}

/// Lists all variants of an enum. A list that lacks a variant does not compile.
macro_rules! every {
    ($type:ident { $($variant:ident),* $(,)? }) => {{
        const fn exhaustive(value: $type) {
            match value {
                $($type::$variant)|* => {}
            }
        }
        let _ = exhaustive;
        [$($type::$variant),*]
    }};
}
pub(crate) use every;

/// The variants of [`Lifecycle`], without their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Provisioning,
    WithdrawingChange,
    Active,
    Deleting,
    Blocked,
    WithdrawingProvision,
    Failed,
    Deleted,
}

impl Stage {
    pub(crate) fn all() -> [Self; 8] {
        every!(Stage {
            Provisioning,
            WithdrawingChange,
            Active,
            Deleting,
            Blocked,
            WithdrawingProvision,
            Failed,
            Deleted,
        })
    }

    pub(crate) fn of(binding: &Binding) -> Self {
        Self::of_lifecycle(&binding.lifecycle)
    }

    pub(crate) fn of_lifecycle(lifecycle: &Lifecycle) -> Self {
        match lifecycle {
            Lifecycle::Provisioning { .. } => Self::Provisioning,
            Lifecycle::WithdrawingChange { .. } => Self::WithdrawingChange,
            Lifecycle::Active { .. } => Self::Active,
            Lifecycle::Deleting { .. } => Self::Deleting,
            Lifecycle::Blocked { .. } => Self::Blocked,
            Lifecycle::WithdrawingProvision { .. } => Self::WithdrawingProvision,
            Lifecycle::Failed { .. } => Self::Failed,
            Lifecycle::Deleted { .. } => Self::Deleted,
        }
    }
}

/// The generation of each binding that [`in_stage`] returns.
pub(crate) const GENERATION: Generation = 3;

/// A binding in a stage. Every field that may have a value in the stage has one.
pub(crate) fn in_stage(stage: Stage) -> Binding {
    let before = active();
    let is_finished = matches!(stage, Stage::Failed | Stage::Deleted);
    let applied_generation = match stage {
        Stage::Active => Some(GENERATION),
        Stage::WithdrawingProvision | Stage::Failed => None,
        Stage::Provisioning
        | Stage::WithdrawingChange
        | Stage::Deleting
        | Stage::Blocked
        | Stage::Deleted => Some(1),
    };
    Binding {
        lifecycle: lifecycle_in(stage),
        generation: GENERATION,
        applied_generation,
        applied_spec: applied_generation.and(before.applied_spec),
        unapplied_tags: BTreeSet::from(["formerly".to_owned()]),
        role: before.role.filter(|_| !is_finished),
        profile: before.profile.filter(|_| !is_finished),
        policy: applied_generation.map(|_| serde_json::json!({"Statement": []})),
        usable_after: applied_generation.map(|_| at(15)),
        verified_at: applied_generation.map(|_| at(30)),
        drift: vec![drift_of(DriftKind::TagsChanged)],
        attempts: 4,
        consistency: Consistency {
            reads_consistent_at: Some(at(40)),
            writes_resolved_at: Some(at(50)),
        },
        updated_at: at(60),
        ..before
    }
}

fn lifecycle_in(stage: Stage) -> Lifecycle {
    let receipt = || Receipt {
        grant_ended_at: Some(at(20)),
        access_ended_at: None,
        removed: vec!["policy engine-access of role x".to_owned()],
        left: vec!["instance profile x: it is not ours".to_owned()],
    };
    match stage {
        Stage::Provisioning => Lifecycle::Provisioning {
            last_error: Some(delay_of(GENERATION)),
        },
        Stage::WithdrawingChange => Lifecycle::WithdrawingChange {
            rejection: rejection_of(GENERATION - 1),
        },
        Stage::Active => Lifecycle::Active {
            last_error: Some(rejection_of(GENERATION - 1)),
        },
        Stage::Deleting => Lifecycle::Deleting {
            last_error: Some(delay_of(GENERATION)),
            receipt: receipt(),
        },
        Stage::Blocked => Lifecycle::Blocked {
            last_error: delay_of(GENERATION),
            receipt: receipt(),
        },
        Stage::WithdrawingProvision => Lifecycle::WithdrawingProvision {
            rejection: rejection_of(GENERATION),
            receipt: Some(receipt()),
        },
        Stage::Failed => Lifecycle::Failed {
            rejection: rejection_of(GENERATION),
            receipt: Some(receipt()),
        },
        Stage::Deleted => Lifecycle::Deleted {
            last_error: Some(delay_of(GENERATION)),
            receipt: Some(receipt()),
        },
    }
}

/// A failure that ends the intent of a generation.
pub(crate) fn rejection_of(generation: Generation) -> Failure {
    Failure {
        code: FailureCode::MissingPermission,
        detail: "AWS denied CreateRole".to_owned(),
        missing_permissions: vec!["iam:CreateRole".to_owned()],
        denied_by: None,
        blockers: Vec::new(),
        generation,
        at: at(0),
        attempts: 1,
        next_attempt_at: None,
    }
}

/// A failure after which the intent of a generation is retried.
pub(crate) fn delay_of(generation: Generation) -> Failure {
    Failure {
        code: FailureCode::IamUnavailable,
        detail: "IAM did not answer".to_owned(),
        missing_permissions: Vec::new(),
        next_attempt_at: Some(at(60)),
        ..rejection_of(generation)
    }
}

pub(crate) fn drift_of(kind: DriftKind) -> Drift {
    Drift {
        kind,
        detail: "it differs".to_owned(),
        missing_permission: None,
    }
}

pub(crate) fn role_record(binding: &Binding) -> RoleRecord {
    let name = binding.resource_name();
    RoleRecord {
        arn: Some(format!("arn:aws:iam::123456789012:role{PATH}{name}")),
        id: Some("AROAOURS".to_owned()),
        path: Some(PATH.to_owned()),
        name,
    }
}

pub(crate) fn profile_record(binding: &Binding) -> ProfileRecord {
    let name = binding.resource_name();
    let arn = format!("arn:aws:iam::123456789012:instance-profile{PATH}{name}");
    ProfileRecord {
        name: name.into(),
        arn: Some(arn),
        id: Some("AIPAOURS".to_owned()),
        managed: true,
    }
}

/// The desired resources of a binding.
pub(crate) fn desired(binding: &Binding) -> (Option<DesiredRole>, Option<DesiredProfile>) {
    match Desired::of(binding).expect("the policies can be written") {
        Desired::Present { role, profile } => (role.map(|role| *role), profile),
        Desired::Absent => (None, None),
    }
}

pub(crate) fn all_tags(binding: &Binding) -> BTreeMap<String, String> {
    Ownership::of(binding).with_user_tags(&binding.spec.tags)
}

/// The role in its desired state, as a complete read returns it.
pub(crate) fn whole_role(binding: &Binding) -> ObservedRole {
    let activated = Binding {
        lifecycle: Lifecycle::Active { last_error: None },
        ..binding.clone()
    };
    let role = desired(&activated).0.expect("the spec has a role");
    ObservedRole {
        record: role_record(binding),
        tags: Some(role.tags),
        trust: Some(role.trust.to_json()),
        boundary: role.boundary.map(|arn| arn.to_string()),
        inline: InlinePolicies::Listed {
            names: vec!["engine-access".to_owned()],
            own: Some(role.policy.to_json()),
        },
        attached: Some(Vec::new()),
        profiles: Some(vec![binding.resource_name().into()]),
    }
}

/// The instance profile in its desired state, as a complete read returns it.
pub(crate) fn whole_profile(binding: &Binding) -> ObservedProfile {
    ObservedProfile {
        record: profile_record(binding),
        path: PATH.to_owned(),
        tags: Some(all_tags(binding)),
        roles: Some(vec![binding.role_reference()]),
    }
}

pub(crate) fn defaults() -> Defaults {
    Defaults {
        region: Some("us-west-2".parse().expect("a region")),
        iam_role: None,
        role_prefix: RolePrefix::parse("td-").expect("a prefix"),
        permissions_boundary: None,
        kms_key: None,
        tags: tags(&[("team", "x")]),
        pass_through_roles: Vec::new(),
        allowed_boundaries: Vec::new(),
        limits: Limits::default(),
    }
}

pub(crate) fn tag_role() -> Step {
    Step::TagRole {
        role: binding().resource_name(),
        tags: BTreeMap::new(),
    }
}

pub(crate) fn tag_profile() -> Step {
    Step::TagInstanceProfile {
        profile: binding().resource_name().into(),
        tags: BTreeMap::new(),
    }
}

pub(crate) fn reference(text: &str) -> RoleReference {
    RoleReference::parse(text).expect("a role")
}

/// `If-Match` with these generations and revisions.
pub(crate) fn if_match(revisions: &[(Generation, i64)]) -> Conditions {
    let revisions = revisions.iter().map(|(generation, revision)| Revised {
        generation: *generation,
        revision: *revision,
    });
    Conditions {
        if_match: Some(IfMatch::Revisions(revisions.collect())),
        ..Conditions::default()
    }
}

/// `If-Match: *`.
pub(crate) fn if_exists() -> Conditions {
    Conditions {
        if_match: Some(IfMatch::Any),
        ..Conditions::default()
    }
}

/// `If-None-Match: *`.
pub(crate) fn if_new() -> Conditions {
    Conditions {
        if_none_match: Some(IfNoneMatch::Any),
        ..Conditions::default()
    }
}
