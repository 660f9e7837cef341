//! The published client `engine-roles-client`.

use std::time::Duration;

use engine_roles_client::Error;
use engine_roles_contract::{
    AuditQuery, BindingQuery, Code, Mode, Open, PolicyQuery, ReadinessStatus, RoleRequest, Secrets,
    State, Tags,
};
use engine_roles_e2e::Installation;
use serde_json::json;

fn secrets(names: &[&str]) -> RoleRequest {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    RoleRequest {
        mode: Some(Mode::Create),
        secrets: Some(Secrets::Names(names)),
        tags: Some(Tags(vec![("team".to_owned(), "x".to_owned())])),
        ..RoleRequest::default()
    }
}

fn code(error: &Error) -> Code {
    let code = error.code().and_then(Open::known);
    *code.unwrap_or_else(|| panic!("no problem of this version: {error:?}"))
}

#[tokio::test]
async fn the_typed_client_provisions_changes_and_tears_down_a_role() {
    let installation = Installation::start().await;
    let client = installation.client();
    let client = client.typed();
    let role = client.role("one");

    let planned = role.plan(&secrets(&["a"])).await.expect("a plan");
    assert_eq!(planned.body.intent, "new");
    assert_eq!(planned.body.call_count, 4);

    let created = role.put(&secrets(&["a"])).await.expect("a binding");
    assert_eq!(created.status, 201);
    assert!(created.body.state.is(&State::Active) && created.body.mode.is(&Mode::Create));
    assert_eq!(json!(created.body.spec.tags), json!({"team": "x"}));
    let first = created.etag.expect("a tag");

    let conditional = role.clone().if_match(first.clone());
    let changed = conditional.put(&secrets(&["a", "b"])).await;
    let changed = changed.expect("the tag is the current one");
    assert_eq!((changed.status.as_u16(), changed.body.generation), (200, 2));
    assert_ne!(changed.etag, Some(first));
    let error = conditional.delete().await.expect_err("the tag is old");
    assert_eq!(code(&error), Code::PreconditionFailed);
    assert!(matches!(error, Error::Problem { status, .. } if status == 412));

    let reach = role.access().await.expect("what it reaches");
    assert_eq!(reach.body.other_secrets["decision"], "denied");
    let shown = role.get().await.expect("a binding");
    assert_eq!(shown.body, changed.body);
    let query = BindingQuery {
        state: Some("active".to_owned()),
        ..BindingQuery::default()
    };
    let list = client.bindings(&query).await.expect("a list");
    assert_eq!(list.body.items, [shown.body]);

    let going = role.clone().respond_async().if_exists().delete().await;
    let going = going.expect("a binding");
    assert!(going.is_pending() && going.body.state.is(&State::Deleting));
    assert!(going.retry_after.is_some());
    let waiting = role.clone().wait(Duration::from_mins(1));
    let gone = waiting.get().await.expect("a binding");
    assert!(gone.body.state.is(&State::Deleted));
    let receipt = gone.body.receipt.expect("a receipt");
    assert!(receipt.access_ended_at.is_some() && receipt.left.is_empty());

    let query = AuditQuery {
        cluster: Some("one".to_owned()),
        limit: Some(3),
        ..AuditQuery::default()
    };
    installation.events_are_numbered().await;
    let page = client.audit(&query).await.expect("a page");
    let actions: Vec<&str> = page.body.items.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(
        actions,
        ["provision_requested", "provisioned", "update_requested"]
    );
    assert_eq!(page.body.next_after, page.body.items[2].seq);
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_typed_client_reads_readiness_capabilities_and_lists() {
    let installation = Installation::start().await;
    let client = installation.client();
    let client = client.typed();
    let readiness = client.without_key().readiness().await.expect("an answer");
    assert!(readiness.body.status.is(&ReadinessStatus::Ready));
    let capabilities = client.capabilities().await.expect("capabilities");
    let create = capabilities.body.features.iter();
    assert!(create.into_iter().any(|it| it.feature == "create"));
    let roles = client.pass_through_roles().await.expect("a list");
    assert_eq!(roles.body.items, []);
    for policy in client.policies().await.expect("a list").body.items {
        let document = client.policy(&policy.name, &PolicyQuery::default()).await;
        assert_eq!(document.expect("a document").body["Version"], "2012-10-17");
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn the_typed_client_returns_the_reason_of_a_rejection() {
    let installation = Installation::start().await;
    let client = installation.client();
    let client = client.typed();
    let error = client.role("a*").get().await.expect_err("no name");
    assert_eq!(code(&error), Code::InvalidClusterName);
    let problem = error.problem().expect("a problem");
    assert_eq!(problem.errors[0].field, "cluster");
    let error = client.role("never").get().await.expect_err("there is none");
    assert_eq!(code(&error), Code::NotFound);
    let error = client.without_key().role("one").get().await;
    assert_eq!(code(&error.expect_err("no key")), Code::Unauthenticated);
    let error = client.role("one").put(&secrets(&["*"])).await;
    assert_eq!(code(&error.expect_err("no name")), Code::InvalidSecretName);
    installation.assert_sound().await;
}
