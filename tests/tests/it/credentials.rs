//! Credentials that expire, are replaced, or appear after the start.

use std::path::{Path, PathBuf};

use engine_roles_e2e::administrator::SERVICE_ACCESS_KEY;
use engine_roles_e2e::aws_proxy::{AUTHENTICATION_FAILURES, Reply, Rule};
use engine_roles_e2e::{CredentialSource, Installation, InstallationBuilder, Service, eventually};
use engine_roles_iam_sandbox::Credentials;
use serde_json::json;
use tempfile::TempDir;

const NEXT_KEY: &str = "AKIAIOSFODNN7NEXTKEY";

/// A credentials file of the SDK.
struct CredentialsFile {
    directory: TempDir,
}

impl CredentialsFile {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("credentials")
    }

    fn write(&self, access_key: &str) {
        let text = format!(
            "[default]\naws_access_key_id = {access_key}\naws_secret_access_key = wJalrXUtnFEMI\n"
        );
        std::fs::write(self.path(), text).expect("the file is written");
    }
}

fn only(key: &str) -> Credentials {
    Credentials {
        valid: Some(vec![key.to_owned()]),
        ..Credentials::default()
    }
}

fn with_file(path: &Path) -> InstallationBuilder {
    Installation::build()
        .env("AWS_ACCESS_KEY_ID", "")
        .env("AWS_SECRET_ACCESS_KEY", "")
        .env("AWS_SHARED_CREDENTIALS_FILE", path.display().to_string())
}

async fn aws_is(installation: &Installation, state: &str) {
    let client = installation.client().anonymous();
    eventually(&format!("the service reports {state}"), async || {
        let answer = client.fetch("/readyz").await;
        (answer.body["aws"] == state).then_some(())
    })
    .await;
}

#[tokio::test]
async fn replaced_credentials_in_the_file_are_read_without_a_restart() {
    let file = CredentialsFile::new();
    file.write(SERVICE_ACCESS_KEY);
    let installation = with_file(&file.path()).start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.sandbox.set_credentials(only(NEXT_KEY));
    let clusters = ["two", "three", "four"];
    for cluster in clusters {
        client
            .without_waiting()
            .provision(cluster)
            .await
            .expect(202);
    }
    aws_is(&installation, "invalid_credentials").await;
    for cluster in clusters {
        let error = eventually("the reason is recorded", async || {
            let error = client.get(cluster).await.expect(200)["last_error"].clone();
            error.is_object().then_some(error)
        })
        .await;
        let detail = error["detail"].as_str().expect("a detail");
        assert!(detail.contains("InvalidClientTokenId"), "{detail}");
        assert!(!detail.contains("wJalrXUtnFEMI"), "{detail}");
    }
    let calls = installation.mark();
    eventually("each of them was tried again", async || {
        let tried = client.get("four").await.body["last_error"]["attempts"].clone();
        tried
            .as_u64()
            .is_some_and(|attempts| attempts > 2)
            .then_some(())
    })
    .await;
    assert!(installation.calls(calls).len() < 60);
    // The reason did not change, so there is one event about it, or two if two calls differed.
    for cluster in clusters {
        let events = client
            .audit(&format!("cluster={cluster}&action=delayed"))
            .await;
        let events = events.expect(200)["items"].as_array().map(Vec::len);
        assert!(
            events.is_some_and(|count| (1..=2).contains(&count)),
            "{events:?}"
        );
    }
    file.write(NEXT_KEY);
    for cluster in clusters {
        installation.reaches_in_time(cluster, "active").await;
    }
    aws_is(&installation, "ok").await;
    client.delete("one").await.expect(200);
    let metrics = client.anonymous().fetch("/metrics").await.text;
    assert!(metrics.contains("outcome=\"invalid_credentials\""));
    assert!(metrics.contains("engine_roles_aws_state{state=\"ok\"} 1"));
    assert!(metrics.contains("engine_roles_aws_state{state=\"invalid_credentials\"} 0"));
    installation.assert_sound().await;
}

