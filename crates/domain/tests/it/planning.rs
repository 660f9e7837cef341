//! Plans, case by case.

use engine_roles_domain::binding::{Binding, ProfileRecord, RoleRecord};
use engine_roles_domain::cluster::RoleSpec;
use engine_roles_domain::resources::{
    Desired, InlinePolicies, Observed, ObservedProfile, ObservedRole, Obstacle, Plan, Step, plan,
    plan_repair,
};

use crate::fixtures::{
    active, all_tags, binding, binding_of, deleting, pass_through_spec, profile_record, reference,
    role_record, tags, whole_profile, whole_role,
};

const ADMINS: &str = "arn:aws:iam::123456789012:role/engine";

fn planned(binding: &Binding, observed: &Observed) -> Result<Plan, Obstacle> {
    let desired = Desired::of(binding).expect("the policies can be written");
    plan(binding, &desired, observed)
}

/// The calls, stage by stage.
fn calls(plan: &Plan) -> Vec<Vec<&'static str>> {
    let stages = plan.stages.iter();
    stages
        .map(|stage| stage.iter().map(Step::action).collect())
        .collect()
}

pub(crate) fn calls_for(
    binding: &Binding,
    role: Option<ObservedRole>,
    profile: Option<ObservedProfile>,
) -> Vec<Vec<&'static str>> {
    let plan = planned(binding, &Observed { role, profile }).expect("a plan");
    assert_eq!(plan.calls(), plan.stages.iter().flatten().count());
    assert!(plan.stages.iter().all(|stage| !stage.is_empty()));
    calls(&plan)
}

#[test]
fn creating_everything_takes_four_calls_in_two_stages() {
    assert_eq!(
        calls_for(&binding(), None, None),
        [
            ["CreateRole", "CreateInstanceProfile"],
            ["PutRolePolicy", "AddRoleToInstanceProfile"]
        ]
    );
}

#[test]
fn complete_resources_need_no_call() {
    let binding = active();
    let found = (Some(whole_role(&binding)), Some(whole_profile(&binding)));
    assert!(calls_for(&binding, found.0, found.1).is_empty());
}

#[test]
fn partial_resources_are_completed() {
    let ours = binding();
    let (role, profile) = (whole_role(&ours), whole_profile(&ours));
    let bare = ObservedRole {
        inline: InlinePolicies::Own(None),
        ..role.clone()
    };
    let empty = ObservedProfile {
        roles: Some(Vec::new()),
        ..profile.clone()
    };
    let (put, add) = ("PutRolePolicy", "AddRoleToInstanceProfile");
    assert_eq!(
        calls_for(&ours, Some(bare.clone()), None),
        [vec!["CreateInstanceProfile"], vec![put, add]]
    );
    assert_eq!(
        calls_for(&ours, None, Some(empty.clone())),
        [vec!["CreateRole"], vec![put, add]]
    );
    assert_eq!(
        calls_for(&ours, Some(bare), Some(empty.clone())),
        [[put, add]]
    );
    assert_eq!(calls_for(&ours, Some(role), Some(empty)), [[add]]);
}

#[test]
fn a_policy_is_compared_by_meaning() {
    let ours = active();
    let policy = crate::fixtures::desired(&ours).0.expect("a role").policy;
    assert!(policy.to_json().contains("secretsmanager:GetSecretValue"));
    let same = serde_json::json!({
        "Statement": {
            "Resource": "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*",
            "Action": ["SECRETSMANAGER:getsecretvalue"],
            "Effect": "Allow",
        },
        "Version": "2012-10-17",
    });
    let other = serde_json::json!({"Version": "2012-10-17", "Statement": []});
    for (text, calls) in [
        (same.to_string(), Vec::<Vec<&str>>::new()),
        (other.to_string(), vec![vec!["PutRolePolicy"]]),
        ("no JSON".to_owned(), vec![vec!["PutRolePolicy"]]),
    ] {
        let role = ObservedRole {
            inline: InlinePolicies::Own(Some(text)),
            ..whole_role(&ours)
        };
        assert_eq!(
            calls_for(&ours, Some(role), Some(whole_profile(&ours))),
            calls
        );
    }
}

