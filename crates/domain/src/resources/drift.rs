//! Detects drift: the differences between the desired and the observed resources.

use engine_roles_policy::{Document, Kind};

use crate::binding::drift::{Drift, DriftKind};
use crate::binding::record::Binding;
use crate::grant::boundary::BoundaryArn;
use crate::grant::role_policy::INLINE_POLICY_NAME;
use crate::resources::desired::{Desired, DesiredProfile, DesiredRole};
use crate::resources::observed::{InlinePolicies, Observed, ObservedProfile, ObservedRole};
use crate::resources::proof::{prove_profile, prove_role};

/// Compares the observed resources with the desired ones. Policies are compared by meaning. The
/// observation must have been made after the consistency window. Parts that were not read are no
/// drift.
pub fn drift(binding: &Binding, desired: &Desired, observed: &Observed) -> Vec<Drift> {
    let Desired::Present { role, profile } = desired else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Some(desired) = role {
        match &observed.role {
            None => found.push(drift_of(
                DriftKind::RoleDeleted,
                format!("role {} is gone", desired.name),
            )),
            Some(role) => found.extend(role_drift(binding, desired, role)),
        }
    }
    if let Some(desired) = profile {
        match &observed.profile {
            None => {
                let detail = format!("instance profile {} is gone", desired.name);
                found.push(drift_of(DriftKind::ProfileDeleted, detail));
            }
            Some(profile) => found.extend(profile_drift(binding, desired, profile)),
        }
    }
    found
}

fn role_drift(binding: &Binding, desired: &DesiredRole, role: &ObservedRole) -> Vec<Drift> {
    if let Err(reason) = prove_role(binding, role) {
        let detail = format!("role {} is not ours: {reason}", desired.name);
        return vec![drift_of(DriftKind::RoleRecreated, detail)];
    }
    let mut found = Vec::new();
    let (own, names) = match &role.inline {
        InlinePolicies::Unread => (None, None),
        InlinePolicies::Own(own) => (Some(own), None),
        InlinePolicies::Listed { names, own } => (Some(own), Some(names)),
    };
    match own {
        Some(None) => {
            let detail = format!("inline policy {INLINE_POLICY_NAME} is gone");
            found.push(drift_of(DriftKind::PolicyMissing, detail));
        }
        Some(Some(_)) if !role.holds_policy(&desired.policy) => {
            let detail =
                format!("inline policy {INLINE_POLICY_NAME} differs from what was written");
            found.push(drift_of(DriftKind::PolicyChanged, detail));
        }
        Some(Some(_)) | None => {}
    }
    let foreign = names
        .into_iter()
        .flatten()
        .filter(|name| *name != INLINE_POLICY_NAME);
    found.extend(foreign.map(|name| {
        drift_of(
            DriftKind::ForeignInlinePolicy,
            format!("inline policy {name} is not ours"),
        )
    }));
    found.extend(role.attached.iter().flatten().map(|arn| {
        drift_of(
            DriftKind::ForeignManagedPolicy,
            format!("managed policy {arn} is attached"),
        )
    }));
    if let Some(tags) = &role.tags {
        let differs = desired
            .tags
            .iter()
            .any(|(key, value)| tags.get(key) != Some(value));
        if differs {
            found.push(drift_of(
                DriftKind::TagsChanged,
                "tags of the role differ".to_owned(),
            ));
        }
    }
    if let Some(trust) = &role.trust {
        let held = Document::read(Kind::Trust, trust).ok();
        if !held.is_some_and(|held| held.equivalent(&desired.trust)) {
            found.push(Drift {
                missing_permission: Some("iam:UpdateAssumeRolePolicy".to_owned()),
                ..drift_of(
                    DriftKind::TrustChanged,
                    "the trust policy differs from what was written".to_owned(),
                )
            });
        }
    }
    let boundary = desired.boundary.as_ref().map(BoundaryArn::as_str);
    if role.tags.is_some() && role.boundary.as_deref() != boundary {
        let permission = match boundary {
            Some(_) => "iam:PutRolePermissionsBoundary",
            None => "iam:DeleteRolePermissionsBoundary",
        };
        let held = role.boundary.as_deref().unwrap_or("none");
        let wanted = boundary.unwrap_or("none");
        found.push(Drift {
            missing_permission: Some(permission.to_owned()),
            ..drift_of(
                DriftKind::BoundaryChanged,
                format!("the permissions boundary is {held}, not {wanted}"),
            )
        });
    }
    found
}

fn profile_drift(
    binding: &Binding,
    desired: &DesiredProfile,
    profile: &ObservedProfile,
) -> Vec<Drift> {
    let name = &desired.name;
    if let Err(reason) = prove_profile(binding, profile) {
        let detail = format!("instance profile {name} is not ours: {reason}");
        return vec![drift_of(DriftKind::ProfileRecreated, detail)];
    }
    let mut found = Vec::new();
    match profile.roles.as_deref() {
        Some([]) => {
            let detail = format!("instance profile {name} contains no role");
            found.push(drift_of(DriftKind::RoleOutOfProfile, detail));
        }
        Some([role, ..]) if !role.same_role(&desired.role) => {
            let wanted = &desired.role;
            let detail = format!("instance profile {name} contains role {role}, not {wanted}");
            found.push(drift_of(DriftKind::OtherRoleInProfile, detail));
        }
        Some(_) | None => {}
    }
    if let Some(tags) = &profile.tags {
        let differs = desired
            .tags
            .iter()
            .any(|(key, value)| tags.get(key) != Some(value));
        if differs {
            let detail = "tags of the instance profile differ".to_owned();
            found.push(drift_of(DriftKind::TagsChanged, detail));
        }
    }
    found
}

fn drift_of(kind: DriftKind, detail: String) -> Drift {
    Drift {
        kind,
        detail,
        missing_permission: None,
    }
}