#[tokio::test]
async fn credentials_that_appear_after_the_start_are_found() {
    let file = CredentialsFile::new();
    let installation = with_file(&file.path()).not_yet_ready().start().await;
    aws_is(&installation, "invalid_credentials").await;
    let answer = installation.client().provision("one").await;
    let detail = answer.expect_problem(503, "iam_unavailable")["detail"].to_string();
    assert!(detail.contains("credential"), "{detail}");
    file.write(SERVICE_ACCESS_KEY);
    installation.ready().await;
    installation.client().provision("one").await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_call_that_was_refused_once_for_its_credentials_is_sent_again() {
    let installation = Installation::build().aws_proxied().start().await;
    let client = installation.client();
    for code in AUTHENTICATION_FAILURES {
        let refused = Rule::instead(Reply::authentication_failure(code));
        installation
            .aws_proxy()
            .add(refused.only(&["CreateRole"]).times(1));
        client.provision(&code.to_lowercase()).await.expect(201);
    }
    assert_eq!(
        installation.aws_proxy().handled().len(),
        AUTHENTICATION_FAILURES.len()
    );
    aws_is(&installation, "ok").await;
    installation.assert_sound().await;
}

#[tokio::test]
async fn while_something_else_answers_the_reason_has_its_status() {
    let installation = Installation::build().aws_proxied().start().await;
    let client = installation.client();
    let others = [
        (
            "proxy",
            Reply::proxy_authentication_required(),
            "HTTP status 407",
        ),
        ("portal", Reply::html(502), "HTTP status 502"),
        ("empty", Reply::empty(503), "HTTP status 503"),
    ];
    for (cluster, reply, words) in others {
        installation.aws_proxy().add(Rule::instead(reply));
        client
            .without_waiting()
            .provision(cluster)
            .await
            .expect(202);
        let detail = eventually("the reason is recorded", async || {
            let error = client.get(cluster).await.body["last_error"]["detail"].clone();
            error.as_str().map(str::to_owned)
        })
        .await;
        assert!(detail.contains(words), "{detail}");
        aws_is(&installation, "unreachable").await;
        installation.aws_proxy().clear();
        installation.reaches_in_time(cluster, "active").await;
    }
    let success = installation.readiness_for(&client.anonymous()).await;
    assert_ne!(success.expect(200)["aws_last_success"], json!(null));
    installation.assert_sound().await;
}

#[tokio::test]
async fn corrected_credentials_are_found_while_the_ones_of_another_account_are_still_valid() {
    let file = CredentialsFile::new();
    file.write(SERVICE_ACCESS_KEY);
    let mut installation = with_file(&file.path()).start().await;
    installation.client().provision("one").await.expect(201);
    installation.replicas[0].kill().await;
    let account = json!({"account_id": "999999999999"});
    installation
        .administrator
        .control_sandbox("account", account)
        .await;
    installation.replicas[0] = Service::start(installation.environment()).await;
    aws_is(&installation, "other_account").await;
    // AWS accepts both keys, so no call fails.
    file.write(NEXT_KEY);
    eventually("the new key is used", async || {
        let calls = installation.sandbox.calls(0);
        let mut calls = calls.iter();
        let last = calls.rfind(|call| call.action == "GetCallerIdentity")?;
        (last.access_key.as_deref() == Some(NEXT_KEY)).then_some(())
    })
    .await;
    let account = json!({"account_id": "123456789012"});
    installation
        .administrator
        .control_sandbox("account", account)
        .await;
    aws_is(&installation, "ok").await;
    installation.client().delete("one").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_credential_process_gives_the_credentials() {
    let file = CredentialsFile::new();
    let keys = json!({"Version": 1, "AccessKeyId": NEXT_KEY, "SecretAccessKey": "wJalrXUtnFEMI"});
    let script = file.directory.path().join("keys.sh");
    std::fs::write(&script, format!("echo '{keys}'")).expect("the script is written");
    let profile = format!("[default]\ncredential_process = sh {}\n", script.display());
    std::fs::write(file.path(), profile).expect("the file is written");
    let installation = with_file(Path::new("/dev/null"))
        .env("AWS_CONFIG_FILE", file.path().display().to_string())
        .start()
        .await;
    installation.client().provision("one").await.expect(201);
    let calls = installation.sandbox.calls(0);
    let created = calls.iter().find(|call| call.action == "CreateRole");
    let created = created.expect("a call");
    assert_eq!(created.access_key.as_deref(), Some(NEXT_KEY));
}

/// Checks that the service finds new credentials at the same source after AWS no longer accepts the old
/// ones.
async fn assert_renewed(source: &CredentialSource, builder: InstallationBuilder) {
    let installation = builder
        .env("AWS_ACCESS_KEY_ID", "")
        .env("AWS_SECRET_ACCESS_KEY", "")
        .start()
        .await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.sandbox.set_credentials(only(NEXT_KEY));
    client.without_waiting().provision("two").await.expect(202);
    aws_is(&installation, "invalid_credentials").await;
    source.give(NEXT_KEY);
    installation.reaches_in_time("two", "active").await;
    aws_is(&installation, "ok").await;
    client.delete("one").await.expect(200);
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_instances_credentials_are_read_again_after_they_became_invalid() {
    let source = CredentialSource::start(SERVICE_ACCESS_KEY).await;
    let builder = Installation::build()
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", source.url(""));
    assert_renewed(&source, builder).await;
}

#[tokio::test]
async fn a_containers_credentials_are_read_again_after_they_became_invalid() {
    let source = CredentialSource::start(SERVICE_ACCESS_KEY).await;
    let builder = Installation::build().env(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        source.url("/container"),
    );
    assert_renewed(&source, builder).await;
}

#[tokio::test]
async fn a_web_identity_is_exchanged_again_after_its_session_became_invalid() {
    let source = CredentialSource::start(SERVICE_ACCESS_KEY).await;
    let directory = TempDir::new().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "a.web.token").expect("the token is written");
    let builder = Installation::build()
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string())
        .env(
            "AWS_ROLE_ARN",
            "arn:aws:iam::123456789012:role/engine-roles-service",
        )
        .env("AWS_ENDPOINT_URL_STS", source.url(""));
    assert_renewed(&source, builder).await;
}

#[tokio::test]
async fn credentials_that_the_sdk_renews_by_itself_into_another_account_delete_nothing() {
    let source = CredentialSource::start(SERVICE_ACCESS_KEY).await;
    source.expire_soon();
    let installation = Installation::build()
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            source.url("/container"),
        )
        .env("AWS_ACCESS_KEY_ID", "")
        .env("AWS_SECRET_ACCESS_KEY", "")
        .start()
        .await;
    let client = installation.client();
    let created = client.provision("one").await.expect(201).clone();
    installation.is_verified_in_time("one").await;
    let administrator = &installation.administrator;
    let account = |id: &str| json!({"account_id": id});
    source.give(NEXT_KEY);
    administrator
        .control_sandbox("account", account("999999999999"))
        .await;
    let answer = client.delete("one").await;
    assert!([202, 503].contains(&answer.status), "{}", answer.text);
    let report = client.access("one").await;
    report.expect_problem(503, "other_account");
    assert_ne!(client.get("one").await.expect(200)["state"], "deleted");
    source.give(SERVICE_ACCESS_KEY);
    administrator
        .control_sandbox("account", account("123456789012"))
        .await;
    let name = created["role"]["name"].as_str().expect("a name");
    assert!(installation.role(name).is_some());
    // What was recorded meanwhile is done soon after the credentials are right again.
    if answer.status == 503 {
        client.delete("one").await;
    }
    eventually("the role is removed", async || {
        let answer = client.get("one").await;
        (answer.body["state"] == "deleted").then_some(())
    })
    .await;
    assert!(installation.role(name).is_none());
    installation.assert_sound().await;
}
