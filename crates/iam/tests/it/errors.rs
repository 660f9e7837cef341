//! Classification of AWS's errors, and that no call is sent twice.

use std::net::Ipv4Addr;
use std::time::Duration;

use engine_roles_domain::resources::Step;
use engine_roles_iam::{Depth, ErrorKind, Iam, IamError, OpenGate, Target};
use engine_roles_iam_sandbox::{Effect, Quotas, SandboxConfig, When};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::test_account::{
    TestAccount, add_role, client, create_role, document, everything, fault, put_policy, role,
    test_account, test_account_of,
};

async fn write(iam: &Iam) -> IamError {
    iam.through(OpenGate)
        .apply(&create_role())
        .await
        .expect_err("the call fails")
}

async fn read(iam: &Iam) -> IamError {
    let target = Target {
        role: Some(role()),
        profile: None,
    };
    let seen = iam
        .through(OpenGate)
        .observe(&target, Depth::Existence)
        .await;
    seen.expect_err("the call fails")
}

#[tokio::test]
async fn error_codes_are_classified() {
    use ErrorKind as K;
    let table = [
        // The code, the kind for a write, the kind for a read.
        ("EntityAlreadyExists", K::AlreadyExists, None),
        ("NoSuchEntity", K::Absent, None),
        ("DeleteConflict", K::Conflict, None),
        ("ConcurrentModification", K::Busy, Some(K::Busy)),
        ("EntityTemporarilyUnmodifiable", K::Busy, Some(K::Busy)),
        ("LimitExceeded", K::Quota, Some(K::Quota)),
        ("Throttling", K::Throttled, Some(K::Throttled)),
        ("RequestLimitExceeded", K::Throttled, Some(K::Throttled)),
        ("AccessDenied", K::Denied, Some(K::Denied)),
        ("MalformedPolicyDocument", K::Malformed, None),
        ("InvalidInput", K::Malformed, Some(K::Malformed)),
        ("ValidationError", K::Malformed, Some(K::Malformed)),
        ("UnmodifiableEntity", K::Malformed, None),
        (
            "ExpiredToken",
            K::InvalidCredentials,
            Some(K::InvalidCredentials),
        ),
        (
            "InvalidClientTokenId",
            K::InvalidCredentials,
            Some(K::InvalidCredentials),
        ),
        (
            "SignatureDoesNotMatch",
            K::InvalidCredentials,
            Some(K::InvalidCredentials),
        ),
        // After a 5xx a write may have taken effect.
        ("ServiceFailure", K::Unanswered, Some(K::Transient)),
        ("InternalFailure", K::Unanswered, Some(K::Transient)),
        ("ServiceUnavailable", K::Unanswered, Some(K::Transient)),
    ];
    let account = test_account().await;
    for (code, of_write, of_read) in table {
        let effect = Effect::Error(code.to_owned());
        account
            .sandbox
            .set_faults(vec![fault("*", When::Before, effect)]);
        let error = write(&account.iam).await;
        assert_eq!(error.kind, of_write, "{code} of a write");
        assert_eq!(error.code.as_deref(), Some(code));
        assert!(error.message.is_some(), "{code} has a message");
        if let Some(of_read) = of_read {
            assert_eq!(read(&account.iam).await.kind, of_read, "{code} of a read");
        }
    }
}

#[tokio::test]
async fn the_sdk_sends_nothing_twice() {
    let account = test_account().await;
    let effects = [
        Effect::Error("Throttling".to_owned()),
        Effect::Error("ServiceFailure".to_owned()),
        Effect::Error("ServiceUnavailable".to_owned()),
        Effect::Error("ExpiredToken".to_owned()),
        Effect::Reset,
    ];
    for (count, effect) in (1..).zip(effects) {
        account
            .sandbox
            .set_faults(vec![fault("*", When::Before, effect)]);
        write(&account.iam).await;
        read(&account.iam).await;
        assert_eq!(account.calls("CreateRole"), count);
        assert_eq!(account.calls("GetRole"), count);
    }
}

#[tokio::test]
async fn a_broken_connection_leaves_a_write_unanswered_whenever_it_broke() {
    for when in [When::Before, When::After] {
        let account = test_account().await;
        account
            .sandbox
            .set_faults(vec![fault("*", when, Effect::Reset)]);
        let error = write(&account.iam).await;
        assert_eq!(error.kind, ErrorKind::Unanswered, "{error:?}");
        assert_eq!(error.code, None);
        assert_eq!(read(&account.iam).await.kind, ErrorKind::Transient);
        let created = account.sandbox.state()["roles"] != json!([]);
        assert_eq!(created, when == When::After);
    }
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_the_deadline_and_leaves_a_write_unanswered() {
    let account = test_account().await;
    let hang = Effect::HangMs(60_000);
    account
        .sandbox
        .set_faults(vec![fault("*", When::Before, hang)]);
    // Long enough for the call to be sent.
    let impatient = client(&account.sandbox.endpoint(), Duration::from_secs(3)).await;
    assert_eq!(write(&impatient).await.kind, ErrorKind::Unanswered);
    assert_eq!(read(&impatient).await.kind, ErrorKind::Transient);
    assert_eq!(account.calls("CreateRole"), 1);
}

/// Accepts connections, reads one request from each, and sends this answer.
async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(give(stream, answer));
        }
    });
    url
}

