//! Decisions about requests for a role.

use engine_roles_domain::account::{OtherAccount, Partition, Scope};
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{Binding, Conditions, DriftKind, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{
    Defaults, Mode, ModeSpec, RoleReference, RoleRequest, RoleSpec, Secrets,
};
use engine_roles_domain::prepared::PassThroughRole;

use crate::fixtures::{
    Stage, active, binding_of, cluster, defaults, delay_of, drift_of, in_stage, named_secrets,
    pass_through_spec, rejection_of, scope, spec, tags,
};

const ARN: &str = "arn:aws:iam::123456789012:role/a/engine";
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/Boundary";

fn decide(
    latest: Option<&Binding>,
    request: &RoleRequest,
    defaults: &Defaults,
) -> Result<Intent, Rejection> {
    decide_put(
        &cluster(),
        latest,
        request,
        defaults,
        &scope(),
        &Conditions::default(),
    )
}

fn empty_request() -> RoleRequest {
    RoleRequest::default()
}

fn passes(role: &str) -> RoleRequest {
    RoleRequest {
        mode: Some(Mode::PassThrough),
        iam_role: Some(role.parse_role()),
        ..empty_request()
    }
}

trait ParseRole {
    fn parse_role(&self) -> RoleReference;
}

impl ParseRole for str {
    fn parse_role(&self) -> RoleReference {
        RoleReference::parse(self).expect("a role")
    }
}

fn lists(role: &str, profile: Option<&str>) -> Defaults {
    Defaults {
        pass_through_roles: vec![PassThroughRole {
            role: role.parse_role(),
            instance_profile: profile.map(|name| name.parse().expect("a profile")),
        }],
        ..defaults()
    }
}

fn new_spec(intent: Result<Intent, Rejection>) -> RoleSpec {
    match intent {
        Ok(Intent::New(spec)) => spec,
        other => panic!("{other:?} is not a new binding"),
    }
}

/// The spec of a new binding of an empty request: the tag is the administrator's.
fn configured_spec() -> RoleSpec {
    RoleSpec {
        administrator_tag_keys: ["team".to_owned()].into(),
        ..spec()
    }
}

fn unchanged(live: &Binding) -> Intent {
    Intent::Unchanged(Box::new(live.clone()))
}

fn change(live: &Binding, spec: RoleSpec) -> Intent {
    Intent::Change(Box::new(live.clone()), spec)
}

fn field(rejected: Result<Intent, Rejection>) -> &'static str {
    match rejected {
        Err(Rejection::NotApplicable { field, .. }) => field.as_str(),
        Err(Rejection::ImmutableFields(fields)) if !fields.is_empty() => fields[0].as_str(),
        other => panic!("{other:?} names no field"),
    }
}

#[test]
fn a_new_binding_takes_its_spec_from_the_defaults() {
    let new = new_spec(decide(None, &empty_request(), &defaults()));
    assert_eq!(new, configured_spec());
    let bounded = Defaults {
        permissions_boundary: Some(BOUNDARY.parse().expect("an ARN")),
        ..defaults()
    };
    let ModeSpec::Create(create) = new_spec(decide(None, &empty_request(), &bounded)).mode else {
        panic!("it is created");
    };
    assert_eq!(create.permissions_boundary, bounded.permissions_boundary);
}

#[test]
fn the_fields_of_a_request_override_the_defaults() {
    let request = RoleRequest {
        secrets: Some(named_secrets(&["db"])),
        session_manager: Some(true),
        region: Some("eu-west-1".parse().expect("a region")),
        role_prefix: Some("x-".parse().expect("a prefix")),
        tags: Some(tags(&[("cost", "1")])),
        ..empty_request()
    };
    let new = new_spec(decide(None, &request, &defaults()));
    assert_eq!(new.secrets, named_secrets(&["db"]));
    assert!(new.session_manager);
    assert_eq!(new.tags, tags(&[("team", "x"), ("cost", "1")]));
    assert_eq!(
        (new.region.as_str(), new.role_prefix.as_str()),
        ("eu-west-1", "x-")
    );
}

#[test]
fn after_a_teardown_or_a_failure_any_spec_is_accepted() {
    for stage in [Stage::Deleted, Stage::Failed] {
        let gone = Binding {
            spec: pass_through_spec("engine", None),
            ..in_stage(stage)
        };
        assert_eq!(
            new_spec(decide(Some(&gone), &empty_request(), &defaults())),
            configured_spec()
        );
        // The earlier binding may belong to another account.
        let in_other_account = Binding {
            scope: other_account(),
            ..gone
        };
        assert_eq!(
            new_spec(decide(
                Some(&in_other_account),
                &empty_request(),
                &defaults()
            )),
            configured_spec()
        );
    }
}

