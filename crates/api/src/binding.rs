//! Maps a binding to its JSON form.

use engine_roles_contract as contract;
use engine_roles_domain::binding::{Binding, Drift, Failure, ProfileRecord, Receipt, RoleRecord};
use engine_roles_domain::cluster::Mode;
use engine_roles_store::Incarnation;

use crate::problem::failure_code;
use crate::spec;
use crate::words::{mode_to_wire, state_to_wire};

/// Returns a cluster's newest binding. Once nothing of it exists at AWS, it shows no resources.
pub(crate) fn to_wire(binding: &Binding) -> contract::Binding {
    if binding.is_live() {
        return contract::Binding {
            role: Some(role(binding.known_role())),
            instance_profile: Some(instance_profile(binding.known_profile())),
            ..record_to_wire(binding)
        };
    }
    contract::Binding {
        policy: None,
        usable_after: None,
        ..record_to_wire(binding)
    }
}

/// Returns the binding of an incarnation, past or present, with the resources that it last had.
pub(crate) fn incarnation_to_wire(incarnation: &Incarnation) -> contract::Binding {
    let binding = &incarnation.binding;
    if binding.is_live() {
        return to_wire(binding);
    }
    // The role of mode pass-through exists although AWS gave this service no id for it.
    let had_role = incarnation.role_id.is_some() || binding.mode() == Mode::PassThrough;
    let role = had_role.then(|| contract::Role {
        id: incarnation.role_id.clone(),
        ..role(binding.known_role())
    });
    let profile = binding.known_profile();
    let had_profile = incarnation.profile_id.is_some() || !profile.managed;
    let profile = had_profile.then(|| contract::InstanceProfile {
        id: incarnation.profile_id.clone(),
        ..instance_profile(profile)
    });
    contract::Binding {
        role,
        instance_profile: profile,
        ..record_to_wire(binding)
    }
}

/// Returns everything but role and instance profile.
fn record_to_wire(binding: &Binding) -> contract::Binding {
    contract::Binding {
        cluster: binding.cluster.to_string(),
        binding_id: binding.id.0,
        state: state_to_wire(binding.state()).into(),
        mode: mode_to_wire(binding.mode()).into(),
        generation: binding.generation,
        applied_generation: binding.applied_generation,
        account_id: binding.scope.account.to_string(),
        partition: binding.scope.partition.as_str().to_owned(),
        role: None,
        instance_profile: None,
        policy: binding.policy.clone(),
        spec: spec::to_wire(&binding.spec),
        effective: spec::effective_to_wire(&binding.spec),
        usable_after: binding.usable_after,
        verified_at: binding.verified_at,
        drift: binding.drift.iter().cloned().map(drift).collect(),
        last_error: binding.last_error().cloned().map(last_error),
        created_at: binding.created_at,
        updated_at: binding.updated_at,
        receipt: binding.receipt().cloned().map(receipt),
    }
}

fn role(role: RoleRecord) -> contract::Role {
    let RoleRecord {
        name,
        arn,
        id,
        path,
    } = role;
    contract::Role {
        name: name.into(),
        arn,
        id,
        path,
    }
}

fn instance_profile(profile: ProfileRecord) -> contract::InstanceProfile {
    let ProfileRecord {
        name,
        arn,
        id,
        managed,
    } = profile;
    contract::InstanceProfile {
        name: name.into(),
        arn,
        id,
        managed,
    }
}

fn drift(drift: Drift) -> contract::Drift {
    let Drift {
        kind,
        detail,
        missing_permission,
    } = drift;
    contract::Drift {
        kind: kind.as_str().to_owned(),
        detail,
        missing_permission,
    }
}

fn last_error(failure: Failure) -> contract::LastError {
    contract::LastError {
        code: failure_code(failure.code).into(),
        detail: failure.detail,
        missing_permissions: failure.missing_permissions,
        blockers: failure.blockers,
        at: failure.at,
        attempts: failure.attempts,
        next_attempt_at: failure.next_attempt_at,
    }
}

fn receipt(receipt: Receipt) -> contract::Receipt {
    let Receipt {
        grant_ended_at,
        access_ended_at,
        removed,
        left,
    } = receipt;
    contract::Receipt {
        grant_ended_at,
        access_ended_at,
        removed,
        left,
    }
}
