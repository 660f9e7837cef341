//! Each step, as one call that does what it says.

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
async fn creates_answer_with_what_they_made() {
    let account = test_account().await;
    let made = account
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
    }) = made
    else {
        panic!("{made:?} is no role");
    };
    assert_eq!(name, role());
    assert_eq!(path.as_deref(), Some("/ai-unlimited/engine/test/"));
    assert_eq!(arn.as_deref(), account.role()["arn"].as_str());
    assert_eq!(id.as_deref(), account.role()["id"].as_str());
    assert_eq!(
        account.role()["tags"],
        json!({"team": "a b+c", "ai-unlimited:cluster": "one"})
    );

    let made = account
        .iam
        .through(OpenGate)
        .apply(&create_profile())
        .await
        .expect("a profile");
    let Applied::Profile(made) = made else {
        panic!("{made:?} is no instance profile");
    };
    assert_eq!(made.name, profile());
    assert!(made.managed);
    assert_eq!(made.id.as_deref(), account.profile()["id"].as_str());
    assert_eq!(made.arn.as_deref(), account.profile()["arn"].as_str());
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
async fn a_policy_arrives_as_it_was_meant() {
    let account = test_account().await;
    account.apply(&[create_role(), put_policy()]).await;
    let held = &account.role()["inline"]["engine-access"];
    let held = Document::from_value(Kind::Identity, held).expect("a policy");
    assert!(held.equivalent(&document()));
}

#[tokio::test]
async fn tags_are_set_and_taken_off() {
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
async fn a_role_goes_into_its_profile_and_all_goes_again() {
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
            .expect("it goes");
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
            .expect("it is gone");
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
            .expect("the step is taken");
    }
    let meant: Vec<&str> = steps.iter().map(Step::action).collect();
    let called = account.sandbox.calls(0);
    let called: Vec<&str> = called.iter().map(|call| call.action.as_str()).collect();
    assert_eq!(called, meant);
}

#[tokio::test]
async fn what_is_not_there_is_an_error_for_a_step_that_fills() {
    let account = test_account().await;
    for step in [put_policy(), add_role()] {
        let error = account.fails(&step).await;
        assert_eq!(error.kind, engine_roles_iam::ErrorKind::Absent, "{step}");
    }
}

/// A policy that goes by our path, as an administrator's would.
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
async fn a_refusal_that_names_ours_without_its_path_says_that_it_is_not_there() {
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
async fn a_refusal_in_other_words_stays_one_unless_a_read_shows_nothing() {
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