fn other_account() -> Scope {
    Scope {
        account: "210987654321".parse().expect("an account"),
        ..scope()
    }
}

#[test]
fn a_request_for_the_same_spec_changes_nothing() {
    let live = active();
    for request in [
        empty_request(),
        RoleRequest {
            mode: Some(Mode::Create),
            secrets: Some(Secrets::All),
            session_manager: Some(false),
            region: Some("us-west-2".parse().expect("a region")),
            role_prefix: Some("td-".parse().expect("a prefix")),
            tags: Some(tags(&[("team", "x")])),
            ..empty_request()
        },
    ] {
        let intent = decide(Some(&live), &request, &defaults()).expect("an intent");
        assert_eq!(intent, unchanged(&live));
    }
    // The defaults are for new bindings: changed defaults do not change a live binding.
    let changed = Defaults {
        region: None,
        tags: tags(&[("team", "y")]),
        ..defaults()
    };
    let intent = decide(Some(&live), &empty_request(), &changed).expect("an intent");
    assert_eq!(intent, unchanged(&live));
}

#[test]
fn a_request_for_the_same_spec_is_a_new_intent_where_a_resource_is_gone() {
    for (kind, is_tried_again) in [
        (DriftKind::RoleDeleted, true),
        (DriftKind::ProfileDeleted, true),
        (DriftKind::RoleRecreated, true),
        (DriftKind::ProfileRecreated, true),
        (DriftKind::PolicyChanged, false),
        (DriftKind::RoleOutOfProfile, false),
    ] {
        let live = Binding {
            drift: vec![drift_of(kind)],
            ..active()
        };
        let intent = decide(Some(&live), &empty_request(), &defaults()).expect("an intent");
        let meant = if is_tried_again {
            change(&live, spec())
        } else {
            unchanged(&live)
        };
        assert_eq!(intent, meant, "{kind:?}");
    }
}

#[test]
fn a_request_for_the_same_spec_is_a_new_intent_after_a_rejection_and_not_while_one_is_pending() {
    let in_lifecycle = |lifecycle| Binding {
        lifecycle,
        generation: 2,
        ..active()
    };
    for (lifecycle, is_tried_again) in [
        (
            Lifecycle::Active {
                last_error: Some(rejection_of(2)),
            },
            true,
        ),
        // The rejection is of another intent.
        (
            Lifecycle::Active {
                last_error: Some(rejection_of(1)),
            },
            false,
        ),
        (
            Lifecycle::Provisioning {
                last_error: Some(delay_of(2)),
            },
            false,
        ),
        (
            Lifecycle::WithdrawingChange {
                rejection: rejection_of(1),
            },
            false,
        ),
    ] {
        let live = in_lifecycle(lifecycle);
        let intent = decide(Some(&live), &empty_request(), &defaults()).expect("an intent");
        let meant = if is_tried_again {
            change(&live, spec())
        } else {
            unchanged(&live)
        };
        assert_eq!(intent, meant, "{:?}", live.lifecycle);
    }
}

#[test]
fn secrets_session_manager_and_tags_change() {
    let live = active();
    for (request, meant) in [
        (
            RoleRequest {
                secrets: Some(named_secrets(&["db"])),
                ..empty_request()
            },
            RoleSpec {
                secrets: named_secrets(&["db"]),
                ..spec()
            },
        ),
        (
            RoleRequest {
                session_manager: Some(true),
                ..empty_request()
            },
            RoleSpec {
                session_manager: true,
                ..spec()
            },
        ),
        (
            RoleRequest {
                tags: Some(tags(&[])),
                ..empty_request()
            },
            RoleSpec {
                tags: tags(&[]),
                ..spec()
            },
        ),
    ] {
        let intent = decide(Some(&live), &request, &defaults()).expect("an intent");
        assert_eq!(intent, change(&live, meant));
    }
}

