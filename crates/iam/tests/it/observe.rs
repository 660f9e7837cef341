//! Reads at each depth.

use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::resources::{InlinePolicies, Observed, Step};
use engine_roles_iam::{Depth, ErrorKind, OpenGate, Target};
use engine_roles_iam_sandbox::{Effect, When};
use engine_roles_policy::{Document, Kind};

use crate::test_account::{
    TestAccount, document, everything, fault, profile, role, tags, test_account,
};

const OTHERS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;

fn both() -> Target {
    Target {
        role: Some(role()),
        profile: Some(profile()),
    }
}

async fn observe(account: &TestAccount, depth: Depth) -> Observed {
    account
        .iam
        .through(OpenGate)
        .observe(&both(), depth)
        .await
        .expect("an answer")
}

#[tokio::test]
async fn missing_resources_are_none_at_every_depth() {
    let account = test_account().await;
    for depth in [Depth::Existence, Depth::Contents, Depth::Dependants] {
        assert_eq!(
            observe(&account, depth).await,
            Observed::nothing(),
            "{depth:?}"
        );
    }
}

#[tokio::test]
async fn existence_and_owner_are_read_with_two_calls() {
    let account = test_account().await;
    account.apply(&everything()).await;
    let before = account.sandbox.calls(0).len();
    let seen = observe(&account, Depth::Existence).await;
    assert_eq!(account.sandbox.calls(0).len() - before, 2);

    let found = seen.role.expect("the role");
    assert_eq!(found.record.name, role());
    assert_eq!(found.record.arn.as_deref(), account.role()["arn"].as_str());
    assert_eq!(found.record.id.as_deref(), account.role()["id"].as_str());
    assert_eq!(
        found.record.path.as_deref(),
        Some("/ai-unlimited/engine/test/")
    );
    assert_eq!(
        found.tags,
        Some(tags(&[("team", "a b+c"), ("ai-unlimited:cluster", "one")]))
    );
    assert_eq!(found.boundary, None);
    assert_eq!(found.inline, InlinePolicies::Unread);
    assert_eq!((found.attached, found.profiles), (None, None));
    let trust = found.trust.expect("a trust policy");
    Document::parse(Kind::Trust, &trust).expect("the trust policy is JSON again");

    let found = seen.profile.expect("the profile");
    assert_eq!(found.record.name, profile());
    assert_eq!(found.record.id.as_deref(), account.profile()["id"].as_str());
    assert_eq!(found.path, "/ai-unlimited/engine/test/");
    let contained = account.role()["arn"].as_str().map(RoleReference::parse);
    let contained = contained.expect("an ARN").expect("a role");
    assert_eq!(found.roles, Some(vec![contained]));
    assert_eq!(found.tags, Some(tags(&[("team", "x")])));
}

#[tokio::test]
async fn contents_include_our_inline_policy_as_it_was_written() {
    let account = test_account().await;
    account.apply(&everything()).await;
    let before = account.sandbox.calls(0).len();
    let seen = observe(&account, Depth::Contents).await;
    assert_eq!(account.sandbox.calls(0).len() - before, 3);
    let found = seen.role.expect("the role");
    assert!(found.holds_policy(&document()), "{:?}", found.inline);
    let InlinePolicies::Own(Some(text)) = found.inline else {
        panic!("only our policy is read");
    };
    assert!(text.contains("a+b c%41&d=e/ü-??????"), "{text}");
}

#[tokio::test]
async fn a_missing_inline_policy_is_observed_as_missing() {
    let account = test_account().await;
    account.apply(&everything()).await;
    account
        .apply(&[Step::DeleteRolePolicy {
            role: role(),
            policy: "engine-access".to_owned(),
        }])
        .await;
    let seen = observe(&account, Depth::Contents).await;
    let inline = seen.role.expect("the role").inline;
    assert_eq!(inline, InlinePolicies::Own(None));
}

