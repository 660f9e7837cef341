//! Requests that are not accepted: before STS is asked, by STS, and because of who sent them.

use engine_roles_e2e::Answer;
use engine_roles_e2e::aws_login::{SESSION_ARN, Signing, USER_ARN, identity};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATH, build, calls_of, know, log_in};

/// Returns a login with other members; a member that is null here is left out.
fn with(login: &Value, others: Value) -> Value {
    let Value::Object(others) = others else {
        panic!("{others}");
    };
    let mut login = login.clone();
    let members = login.as_object_mut().expect("an object");
    for (name, value) in others {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    login
}

/// Signs another request than this one.
fn changed(good: &Signing, change: impl Fn(&mut Signing)) -> Value {
    let mut signing = good.clone();
    change(&mut signing);
    signing.login()
}

#[tokio::test]
async fn what_is_not_a_signed_request_for_this_service_is_rejected_without_asking_sts() {
    let installation = build().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let good = Signing::new(&session);
    let login = good.login();
    let in_header = |from: &str, to: &str| {
        let header = login["authorization"].as_str().expect("a header");
        assert!(header.contains(from), "{header}");
        with(&login, json!({"authorization": header.replace(from, to)}))
    };
    let malformed = [
        (
            "authorization",
            changed(&good, |it| it.signs_server = false),
        ),
        (
            "authorization",
            changed(&good, |it| it.also = Some(("accept", "text/xml"))),
        ),
        (
            "authorization",
            changed(&good, |it| it.also = Some(("x-forwarded-host", "evil.com"))),
        ),
        (
            "authorization",
            changed(&good, |it| "iam".clone_into(&mut it.service)),
        ),
        (
            "authorization",
            changed(&good, |it| "evil.com/".clone_into(&mut it.region)),
        ),
        (
            "authorization",
            changed(&good, |it| "us-west-2.evil.com".clone_into(&mut it.region)),
        ),
        (
            "authorization",
            changed(&good, |it| "evil.com#-a-1".clone_into(&mut it.region)),
        ),
        (
            "authorization",
            changed(&good, |it| "aws-global".clone_into(&mut it.region)),
        ),
        (
            "authorization",
            in_header("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ),
        (
            "authorization",
            in_header(", Signature", "\r\nhost: evil.com, Signature"),
        ),
        (
            "authorization",
            with(&login, json!({"security_token": null})),
        ),
        ("authorization", with(&login, json!({"authorization": ""}))),
        (
            "authorization",
            with(&login, json!({"authorization": null})),
        ),
        (
            "date",
            with(&login, json!({"date": "2026-11-26T08:00:00Z"})),
        ),
        (
            "security_token",
            with(&login, json!({"security_token": "a\r\nb"})),
        ),
        ("security_token", with(&login, json!({"security_token": 1}))),
        ("server", with(&login, json!({"server": ["roles.test"]}))),
        ("region", with(&login, json!({"region": "evil.com/"}))),
        ("url", with(&login, json!({"url": "https://evil.com/"}))),
        ("body", with(&login, json!({"body": "Action=AssumeRole"}))),
        (
            "headers",
            with(&login, json!({"headers": {"accept": "text/xml"}})),
        ),
    ];
    let client = installation.client();
    for (field, login) in malformed {
        let answer = log_in(&client, &login).await;
        let problem = answer.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], field, "{login}");
    }
    assert_eq!(calls_of(&installation, &session), 0);
}

#[tokio::test]
async fn a_request_for_another_server_or_of_another_time_is_rejected_without_asking_sts() {
    let installation = build().start().await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let good = Signing::new(&session);
    let client = installation.client();
    for (login, words) in [
        (
            changed(&good, |it| "roles.other".clone_into(&mut it.server)),
            "another name",
        ),
        (
            good.clone().in_seconds(-16 * 60).login(),
            "older than 15 minutes",
        ),
        (good.clone().in_seconds(2 * 60).login(), "future"),
    ] {
        let answer = log_in(&client, &login).await;
        let problem = answer.expect_problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let detail = problem["detail"].to_string();
        assert!(detail.contains(words), "{words}: {detail}");
    }
    // Only the region of the service's own calls is permitted.
    for region in ["us-east-1", "us-west-22222", "cn-north-1"] {
        let other = changed(&good, |it| region.clone_into(&mut it.region));
        let answer = log_in(&client, &other).await;
        let problem = answer.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], "authorization");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.ends_with(": us-west-2"), "{detail}");
    }
    assert_eq!(calls_of(&installation, &session), 0);
    log_in(&client, &good.clone().in_seconds(30).login())
        .await
        .expect(200);
    assert_eq!(calls_of(&installation, &session), 1);
}

