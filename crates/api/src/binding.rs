//! Maps a binding to its JSON form.

use engine_roles_contract as contract;
use engine_roles_domain::binding::{Binding, Drift, Failure, ProfileRecord, Receipt, RoleRecord};
use serde_json::json;

use crate::problem::failure_code;
use crate::words::{mode_to_wire, state_to_wire};

pub(crate) fn to_wire(binding: &Binding) -> contract::Binding {
    // A tombstone may keep the records of removed resources. An answer shows only existing ones.
    let is_live = binding.is_live();
    contract::Binding {
        cluster: binding.cluster.to_string(),
        binding_id: binding.id.0,
        state: state_to_wire(binding.state()).into(),
        mode: mode_to_wire(binding.mode()).into(),
        generation: binding.generation,
        applied_generation: binding.applied_generation,
        account_id: binding.scope.account.to_string(),
        partition: binding.scope.partition.as_str().to_owned(),
        role: binding.role.clone().filter(|_| is_live).map(role),
        instance_profile: binding
            .profile
            .clone()
            .filter(|_| is_live)
            .map(instance_profile),
        policy: binding.policy.clone(),
        spec: json!(binding.spec.as_requested()),
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