#[test]
fn a_change_of_an_immutable_field_is_rejected_by_name() {
    let live = active();
    let allowed = Defaults {
        allowed_boundaries: vec![BOUNDARY.parse().expect("an ARN")],
        ..lists("engine", None)
    };
    let rejected = |request: RoleRequest| field(decide(Some(&live), &request, &allowed));
    let ask = empty_request;
    assert_eq!(rejected(passes("engine")), "mode");
    assert_eq!(
        rejected(RoleRequest {
            iam_role: Some("engine".parse_role()),
            ..ask()
        }),
        "iam_role"
    );
    let region = Some("eu-west-1".parse().expect("a region"));
    assert_eq!(rejected(RoleRequest { region, ..ask() }), "region");
    let role_prefix = Some("x-".parse().expect("a prefix"));
    assert_eq!(
        rejected(RoleRequest {
            role_prefix,
            ..ask()
        }),
        "role_prefix"
    );
    let permissions_boundary = Some(BOUNDARY.parse().expect("an ARN"));
    assert_eq!(
        rejected(RoleRequest {
            permissions_boundary,
            ..ask()
        }),
        "permissions_boundary"
    );
}

#[test]
fn a_live_pass_through_keeps_its_role() {
    let live = Binding {
        lifecycle: Lifecycle::Active { last_error: None },
        ..binding_of(pass_through_spec(ARN, None))
    };
    let settings = lists(ARN, None);
    for role in [ARN, "engine"] {
        let intent = decide(Some(&live), &passes(role), &settings).expect("an intent");
        assert_eq!(intent, unchanged(&live));
    }
    for role in ["other", "arn:aws:iam::123456789012:role/engine"] {
        assert_eq!(
            field(decide(Some(&live), &passes(role), &settings)),
            "iam_role"
        );
    }
    let bounded = RoleRequest {
        permissions_boundary: Some(BOUNDARY.parse().expect("an ARN")),
        ..empty_request()
    };
    assert_eq!(
        field(decide(Some(&live), &bounded, &settings)),
        "permissions_boundary"
    );
}

#[test]
fn all_fields_that_can_not_change_are_named_at_once() {
    let other = RoleRequest {
        mode: Some(Mode::PassThrough),
        region: Some("eu-central-1".parse().expect("a region")),
        role_prefix: Some("x-".parse().expect("a prefix")),
        ..empty_request()
    };
    let rejected = decide(Some(&active()), &other, &defaults());
    let Err(Rejection::ImmutableFields(fields)) = rejected else {
        panic!("{rejected:?}");
    };
    let fields: Vec<&str> = fields.iter().map(|field| field.as_str()).collect();
    assert_eq!(fields, ["mode", "region", "role_prefix"]);
}

#[test]
fn a_role_is_not_provisioned_while_its_predecessor_is_removed() {
    for stage in [Stage::Deleting, Stage::WithdrawingProvision] {
        let rejected = decide(Some(&in_stage(stage)), &empty_request(), &defaults());
        assert!(
            matches!(rejected, Err(Rejection::TeardownInProgress)),
            "{stage:?}"
        );
    }
    let blocked = in_stage(Stage::Blocked);
    let rejected = decide(Some(&blocked), &empty_request(), &defaults());
    let Err(Rejection::TeardownBlocked { blockers }) = rejected else {
        panic!("{rejected:?}");
    };
    let error = blocked.last_error().expect("an error");
    // Without named resources, what happened is the blocker.
    assert_eq!(blockers, std::slice::from_ref(&error.detail));
}

#[test]
fn a_request_for_a_live_binding_of_another_account_is_rejected() {
    let live = Binding {
        scope: other_account(),
        ..active()
    };
    let rejected = decide(Some(&live), &empty_request(), &defaults());
    let Err(Rejection::OtherAccount(OtherAccount::Cluster { created_in, now })) = rejected else {
        panic!("{rejected:?}");
    };
    assert_eq!((created_in, now), (other_account(), scope()));
}

#[test]
fn a_region_is_required_and_must_be_in_our_partition() {
    let without = Defaults {
        region: None,
        ..defaults()
    };
    assert_eq!(field(decide(None, &empty_request(), &without)), "region");
    for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "xx-yy-zz"] {
        let request = RoleRequest {
            region: Some(region.parse().expect("a region")),
            ..empty_request()
        };
        let rejected = decide(None, &request, &defaults());
        let Err(Rejection::RegionOfOtherPartition { partition, .. }) = rejected else {
            panic!("{region}: {rejected:?}");
        };
        assert_eq!(partition, Partition::Aws);
    }
}

