//! Names, scopes and prefixes of API keys, and what they permit.

use engine_roles_domain::audit::Actor;
use engine_roles_domain::caller::{
    AwsIdentity, Caller, ClusterPrefix, KeyId, KeyName, KeyScope, KeyScopes, Principal,
};
use engine_roles_domain::cluster::ClusterName;

fn scopes(words: &str) -> KeyScopes {
    KeyScopes::parse(words.split(',')).expect("scopes")
}

#[test]
fn a_key_has_one_scope_or_several() {
    let two = scopes("read,provision");
    assert_eq!(two.to_string(), "provision,read");
    assert!(two.contains(KeyScope::Read) && !two.contains(KeyScope::Audit));
    assert_eq!(scopes("audit,read,provision,read"), KeyScopes::all());
    for words in ["", "write", "read,", "Read"] {
        assert!(KeyScopes::parse(words.split(',')).is_err(), "{words}");
    }
    assert!(KeyScopes::parse([]).is_err());
}

#[test]
fn no_key_has_the_name_of_an_actor_of_the_service() {
    for name in ["manager", "a", "team-1.prod@eu", &"n".repeat(63)] {
        assert!(KeyName::parse(name).is_ok(), "{name}");
    }
    let service = ["init", "anonymous", "operator", "reconciler"];
    let invalid = ["", "-a", "a b", "a/b", "é", &"n".repeat(64)];
    for name in service.into_iter().chain(invalid) {
        assert!(KeyName::parse(name).is_err(), "{name}");
        assert!(KeyName::parse_new(name).is_err(), "{name}");
    }
    // Stored keys with such names stay valid; no more are made.
    for name in ["Init", "ANONYMOUS", "Operator", "reConciler"] {
        assert!(KeyName::parse(name).is_ok(), "{name}");
        assert!(KeyName::parse_new(name).is_err(), "{name}");
    }
    assert!(KeyName::parse_new("manager").is_ok());
}

#[test]
fn a_prefix_limits_the_clusters_that_a_caller_may_see() {
    let prefix = ClusterPrefix::parse("team-a-").expect("a prefix");
    let caller = Caller {
        prefix: Some(prefix),
        scopes: scopes("read"),
        ..Caller::unlimited(Actor("manager".to_owned()))
    };
    assert!(caller.may(KeyScope::Read) && !caller.may(KeyScope::Provision));
    for (cluster, expected) in [
        ("team-a-1", true),
        ("team-a-", true),
        ("team-b-1", false),
        ("team-a", false),
    ] {
        let cluster = ClusterName::parse(cluster).expect("a name");
        assert_eq!(caller.may_see(&cluster), expected, "{cluster}");
    }
    for prefix in ["", "-a", "a.b", "a*"] {
        assert!(ClusterPrefix::parse(prefix).is_err(), "{prefix}");
    }
}

#[test]
fn two_prefixes_select_the_names_that_begin_with_both() {
    let prefix = ClusterPrefix::parse("team-a").expect("a prefix");
    for (wanted, both) in [
        ("", Some("team-a")),
        ("team", Some("team-a")),
        ("team-a-1", Some("team-a-1")),
        ("team-b", None),
    ] {
        assert_eq!(prefix.and(wanted), both, "{wanted}");
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/manager";

#[test]
fn a_session_belongs_to_its_role_whatever_the_path_of_the_role() {
    let identity = "arn:aws:sts::123456789012:assumed-role/manager/i-0abc@x";
    let identity = AwsIdentity::of_arn(identity).expect("a session");
    let with_path = "arn:aws:iam::123456789012:role/teams/a/manager";
    for configured in [ROLE, with_path] {
        let configured = Principal::parse(configured).expect("a role");
        assert_eq!(configured, *identity.principal());
        assert_eq!(configured.to_string(), ROLE);
    }
    assert!(identity.arn().ends_with("/i-0abc@x"));
    for other in [
        "arn:aws:iam::210987654321:role/manager",
        "arn:aws-cn:iam::123456789012:role/manager",
        "arn:aws:iam::123456789012:role/Manager",
        "arn:aws:iam::123456789012:role/manager/i-0abc@x",
        "arn:aws:iam::123456789012:user/manager",
    ] {
        let other = Principal::parse(other).expect("a principal");
        assert_ne!(other, *identity.principal(), "{other}");
    }
}

#[test]
fn a_user_is_compared_with_its_path() {
    let arn = "arn:aws:iam::123456789012:user/ops/ann";
    let user = AwsIdentity::of_arn(arn).expect("a user");
    assert_eq!(Principal::parse(arn).expect("a user"), *user.principal());
    let other = Principal::parse("arn:aws:iam::123456789012:user/ann").expect("a user");
    assert_ne!(other, *user.principal());
}

#[test]
fn neither_a_root_user_nor_a_federated_user_nor_a_role_itself_is_an_identity_that_can_log_in() {
    for arn in [
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:federated-user/ann",
        "arn:aws:iam::123456789012:role/manager",
        "arn:aws:sts::123456789012:assumed-role/manager",
        "arn:aws:sts::123456789012:assumed-role/manager/",
        "arn:aws:sts::123456789012:assumed-role/a/b/c",
        "arn:aws:sts::123456789012:assumed-role//session",
        "arn:aws:sts::12345678901:assumed-role/manager/s",
        "arn:aws-iso:sts::123456789012:assumed-role/manager/s",
        "arn:aws:sts:us-west-2:123456789012:assumed-role/manager/s",
        "arn:aws:iam::123456789012:assumed-role/manager/s",
        "",
    ] {
        assert_eq!(AwsIdentity::of_arn(arn), None, "{arn}");
    }
}

#[test]
fn a_principal_of_the_configuration_is_one_role_or_user() {
    for arn in [
        "*",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::123456789012:role/man?ger",
        "arn:aws:iam::123456789012:role/*/manager",
        "arn:aws:iam::*:role/manager",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role//manager",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:group/managers",
        "arn:aws:sts::123456789012:assumed-role/manager/session",
        "manager",
        &format!("arn:aws:iam::123456789012:user/{}/a", "p".repeat(256)),
    ] {
        assert!(Principal::parse(arn).is_err(), "{arn}");
    }
}

#[test]
fn the_tokens_of_one_principal_have_one_identity() {
    let token = || Caller {
        key: Some(KeyId(uuid::Uuid::new_v4())),
        principal: Principal::parse(ROLE).ok(),
        ..Caller::unlimited(Actor("session".to_owned()))
    };
    assert_eq!(token().identity(), ROLE);
    assert_eq!(token().identity(), token().identity());
    let key = Caller {
        principal: None,
        ..token()
    };
    assert_ne!(key.identity(), ROLE);
}
