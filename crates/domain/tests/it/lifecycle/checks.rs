//! What a check of an active binding changes, and that the rest stays.

use engine_roles_domain::binding::lifecycle::{drift_found, drift_repaired, verified};
use engine_roles_domain::binding::{Binding, DriftKind, EventDetail};
use engine_roles_domain::resources::Step;
use engine_roles_policy::{Document, Kind};

use super::{NOW, denied, touched};
use crate::fixtures::{Stage, at, binding, drift_of, in_stage, tag_profile, tag_role};

#[test]
fn a_check_that_finds_no_drift_records_the_time_and_reports_drift_that_is_gone() {
    let before = in_stage(Stage::Active);
    for (drift, event) in [
        (Vec::new(), None),
        (
            before.drift.clone(),
            Some(EventDetail::DriftRepairedByOthers),
        ),
    ] {
        let before = Binding {
            drift,
            ..before.clone()
        };
        let after = verified(before.clone(), at(NOW)).expect("the check is recorded");
        let expected = Binding {
            drift: Vec::new(),
            verified_at: Some(at(NOW)),
            ..touched(&before)
        };
        assert_eq!(after.binding, expected);
        assert_eq!(after.event, event);
    }
}

#[test]
fn newly_found_drift_replaces_the_recorded_drift() {
    let before = in_stage(Stage::Active);
    let drift = vec![
        drift_of(DriftKind::PolicyMissing),
        drift_of(DriftKind::TrustChanged),
    ];
    let after = drift_found(before.clone(), drift.clone(), at(NOW)).expect("drift");
    let expected = Binding {
        drift: drift.clone(),
        ..touched(&before)
    };
    assert_eq!(after.binding, expected);
    assert_eq!(after.event, Some(EventDetail::DriftFound { drift }));
}

#[test]
fn a_repair_keeps_the_drift_until_a_read_shows_it_gone_and_names_denied_permissions() {
    let before = Binding {
        drift: vec![
            drift_of(DriftKind::PolicyMissing),
            drift_of(DriftKind::TagsChanged),
            drift_of(DriftKind::RoleOutOfProfile),
            drift_of(DriftKind::TrustChanged),
        ],
        ..in_stage(Stage::Active)
    };
    let steps = vec!["PutRolePolicy (role x)".to_owned()];
    let denied_steps = [denied(tag_profile()), denied(tag_role())];
    let after = drift_repaired(before.clone(), steps.clone(), &denied_steps, at(NOW));
    let after = after.expect("a repair");
    let mut expected = touched(&before);
    expected.drift[1].missing_permission = Some("iam:TagInstanceProfile".to_owned());
    assert_eq!(after.binding, expected);
    assert_eq!(after.event, Some(EventDetail::DriftRepaired { steps }));

    let after = drift_repaired(before.clone(), Vec::new(), &[], at(NOW)).expect("a repair");
    assert_eq!((after.binding, after.event), (touched(&before), None));
}

#[test]
fn each_repairing_call_repairs_its_own_kinds_of_drift() {
    let role = binding().resource_name();
    let allow = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#;
    let steps = [
        Step::PutRolePolicy {
            role: role.clone(),
            document: Document::parse(Kind::Identity, allow).expect("a document"),
        },
        tag_role(),
        tag_profile(),
        Step::AddRoleToInstanceProfile {
            profile: role.clone().into(),
            role: role.clone(),
        },
        Step::UntagRole {
            role: role.clone(),
            keys: vec!["team".to_owned()],
        },
        Step::DeleteRole { role },
    ];
    for (kind, actions) in [
        (DriftKind::PolicyChanged, &["PutRolePolicy"][..]),
        (DriftKind::PolicyMissing, &["PutRolePolicy"]),
        (DriftKind::TagsChanged, &["TagRole", "TagInstanceProfile"]),
        (DriftKind::RoleOutOfProfile, &["AddRoleToInstanceProfile"]),
        (DriftKind::OtherRoleInProfile, &[]),
        (DriftKind::ForeignInlinePolicy, &[]),
        (DriftKind::ForeignManagedPolicy, &[]),
        (DriftKind::TrustChanged, &[]),
        (DriftKind::BoundaryChanged, &[]),
        (DriftKind::RoleDeleted, &[]),
        (DriftKind::ProfileDeleted, &[]),
        (DriftKind::RoleRecreated, &[]),
        (DriftKind::ProfileRecreated, &[]),
    ] {
        for step in &steps {
            let action = step.action();
            let repairs = step.repairs(kind);
            assert_eq!(repairs, actions.contains(&action), "{kind:?} by {action}");
        }
    }
}