#[test]
fn only_listed_roles_are_passed_and_by_the_administrators_own_entry() {
    for (listed, asked) in [
        ("engine", "engine"),
        (ARN, ARN),
        (ARN, "engine"),
        ("engine", ARN),
    ] {
        let new = new_spec(decide(None, &passes(asked), &lists(listed, Some("theirs"))));
        assert_eq!(
            new.mode,
            pass_through_spec(listed, Some("theirs")).mode,
            "{listed} as {asked}"
        );
    }
    for (listed, asked) in [
        ("engine", "Engine"),
        ("engine", "other"),
        (ARN, "arn:aws:iam::123456789012:role/engine"),
        // A role of another account would be mistaken for our own account's role of that name.
        ("engine", "arn:aws:iam::210987654321:role/engine"),
        ("arn:aws:iam::210987654321:role/engine", "engine"),
        ("arn:aws-cn:iam::123456789012:role/engine", "engine"),
    ] {
        let rejected = decide(None, &passes(asked), &lists(listed, None));
        assert!(
            matches!(rejected, Err(Rejection::RoleNotAllowed(_))),
            "{asked}: {rejected:?}"
        );
    }
}

#[test]
fn a_default_role_is_passed_unless_the_request_asks_for_mode_create() {
    let settings = Defaults {
        iam_role: Some("engine".parse_role()),
        ..lists("engine", Some("theirs"))
    };
    let new = new_spec(decide(None, &empty_request(), &settings));
    assert_eq!(new.mode, pass_through_spec("engine", Some("theirs")).mode);
    let alone = Defaults {
        pass_through_roles: Vec::new(),
        ..settings.clone()
    };
    let new = new_spec(decide(None, &empty_request(), &alone));
    assert_eq!(new.mode, pass_through_spec("engine", None).mode);
    let create = RoleRequest {
        mode: Some(Mode::Create),
        ..empty_request()
    };
    assert_eq!(
        new_spec(decide(None, &create, &settings)),
        configured_spec()
    );
}

#[test]
fn a_request_that_names_a_role_means_pass_through_and_excludes_mode_create_and_a_boundary() {
    let named_only = RoleRequest {
        mode: None,
        ..passes("engine")
    };
    let new = new_spec(decide(None, &named_only, &lists("engine", None)));
    assert_eq!(new.mode, pass_through_spec("engine", None).mode);
    let with_create = RoleRequest {
        mode: Some(Mode::Create),
        ..passes("engine")
    };
    assert_eq!(
        field(decide(None, &with_create, &lists("engine", None))),
        "iam_role"
    );
    let bounded = RoleRequest {
        permissions_boundary: Some(BOUNDARY.parse().expect("an ARN")),
        ..passes("engine")
    };
    assert_eq!(
        field(decide(None, &bounded, &lists("engine", None))),
        "permissions_boundary"
    );
    let without_role = RoleRequest {
        mode: Some(Mode::PassThrough),
        ..empty_request()
    };
    assert_eq!(field(decide(None, &without_role, &defaults())), "iam_role");
}

#[test]
fn only_a_boundary_that_the_administrator_allows_is_accepted() {
    let request = RoleRequest {
        permissions_boundary: Some(BOUNDARY.parse().expect("an ARN")),
        ..empty_request()
    };
    let rejected = decide(None, &request, &defaults());
    assert!(matches!(rejected, Err(Rejection::BoundaryNotAllowed(_))));
    for settings in [
        Defaults {
            permissions_boundary: request.permissions_boundary.clone(),
            ..defaults()
        },
        Defaults {
            allowed_boundaries: request.permissions_boundary.iter().cloned().collect(),
            ..defaults()
        },
    ] {
        new_spec(decide(None, &request, &settings));
    }
}

#[test]
fn a_policy_that_iam_would_not_accept_is_rejected_before_anything_is_written() {
    let names: Vec<String> = (0..200).map(|number| format!("secret-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = RoleRequest {
        secrets: Some(named_secrets(&names)),
        ..empty_request()
    };
    for latest in [None, Some(active())] {
        let rejected = decide(latest.as_ref(), &request, &defaults());
        assert!(
            matches!(rejected, Err(Rejection::Policy(_))),
            "{rejected:?}"
        );
    }
    // The policy of a pass-through role is the administrator's own.
    let passed = RoleRequest {
        secrets: request.secrets,
        ..passes("engine")
    };
    new_spec(decide(None, &passed, &lists("engine", None)));
}
