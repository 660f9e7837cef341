//! Names, scopes and prefixes of API keys, and what they permit.

use engine_roles_domain::binding::Actor;
use engine_roles_domain::caller::{Caller, ClusterPrefix, KeyName, KeyScope, KeyScopes};
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
