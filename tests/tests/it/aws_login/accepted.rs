//! Identities that may log in, and their tokens.

use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_e2e::aws_login::{SESSION_ARN, Signing, USER_ARN, identity};
use engine_roles_e2e::{Installation, eventually};
use serde_json::{Value, json};

use super::{build, calls_of, keys, know, log_in, with_token};

#[tokio::test]
async fn a_session_of_a_role_and_a_user_get_tokens_that_work_on_every_replica() {
    let installation = build().replicas(2).start().await;
    let (session, user) = (identity(SESSION_ARN, 'A'), identity(USER_ARN, 'B'));
    know(&installation, &[&session, &user]);
    let before = Utc::now();
    let answer = log_in(&installation.client(), &Signing::new(&session).login()).await;
    let token = answer.expect(200).clone();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(token["token"].as_str().map(str::len), Some(64));
    assert_eq!(token["arn"], SESSION_ARN);
    let principal = "arn:aws:iam::123456789012:role/manager";
    assert_eq!(token["principal"], principal);
    assert_eq!(token["scopes"], json!(["provision", "read", "audit"]));
    assert_eq!(token["cluster_prefix"], "team-a-");
    let expires_at = token["expires_at"].as_str().expect("a time");
    let expires_at: DateTime<Utc> = expires_at.parse().expect("a time");
    let minutes = (expires_at - before).num_seconds();
    assert!((890..=910).contains(&minutes), "{minutes} seconds");
    for replica in [1, 0] {
        let client = with_token(&installation, replica, &token);
        client.list("").await.expect(200);
        let cluster = format!("team-a-{replica}");
        client.provision(&cluster).await.expect(201);
        let other = client.provision("team-b-1").await;
        other.expect_problem(403, "forbidden");
    }
    let events = installation.database.events().await;
    let requested = events
        .iter()
        .filter(|event| event.action == "provision_requested");
    let actors: Vec<&str> = requested.map(|event| event.actor.as_str()).collect();
    assert_eq!(actors, [SESSION_ARN, SESSION_ARN]);

    let answer = log_in(&installation.client_of(1), &Signing::new(&user).login()).await;
    let token = answer.expect(200);
    assert_eq!(
        (&token["arn"], &token["principal"]),
        (&json!(USER_ARN), &json!(USER_ARN))
    );
    assert_eq!(token["cluster_prefix"], Value::Null);
    let client = with_token(&installation, 0, token);
    client.get("team-a-1").await.expect(200);
    let denied = client.provision("team-b-1").await;
    denied.expect_problem(403, "forbidden");
    // Each login has its event.
    let events = installation.database.events().await;
    let logins = events.iter().filter(|event| event.action == "key_created");
    let actors: Vec<&str> = logins.map(|event| event.actor.as_str()).collect();
    assert_eq!(actors, [SESSION_ARN, USER_ARN]);
    // STS is asked at the login only.
    assert_eq!(calls_of(&installation, &session), 1);
    assert_eq!(calls_of(&installation, &user), 1);
    // The event of a login has the id of that call.
    let calls = installation.sandbox.calls(0);
    let logged: Vec<Value> = installation
        .database
        .rows(
            "SELECT actor, aws_request_ids FROM (
                 SELECT actor, action, aws_request_ids FROM audit_events
                 UNION ALL SELECT actor, action, aws_request_ids FROM audit_pending
             ) AS event WHERE action = 'key_created' ORDER BY actor DESC",
        )
        .await;
    let expected = [&session, &user].map(|identity| {
        let mut calls = calls.iter();
        let call = calls.find(|it| it.access_key.as_ref() == Some(&identity.access_key_id));
        let id = &call.expect("a call").request_id;
        json!({"actor": identity.arn, "aws_request_ids": [id]})
    });
    assert_eq!(logged, expected);
    // The database has only the hash of a token.
    let rows: Vec<Value> = installation
        .database
        .rows("SELECT to_jsonb(k) AS row FROM api_keys k")
        .await;
    assert_eq!(rows.len(), 2);
    let rows = json!(rows).to_string();
    assert!(!rows.contains(token["token"].as_str().expect("a token")));
    installation.assert_sound_when_idle("logged in").await;
}

