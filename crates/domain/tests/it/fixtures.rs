//! Bindings and what may be at AWS for them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine_roles_domain::account::{Partition, Scope};
use engine_roles_domain::binding::{Binding, BindingId, ProfileRecord, RoleRecord, State};
use engine_roles_domain::cluster::{
    ClusterName, CreateSpec, Defaults, ModeSpec, PassThroughSpec, RoleReference, RoleSpec,
    SecretName, Secrets,
};
use engine_roles_domain::resources::{
    Desired, DesiredProfile, DesiredRole, InlinePolicies, Namespace, ObservedProfile, ObservedRole,
    Ownership, RolePrefix, Tags,
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

pub(crate) fn named(names: &[&str]) -> Secrets {
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
    }
}

pub(crate) fn passing(role: &str, profile: Option<&str>) -> RoleSpec {
    RoleSpec {
        mode: ModeSpec::PassThrough(PassThroughSpec {
            iam_role: RoleReference::parse(role).expect("a role"),
            instance_profile: profile.map(|name| name.parse().expect("a profile")),
        }),
        ..spec()
    }
}

/// A binding that was just asked for.
pub(crate) fn binding() -> Binding {
    binding_of(spec())
}

pub(crate) fn binding_of(spec: RoleSpec) -> Binding {
    Binding {
        id: BindingId(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
        cluster: cluster(),
        namespace: Namespace::parse("test").expect("a namespace"),
        scope: scope(),
        state: State::Provisioning,
        live: true,
        generation: 1,
        applied_generation: None,
        spec,
        applied_spec: None,
        unapplied_tags: std::collections::BTreeSet::new(),
        role: None,
        profile: None,
        policy: None,
        usable_after: None,
        verified_at: None,
        drift: Vec::new(),
        last_error: None,
        attempts: 0,
        reads_settle_at: None,
        writes_settle_at: None,
        created_at: at(0),
        updated_at: at(0),
        receipt: None,
    }
}

/// A binding of which IAM took everything.
pub(crate) fn active() -> Binding {
    let asked = binding();
    Binding {
        state: State::Active,
        applied_generation: Some(1),
        applied_spec: Some(asked.spec.clone()),
        role: Some(role_record(&asked)),
        profile: Some(profile_record(&asked)),
        ..asked
    }
}

pub(crate) fn deleting(binding: Binding) -> Binding {
    Binding {
        state: State::Deleting,
        generation: binding.generation + 1,
        ..binding
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

/// What the binding should have at AWS.
pub(crate) fn desired(binding: &Binding) -> (Option<DesiredRole>, Option<DesiredProfile>) {
    match Desired::of(binding).expect("it can be written") {
        Desired::Present { role, profile } => (role.map(|role| *role), profile),
        Desired::Absent => (None, None),
    }
}

pub(crate) fn all_tags(binding: &Binding) -> BTreeMap<String, String> {
    Ownership::of(binding).with_user_tags(&binding.spec.tags)
}

/// The role as it should be, read in full.
pub(crate) fn whole_role(binding: &Binding) -> ObservedRole {
    let wanted = Binding {
        state: State::Active,
        ..binding.clone()
    };
    let role = desired(&wanted).0.expect("a role is made");
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

/// The instance profile as it should be, read in full.
pub(crate) fn whole_profile(binding: &Binding) -> ObservedProfile {
    ObservedProfile {
        record: profile_record(binding),
        path: PATH.to_owned(),
        tags: Some(all_tags(binding)),
        roles: Some(vec![binding.role_name()]),
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
    }
}
