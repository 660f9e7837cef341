//! What a PUT means.

use engine_roles_domain::account::{OtherAccount, Partition, Scope};
use engine_roles_domain::binding::lifecycle::Lifecycle;
use engine_roles_domain::binding::{Binding, DriftKind, IfMatch, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{
    Defaults, Mode, ModeSpec, RoleReference, RoleRequest, RoleSpec, Secrets,
};
use engine_roles_domain::prepared::PassThroughRole;

use crate::fixtures::{
    Stage, active, binding_of, cluster, defaults, delay_of, drift_of, in_stage, named, passing,
    rejection_of, scope, spec, tags,
};

const ARN: &str = "arn:aws:iam::123456789012:role/a/engine";
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/Boundary";

fn decide(
    latest: Option<&Binding>,
    request: &RoleRequest,
    defaults: &Defaults,
) -> Result<Intent, Rejection> {
    decide_put(&cluster(), latest, request, defaults, &scope(), None)
}

fn nothing_asked() -> RoleRequest {
    RoleRequest::default()
}

fn passes(role: &str) -> RoleRequest {
    RoleRequest {
        mode: Some(Mode::PassThrough),
        iam_role: Some(role.parse_role()),
        ..nothing_asked()
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
        other => panic!("{other:?} is no new binding"),
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
        Err(Rejection::ImmutableField { field } | Rejection::NotApplicable { field, .. }) => {
            field.as_str()
        }
        other => panic!("{other:?} names no field"),
    }
}

#[test]
fn a_new_binding_takes_its_spec_from_the_defaults() {
    let made = new_spec(decide(None, &nothing_asked(), &defaults()));
    assert_eq!(made, spec());
    let bounded = Defaults {
        permissions_boundary: Some(BOUNDARY.parse().expect("an ARN")),
        ..defaults()
    };
    let ModeSpec::Create(create) = new_spec(decide(None, &nothing_asked(), &bounded)).mode else {
        panic!("it is created");
    };
    assert_eq!(create.permissions_boundary, bounded.permissions_boundary);
}

#[test]
fn what_a_request_names_comes_before_the_defaults() {
    let request = RoleRequest {
        secrets: Some(named(&["db"])),
        session_manager: Some(true),
        region: Some("eu-west-1".parse().expect("a region")),
        role_prefix: Some("x-".parse().expect("a prefix")),
        tags: Some(tags(&[])),
        ..nothing_asked()
    };
    let made = new_spec(decide(None, &request, &defaults()));
    assert_eq!(made.secrets, named(&["db"]));
    assert!(made.session_manager && made.tags.is_empty());
    assert_eq!(
        (made.region.as_str(), made.role_prefix.as_str()),
        ("eu-west-1", "x-")
    );
}

#[test]
fn a_tombstone_and_a_failure_with_nothing_made_take_any_spec() {
    for stage in [Stage::Deleted, Stage::Failed] {
        let gone = Binding {
            spec: passing("engine", None),
            ..in_stage(stage)
        };
        assert_eq!(
            new_spec(decide(Some(&gone), &nothing_asked(), &defaults())),
            spec()
        );
        // In another account, too.
        let elsewhere = Binding {
            scope: other_account(),
            ..gone
        };
        assert_eq!(
            new_spec(decide(Some(&elsewhere), &nothing_asked(), &defaults())),
            spec()
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
fn the_same_again_is_unchanged() {
    let live = active();
    for request in [
        nothing_asked(),
        RoleRequest {
            mode: Some(Mode::Create),
            secrets: Some(Secrets::All),
            session_manager: Some(false),
            region: Some("us-west-2".parse().expect("a region")),
            role_prefix: Some("td-".parse().expect("a prefix")),
            tags: Some(tags(&[("team", "x")])),
            ..nothing_asked()
        },
    ] {
        let intent = decide(Some(&live), &request, &defaults()).expect("an intent");
        assert_eq!(intent, unchanged(&live));
    }
    // The defaults are for new bindings: later ones change nothing of a live one.
    let changed = Defaults {
        region: None,
        tags: tags(&[("team", "y")]),
        ..defaults()
    };
    let intent = decide(Some(&live), &nothing_asked(), &changed).expect("an intent");
    assert_eq!(intent, unchanged(&live));
}

#[test]
fn the_same_again_is_tried_again_where_the_role_is_gone() {
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
        let intent = decide(Some(&live), &nothing_asked(), &defaults()).expect("an intent");
        let meant = if is_tried_again {
            change(&live, spec())
        } else {
            unchanged(&live)
        };
        assert_eq!(intent, meant, "{kind:?}");
    }
}

#[test]
fn the_same_again_is_tried_again_where_it_was_rejected_and_not_where_it_is_being_tried() {
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
        // That was another intent.
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
        let intent = decide(Some(&live), &nothing_asked(), &defaults()).expect("an intent");
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
                secrets: Some(named(&["db"])),
                ..nothing_asked()
            },
            RoleSpec {
                secrets: named(&["db"]),
                ..spec()
            },
        ),
        (
            RoleRequest {
                session_manager: Some(true),
                ..nothing_asked()
            },
            RoleSpec {
                session_manager: true,
                ..spec()
            },
        ),
        (
            RoleRequest {
                tags: Some(tags(&[])),
                ..nothing_asked()
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
fn what_can_not_change_is_named() {
    let live = active();
    let allowed = Defaults {
        allowed_boundaries: vec![BOUNDARY.parse().expect("an ARN")],
        ..lists("engine", None)
    };
    let refused = |request: RoleRequest| field(decide(Some(&live), &request, &allowed));
    let ask = nothing_asked;
    assert_eq!(refused(passes("engine")), "mode");
    assert_eq!(
        refused(RoleRequest {
            iam_role: Some("engine".parse_role()),
            ..ask()
        }),
        "iam_role"
    );
    let region = Some("eu-west-1".parse().expect("a region"));
    assert_eq!(refused(RoleRequest { region, ..ask() }), "region");
    let role_prefix = Some("x-".parse().expect("a prefix"));
    assert_eq!(
        refused(RoleRequest {
            role_prefix,
            ..ask()
        }),
        "role_prefix"
    );
    let permissions_boundary = Some(BOUNDARY.parse().expect("an ARN"));
    assert_eq!(
        refused(RoleRequest {
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
        ..binding_of(passing(ARN, None))
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
        ..nothing_asked()
    };
    assert_eq!(
        field(decide(Some(&live), &bounded, &settings)),
        "permissions_boundary"
    );
}

#[test]
fn if_match_holds_or_nothing_happens() {
    let live = active();
    let with = |latest: Option<&Binding>, if_match| {
        decide_put(
            &cluster(),
            latest,
            &nothing_asked(),
            &defaults(),
            &scope(),
            Some(if_match),
        )
    };
    assert!(with(Some(&live), IfMatch::Generation(1)).is_ok());
    assert!(with(Some(&live), IfMatch::Any).is_ok());
    for (latest, if_match, current) in [
        (Some(&live), IfMatch::Generation(2), Some(1)),
        (None, IfMatch::Generation(1), None),
        (None, IfMatch::Any, None),
    ] {
        let Err(Rejection::PreconditionFailed { current: found }) = with(latest, if_match) else {
            panic!("{if_match:?} does not hold");
        };
        assert_eq!(found, current);
    }
}

#[test]
fn while_a_role_is_removed_there_is_no_other() {
    for stage in [Stage::Deleting, Stage::Blocked, Stage::WithdrawingProvision] {
        let refused = decide(Some(&in_stage(stage)), &nothing_asked(), &defaults());
        assert!(
            matches!(refused, Err(Rejection::TeardownInProgress)),
            "{stage:?}"
        );
    }
}

#[test]
fn a_live_binding_of_another_account_is_left_alone() {
    let live = Binding {
        scope: other_account(),
        ..active()
    };
    let refused = decide(Some(&live), &nothing_asked(), &defaults());
    let Err(Rejection::OtherAccount(OtherAccount::Cluster { made, now })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((made, now), (other_account(), scope()));
}

#[test]
fn a_region_is_needed_and_is_of_our_partition() {
    let without = Defaults {
        region: None,
        ..defaults()
    };
    assert_eq!(field(decide(None, &nothing_asked(), &without)), "region");
    for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1"] {
        let request = RoleRequest {
            region: Some(region.parse().expect("a region")),
            ..nothing_asked()
        };
        let refused = decide(None, &request, &defaults());
        let Err(Rejection::RegionOfOtherPartition { partition, .. }) = refused else {
            panic!("{region}: {refused:?}");
        };
        assert_eq!(partition, Partition::Aws);
    }
}

#[test]
fn only_roles_on_the_list_are_passed_as_the_administrator_wrote_them() {
    for (listed, asked) in [
        ("engine", "engine"),
        (ARN, ARN),
        (ARN, "engine"),
        ("engine", ARN),
    ] {
        let made = new_spec(decide(None, &passes(asked), &lists(listed, Some("theirs"))));
        assert_eq!(
            made.mode,
            passing(listed, Some("theirs")).mode,
            "{listed} as {asked}"
        );
    }
    for (listed, asked) in [
        ("engine", "Engine"),
        ("engine", "other"),
        (ARN, "arn:aws:iam::123456789012:role/engine"),
        // One of another account would become our own account's role of that name.
        ("engine", "arn:aws:iam::210987654321:role/engine"),
        ("arn:aws:iam::210987654321:role/engine", "engine"),
        ("arn:aws-cn:iam::123456789012:role/engine", "engine"),
    ] {
        let refused = decide(None, &passes(asked), &lists(listed, None));
        assert!(
            matches!(refused, Err(Rejection::RoleNotAllowed(_))),
            "{asked}: {refused:?}"
        );
    }
}

#[test]
fn a_default_role_is_passed_unless_create_is_asked_for() {
    let settings = Defaults {
        iam_role: Some("engine".parse_role()),
        ..lists("engine", Some("theirs"))
    };
    let made = new_spec(decide(None, &nothing_asked(), &settings));
    assert_eq!(made.mode, passing("engine", Some("theirs")).mode);
    let alone = Defaults {
        pass_through_roles: Vec::new(),
        ..settings.clone()
    };
    let made = new_spec(decide(None, &nothing_asked(), &alone));
    assert_eq!(made.mode, passing("engine", None).mode);
    let create = RoleRequest {
        mode: Some(Mode::Create),
        ..nothing_asked()
    };
    assert_eq!(new_spec(decide(None, &create, &settings)), spec());
}

#[test]
fn a_named_role_means_pass_through_and_goes_with_nothing_else() {
    let named_only = RoleRequest {
        mode: None,
        ..passes("engine")
    };
    let made = new_spec(decide(None, &named_only, &lists("engine", None)));
    assert_eq!(made.mode, passing("engine", None).mode);
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
        ..nothing_asked()
    };
    assert_eq!(field(decide(None, &without_role, &defaults())), "iam_role");
}

#[test]
fn a_boundary_is_one_that_the_administrator_allows() {
    let request = RoleRequest {
        permissions_boundary: Some(BOUNDARY.parse().expect("an ARN")),
        ..nothing_asked()
    };
    let refused = decide(None, &request, &defaults());
    assert!(matches!(refused, Err(Rejection::BoundaryNotAllowed(_))));
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
fn a_policy_that_iam_would_not_take_is_refused_before_anything_is_written() {
    let names: Vec<String> = (0..200).map(|number| format!("secret-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let request = RoleRequest {
        secrets: Some(named(&names)),
        ..nothing_asked()
    };
    for latest in [None, Some(active())] {
        let refused = decide(latest.as_ref(), &request, &defaults());
        assert!(matches!(refused, Err(Rejection::Policy(_))), "{refused:?}");
    }
    // A passed role's policy is the administrator's.
    let passed = RoleRequest {
        secrets: request.secrets,
        ..passes("engine")
    };
    new_spec(decide(None, &passed, &lists("engine", None)));
}
