//! The same calls with the AWS SDK alone: without records, checks, a queue or an interface. Nothing that
//! uses the SDK can be faster.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{BehaviorVersion, Region};
use aws_sdk_iam::types::Tag;
use engine_roles_e2e::Installation;
use futures::future::join_all;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*"}]}"#;
const PATH: &str = "/ai-unlimited/engine/bench/";

/// A client of the installation's simulated AWS, with the service's own identity.
pub(crate) fn client(installation: &Installation) -> Client {
    let of = |name: &str| {
        installation
            .environment()
            .get(name)
            .cloned()
            .unwrap_or_default()
    };
    let credentials = Credentials::new(
        of("AWS_ACCESS_KEY_ID"),
        of("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "bench",
    );
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(of("AWS_ENDPOINT_URL"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Creates a role with a policy and an instance profile in two stages.
///
/// # Panics
/// When a call fails.
pub(crate) async fn provision(client: &Client, name: &str) {
    let tag = |key: &str| {
        let tag = Tag::builder().key(key).value(name).build();
        tag.expect("a tag with key and value")
    };
    let role = client
        .create_role()
        .role_name(name)
        .path(PATH)
        .assume_role_policy_document(TRUST)
        .tags(tag("cluster"))
        .tags(tag("owner"))
        .send();
    let profile = client
        .create_instance_profile()
        .instance_profile_name(name)
        .path(PATH)
        .tags(tag("cluster"))
        .tags(tag("owner"))
        .send();
    let (role, profile) = tokio::join!(role, profile);
    role.expect("the role is created");
    profile.expect("the instance profile is created");
    let policy = client
        .put_role_policy()
        .role_name(name)
        .policy_name("engine-access")
        .policy_document(POLICY)
        .send();
    let member = client
        .add_role_to_instance_profile()
        .role_name(name)
        .instance_profile_name(name)
        .send();
    let (policy, member) = tokio::join!(policy, member);
    policy.expect("the policy is written");
    member.expect("the role is in the profile");
}

/// Removes what [`provision`] made in three stages: reads it, empties it, and deletes it.
///
/// # Panics
/// When a call fails.
pub(crate) async fn tear_down(client: &Client, name: &str) {
    let role = client.get_role().role_name(name).send();
    let profile = client
        .get_instance_profile()
        .instance_profile_name(name)
        .send();
    let (role, profile) = tokio::join!(role, profile);
    role.expect("the role is read");
    profile.expect("the instance profile is read");
    let policy = client
        .delete_role_policy()
        .role_name(name)
        .policy_name("engine-access")
        .send();
    let member = client
        .remove_role_from_instance_profile()
        .role_name(name)
        .instance_profile_name(name)
        .send();
    let (policy, member) = tokio::join!(policy, member);
    policy.expect("the policy is deleted");
    member.expect("the role is out of the profile");
    let role = client.delete_role().role_name(name).send();
    let profile = client
        .delete_instance_profile()
        .instance_profile_name(name)
        .send();
    let (role, profile) = tokio::join!(role, profile);
    role.expect("the role is deleted");
    profile.expect("the instance profile is deleted");
}

/// Returns how many roles so many callers create per second. Each has a client of its own.
pub(crate) async fn provisions_per_second(
    installation: &Installation,
    callers: usize,
    length: Duration,
    round: usize,
) -> f64 {
    let client = client(installation);
    // Opens connections that the measurement uses.
    provision(&client, &format!("warm-{callers}-{round}")).await;
    let started = Instant::now();
    let until = started + length;
    let tasks = (0..callers).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut done = 0_u32;
            while Instant::now() < until {
                provision(&client, &format!("s{callers}-{round}-{caller}-{done}")).await;
                done += 1;
            }
            done
        })
    });
    let done = join_all(tasks).await.into_iter();
    let done: u32 = done.map(|task| task.expect("callers do not panic")).sum();
    f64::from(done) / started.elapsed().as_secs_f64()
}
