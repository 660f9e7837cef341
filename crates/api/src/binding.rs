//! Maps a binding to its JSON form.

use engine_roles_contract as contract;
use engine_roles_domain::binding::{Binding, Drift, Failure, ProfileRecord, Receipt, RoleRecord};

use crate::problem::failure_code;
use crate::spec;
use crate::words::{mode_to_wire, state_to_wire};

/// Returns a cluster's newest binding. Once nothing of it exists at AWS, it shows no resources.
pub(crate) fn to_wire(binding: &Binding) -> contract::Binding {
    let incarnation = incarnation_to_wire(binding);
    if binding.is_live() {
        return contract::Binding {
            role: Some(role(binding.known_role())),
            instance_profile: Some(instance_profile(binding.known_profile())),
            ..incarnation
        };
    }
    contract::Binding {
        role: None,
        instance_profile: None,
        policy: None,
        usable_after: None,
        ..incarnation
    }
}

/// Returns the binding of an incarnation, past or present, with the resources that it last had.
pub(crate) fn incarnation_to_wire(binding: &Binding) -> contract::Binding {
    contract::Binding {
        cluster: binding.cluster.to_string(),
        binding_id: binding.id.0,
        state: state_to_wire(binding.state()).into(),
        mode: mode_to_wire(binding.mode()).into(),
        generation: binding.generation,
        applied_generation: binding.applied_generation,
        account_id: binding.scope.account.to_string(),
        partition: binding.scope.partition.as_str().to_owned(),
        role: binding.role.clone().map(role),
        instance_profile: binding.profile.clone().map(instance_profile),
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
