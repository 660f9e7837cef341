//! Maps the spec of a role to its JSON form.

use engine_roles_contract as contract;
use engine_roles_domain::cluster::{ModeSpec, RoleSpec, Secrets};
use engine_roles_domain::resources::Tags;

use crate::words::mode_to_wire;

/// Returns the spec as a caller can request it again.
pub(crate) fn to_wire(spec: &RoleSpec) -> contract::Spec {
    let (iam_role, permissions_boundary) = of_mode(&spec.mode);
    contract::Spec {
        mode: mode_to_wire(spec.mode.mode()).into(),
        iam_role,
        secrets: secrets(&spec.secrets),
        session_manager: spec.session_manager,
        region: spec.region.to_string(),
        role_prefix: spec.role_prefix.to_string(),
        permissions_boundary,
        tags: tags(&spec.caller_tags()),
    }
}

/// Returns the spec with what the configuration added to it.
pub(crate) fn effective_to_wire(spec: &RoleSpec) -> contract::EffectiveSpec {
    let (iam_role, permissions_boundary) = of_mode(&spec.mode);
    let instance_profile = match &spec.mode {
        ModeSpec::Create(_) => None,
        ModeSpec::PassThrough(pass) => pass.instance_profile.as_ref(),
    };
    contract::EffectiveSpec {
        mode: mode_to_wire(spec.mode.mode()).into(),
        iam_role,
        instance_profile: instance_profile.map(ToString::to_string),
        secrets: secrets(&spec.secrets),
        kms_key: spec.kms_key.as_ref().map(ToString::to_string),
        session_manager: spec.session_manager,
        region: spec.region.to_string(),
        role_prefix: spec.role_prefix.to_string(),
        permissions_boundary,
        tags: tags(&spec.tags),
    }
}

/// Returns the role of mode pass-through, and the boundary of mode create.
fn of_mode(mode: &ModeSpec) -> (Option<String>, Option<String>) {
    match mode {
        ModeSpec::Create(create) => {
            let boundary = create.permissions_boundary.as_ref();
            (None, boundary.map(ToString::to_string))
        }
        ModeSpec::PassThrough(pass) => (Some(pass.iam_role.to_string()), None),
    }
}

fn secrets(secrets: &Secrets) -> contract::Secrets {
    match secrets {
        Secrets::All => contract::Secrets::Word("all".to_owned()),
        Secrets::Named(names) => {
            contract::Secrets::Names(names.iter().map(ToString::to_string).collect())
        }
    }
}

fn tags(tags: &Tags) -> std::collections::BTreeMap<String, String> {
    let pairs = tags.iter();
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
