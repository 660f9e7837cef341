//! Logins with an AWS identity.

mod accepted;
mod answers;
mod limits;
mod over_tls;
mod programs;
mod rejected;

use engine_roles_e2e::aws_login::{ROLE_ARN, SERVER, USER_ARN};
use engine_roles_e2e::installation::InstallationBuilder;
use engine_roles_e2e::{Answer, Client, Installation};
use engine_roles_iam_sandbox::{Credentials, Identity};
use reqwest::Method;
use serde_json::Value;

const PATH: &str = "/v1/auth/aws";

/// An installation at which the role `manager` may do everything with its clusters, and a user may read.
fn build() -> InstallationBuilder {
    let principals = format!("{ROLE_ARN}=provision+read+audit@team-a-,{USER_ARN}=read");
    Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_AWS_SERVER_NAME", SERVER)
        .env("ENGINE_ROLES_AWS_PRINCIPALS", principals)
        .env("ENGINE_ROLES_FAILURE_RATE", "10000")
}

/// Makes AWS know these identities. All others are known, too, and their signatures not verified.
fn know(installation: &Installation, identities: &[&Identity]) {
    installation.sandbox.set_credentials(Credentials {
        identities: identities.iter().map(|it| (*it).clone()).collect(),
        ..Credentials::default()
    });
}

/// Sends a login without any key.
async fn log_in(client: &Client, login: &Value) -> Answer {
    let request = client.anonymous().request(Method::POST, PATH);
    client.anonymous().send(request.json(login)).await
}

/// A client with the token of a login.
fn with_token(installation: &Installation, replica: usize, token: &Value) -> Client {
    let token = token["token"].as_str().expect("a token");
    let anonymous = installation.client_of(replica).anonymous();
    anonymous.with("authorization", &format!("Bearer {token}"))
}

/// How many calls to AWS were signed with the key of this identity.
fn calls_of(installation: &Installation, identity: &Identity) -> usize {
    let calls = installation.sandbox.calls(0);
    let calls = calls.iter();
    let key = identity.access_key_id.as_str();
    calls
        .filter(|call| call.access_key.as_deref() == Some(key))
        .count()
}

/// Runs `engine-roles keys` and returns its standard output.
fn keys(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.run(&[&["keys"], arguments].concat(), &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}