#[test]
fn a_role_or_profile_that_is_not_ours_is_an_obstacle_and_is_not_touched() {
    let ours = binding();
    let role = ObservedRole {
        record: RoleRecord {
            path: Some("/".to_owned()),
            ..role_record(&ours)
        },
        ..whole_role(&ours)
    };
    let observed = Observed {
        role: Some(role),
        profile: None,
    };
    let obstacle = planned(&ours, &observed).expect_err("the resource is not ours");
    assert_eq!(
        obstacle.to_string(),
        format!(
            "role {} exists and is not ours: its path is /, not /ai-unlimited/engine/test/",
            ours.resource_name()
        )
    );
    let profile = ObservedProfile {
        tags: Some(std::collections::BTreeMap::new()),
        ..whole_profile(&ours)
    };
    let observed = Observed {
        role: None,
        profile: Some(profile),
    };
    let obstacle = planned(&ours, &observed).expect_err("the resource is not ours");
    assert!(matches!(obstacle, Obstacle::NameTaken { .. }), "{obstacle}");
}

#[test]
fn a_role_with_another_unique_id_is_not_ours() {
    let ours = active();
    let mut role = whole_role(&ours);
    role.record.id = Some("AROAOTHER".to_owned());
    let observed = Observed {
        role: Some(role),
        profile: Some(whole_profile(&ours)),
    };
    let obstacle = planned(&ours, &observed).expect_err("the resource is not ours");
    assert!(
        obstacle.to_string().contains("we created AROAOURS"),
        "{obstacle}"
    );
}

#[test]
fn another_role_in_our_profile_is_an_obstacle() {
    let ours = binding();
    let profile = ObservedProfile {
        roles: Some(vec![reference("other")]),
        ..whole_profile(&ours)
    };
    let observed = Observed {
        role: None,
        profile: Some(profile),
    };
    let obstacle = planned(&ours, &observed).expect_err("the name is taken");
    let Obstacle::OtherRoleInProfile { role, .. } = obstacle else {
        panic!("{obstacle}");
    };
    assert_eq!(role.name().as_str(), "other");
}

#[test]
fn in_pass_through_only_the_profile_is_created_and_the_role_is_never_changed() {
    let ours = binding_of(pass_through_spec("engine", None));
    assert_eq!(
        calls_for(&ours, None, None),
        [["CreateInstanceProfile"], ["AddRoleToInstanceProfile"]]
    );
    let with_profile = binding_of(pass_through_spec(ADMINS, Some("theirs")));
    assert!(calls_for(&with_profile, None, None).is_empty());
    let profile = whole_profile(&ours);
    assert_eq!(profile.roles, Some(vec![reference("engine")]));
    assert!(calls_for(&ours, None, Some(profile)).is_empty());
}

/// The administrator's role by its ARN, with a path, and the role of that name without a path.
const WITH_PATH: &str = "arn:aws:iam::123456789012:role/engines/engine";
const RECREATED: &str = "arn:aws:iam::123456789012:role/engine";

#[test]
fn a_passed_role_that_was_created_again_under_another_path_is_taken_out_of_our_profile() {
    let ours = binding_of(pass_through_spec(WITH_PATH, None));
    let profile = |role: &str| ObservedProfile {
        roles: Some(vec![reference(role)]),
        ..whole_profile(&ours)
    };
    assert!(calls_for(&ours, None, Some(profile(WITH_PATH))).is_empty());
    // Our own record has no ARN; it is no proof of another role.
    assert!(calls_for(&ours, None, Some(profile("engine"))).is_empty());
    assert_eq!(
        calls_for(&ours, None, Some(profile(RECREATED))),
        [
            ["RemoveRoleFromInstanceProfile"],
            ["AddRoleToInstanceProfile"]
        ]
    );
    let observed = Observed {
        role: None,
        profile: Some(profile(RECREATED)),
    };
    let plan = planned(&ours, &observed).expect("a plan");
    assert!(plan.passes_role());
    let rest = plan.without_passing();
    assert_eq!(rest.calls(), 1);
    assert!(!rest.passes_role());
}