#[tokio::test]
async fn dependants_are_all_policies_and_profiles_of_the_role() {
    let account = test_account().await;
    account.apply(&everything()).await;
    let managed = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let attach = account.others.attach_role_policy();
    let attach = attach.role_name(role().as_str()).policy_arn(managed);
    attach.send().await.expect("attached");
    put(&account, "others").await;
    let before = account.sandbox.calls(0).len();
    let seen = observe(&account, Depth::Dependants).await;
    assert_eq!(account.sandbox.calls(0).len() - before, 6);
    let found = seen.role.expect("the role");
    assert!(found.holds_policy(&document()));
    let InlinePolicies::Listed { mut names, .. } = found.inline else {
        panic!("the policies are listed");
    };
    names.sort();
    assert_eq!(names, ["engine-access", "others"]);
    assert_eq!(found.attached, Some(vec![managed.to_owned()]));
    assert_eq!(found.profiles, Some(vec![profile()]));
}

#[tokio::test]
async fn long_lists_are_read_to_their_end() {
    let account = test_account().await;
    account.apply(&everything()[..1]).await;
    for number in 0..110 {
        put(&account, &format!("p{number:03}")).await;
        let name = format!("profile-{number:03}");
        let created = account.others.create_instance_profile();
        let created = created.instance_profile_name(&name).send().await;
        created.expect("a profile");
        let added = account.others.add_role_to_instance_profile();
        let added = added
            .instance_profile_name(&name)
            .role_name(role().as_str());
        added.send().await.expect("added");
    }
    let seen = observe(&account, Depth::Dependants).await;
    let found = seen.role.expect("the role");
    let InlinePolicies::Listed { names, own } = found.inline else {
        panic!("the policies are listed");
    };
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len(), own), (110, 110, None));
    assert_eq!(found.profiles.map(|names| names.len()), Some(110));
    assert_eq!(account.calls("ListRolePolicies"), 2);
}

#[tokio::test]
async fn only_the_named_resources_are_read() {
    let account = test_account().await;
    account.apply(&everything()).await;
    let target = Target {
        role: None,
        profile: Some(profile()),
    };
    let seen = account
        .iam
        .through(OpenGate)
        .observe(&target, Depth::Dependants)
        .await;
    let seen = seen.expect("an answer");
    assert!(seen.role.is_none() && seen.profile.is_some());
    assert_eq!(account.calls("GetRole"), 0);
}

#[tokio::test]
async fn a_failed_read_is_an_error_and_never_an_absence() {
    let account = test_account().await;
    account.apply(&everything()).await;
    for action in [
        "GetRole",
        "GetRolePolicy",
        "GetInstanceProfile",
        "ListRolePolicies",
        "ListAttachedRolePolicies",
        "ListInstanceProfilesForRole",
    ] {
        let denied = Effect::Error("AccessDenied".to_owned());
        account
            .sandbox
            .set_faults(vec![fault(action, When::Before, denied)]);
        let seen = account
            .iam
            .through(OpenGate)
            .observe(&both(), Depth::Dependants)
            .await;
        let error = seen.expect_err(action);
        assert_eq!((error.kind, error.action), (ErrorKind::Denied, action));
        assert_eq!(error.missing_permission, Some(format!("iam:{action}")));
    }
}

#[tokio::test]
async fn a_role_that_listings_do_not_show_yet_is_observed() {
    let account = test_account().await;
    account.apply(&everything()).await;
    let absent = Effect::Error("NoSuchEntity".to_owned());
    account.sandbox.set_faults(vec![fault(
        "ListAttachedRolePolicies",
        When::Before,
        absent,
    )]);
    let seen = observe(&account, Depth::Dependants).await;
    let found = seen.role.expect("the role");
    assert!(found.holds_policy(&document()));
    // The lists are unknown, which differs from empty.
    assert_eq!((found.attached, found.profiles), (None, None));
}

#[tokio::test]
async fn sts_returns_our_own_account() {
    let account = test_account().await;
    let scope = account
        .iam
        .through(OpenGate)
        .caller_scope()
        .await
        .expect("an answer");
    assert_eq!(scope.to_string(), "123456789012 (aws)");
}

async fn put(account: &TestAccount, name: &str) {
    let put = account.others.put_role_policy().role_name(role().as_str());
    let put = put.policy_name(name).policy_document(OTHERS);
    put.send().await.expect("the policy is accepted");
}
