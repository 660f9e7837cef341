//! The stored form of audit events.

use engine_roles_domain::audit::{DenialReason, EventAction, InstallationEvent, OrphanNamed};
use engine_roles_domain::binding::{DriftKind, EventDetail, FailureCode, Receipt};
use engine_roles_domain::caller::{ClusterPrefix, KeyId, KeyName, KeyScopes};
use insta::assert_snapshot;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixtures::{at, binding, drift_of, pass_through_spec, role_record, spec};

fn receipt() -> Receipt {
    Receipt {
        grant_ended_at: Some(at(1)),
        access_ended_at: None,
        removed: vec!["role r".to_owned()],
        left: vec!["instance profile p: it is not ours".to_owned()],
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Every variant, with and without its optional part, and the JSON that earlier releases stored for
/// it.
fn every_detail() -> Vec<(EventDetail, Value)> {
    [requests(), outcomes(), checks()].concat()
}

fn requests() -> Vec<(EventDetail, Value)> {
    let (spec, orphan) = (spec(), pass_through_spec("engine", None));
    vec![
        (
            EventDetail::ProvisionRequested {
                adopted: false,
                spec: spec.clone(),
            },
            json!({ "spec": spec }),
        ),
        (
            EventDetail::ProvisionRequested {
                adopted: true,
                spec: spec.clone(),
            },
            json!({ "adopted": true, "spec": spec }),
        ),
        (
            EventDetail::UpdateRequested { spec: spec.clone() },
            json!({ "spec": spec }),
        ),
        (
            EventDetail::TeardownRequested {
                again: false,
                adopted: None,
            },
            json!({}),
        ),
        (
            EventDetail::TeardownRequested {
                again: true,
                adopted: None,
            },
            json!({ "again": true }),
        ),
        (
            EventDetail::TeardownRequested {
                again: false,
                adopted: Some(orphan.clone()),
            },
            json!({ "adopted": true, "spec": orphan }),
        ),
    ]
}

fn outcomes() -> Vec<(EventDetail, Value)> {
    vec![
        (
            EventDetail::Provisioned {
                calls: 4,
                role: role_record(&binding()),
            },
            json!({ "calls": 4, "role": role_record(&binding()) }),
        ),
        (EventDetail::Updated { calls: 1 }, json!({ "calls": 1 })),
        (
            EventDetail::Rejected {
                code: FailureCode::MissingPermission,
                reason: "AWS denied CreateRole".to_owned(),
                missing_permissions: words(&["iam:CreateRole"]),
            },
            json!({
                "code": FailureCode::MissingPermission,
                "reason": "AWS denied CreateRole",
                "missing_permissions": ["iam:CreateRole"],
            }),
        ),
        (
            EventDetail::ChangeWithdrawn { calls: 2 },
            json!({ "calls": 2 }),
        ),
        (
            EventDetail::ProvisionWithdrawn {
                removed: words(&["role r"]),
            },
            json!({ "removed": ["role r"] }),
        ),
        (
            EventDetail::TornDown { receipt: receipt() },
            json!({ "receipt": receipt() }),
        ),
        (
            EventDetail::NothingToTearDown,
            json!({ "nothing_was_made": true }),
        ),
        (
            EventDetail::Blocked {
                code: FailureCode::TeardownBlocked,
                reason: "role r is in instance profile p".to_owned(),
                missing_permissions: Vec::new(),
                blockers: words(&["instance profile p"]),
            },
            json!({
                "code": FailureCode::TeardownBlocked,
                "reason": "role r is in instance profile p",
                "missing_permissions": [],
                "blockers": ["instance profile p"],
            }),
        ),
        (
            EventDetail::Delayed {
                reason: "IAM did not answer".to_owned(),
            },
            json!({ "reason": "IAM did not answer" }),
        ),
    ]
}

fn checks() -> Vec<(EventDetail, Value)> {
    vec![
        (
            EventDetail::DriftFound {
                drift: vec![drift_of(DriftKind::PolicyChanged)],
            },
            json!({ "drift": [drift_of(DriftKind::PolicyChanged)] }),
        ),
        (
            EventDetail::DriftRepaired {
                steps: words(&["PutRolePolicy (role r)"]),
            },
            json!({ "steps": ["PutRolePolicy (role r)"] }),
        ),
        (
            EventDetail::DriftRepairedByOthers,
            json!({ "by": "others" }),
        ),
        (
            EventDetail::LateResourceRemoved {
                removed: words(&["role r"]),
            },
            json!({ "removed": ["role r"] }),
        ),
    ]
}

/// The variant's name. A new one is listed here and in [`every_detail`].
fn name(detail: &EventDetail) -> &'static str {
    match detail {
        EventDetail::ProvisionRequested { .. } => "ProvisionRequested",
        EventDetail::UpdateRequested { .. } => "UpdateRequested",
        EventDetail::TeardownRequested { .. } => "TeardownRequested",
        EventDetail::Provisioned { .. } => "Provisioned",
        EventDetail::Updated { .. } => "Updated",
        EventDetail::Rejected { .. } => "Rejected",
        EventDetail::ChangeWithdrawn { .. } => "ChangeWithdrawn",
        EventDetail::ProvisionWithdrawn { .. } => "ProvisionWithdrawn",
        EventDetail::TornDown { .. } => "TornDown",
        EventDetail::NothingToTearDown => "NothingToTearDown",
        EventDetail::Blocked { .. } => "Blocked",
        EventDetail::Delayed { .. } => "Delayed",
        EventDetail::DriftFound { .. } => "DriftFound",
        EventDetail::DriftRepaired { .. } => "DriftRepaired",
        EventDetail::DriftRepairedByOthers => "DriftRepairedByOthers",
        EventDetail::LateResourceRemoved { .. } => "LateResourceRemoved",
    }
}

#[test]
fn a_detail_is_stored_as_earlier_releases_stored_it() {
    for (detail, stored) in every_detail() {
        let json = serde_json::to_value(&detail).expect("plain data");
        assert_eq!(json, stored, "{}", name(&detail));
    }
}

#[test]
fn every_detail_has_its_action_and_its_shape() {
    let rows = every_detail().into_iter().map(|(detail, _)| {
        let json = serde_json::to_value(&detail).expect("plain data");
        let action = detail.action().as_str();
        format!("{:<22}{action:<22}{json}", name(&detail))
    });
    let rows: Vec<String> = rows.collect();
    assert_snapshot!(rows.join("\n"), @r#"
    ProvisionRequested    provision_requested   {"spec":{"mode":"create","region":"us-west-2","role_prefix":"td-","secrets":"all","session_manager":false,"tags":{"team":"x"}}}
    ProvisionRequested    provision_requested   {"adopted":true,"spec":{"mode":"create","region":"us-west-2","role_prefix":"td-","secrets":"all","session_manager":false,"tags":{"team":"x"}}}
    UpdateRequested       update_requested      {"spec":{"mode":"create","region":"us-west-2","role_prefix":"td-","secrets":"all","session_manager":false,"tags":{"team":"x"}}}
    TeardownRequested     teardown_requested    {}
    TeardownRequested     teardown_requested    {"again":true}
    TeardownRequested     teardown_requested    {"adopted":true,"spec":{"iam_role":"engine","mode":"pass_through","region":"us-west-2","role_prefix":"td-","secrets":"all","session_manager":false,"tags":{"team":"x"}}}
    Provisioned           provisioned           {"calls":4,"role":{"arn":"arn:aws:iam::123456789012:role/ai-unlimited/engine/test/td-one-6cywbrf7qbqy67ig","id":"AROAOURS","name":"td-one-6cywbrf7qbqy67ig","path":"/ai-unlimited/engine/test/"}}
    Updated               updated               {"calls":1}
    Rejected              rejected              {"code":"missing_permission","missing_permissions":["iam:CreateRole"],"reason":"AWS denied CreateRole"}
    ChangeWithdrawn       withdrawn             {"calls":2}
    ProvisionWithdrawn    withdrawn             {"removed":["role r"]}
    TornDown              torn_down             {"receipt":{"access_ended_at":null,"grant_ended_at":"2027-01-15T08:00:01.000000Z","left":["instance profile p: it is not ours"],"removed":["role r"]}}
    NothingToTearDown     torn_down             {"nothing_was_made":true}
    Blocked               blocked               {"blockers":["instance profile p"],"code":"teardown_blocked","missing_permissions":[],"reason":"role r is in instance profile p"}
    Delayed               delayed               {"reason":"IAM did not answer"}
    DriftFound            drift_found           {"drift":[{"detail":"it differs","kind":"policy_changed","missing_permission":null}]}
    DriftRepaired         drift_repaired        {"steps":["PutRolePolicy (role r)"]}
    DriftRepairedByOthers drift_repaired        {"by":"others"}
    LateResourceRemoved   late_resource_removed {"removed":["role r"]}
    "#);
}

#[test]
fn every_action_has_a_detail() {
    let about_bindings = every_detail();
    let about_bindings = about_bindings.iter().map(|(detail, _)| detail.action());
    let about_installations = every_installation_event();
    let about_installations = about_installations.iter().map(InstallationEvent::action);
    let actions: Vec<EventAction> = about_bindings.chain(about_installations).collect();
    for action in EventAction::ALL {
        assert!(actions.contains(&action), "{action:?}");
    }
}

fn every_installation_event() -> Vec<InstallationEvent> {
    let (key_id, name) = (KeyId(Uuid::from_bytes([7; 16])), || {
        KeyName::parse("manager").expect("a name")
    });
    let orphan = || OrphanNamed {
        kind: "role".to_owned(),
        name: "r".to_owned(),
        arn: "arn:aws:iam::123456789012:role/r".to_owned(),
    };
    vec![
        InstallationEvent::Denied {
            reason: DenialReason::UnknownKey,
            requests: 3,
            combined: false,
            first_at: at(1),
            last_at: at(2),
        },
        InstallationEvent::KeyCreated {
            key_id,
            name: name(),
            scopes: KeyScopes::parse(["read", "provision"]).expect("scopes"),
            cluster_prefix: Some(ClusterPrefix::parse("team-").expect("a prefix")),
            valid_seconds: None,
        },
        InstallationEvent::KeyRevoked {
            key_id,
            name: name(),
        },
        InstallationEvent::LogRead { hour: at(0) },
        InstallationEvent::SignedIn {
            hour: at(0),
            combined: false,
        },
        InstallationEvent::OrphanFound { orphan: orphan() },
        InstallationEvent::OrphanGone { orphan: orphan() },
        InstallationEvent::RoleAttested {
            role: "prepared".to_owned(),
            verdict: "unfit".to_owned(),
            reasons: "EC2 may not assume the role".to_owned(),
        },
    ]
}

#[test]
fn an_event_about_the_installation_is_stored_as_an_object_of_its_fields() {
    let rows = every_installation_event();
    let rows = rows.iter().map(|event| {
        let (action, outcome) = (event.action().as_str(), event.action().outcome().as_str());
        format!("{action} {outcome} {}", json!(event))
    });
    assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r#"
    denied denied {"combined":false,"first_at":"2027-01-15T08:00:01.000000Z","last_at":"2027-01-15T08:00:02.000000Z","reason":"unknown_key","requests":3}
    key_created succeeded {"cluster_prefix":"team-","key_id":"07070707-0707-0707-0707-070707070707","name":"manager","scopes":["provision","read"],"valid_seconds":null}
    key_revoked succeeded {"key_id":"07070707-0707-0707-0707-070707070707","name":"manager"}
    log_read succeeded {"hour":"2027-01-15T08:00:00.000000Z"}
    signed_in succeeded {"combined":false,"hour":"2027-01-15T08:00:00.000000Z"}
    orphan_found observed {"arn":"arn:aws:iam::123456789012:role/r","kind":"role","name":"r"}
    orphan_gone observed {"arn":"arn:aws:iam::123456789012:role/r","kind":"role","name":"r"}
    role_attested observed {"reasons":"EC2 may not assume the role","role":"prepared","verdict":"unfit"}
    "#);
}

#[test]
fn each_action_has_one_word_on_the_wire() {
    let rows = EventAction::ALL.map(|action| {
        let word = action.as_str();
        assert_eq!(json!(action), word);
        assert_eq!(EventAction::parse(word), Some(action));
        let read: EventAction = serde_json::from_value(json!(word)).expect("the word is an action");
        assert_eq!(read, action);
        format!("{action:?}: {word}")
    });
    assert_snapshot!(rows.join("\n"), @"
    ProvisionRequested: provision_requested
    UpdateRequested: update_requested
    TeardownRequested: teardown_requested
    Provisioned: provisioned
    Updated: updated
    TornDown: torn_down
    Rejected: rejected
    Withdrawn: withdrawn
    Blocked: blocked
    Delayed: delayed
    DriftFound: drift_found
    DriftRepaired: drift_repaired
    LateResourceRemoved: late_resource_removed
    Denied: denied
    KeyCreated: key_created
    KeyRevoked: key_revoked
    LogRead: log_read
    SignedIn: signed_in
    OrphanFound: orphan_found
    OrphanGone: orphan_gone
    RoleAttested: role_attested
    ");
}

#[test]
fn the_words_of_earlier_releases_are_still_read() {
    for (word, action) in [
        ("refused", EventAction::Rejected),
        ("ghost_removed", EventAction::LateResourceRemoved),
    ] {
        assert_eq!(EventAction::parse(word), Some(action));
        let read: EventAction = serde_json::from_value(json!(word)).expect("an action");
        assert_eq!(read, action);
        assert_eq!(action.stored_words(), [action.as_str(), word]);
    }
    let words = EventAction::ALL.map(EventAction::stored_words).concat();
    assert_eq!(words.len(), EventAction::ALL.len() + 2);
    assert_eq!(EventAction::parse("no_such_action"), None);
}