#[test]
fn dropped_tags_are_removed_before_others_are_set() {
    let before = active();
    let after = Binding {
        spec: RoleSpec {
            tags: tags(&[("Team", "y"), ("cost", "1")]),
            ..before.spec.clone()
        },
        applied_spec: Some(RoleSpec {
            tags: tags(&[("team", "x"), ("old", "1")]),
            ..before.spec.clone()
        }),
        ..before
    };
    let mut held = all_tags(&active());
    held.insert("old".to_owned(), "1".to_owned());
    held.insert("others".to_owned(), "1".to_owned());
    let observed = Observed {
        role: Some(ObservedRole {
            tags: Some(held.clone()),
            ..whole_role(&after)
        }),
        profile: Some(ObservedProfile {
            tags: Some(held),
            ..whole_profile(&after)
        }),
    };
    let plan = planned(&after, &observed).expect("a plan");
    assert_eq!(
        calls(&plan),
        [
            ["UntagRole", "UntagInstanceProfile"],
            ["TagRole", "TagInstanceProfile"]
        ]
    );
    // To IAM, `team` and `Team` are one key, which is set and must not be removed.
    let text = format!("{:?}", plan.stages[0]);
    assert!(
        text.contains("\"old\"") && !text.contains("eam\""),
        "{text}"
    );
    assert!(!text.contains("others"), "{text}");
}

#[test]
fn after_a_denial_the_role_is_created_alone_first() {
    let first = planned(&binding(), &Observed::nothing())
        .expect("a plan")
        .role_first();
    assert_eq!(
        calls(&first),
        [
            vec!["CreateRole"],
            vec!["CreateInstanceProfile"],
            vec!["PutRolePolicy", "AddRoleToInstanceProfile"]
        ]
    );
    assert!(Plan::default().role_first().is_empty());
    let passed = binding_of(pass_through_spec("engine", None));
    let plan = planned(&passed, &Observed::nothing())
        .expect("a plan")
        .role_first();
    assert_eq!(plan.stages.len(), 2);
}

#[test]
fn a_teardown_ends_the_grant_first() {
    let going = deleting(active());
    let found = (Some(whole_role(&going)), Some(whole_profile(&going)));
    assert_eq!(
        calls_for(&going, found.0, found.1),
        [
            ["DeleteRolePolicy", "RemoveRoleFromInstanceProfile"],
            ["DeleteRole", "DeleteInstanceProfile"]
        ]
    );
    assert!(calls_for(&going, None, None).is_empty());
}

#[test]
fn a_teardown_removes_the_policies_that_others_put_on_our_role() {
    let going = deleting(active());
    let role = ObservedRole {
        inline: InlinePolicies::Listed {
            names: vec!["others".to_owned(), "engine-access".to_owned()],
            own: None,
        },
        attached: Some(vec!["arn:aws:iam::aws:policy/X".to_owned()]),
        ..whole_role(&going)
    };
    assert_eq!(
        calls_for(&going, Some(role), None),
        [
            vec!["DeleteRolePolicy", "DeleteRolePolicy", "DetachRolePolicy"],
            vec!["DeleteRole"]
        ]
    );
}

#[test]
fn a_teardown_leaves_resources_that_are_not_ours_and_lists_them() {
    let going = deleting(active());
    let mut role = whole_role(&going);
    role.record.id = Some("AROAOTHER".to_owned());
    let profile = ObservedProfile {
        path: "/".to_owned(),
        ..whole_profile(&going)
    };
    let observed = Observed {
        role: Some(role),
        profile: Some(profile),
    };
    let plan = planned(&going, &observed).expect("a plan");
    assert!(plan.is_empty() && plan.blockers.is_empty());
    let name = going.resource_name();
    assert_eq!(
        plan.left,
        [
            format!("role {name}: its unique id is AROAOTHER, but we created AROAOURS"),
            format!("instance profile {name}: its path is /, not /ai-unlimited/engine/test/"),
        ]
    );
}