async fn give(mut stream: TcpStream, answer: &str) {
    let mut request = Vec::new();
    while stream
        .read_buf(&mut request)
        .await
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse::<usize>().ok());
        if body.len() >= length.unwrap_or_default() {
            break;
        }
    }
    // Closes the connection properly, without a reset.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_connection_closed_properly_without_an_answer_leaves_a_write_unanswered() {
    let iam = client(&answering("").await, Duration::from_secs(5)).await;
    let error = write(&iam).await;
    assert_eq!(error.kind, ErrorKind::Unanswered, "{error:?}");
    assert_eq!(read(&iam).await.kind, ErrorKind::Transient);
}

#[tokio::test]
async fn half_an_answer_leaves_a_write_unanswered() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n<CreateRoleResponse>";
    let iam = client(&answering(half).await, Duration::from_secs(5)).await;
    let error = write(&iam).await;
    assert_eq!(error.kind, ErrorKind::Unanswered, "{error:?}");
    assert_eq!(read(&iam).await.kind, ErrorKind::Transient);
}

#[tokio::test]
async fn an_answer_that_is_not_xml_leaves_a_write_unanswered() {
    for answer in [
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 14\r\n\r\n<html>oops</b>",
        "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n<html>oops</b>",
    ] {
        let iam = client(&answering(answer).await, Duration::from_secs(5)).await;
        let error = write(&iam).await;
        assert_eq!(error.kind, ErrorKind::Unanswered, "{answer}: {error:?}");
        assert_eq!(read(&iam).await.kind, ErrorKind::Transient, "{answer}");
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    // A socket that does not listen: nobody else gets its port.
    let silent = TcpSocket::new_v4().expect("a socket");
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    silent.bind(any_port).expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let iam = client(&url, Duration::from_secs(5)).await;
    let error = write(&iam).await;
    assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
    assert_eq!(read(&iam).await.kind, ErrorKind::Transient);
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_named_without_its_text() {
    let iam = client("http://user:sesame@bad host/", Duration::from_secs(5)).await;
    for error in [write(&iam).await, read(&iam).await] {
        let text = error.describe();
        assert!(text.contains("AWS_ENDPOINT_URL_IAM"), "{text}");
        let shown = format!("{text} {error} {error:?}");
        assert!(
            !shown.contains("sesame") && !shown.contains("Request {"),
            "{shown}"
        );
    }
}

async fn account_without(action: &str) -> TestAccount {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Sid": "But", "Effect": "Deny", "Action": action, "Resource": "*"},
        ],
    });
    test_account_of(SandboxConfig {
        identity_policy: Some(policy),
        ..SandboxConfig::default()
    })
    .await
}

#[tokio::test]
async fn a_denial_names_the_missing_permission() {
    for (missing, step, before) in [
        ("iam:CreateRole", create_role(), 0),
        ("iam:TagRole", create_role(), 0),
        ("iam:PassRole", add_role(), 2),
        ("iam:AddRoleToInstanceProfile", add_role(), 2),
        ("iam:PutRolePolicy", put_policy(), 1),
        ("iam:DeleteRole", Step::DeleteRole { role: role() }, 1),
    ] {
        let account = account_without(missing).await;
        account.apply(&everything()[..before]).await;
        let error = account.fails(&step).await;
        assert_eq!(error.kind, ErrorKind::Denied, "{missing}: {error:?}");
        assert_eq!(error.missing_permission.as_deref(), Some(missing));
    }
}

#[tokio::test]
async fn a_full_account_is_a_quota_error() {
    let quotas = Quotas {
        roles: 0,
        ..Quotas::default()
    };
    let account = test_account_of(SandboxConfig {
        quotas,
        ..SandboxConfig::default()
    })
    .await;
    assert_eq!(write(&account.iam).await.kind, ErrorKind::Quota);
}

#[tokio::test]
async fn a_second_create_reports_that_the_resource_exists() {
    let account = test_account().await;
    account.apply(&everything()).await;
    for step in &everything()[..2] {
        let error = account.fails(step).await;
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{step}");
    }
    // IAM answers LimitExceeded if the profile contains a role, even this one.
    let error = account.fails(&add_role()).await;
    assert_eq!(error.kind, ErrorKind::Quota);
    let step = Step::DeleteRole { role: role() };
    let error = account.fails(&step).await;
    assert_eq!(error.kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn an_error_names_the_failed_call_and_has_awss_message_once() {
    let account = account_without("iam:PutRolePolicy").await;
    account.apply(&[create_role()]).await;
    let error = account.fails(&put_policy()).await;
    let text = error.describe();
    assert!(
        text.starts_with("PutRolePolicy (role td-one-aaaa) failed: AccessDenied: User: arn:"),
        "{text}"
    );
    assert_eq!(text.matches("is not authorized to perform").count(), 1);
    assert!(!text.contains(&document().to_json()));
}

#[tokio::test]
async fn an_identity_that_sts_does_not_return_is_an_error() {
    let account = test_account().await;
    let broken = Effect::Error("InternalFailure".to_owned());
    account
        .sandbox
        .set_faults(vec![fault("GetCallerIdentity", When::Before, broken)]);
    account
        .iam
        .through(OpenGate)
        .caller_scope()
        .await
        .expect_err("STS is down");
    account.sandbox.set_faults(Vec::new());
    let other = test_account_of(SandboxConfig {
        partition: "aws-iso".to_owned(),
        ..SandboxConfig::default()
    })
    .await;
    let error = other
        .iam
        .through(OpenGate)
        .caller_scope()
        .await
        .expect_err("not known");
    assert!(error.to_string().contains("partition"), "{error}");
}
