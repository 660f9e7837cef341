//! Each step is one call with the expected effect.

use engine_roles_domain::binding::RoleRecord;
use engine_roles_domain::grant::BoundaryArn;
use engine_roles_domain::resources::{Applied, Step};
use engine_roles_iam::{ErrorKind, OpenGate};
use engine_roles_iam_sandbox::{Effect, SandboxConfig, When};
use engine_roles_policy::{Document, Kind};
use serde_json::json;

use crate::test_account::{
    add_role, create_profile, create_role, document, everything, fault, profile, put_policy, role,
    tags, test_account, test_account_of,
};

#[tokio::test]
async fn create_steps_return_the_created_resource() {
    let account = test_account().await;
    let created = account
        .iam
        .through(OpenGate)
        .apply(&create_role())
        .await
        .expect("a role");
    let Applied::Role(RoleRecord {
        name,
        arn,
        id,
        path,
    }) = created
    else {
        panic!("{created:?} is not a role");
    };
    assert_eq!(name, role());
    assert_eq!(path.as_deref(), Some("/ai-unlimited/engine/test/"));
    assert_eq!(arn.as_deref(), account.role()["arn"].as_str());
    assert_eq!(id.as_deref(), account.role()["id"].as_str());
    assert_eq!(
        account.role()["tags"],
        json!({"team": "a b+c", "ai-unlimited:cluster": "one"})
    );

    let created = account
        .iam
        .through(OpenGate)
        .apply(&create_profile())
        .await
        .expect("a profile");
    let Applied::Profile(created) = created else {
        panic!("{created:?} is not an instance profile");
    };
    assert_eq!(created.name, profile());
    assert!(created.managed);
    assert_eq!(created.id.as_deref(), account.profile()["id"].as_str());
    assert_eq!(created.arn.as_deref(), account.profile()["arn"].as_str());
    assert_eq!(account.profile()["path"], "/ai-unlimited/engine/test/");
    assert_eq!(account.profile()["tags"], json!({"team": "x"}));
}

#[tokio::test]
async fn a_boundary_is_set_with_the_role() {
    let account = test_account().await;
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let Step::CreateRole {
        role,
        path,
        trust,
        tags,
        ..
    } = create_role()
    else {
        unreachable!("it is a CreateRole");
    };
    let step = Step::CreateRole {
        role,
        path,
        trust,
        tags,
        boundary: Some(BoundaryArn::parse(arn).expect("an ARN")),
    };
    account.apply(&[step]).await;
    assert_eq!(account.role()["boundary"], arn);
}

#[tokio::test]
async fn the_inline_policy_is_stored_with_its_meaning() {
    let account = test_account().await;
    account.apply(&[create_role(), put_policy()]).await;
    let held = &account.role()["inline"]["engine-access"];
    let held = Document::from_value(Kind::Identity, held).expect("a policy");
    assert!(held.equivalent(&document()));
}

#[tokio::test]
async fn tags_are_set_and_removed() {
    let account = test_account().await;
    account
        .apply(&[
            create_role(),
            create_profile(),
            Step::TagRole {
                role: role(),
                tags: tags(&[("team", "new"), ("more", "")]),
            },
            Step::UntagRole {
                role: role(),
                keys: vec!["ai-unlimited:cluster".to_owned(), "never-was".to_owned()],
            },
            Step::TagInstanceProfile {
                profile: profile(),
                tags: tags(&[("other", "y")]),
            },
            Step::UntagInstanceProfile {
                profile: profile(),
                keys: vec!["team".to_owned()],
            },
        ])
        .await;
    assert_eq!(account.role()["tags"], json!({"team": "new", "more": ""}));
    assert_eq!(account.profile()["tags"], json!({"other": "y"}));
}

#[tokio::test]
async fn everything_is_created_and_removed_again() {
    let account = test_account().await;
    account.apply(&everything()).await;
    assert_eq!(account.profile()["roles"], json!([role().as_str()]));
    let managed = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let attach = account.others.attach_role_policy();
    let attach = attach.role_name(role().as_str()).policy_arn(managed);
    attach.send().await.expect("attached");

    let removals = removals(managed);
    for step in &removals {
        let applied = account
            .iam
            .through(OpenGate)
            .apply(step)
            .await
            .expect("the step succeeds");
        assert_eq!(applied, Applied::Done, "{step}");
    }
    assert_eq!(account.sandbox.state()["roles"], json!([]));
    assert_eq!(account.sandbox.state()["instance_profiles"], json!([]));
    for step in &removals {
        let applied = account
            .iam
            .through(OpenGate)
            .apply(step)
            .await
            .expect("the step succeeds when the resource does not exist");
        assert_eq!(applied, Applied::AlreadyGone, "{step}");
    }
}

