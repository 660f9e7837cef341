//! The region and the access key in a signature.

use chrono::{NaiveDateTime, Utc};
use engine_roles_iam_sandbox::{ADMINISTRATOR_ACCESS_KEY, Credentials, Identity, SandboxConfig};
use serde_json::{Value, json};

use crate::wire::{ACCESS_KEY, Answer, Caller, sandbox};

const OTHER_KEY: &str = "AKIAOTHER";

fn error(answer: &Answer) -> (u16, String, String) {
    (answer.status, answer.code(), answer.message())
}

fn expected(code: &str, message: &str) -> (u16, String, String) {
    (403, code.to_owned(), message.to_owned())
}

#[tokio::test]
async fn iam_accepts_only_signatures_for_the_region_of_the_partition() {
    for (partition, region) in [
        ("aws", "us-east-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ] {
        let (sandbox, iam) = sandbox(SandboxConfig {
            partition: partition.to_owned(),
            ..SandboxConfig::default()
        })
        .await;
        iam.in_region(region).call("ListRoles", &[]).await.ok();
        for other in ["us-west-2", "cn-northwest-1", "us-gov-east-1", "aws-global"] {
            let rejected = iam.in_region(other).call("ListRoles", &[]).await;
            let words = "Credential should be scoped to a valid region.";
            assert_eq!(error(&rejected), expected("SignatureDoesNotMatch", words));
        }
        let administrator = iam
            .in_region("us-west-2")
            .with_key(ADMINISTRATOR_ACCESS_KEY);
        administrator.call("ListRoles", &[]).await.ok();
        let calls = sandbox.calls(0);
        assert_eq!(calls[0].region.as_deref(), Some(region));
        assert_eq!(calls[1].region.as_deref(), Some("us-west-2"));
    }
}

#[tokio::test]
async fn sts_accepts_signatures_for_every_region_of_the_partition() {
    for (partition, regions, others) in [
        (
            "aws",
            ["us-east-1", "eu-central-2"],
            ["cn-north-1", "aws-global"],
        ),
        (
            "aws-cn",
            ["cn-north-1", "cn-northwest-1"],
            ["us-east-1", "us-gov-west-1"],
        ),
        (
            "aws-us-gov",
            ["us-gov-west-1", "us-gov-east-1"],
            ["us-east-1", "us-west-2"],
        ),
    ] {
        let (_sandbox, iam) = sandbox(SandboxConfig {
            partition: partition.to_owned(),
            ..SandboxConfig::default()
        })
        .await;
        for region in regions {
            let sts = iam.in_region(region);
            sts.call("GetCallerIdentity", &[]).await.ok();
        }
        for region in others {
            let sts = iam.in_region(region);
            let rejected = sts.call("GetCallerIdentity", &[]).await;
            assert_eq!(rejected.code(), "SignatureDoesNotMatch", "{region}");
        }
    }
}

#[tokio::test]
async fn every_access_key_is_accepted_until_credentials_are_set() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    for key in [ACCESS_KEY, OTHER_KEY] {
        iam.with_key(key).call("ListRoles", &[]).await.ok();
    }
    let none = json!({"valid": null, "expired": [], "unknown": []});
    assert_eq!(iam.get("credentials").await, none);
}

/// Checks how IAM and STS answer a caller: with success, or with this code and message.
async fn assert_answers(caller: &Caller, outcome: Option<(&str, &str)>) {
    for action in ["ListRoles", "GetCallerIdentity"] {
        let answer = caller.call(action, &[]).await;
        match outcome {
            Some((code, message)) => assert_eq!(error(&answer), expected(code, message)),
            None => drop(answer.ok()),
        }
    }
}

const EXPIRED: (&str, &str) = (
    "ExpiredToken",
    "The security token included in the request is expired",
);
const UNKNOWN: (&str, &str) = (
    "InvalidClientTokenId",
    "The security token included in the request is invalid.",
);

#[tokio::test]
async fn credentials_rotate_from_one_access_key_to_another() {
    let (sandbox, old) = sandbox(SandboxConfig::default()).await;
    let new = old.with_key(OTHER_KEY);
    assert_eq!(
        old.post("credentials", json!({"valid": [ACCESS_KEY]}))
            .await,
        204
    );
    assert_answers(&old, None).await;
    assert_answers(&new, Some(UNKNOWN)).await;

    sandbox.set_credentials(Credentials {
        valid: Some(vec![OTHER_KEY.to_owned()]),
        expired: vec![ACCESS_KEY.to_owned()],
        ..Credentials::default()
    });
    assert_answers(&old, Some(EXPIRED)).await;
    assert_answers(&new, None).await;
    let administrator = old.with_key(ADMINISTRATOR_ACCESS_KEY);
    assert_answers(&administrator, None).await;

    assert_eq!(
        old.post("credentials", json!({"unknown": [OTHER_KEY]}))
            .await,
        204
    );
    assert_answers(&old, None).await;
    assert_answers(&new, Some(UNKNOWN)).await;

    assert_eq!(old.delete("credentials").await, 204);
    assert_answers(&new, None).await;
    let misspelt = json!({"vaild": []});
    assert_eq!(old.post("credentials", misspelt).await, 422);
}

