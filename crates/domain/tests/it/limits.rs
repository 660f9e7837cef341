//! The administrator's tags, and the administrator's limits on what requests may ask for.

use engine_roles_domain::binding::{Binding, Conditions, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{
    Defaults, Limits, Mode, Permitted, RoleReference, RoleRequest, RoleSpec,
};
use engine_roles_domain::prepared::PassThroughRole;
use engine_roles_domain::resources::{Desired, Observed, TagKey, Tags, claimed_by, drift, spec_of};
use insta::assert_snapshot;
use serde_json::json;

use crate::fixtures::{
    PATH, active, binding_of, cluster, defaults, pass_through_spec, scope, spec, tags,
    whole_profile, whole_role,
};

fn decide(
    live: Option<&Binding>,
    request: &RoleRequest,
    defaults: &Defaults,
) -> Result<Intent, Rejection> {
    decide_put(
        &cluster(),
        live,
        request,
        defaults,
        &scope(),
        &Conditions::default(),
    )
}

fn with_tags(pairs: &[(&str, &str)]) -> RoleRequest {
    RoleRequest {
        tags: Some(tags(pairs)),
        ..RoleRequest::default()
    }
}

fn configured(pairs: &[(&str, &str)]) -> Defaults {
    Defaults {
        tags: tags(pairs),
        ..defaults()
    }
}

fn limited(limits: Limits) -> Defaults {
    Defaults {
        limits,
        ..configured(&[])
    }
}

fn new_spec(decided: Result<Intent, Rejection>) -> RoleSpec {
    match decided {
        Ok(Intent::New(spec)) => spec,
        other => panic!("{other:?} is not a new binding"),
    }
}

fn changed_spec(decided: Result<Intent, Rejection>) -> RoleSpec {
    match decided {
        Ok(Intent::Change(_, spec)) => spec,
        other => panic!("{other:?} is not a change"),
    }
}

/// Returns the fields of a request with invalid tags.
fn invalid_tags(decided: Result<Intent, Rejection>) -> Vec<String> {
    match decided {
        Err(Rejection::InvalidTags(wrong)) => wrong.into_iter().map(|wrong| wrong.field).collect(),
        other => panic!("{other:?} has no invalid tags"),
    }
}

/// Returns the fields of a request that asks for what is not permitted.
fn forbidden(decided: Result<Intent, Rejection>) -> Vec<String> {
    match decided {
        Err(Rejection::NotPermitted(wrong)) => wrong.into_iter().map(|wrong| wrong.field).collect(),
        other => panic!("{other:?} is permitted"),
    }
}

/// An active binding with this spec, which AWS has in full.
fn live(spec: RoleSpec) -> Binding {
    Binding {
        applied_spec: Some(spec.clone()),
        spec,
        ..active()
    }
}

#[test]
fn the_administrators_tags_apply_whatever_tags_a_request_has() {
    for (request, all, callers) in [
        (RoleRequest::default(), tags(&[("team", "x")]), tags(&[])),
        (with_tags(&[]), tags(&[("team", "x")]), tags(&[])),
        (
            with_tags(&[("cost", "1")]),
            tags(&[("cost", "1"), ("team", "x")]),
            tags(&[("cost", "1")]),
        ),
    ] {
        let new = new_spec(decide(None, &request, &configured(&[("team", "x")])));
        assert_eq!(new.tags, all);
        assert_eq!(new.caller_tags(), callers);
        assert_eq!(new.administrator_tags(), tags(&[("team", "x")]));
        assert_eq!(new.as_requested().tags, callers);
        let Ok(Desired::Present {
            role: Some(role),
            profile: Some(profile),
        }) = Desired::of(&binding_of(new))
        else {
            panic!("role and profile are created");
        };
        for created in [role.tags, profile.tags] {
            assert_eq!(created.get("team").map(String::as_str), Some("x"));
        }
    }
}

#[test]
fn a_request_cannot_use_a_key_of_the_administrators_tags() {
    let settings = configured(&[("Team", "x"), ("cost", "1")]);
    for asked in ["Team", "team", "TEAM"] {
        for value in ["x", "y"] {
            let decided = decide(None, &with_tags(&[(asked, value), ("b", "2")]), &settings);
            assert_eq!(invalid_tags(decided), [format!("tags.{asked}")]);
        }
    }
    let both = with_tags(&[("team", "y"), ("COST", "2")]);
    let rejected = decide(None, &both, &settings).expect_err("two keys are taken");
    assert_snapshot!(rejected, @"tags.COST has a key of the administrator's tags, which a request can't set; letter case is ignored; tags.team has a key of the administrator's tags, which a request can't set; letter case is ignored");
}

#[test]
fn a_live_binding_keeps_the_administrators_tags_that_it_was_made_with() {
    let made_with = configured(&[("team", "x")]);
    let live = live(new_spec(decide(
        None,
        &with_tags(&[("a", "1")]),
        &made_with,
    )));
    for now in [&[][..], &[("team", "y")], &[("team", "x"), ("a", "2")]] {
        let now = configured(now);
        // What a GET shows is sent back.
        let same = RoleRequest {
            tags: Some(live.spec.as_requested().tags),
            ..RoleRequest::default()
        };
        for request in [RoleRequest::default(), same] {
            let decided = decide(Some(&live), &request, &now).expect("an intent");
            assert!(matches!(decided, Intent::Unchanged(_)), "{decided:?}");
        }
        let without = changed_spec(decide(Some(&live), &with_tags(&[]), &now));
        assert_eq!(without.tags, tags(&[("team", "x")]));
        assert!(without.caller_tags().is_empty());
        let decided = decide(Some(&live), &with_tags(&[("TEAM", "z")]), &now);
        assert_eq!(invalid_tags(decided), ["tags.TEAM"]);
    }
    let now = configured(&[("new", "1")]);
    let decided = decide(Some(&live), &with_tags(&[("new", "2")]), &now);
    assert_eq!(invalid_tags(decided), ["tags.new"]);
}

#[test]
fn the_tags_that_an_older_release_recorded_count_as_the_callers() {
    let recorded = json!({
        "mode": "create", "secrets": "all", "session_manager": false, "region": "us-west-2",
        "role_prefix": "td-", "tags": {"team": "x", "a": "1"},
    });
    let spec: RoleSpec = serde_json::from_value(recorded.clone()).expect("a spec");
    assert_eq!(json!(spec), recorded);
    assert_eq!(spec.caller_tags(), spec.tags);
    let live = live(spec);
    let desired = Desired::of(&live).expect("resources");
    let observed = Observed {
        role: Some(whole_role(&live)),
        profile: Some(whole_profile(&live)),
    };
    assert_eq!(drift(&live, &desired, &observed), []);
    let now = configured(&[("team", "x"), ("cost", "1")]);
    let same = with_tags(&[("team", "x"), ("a", "1")]);
    for request in [RoleRequest::default(), same] {
        let decided = decide(Some(&live), &request, &now).expect("an intent");
        assert!(matches!(decided, Intent::Unchanged(_)), "{decided:?}");
    }
    // A tag that is not changed stays permitted; a changed one has the administrator's key.
    let one = changed_spec(decide(Some(&live), &with_tags(&[("team", "x")]), &now));
    assert_eq!(one.tags, tags(&[("team", "x")]));
    let decided = decide(Some(&live), &with_tags(&[("team", "y")]), &now);
    assert_eq!(invalid_tags(decided), ["tags.team"]);
}

#[test]
fn the_record_has_all_tags_together_so_that_an_older_release_keeps_them() {
    let settings = configured(&[("team", "x")]);
    let new = new_spec(decide(None, &with_tags(&[("a", "1")]), &settings));
    let recorded = json!(new);
    assert_eq!(recorded["tags"], json!({"a": "1", "team": "x"}));
    assert_eq!(recorded["administrator_tag_keys"], json!(["team"]));
    let read: RoleSpec = serde_json::from_value(recorded).expect("a spec");
    assert_eq!(read, new);
    // A caller can send it back.
    assert_eq!(
        json!(new.as_requested()).get("administrator_tag_keys"),
        None
    );
}

#[test]
fn the_administrator_and_the_caller_have_46_tags_together() {
    let many = |prefix: &str, count: usize| {
        let pairs = (0..count).map(|number| (format!("{prefix}{number}"), String::new()));
        Tags::new(pairs).expect("tags")
    };
    let settings = Defaults {
        tags: many("ours", 6),
        ..defaults()
    };
    let asks = |count| RoleRequest {
        tags: Some(many("theirs", count)),
        ..RoleRequest::default()
    };
    let live = live(new_spec(decide(None, &RoleRequest::default(), &settings)));
    assert_eq!(
        new_spec(decide(None, &asks(40), &settings))
            .tags
            .iter()
            .count(),
        46
    );
    assert_eq!(
        changed_spec(decide(Some(&live), &asks(40), &settings))
            .tags
            .iter()
            .count(),
        46
    );
    for latest in [None, Some(&live)] {
        let decided = decide(latest, &asks(41), &settings);
        let text = decided.as_ref().expect_err("47 tags").to_string();
        assert!(
            text.contains("40 are allowed beside the administrator's 6"),
            "{text}"
        );
        assert_eq!(invalid_tags(decided), ["tags"]);
    }
}

#[test]
fn an_adopted_role_keeps_the_administrators_tags_as_such() {
    let binding = binding_of(RoleSpec {
        tags: tags(&[("team", "x"), ("cost", "1")]),
        ..spec()
    });
    let role = whole_role(&binding);
    let found = role.tags.clone().expect("tags");
    let claimed = claimed_by(
        &binding.namespace,
        binding.resource_name().as_str(),
        PATH,
        &found,
    );
    let claimed = claimed.expect("ours");
    let administrators = tags(&[("team", "x"), ("cost", "2"), ("more", "3")]);
    let read = spec_of(&claimed, &role, &administrators).expect("a spec");
    assert_eq!(read.tags, binding.spec.tags);
    assert_eq!(read.administrator_tags(), tags(&[("team", "x")]));
}

fn only<T>(values: impl IntoIterator<Item = T>) -> Permitted<T> {
    Permitted::Only(values.into_iter().collect())
}

/// Limits that forbid whatever is not the most usual.
fn narrow() -> Limits {
    Limits {
        modes: only([Mode::Create]),
        regions: only(["us-west-2".parse().expect("a region")]),
        session_manager: false,
        tag_keys: only([TagKey::parse("Team").expect("a key")]),
    }
}

/// What narrow limits forbid.
fn wide_request() -> RoleRequest {
    RoleRequest {
        mode: Some(Mode::PassThrough),
        iam_role: Some(engine()),
        session_manager: Some(true),
        region: Some("eu-west-1".parse().expect("a region")),
        ..with_tags(&[("team", "x"), ("cost", "1")])
    }
}

fn engine() -> RoleReference {
    RoleReference::parse("engine").expect("a role")
}

#[test]
fn every_field_that_is_not_permitted_is_named() {
    let rejected = decide(None, &wide_request(), &limited(narrow()));
    let text = rejected.as_ref().expect_err("four limits").to_string();
    let fields = ["mode", "region", "session_manager", "tags.cost"];
    assert_eq!(forbidden(rejected), fields);
    assert_snapshot!(text.replace("; ", "\n"), @"
    mode asks for mode pass_through
    the administrator permits create
    region is eu-west-1
    the administrator permits us-west-2
    session_manager is true
    the administrator does not permit Session Manager
    tags.cost has another key than those that the administrator permits: team
    ");
    let named_only = RoleRequest {
        mode: None,
        iam_role: Some(engine()),
        ..RoleRequest::default()
    };
    let decided = decide(None, &named_only, &limited(narrow()));
    assert_eq!(forbidden(decided), ["iam_role"]);
    // Without limits, only the list of roles says no.
    let decided = decide(None, &wide_request(), &limited(Limits::default()));
    assert!(
        matches!(decided, Err(Rejection::RoleNotAllowed(_))),
        "{decided:?}"
    );
}

#[test]
fn what_narrow_limits_permit_is_accepted() {
    let request = RoleRequest {
        mode: Some(Mode::Create),
        session_manager: Some(false),
        region: Some("us-west-2".parse().expect("a region")),
        ..with_tags(&[("TEAM", "x")])
    };
    let new = new_spec(decide(None, &request, &limited(narrow())));
    assert_eq!(new.caller_tags(), tags(&[("TEAM", "x")]));
    // The limits are for requests: the administrator's own tags may have any key.
    let settings = Defaults {
        limits: narrow(),
        ..configured(&[("owner", "y")])
    };
    let new = new_spec(decide(None, &request, &settings));
    assert_eq!(new.tags, tags(&[("TEAM", "x"), ("owner", "y")]));
}

#[test]
fn what_a_live_binding_has_already_stays_permitted() {
    let live = live(RoleSpec {
        session_manager: true,
        region: "eu-west-1".parse().expect("a region"),
        tags: tags(&[("cost", "1"), ("old", "1")]),
        ..pass_through_spec("engine", None)
    });
    let same = RoleRequest {
        tags: Some(live.spec.caller_tags()),
        ..wide_request()
    };
    let settings = limited(narrow());
    for request in [RoleRequest::default(), same] {
        let decided = decide(Some(&live), &request, &settings).expect("an intent");
        assert!(matches!(decided, Intent::Unchanged(_)), "{decided:?}");
    }
    let fewer = with_tags(&[("cost", "1"), ("team", "x")]);
    let changed = changed_spec(decide(Some(&live), &fewer, &settings));
    assert_eq!(changed.tags, tags(&[("cost", "1"), ("team", "x")]));
    let other_value = with_tags(&[("cost", "2"), ("old", "1")]);
    let decided = decide(Some(&live), &other_value, &settings);
    assert_eq!(forbidden(decided), ["tags.cost"]);
    // Session Manager was given up, so that it is new again.
    let without = Binding {
        spec: RoleSpec {
            session_manager: false,
            ..live.spec.clone()
        },
        ..live
    };
    let again = RoleRequest {
        session_manager: Some(true),
        ..RoleRequest::default()
    };
    let decided = decide(Some(&without), &again, &settings);
    assert_eq!(forbidden(decided), ["session_manager"]);
}

#[test]
fn a_request_without_a_mode_gets_the_only_permitted_one() {
    let settings = Defaults {
        pass_through_roles: vec![PassThroughRole {
            role: engine(),
            instance_profile: None,
        }],
        ..limited(Limits {
            modes: only([Mode::PassThrough]),
            ..Limits::default()
        })
    };
    let request = RoleRequest {
        iam_role: Some(engine()),
        ..RoleRequest::default()
    };
    let new = new_spec(decide(None, &request, &settings));
    assert_eq!(new.mode, pass_through_spec("engine", None).mode);
    let rejected = decide(None, &RoleRequest::default(), &settings).expect_err("no role");
    assert_snapshot!(rejected, @"iam_role is missing, and no default IAM role is configured");
    assert!(RoleRequest::default().may_pass(&settings));
    let create = RoleRequest {
        mode: Some(Mode::Create),
        ..RoleRequest::default()
    };
    assert_eq!(forbidden(decide(None, &create, &settings)), ["mode"]);
}
