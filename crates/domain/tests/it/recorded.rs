//! What a binding's record shows of its resources while reads of IAM may be stale.

use engine_roles_domain::binding::{Binding, DriftKind};
use engine_roles_domain::resources::Observed;

use crate::fixtures::{
    active, binding, drift_of, profile_record, role_record, whole_profile, whole_role,
};
use crate::planning::calls_for;

#[test]
fn contents_known_only_from_the_record_are_written_again() {
    let known = active();
    let observed = Observed::recorded(&known);
    assert_eq!(
        calls_for(&known, observed.role, observed.profile),
        [["PutRolePolicy"]]
    );
    let half = Binding {
        role: Some(role_record(&binding())),
        profile: Some(profile_record(&binding())),
        ..binding()
    };
    let observed = Observed::recorded(&half);
    assert_eq!(
        calls_for(&half, observed.role, observed.profile),
        [[
            "PutRolePolicy",
            "TagRole",
            "AddRoleToInstanceProfile",
            "TagInstanceProfile"
        ]]
    );
    assert_eq!(Observed::recorded(&binding()), Observed::nothing());
}

#[test]
fn resources_that_reads_do_not_show_yet_are_taken_from_the_record() {
    let known = active();
    let seen = Observed {
        role: Some(whole_role(&known)),
        profile: None,
    };
    let both = seen.clone().or_recorded(&known);
    assert_eq!(both.role, seen.role);
    assert_eq!(both.profile, Observed::recorded(&known).profile);
}

#[test]
fn a_resource_that_a_check_found_deleted_does_not_count_as_recorded() {
    let recorded_with = |kind| {
        Observed::recorded(&Binding {
            drift: vec![drift_of(kind)],
            ..active()
        })
    };
    let without_profile = recorded_with(DriftKind::ProfileDeleted);
    assert!(without_profile.role.is_some());
    assert_eq!(without_profile.profile, None);
    assert_eq!(
        calls_for(&active(), without_profile.role, without_profile.profile),
        [
            vec!["CreateInstanceProfile"],
            vec!["PutRolePolicy", "AddRoleToInstanceProfile"]
        ]
    );
    let without_role = recorded_with(DriftKind::RoleDeleted);
    assert!(without_role.profile.is_some());
    assert_eq!(without_role.role, None);
}

#[test]
fn tags_that_an_incomplete_intent_may_have_changed_are_written_again() {
    let known = Binding {
        unapplied_tags: ["new".to_owned(), "team".to_owned()].into(),
        ..active()
    };
    let removed = vec!["UntagRole", "UntagInstanceProfile"];
    let tags = vec!["TagRole", "TagInstanceProfile"];
    let recorded = Observed::recorded(&known);
    let seen = Observed {
        role: Some(whole_role(&known)),
        profile: Some(whole_profile(&known)),
    };
    let stale = seen.or_recorded(&known);
    assert_eq!(
        calls_for(&known, recorded.role, recorded.profile),
        [
            removed.clone(),
            vec!["PutRolePolicy", "TagRole", "TagInstanceProfile"]
        ]
    );
    assert_eq!(
        calls_for(&known, stale.role, stale.profile),
        [removed, tags]
    );
}