#[tokio::test]
async fn a_session_that_the_sandbox_created_is_known_until_it_is_made_to_expire() {
    let (_sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}"#;
    let role = [("RoleName", "r"), ("AssumeRolePolicyDocument", trust)];
    iam.call("CreateRole", &role).await.ok();
    let session = [
        ("RoleArn", "arn:aws:iam::123456789012:role/r"),
        ("RoleSessionName", "me"),
    ];
    let assumed = iam.call("AssumeRole", &session).await.ok();
    let key = assumed.text("AssumeRoleResult/Credentials/AccessKeyId");
    let key = key.expect("an access key");
    let session = iam.with_key(&key);
    iam.post("credentials", json!({"valid": [ACCESS_KEY]}))
        .await;
    assert_answers(&session, None).await;
    iam.post("credentials", json!({"expired": [key]})).await;
    assert_answers(&session, Some(EXPIRED)).await;
}

#[tokio::test]
async fn a_request_without_a_signature_is_rejected_only_if_the_valid_keys_are_set() {
    let (sandbox, iam) = sandbox(SandboxConfig::default()).await;
    let url = format!(
        "{}/?Action=ListRoles&Version=2010-05-08",
        sandbox.endpoint()
    );
    let post = async || {
        let answer = reqwest::Client::new().post(&url).send().await;
        let answer = answer.expect("the sandbox answers");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a body"),
        )
    };
    assert_eq!(post().await.0, 200);
    iam.post("credentials", json!({"valid": [ACCESS_KEY]}))
        .await;
    let (status, body) = post().await;
    assert_eq!(status, 403);
    assert!(
        body.contains("<Code>MissingAuthenticationToken</Code>"),
        "{body}"
    );
}

#[tokio::test]
async fn sts_answers_in_json_where_it_is_asked_for_it() {
    let (sandbox, _) = sandbox(SandboxConfig::default()).await;
    let url = format!("{}/", sandbox.endpoint());
    let ask = async |action: &str| {
        let request = reqwest::Client::new().post(&url);
        let request = request.header("accept", "application/json");
        let body = format!("Action={action}&Version=2011-06-15");
        let answer = request.body(body).send().await;
        let answer = answer.expect("the sandbox answers");
        assert_eq!(answer.headers()["content-type"], "application/json");
        answer.json::<Value>().await.expect("JSON")
    };
    let answer = ask("GetCallerIdentity").await;
    let identity = &answer["GetCallerIdentityResponse"]["GetCallerIdentityResult"];
    assert_eq!(identity["Account"], "123456789012");
    assert!(identity["Arn"].is_string() && identity["UserId"].is_string());
    assert_eq!(ask("Nothing").await["Error"]["Code"], "InvalidAction");
}

/// Signed by botocore 1.43.11, for the host `sts.us-west-2.amazonaws.com`.
const SIGNED_AT: &str = "20990101T000000Z";
const SIGNATURE: &str = "e834e1715c53fcbf51727b8b2e843ec7ce76e1f6f77b19a8470ca42990810f37";

#[tokio::test]
async fn the_signature_of_an_identity_is_verified_also_its_age_and_its_token() {
    let (sandbox, _) = sandbox(SandboxConfig::default()).await;
    let arn = "arn:aws:iam::210987654321:user/ann";
    let identity = Identity {
        arn: arn.to_owned(),
        access_key_id: "AKIAANN0000000000000".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    };
    sandbox.set_credentials(Credentials {
        identities: vec![identity],
        ..Credentials::default()
    });
    let ask = async |signature: &str, more: Option<(&str, &str)>| {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAANN0000000000000/20990101/us-west-2/sts/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
        );
        let content_type = "application/x-www-form-urlencoded; charset=utf-8";
        let request = reqwest::Client::new().post(format!("{}/", sandbox.endpoint()));
        let mut request = request
            .header("host", "sts.us-west-2.amazonaws.com")
            .header("content-type", content_type)
            .header("x-amz-date", SIGNED_AT)
            .header("authorization", authorization);
        if let Some((name, value)) = more {
            request = request.header(name, value);
        }
        let body = "Action=GetCallerIdentity&Version=2011-06-15";
        let answer = request.body(body).send().await;
        let answer = answer.expect("the sandbox answers").text().await;
        answer.expect("a body")
    };
    let early = ask(SIGNATURE, None).await;
    assert!(
        early.contains("Signature not yet current: 20990101T000000Z"),
        "{early}"
    );
    let signed_at = NaiveDateTime::parse_from_str(SIGNED_AT, "%Y%m%dT%H%M%SZ").expect("a time");
    let (now, signed_at) = (Utc::now(), signed_at.and_utc());
    sandbox.advance((signed_at - now).to_std().expect("a time to come"));
    assert!(ask(SIGNATURE, None).await.contains(arn));
    assert!(
        ask(&"0".repeat(64), None)
            .await
            .contains("SignatureDoesNotMatch")
    );
    let token = ask(SIGNATURE, Some(("x-amz-security-token", "token"))).await;
    assert!(token.contains("InvalidClientTokenId"), "{token}");
    sandbox.advance(std::time::Duration::from_mins(16));
    assert!(ask(SIGNATURE, None).await.contains("- 15 min.)"));
}