#[tokio::test]
async fn only_regions_on_the_list_and_of_a_listed_partition_are_asked() {
    let installation = build()
        .env("ENGINE_ROLES_AWS_LOGIN_REGIONS", "eu-west-1, cn-north-1")
        .start()
        .await;
    let session = identity(SESSION_ARN, 'A');
    know(&installation, &[&session]);
    let in_region = |region: &str| {
        let mut signing = Signing::new(&session);
        region.clone_into(&mut signing.region);
        signing.host = format!("sts.{region}.amazonaws.com");
        signing.login()
    };
    let client = installation.client();
    // The service's own region is not on the list.
    let answer = log_in(&client, &in_region("us-west-2")).await;
    let problem = answer.expect_problem(400, "invalid_request");
    let detail = problem["detail"].to_string();
    assert!(detail.contains("eu-west-1, cn-north-1"), "{detail}");
    // Nobody of China's partition may log in.
    let china = in_region("cn-north-1");
    log_in(&client, &china)
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(calls_of(&installation, &session), 0);
    log_in(&client, &in_region("eu-west-1")).await.expect(200);
    assert_eq!(calls_of(&installation, &session), 1);
}

#[tokio::test]
async fn a_body_that_is_not_an_object_of_these_members_is_rejected() {
    let installation = build().start().await;
    let client = installation.client().anonymous();
    let send = async |body: &str| -> Answer {
        let request = client.request(Method::POST, PATH);
        let request = request.header("content-type", "application/json");
        client.send(request.body(body.to_owned())).await
    };
    let twice = r#"{"authorization": "a", "authorization": "b", "date": "d", "server": "s"}"#;
    for (body, fields) in [
        ("", &["authorization", "date", "server"][..]),
        ("{}", &["authorization", "date", "server"]),
        ("[]", &["body"]),
        ("{", &["body"]),
        ("\"x\"", &["body"]),
        (twice, &["authorization"]),
    ] {
        let answer = send(body).await;
        let problem = answer.expect_problem(400, "invalid_request");
        let errors = problem["errors"].as_array().expect("errors").iter();
        let found: Vec<_> = errors.map(|error| error["field"].clone()).collect();
        assert_eq!(json!(found), json!(fields), "{body}");
    }
    let large = format!("{{\"authorization\": \"{}\"}}", "a".repeat(300_000));
    send(&large).await.expect_problem(413, "body_too_large");
    let request = client.request(Method::POST, PATH).body("{}");
    let answer = client
        .send(request.header("content-type", "text/plain"))
        .await;
    answer.expect_problem(415, "unsupported_media_type");
    let request = client.request(Method::POST, &format!("{PATH}?region=us-west-2"));
    let answer = client.send(request.json(&json!({}))).await;
    answer.expect_problem(400, "invalid_request");
}