#[test]
fn our_role_in_somebody_elses_profile_blocks_the_teardown_but_its_grant_ends() {
    let going = deleting(active());
    let role = ObservedRole {
        profiles: Some(vec![
            "theirs".parse().expect("a profile"),
            going.resource_name().into(),
        ]),
        ..whole_role(&going)
    };
    let observed = Observed {
        role: Some(role),
        profile: Some(whole_profile(&going)),
    };
    let plan = planned(&going, &observed).expect("a plan");
    assert_eq!(
        calls(&plan),
        [
            vec!["DeleteRolePolicy", "RemoveRoleFromInstanceProfile"],
            vec!["DeleteInstanceProfile"]
        ]
    );
    assert_eq!(plan.blockers.len(), 1);
    assert!(plan.blockers[0].contains("theirs"), "{:?}", plan.blockers);
}

#[test]
fn a_teardown_of_resources_known_only_from_the_record_makes_all_calls() {
    let going = deleting(active());
    let observed = Observed::recorded(&going);
    assert_eq!(
        calls_for(&going, observed.role, observed.profile),
        [
            ["DeleteRolePolicy", "RemoveRoleFromInstanceProfile"],
            ["DeleteRole", "DeleteInstanceProfile"]
        ]
    );
}

#[test]
fn a_teardown_in_pass_through_takes_the_administrators_role_out_of_our_profile() {
    let half = binding_of(pass_through_spec("engine", None));
    // CreateInstanceProfile was answered; whether the role was added is not known.
    let half = deleting(Binding {
        profile: Some(profile_record(&half)),
        ..half
    });
    let plan = planned(&half, &Observed::recorded(&half)).expect("a plan");
    assert_eq!(
        calls(&plan),
        [["RemoveRoleFromInstanceProfile"], ["DeleteInstanceProfile"]]
    );
    assert!(plan.stages[0][0].target().starts_with("role engine in"));
    let theirs = ProfileRecord {
        managed: false,
        ..profile_record(&half)
    };
    let passed = deleting(Binding {
        profile: Some(theirs),
        ..binding_of(pass_through_spec(ADMINS, Some("theirs")))
    });
    assert_eq!(Observed::recorded(&passed), Observed::nothing());
}

fn repair(
    binding: &Binding,
    role: Option<ObservedRole>,
    profile: Option<ObservedProfile>,
) -> Vec<Vec<&'static str>> {
    let desired = Desired::of(binding).expect("the policies can be written");
    calls(&plan_repair(binding, &desired, &Observed { role, profile }))
}

#[test]
fn a_repair_creates_no_resource() {
    let ours = active();
    let empty = ObservedProfile {
        roles: Some(Vec::new()),
        ..whole_profile(&ours)
    };
    assert!(repair(&ours, None, None).is_empty());
    assert!(repair(&ours, Some(whole_role(&ours)), None).is_empty());
    // The role does not exist, so it is not added to the profile either.
    assert!(repair(&ours, None, Some(empty.clone())).is_empty());
    let add = "AddRoleToInstanceProfile";
    assert_eq!(
        repair(&ours, Some(whole_role(&ours)), Some(empty.clone())),
        [[add]]
    );
    let mut other = whole_role(&ours);
    other.record.id = Some("AROAOTHER".to_owned());
    assert!(repair(&ours, Some(other), Some(empty)).is_empty());
}

#[test]
fn a_repair_restores_our_own_parts_and_leaves_what_others_added() {
    let ours = active();
    let mut held = all_tags(&ours);
    held.remove("team");
    held.insert("others".to_owned(), "1".to_owned());
    let role = ObservedRole {
        tags: Some(held),
        trust: Some("{}".to_owned()),
        boundary: Some("arn:aws:iam::aws:policy/X".to_owned()),
        inline: InlinePolicies::Listed {
            names: vec!["others".to_owned()],
            own: None,
        },
        attached: Some(vec!["arn:aws:iam::aws:policy/X".to_owned()]),
        ..whole_role(&ours)
    };
    let other = ObservedProfile {
        roles: Some(vec![reference("other")]),
        ..whole_profile(&ours)
    };
    assert_eq!(
        repair(&ours, Some(role), Some(other)),
        [["PutRolePolicy", "TagRole"]]
    );
    assert!(repair(&deleting(ours.clone()), Some(whole_role(&ours)), None).is_empty());
}