fn removals(managed: &str) -> [Step; 5] {
    [
        Step::DeleteRolePolicy {
            role: role(),
            policy: "engine-access".to_owned(),
        },
        Step::DetachRolePolicy {
            role: role(),
            policy_arn: managed.to_owned(),
        },
        Step::RemoveRoleFromInstanceProfile {
            profile: profile(),
            role: role(),
        },
        Step::DeleteRole { role: role() },
        Step::DeleteInstanceProfile { profile: profile() },
    ]
}

#[tokio::test]
async fn each_step_is_one_call_of_its_name() {
    let account = test_account().await;
    let mut steps: Vec<Step> = everything().into();
    steps.extend([
        Step::TagRole {
            role: role(),
            tags: tags(&[("a", "b")]),
        },
        Step::UntagRole {
            role: role(),
            keys: vec!["a".to_owned()],
        },
        Step::TagInstanceProfile {
            profile: profile(),
            tags: tags(&[("a", "b")]),
        },
        Step::UntagInstanceProfile {
            profile: profile(),
            keys: vec!["a".to_owned()],
        },
    ]);
    steps.extend(removals("arn:aws:iam::aws:policy/ReadOnlyAccess"));
    for step in &steps {
        account
            .iam
            .through(OpenGate)
            .apply(step)
            .await
            .expect("the step is accepted");
    }
    let expected: Vec<&str> = steps.iter().map(Step::action).collect();
    let called = account.sandbox.calls(0);
    let called: Vec<&str> = called.iter().map(|call| call.action.as_str()).collect();
    assert_eq!(called, expected);
}

#[tokio::test]
async fn a_missing_resource_is_an_error_for_a_step_that_needs_it() {
    let account = test_account().await;
    for step in [put_policy(), add_role()] {
        let error = account.fails(&step).await;
        assert_eq!(error.kind, engine_roles_iam::ErrorKind::Absent, "{step}");
    }
}

/// A policy that allows resources by our path, as an administrator's policy does.
fn by_path() -> serde_json::Value {
    let below = |kind: &str| format!("arn:aws:iam::123456789012:{kind}/ai-unlimited/engine/test/*");
    let absent = |kind: &str| format!("arn:aws:iam::123456789012:{kind}/td-one-aaaa");
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": [below("role"), below("instance-profile")]},
            {
                "Effect": "Allow",
                "Action": ["iam:GetRole", "iam:GetInstanceProfile"],
                "Resource": [absent("role"), absent("instance-profile")],
            },
        ],
    })
}

#[tokio::test]
async fn a_denial_that_names_our_resource_without_its_path_means_that_it_does_not_exist() {
    let account = test_account_of(SandboxConfig {
        identity_policy: Some(by_path()),
        ..SandboxConfig::default()
    })
    .await;
    for step in [put_policy(), add_role()] {
        let error = account.fails(&step).await;
        assert_eq!(error.kind, ErrorKind::Absent, "{step}: {error:?}");
    }
    let (role, profile) = (role(), profile());
    for step in [
        Step::DeleteRole { role },
        Step::DeleteInstanceProfile { profile },
    ] {
        let gone = account
            .iam
            .through(OpenGate)
            .apply(&step)
            .await
            .expect("nothing to remove");
        assert_eq!(gone, Applied::AlreadyGone, "{step}");
    }
}

#[tokio::test]
async fn any_other_denial_stays_a_denial_unless_a_read_shows_no_resource() {
    let account = test_account().await;
    let denied = |action: &str| {
        let effect = Effect::Error("AccessDenied".to_owned());
        fault(action, When::Before, effect)
    };
    account
        .sandbox
        .set_faults(vec![denied("PutRolePolicy"), denied("DeleteRole")]);
    let error = account.fails(&put_policy()).await;
    assert_eq!(error.kind, ErrorKind::Denied);
    let gone = Step::DeleteRole { role: role() };
    let unseen = account
        .iam
        .through(OpenGate)
        .apply(&gone)
        .await
        .expect("a read shows nothing");
    assert_eq!(unseen, Applied::Unseen);
    account.apply(&[create_role()]).await;
    let error = account.fails(&gone).await;
    assert_eq!(error.kind, ErrorKind::Denied);
}