/// The service builds the request itself, so that a signature of any other request is wrong.
#[tokio::test]
async fn a_signature_of_another_request_or_with_another_key_is_rejected_by_sts() {
    let installation = build()
        .env("ENGINE_ROLES_AWS_LOGIN_REGIONS", "us-west-2,us-east-1")
        .start()
        .await;
    let (session, user) = (identity(SESSION_ARN, 'A'), identity(USER_ARN, 'B'));
    let stranger = identity("arn:aws:iam::123456789012:user/nobody", 'C');
    know(&installation, &[&session, &user]);
    let good = Signing::new(&session);
    let other = Signing {
        server: "roles.other".to_owned(),
        ..good.clone()
    };
    let earlier = good.clone().in_seconds(-60).login();
    let session_action = "Action=GetSessionToken&Version=2011-06-15";
    let logins = [
        changed(&good, |it| it.identity.secret_access_key.push('x')),
        changed(&good, |it| session_action.clone_into(&mut it.body)),
        changed(&good, |it| it.body.push_str("&Action=GetCallerIdentity")),
        changed(&good, |it| "sts.amazonaws.com".clone_into(&mut it.host)),
        changed(&good, |it| "evil.com".clone_into(&mut it.host)),
        changed(&good, |it| "us-east-1".clone_into(&mut it.region)),
        changed(&good, |it| it.method = "GET"),
        changed(&good, |it| it.path = "/x"),
        changed(&good, |it| it.content_type = "application/json"),
        // A request for another service with the name of this one, and with another date.
        with(&other.login(), json!({"server": "roles.test"})),
        with(&good.login(), json!({"date": earlier["date"]})),
        with(&good.login(), json!({"security_token": "another"})),
    ];
    let client = installation.client();
    for (count, login) in logins.iter().enumerate() {
        let answer = log_in(&client, login).await;
        let problem = answer.expect_problem(401, "unauthenticated");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(
            detail.starts_with("STS rejected the signature: "),
            "{detail}"
        );
        assert_eq!(calls_of(&installation, &session), count + 1, "{login}");
    }
    // The key of one identity with the signature of another.
    let mixed = Signing::new(&user).login();
    let header = mixed["authorization"].as_str().expect("a header");
    let header = header.replace(&user.access_key_id, &stranger.access_key_id);
    let mixed = with(&mixed, json!({"authorization": header}));
    installation
        .administrator
        .control_sandbox(
            "credentials",
            json!({"unknown": [stranger.access_key_id], "identities": [session, user]}),
        )
        .await;
    let answer = log_in(&client, &mixed).await;
    let problem = answer.expect_problem(401, "unauthenticated");
    assert!(
        problem["detail"]
            .to_string()
            .contains("InvalidClientTokenId")
    );
    // Strangers say nothing about the service's own credentials and about AWS.
    let ready = installation.readiness_for(&client).await;
    assert_eq!(
        (&ready.body["status"], &ready.body["aws"]),
        (&json!("ready"), &json!("ok"))
    );
    let log = installation.replicas[0].log();
    assert_eq!(
        log.find("settings and credentials of the AWS SDK were read again"),
        None
    );
    let metrics = client.fetch("/metrics").await.text;
    let denied = "engine_roles_denied_requests_total{reason=\"aws_login\"} 13";
    assert!(metrics.contains(denied), "{metrics}");
    let calls = "operation=\"GetCallerIdentityOfCaller\",outcome=\"denied\"} 13";
    assert!(metrics.contains(calls), "{metrics}");
}

#[tokio::test]
async fn an_identity_that_is_not_on_the_list_is_forbidden() {
    let mut installation = build().start().await;
    let arns = [
        // The same names in another account, and other names.
        "arn:aws:sts::210987654321:assumed-role/manager/session",
        "arn:aws:iam::210987654321:user/ops/ann",
        "arn:aws:sts::123456789012:assumed-role/Manager/session",
        "arn:aws:sts::123456789012:assumed-role/manager2/manager",
        "arn:aws:sts::123456789012:assumed-role/ann/session",
        "arn:aws:iam::123456789012:user/manager",
        "arn:aws:iam::123456789012:user/ann",
        "arn:aws:iam::123456789012:user/ops/ops/ann",
        // Kinds of identities that can't log in.
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:federated-user/manager",
    ];
    let client = installation.client();
    for arn in arns {
        let identity = identity(arn, 'A');
        know(&installation, &[&identity]);
        let answer = log_in(&client, &Signing::new(&identity).login()).await;
        let problem = answer.expect_problem(403, "forbidden");
        assert!(!answer.text.contains("ops/ann"), "{problem}");
    }
    let rows: Vec<Value> = installation.database.rows("SELECT id FROM api_keys").await;
    assert_eq!(rows, [json!(null); 0]);
    // The audit log has the ARN of each that STS has confirmed.
    installation.replicas[0].stop().await;
    let events = installation.database.events().await;
    let denied = events.iter().filter(|event| event.action == "denied");
    let mut told: Vec<(&str, &Value)> = denied
        .map(|event| {
            assert_eq!(event.detail["reason"], "aws_login");
            (event.actor.as_str(), &event.detail["requests"])
        })
        .collect();
    told.sort_unstable_by_key(|(actor, _)| *actor);
    let (one, two) = (json!(1), json!(2));
    let mut expected: Vec<(&str, &Value)> = arns[..8].iter().map(|arn| (*arn, &one)).collect();
    expected.push(("anonymous", &two));
    expected.sort_unstable_by_key(|(actor, _)| *actor);
    assert_eq!(told, expected);
}
