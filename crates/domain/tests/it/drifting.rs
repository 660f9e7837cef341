//! Detection of each kind of drift.

use engine_roles_domain::binding::DriftKind;
use engine_roles_domain::resources::{
    Desired, InlinePolicies, Observed, ObservedProfile, ObservedRole, drift,
};

use crate::fixtures::{
    active, binding_of, deleting, pass_through_spec, reference, whole_profile, whole_role,
};

type Change = fn(&mut Observed);

fn whole() -> Observed {
    let ours = active();
    Observed {
        role: Some(whole_role(&ours)),
        profile: Some(whole_profile(&ours)),
    }
}

fn kinds(observed: &Observed) -> Vec<DriftKind> {
    let ours = active();
    let desired = Desired::of(&ours).expect("the policies can be written");
    let found = drift(&ours, &desired, observed);
    found.iter().map(|drift| drift.kind).collect()
}

fn role(observed: &mut Observed) -> &mut ObservedRole {
    observed.role.as_mut().expect("the role")
}

fn profile(observed: &mut Observed) -> &mut ObservedProfile {
    observed.profile.as_mut().expect("the profile")
}

#[test]
fn resources_in_their_desired_state_have_no_drift() {
    assert_eq!(kinds(&whole()), []);
}

#[test]
fn each_change_is_detected_as_its_kind_of_drift() {
    let changes: [(Change, &[DriftKind]); 18] = [
        (|seen| seen.role = None, &[DriftKind::RoleDeleted]),
        (|seen| seen.profile = None, &[DriftKind::ProfileDeleted]),
        (
            |seen| role(seen).record.id = Some("AROAOTHER".to_owned()),
            &[DriftKind::RoleRecreated],
        ),
        (
            |seen| profile(seen).record.id = Some("AIPAOTHER".to_owned()),
            &[DriftKind::ProfileRecreated],
        ),
        (
            |seen| role(seen).inline = InlinePolicies::Own(None),
            &[DriftKind::PolicyMissing],
        ),
        (
            |seen| role(seen).inline = InlinePolicies::Own(Some("{}".to_owned())),
            &[DriftKind::PolicyChanged],
        ),
        (
            |seen| {
                role(seen).inline = InlinePolicies::Listed {
                    names: vec!["a".to_owned(), "b".to_owned()],
                    own: None,
                };
            },
            &[
                DriftKind::PolicyMissing,
                DriftKind::ForeignInlinePolicy,
                DriftKind::ForeignInlinePolicy,
            ],
        ),
        (
            |seen| role(seen).attached = Some(vec!["arn:aws:iam::aws:policy/X".to_owned()]),
            &[DriftKind::ForeignManagedPolicy],
        ),
        (
            |seen| {
                role(seen).tags.as_mut().expect("tags").remove("team");
            },
            &[DriftKind::TagsChanged],
        ),
        (
            |seen| {
                let tags = role(seen).tags.as_mut().expect("tags");
                tags.remove("ai-unlimited:cluster");
            },
            &[DriftKind::TagsChanged],
        ),
        (
            |seen| {
                let tags = profile(seen).tags.as_mut().expect("tags");
                tags.insert("team".to_owned(), "other".to_owned());
            },
            &[DriftKind::TagsChanged],
        ),
        // A Sid has no effect on access, also where IAM would not have accepted it from us.
        (
            |seen| {
                let trust = role(seen).trust.as_mut().expect("a trust policy");
                *trust = trust.replace("EngineNodesAssume", "engine nodes");
                assert!(trust.contains("engine nodes"));
            },
            &[],
        ),
        (
            |seen| {
                let trust = role(seen).trust.as_mut().expect("a trust policy");
                *trust = trust.replacen("\"Effect\"", "\"Comment\":\"x\",\"Effect\"", 1);
            },
            &[DriftKind::TrustChanged],
        ),
        (
            |seen| role(seen).trust = Some("{}".to_owned()),
            &[DriftKind::TrustChanged],
        ),
        (
            |seen| role(seen).boundary = Some("arn:aws:iam::aws:policy/X".to_owned()),
            &[DriftKind::BoundaryChanged],
        ),
        (
            |seen| profile(seen).roles = Some(Vec::new()),
            &[DriftKind::RoleOutOfProfile],
        ),
        (
            |seen| profile(seen).roles = Some(vec![reference("other")]),
            &[DriftKind::OtherRoleInProfile],
        ),
        (
            |seen| {
                let tags = role(seen).tags.as_mut().expect("tags");
                tags.insert("others".to_owned(), "1".to_owned());
            },
            &[],
        ),
    ];
    for (change, expected) in changes {
        let mut seen = whole();
        change(&mut seen);
        assert_eq!(kinds(&seen), expected);
    }
}

#[test]
fn parts_that_were_not_read_are_no_drift() {
    let mut seen = whole();
    let found = role(&mut seen);
    found.inline = InlinePolicies::Unread;
    found.tags = None;
    found.trust = None;
    found.attached = None;
    found.profiles = None;
    profile(&mut seen).roles = None;
    profile(&mut seen).tags = None;
    assert_eq!(kinds(&seen), []);
}

#[test]
fn drift_that_is_never_repaired_names_the_permission_that_a_repair_would_need() {
    let ours = active();
    let desired = Desired::of(&ours).expect("the policies can be written");
    let mut seen = whole();
    role(&mut seen).trust = Some("{}".to_owned());
    role(&mut seen).boundary = Some("arn:aws:iam::aws:policy/X".to_owned());
    let found = drift(&ours, &desired, &seen);
    let missing: Vec<_> = found
        .iter()
        .map(|drift| drift.missing_permission.as_deref())
        .collect();
    assert_eq!(
        missing,
        [
            Some("iam:UpdateAssumeRolePolicy"),
            Some("iam:DeleteRolePermissionsBoundary")
        ]
    );
}

#[test]
fn a_binding_that_should_have_no_resources_has_no_drift() {
    let going = deleting(active());
    let desired = Desired::of(&going).expect("nothing");
    assert!(drift(&going, &desired, &whole()).is_empty());
    let passed = binding_of(pass_through_spec(
        "arn:aws:iam::123456789012:role/engine",
        Some("theirs"),
    ));
    let desired = Desired::of(&passed).expect("nothing of ours");
    assert!(drift(&passed, &desired, &Observed::nothing()).is_empty());
}
