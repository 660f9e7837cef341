//! Conditions of a request for a role, and requests that are sent again.

use engine_roles_domain::binding::{Binding, Conditions, Intent, IntentKey, Rejection, decide_put};
use engine_roles_domain::cluster::RoleRequest;

use crate::fixtures::{
    Stage, active, cluster, defaults, if_exists, if_match, if_new, in_stage, scope,
};

#[test]
fn a_request_whose_if_match_does_not_hold_is_rejected() {
    let live = active();
    let with = |latest: Option<&Binding>, conditions| {
        decide_put(
            &cluster(),
            latest,
            &RoleRequest::default(),
            &defaults(),
            &scope(),
            &conditions,
        )
    };
    let gone = in_stage(Stage::Deleted);
    // The generation is compared and not the revision, which the service's own checks change.
    assert!(with(Some(&live), if_match(&[(1, 99)])).is_ok());
    assert!(with(Some(&live), if_match(&[(7, 1), (1, 1)])).is_ok());
    assert!(with(Some(&live), if_exists()).is_ok());
    assert!(with(Some(&gone), if_match(&[(gone.generation, 1)])).is_ok());
    assert!(with(None, if_new()).is_ok());
    for (latest, conditions, current) in [
        (Some(&live), if_match(&[(2, 1)]), Some(1)),
        (Some(&live), if_match(&[]), Some(1)),
        (None, if_match(&[(1, 1)]), None),
        (None, if_exists(), None),
        (Some(&gone), if_exists(), Some(gone.generation)),
        (Some(&live), if_new(), Some(1)),
        (Some(&gone), if_new(), Some(gone.generation)),
    ] {
        let rejected = with(latest, conditions.clone());
        let Err(Rejection::PreconditionFailed { current: found }) = rejected else {
            panic!("{conditions:?} does not hold");
        };
        assert_eq!(found, current);
    }
}

#[test]
fn a_conditional_request_that_recorded_the_current_intent_is_recognised() {
    let key = |generation, created| IntentKey {
        generation,
        digest: "digest".to_owned(),
        created,
    };
    let sent = |digest: &str| Conditions {
        digest: Some(digest.to_owned()),
        ..if_new()
    };
    let with = |latest: &Binding, conditions| {
        let (cluster, wanted, defaults) = (cluster(), RoleRequest::default(), defaults());
        decide_put(
            &cluster,
            Some(latest),
            &wanted,
            &defaults,
            &scope(),
            &conditions,
        )
    };
    for created in [true, false] {
        let live = Binding {
            intent_key: Some(key(1, created)),
            ..active()
        };
        let decided = with(&live, sent("digest")).expect("the request is recognised");
        let live = Box::new(live);
        assert_eq!(decided, Intent::Repeated { live, created });
    }
    // Another request, or the intent of another request, or one that was withdrawn.
    let current = |binding: Binding, generation| Binding {
        intent_key: Some(key(generation, true)),
        ..binding
    };
    for (latest, digest) in [
        (current(active(), 1), "other"),
        (current(active(), 0), "digest"),
        (
            current(
                in_stage(Stage::Deleted),
                in_stage(Stage::Deleted).generation,
            ),
            "digest",
        ),
        (
            current(in_stage(Stage::Failed), in_stage(Stage::Failed).generation),
            "digest",
        ),
        (active(), "digest"),
    ] {
        let rejected = with(&latest, sent(digest));
        assert!(
            matches!(rejected, Err(Rejection::PreconditionFailed { .. })),
            "{latest:?}"
        );
    }
}