/// A login that is repeated, by the same caller or by whoever has seen it, gets another token within the
/// signature's 15 minutes. Only a token can be taken away.
#[tokio::test]
async fn the_same_request_can_log_in_again_and_each_token_is_revoked_by_itself() {
    let installation = build().replicas(2).start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let login = Signing::new(&session).in_seconds(-800).login();
    let mut tokens = Vec::new();
    for replica in [0, 1] {
        let client = installation.client_of(replica);
        tokens.push(log_in(&client, &login).await.expect(200).clone());
    }
    assert_ne!(tokens[0]["token"], tokens[1]["token"]);
    let listed: Value =
        serde_json::from_str(&keys(&installation, &["list", "--format", "json"])).expect("JSON");
    let listed = listed["keys"].as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    for key in listed {
        assert_eq!(key["kind"], "aws_token");
        assert_eq!(key["arn"], SESSION_ARN);
        assert_eq!(key["cluster_prefix"], "team-a-");
    }
    assert!(keys(&installation, &["list"]).contains(SESSION_ARN));
    let id = listed[0]["id"].as_str().expect("an id");
    keys(&installation, &["revoke", id]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for replica in [0, 1] {
        let revoked = with_token(&installation, replica, &tokens[0]);
        let revoked = revoked.list("").await;
        let problem = revoked.expect_problem(401, "unauthenticated");
        assert!(problem["detail"].to_string().contains("revoked"));
        let other = with_token(&installation, replica, &tokens[1]);
        other.list("").await.expect(200);
    }
    // The ARN names all that are still valid.
    tokens.push(
        log_in(&installation.client(), &login)
            .await
            .expect(200)
            .clone(),
    );
    let revoked = keys(&installation, &["revoke", SESSION_ARN]);
    let lines: Vec<&str> = revoked.lines().collect();
    assert_eq!(lines.len(), 2, "{revoked}");
    for line in lines {
        assert!(line.contains(SESSION_ARN) && !line.contains(id), "{line}");
    }
    for token in &tokens[1..] {
        let client = with_token(&installation, 0, token);
        eventually("the token is refused", async || {
            (client.list("").await.status == 401).then_some(())
        })
        .await;
    }
    let none = installation.run(&["keys", "revoke", SESSION_ARN], &[]);
    let message = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(message.contains("no valid key"), "{message}");
}

#[tokio::test]
async fn a_token_expires_and_is_deleted() {
    let installation = build()
        .env("ENGINE_ROLES_AWS_TOKEN_LIFETIME", "10s")
        .start()
        .await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let answer = log_in(&installation.client(), &Signing::new(&session).login()).await;
    let client = with_token(&installation, 0, answer.expect(200));
    client.list("").await.expect(200);
    // A request that is answered at that moment ends with another detail.
    eventually("the token has expired", async || {
        let answer = client.list("").await;
        (answer.status == 401 && answer.text.contains("has expired")).then_some(())
    })
    .await;
    eventually("the token is deleted", async || {
        let rows: Vec<Value> = installation.database.rows("SELECT id FROM api_keys").await;
        rows.is_empty().then_some(())
    })
    .await;
    let unknown = client.list("").await;
    unknown.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_conditional_request_can_be_sent_again_with_the_next_token_of_the_same_role() {
    let installation = build().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let token = async || {
        let answer = log_in(&installation.client(), &Signing::new(&session).login()).await;
        with_token(&installation, 0, answer.expect(200))
    };
    let new = ("if-none-match", "*");
    let first = token().await.with(new.0, new.1).provision("team-a-1").await;
    let again = token().await.with(new.0, new.1).provision("team-a-1").await;
    assert_eq!(
        first.expect(201)["binding_id"],
        again.expect(201)["binding_id"]
    );
    // Whoever else sends it is somebody else.
    let other = installation.client().with(new.0, new.1);
    let other = other.provision("team-a-1").await;
    other.expect_problem(412, "precondition_failed");
}

#[tokio::test]
async fn the_service_needs_no_key_where_aws_identities_log_in() {
    let mut installation = build().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    installation.set_env("ENGINE_ROLES_INIT_API_KEY", "");
    installation.restart_listening(0).await;
    let answer = log_in(&installation.client(), &Signing::new(&session).login()).await;
    let client = with_token(&installation, 0, answer.expect(200));
    client.provision("team-a-1").await.expect(201);
}

#[tokio::test]
async fn a_service_that_is_not_configured_for_it_has_no_logins() {
    let installation = Installation::build().rarely_checked().start().await;
    let session = identity(SESSION_ARN, 'A');
    let answer = log_in(&installation.client(), &Signing::new(&session).login()).await;
    let problem = answer.expect_problem(404, "not_found");
    assert!(problem["detail"].to_string().contains("not configured"));
    assert_eq!(calls_of(&installation, &session), 0);
}
