//! Secrets that are encrypted with a customer-managed KMS key.

use engine_roles_e2e::Installation;
use serde_json::{Value, json};

const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";

async fn with_key() -> Installation {
    Installation::build()
        .rarely_checked()
        .env("ENGINE_ROLES_KMS_KEY_ARN", KEY)
        .start()
        .await
}

#[tokio::test]
async fn a_created_role_may_use_the_key_only_for_its_own_secrets() {
    let installation = with_key().await;
    let client = installation.client();
    let answer = client.put("one", json!({"secrets": ["a", "b"]})).await;
    let binding = answer.expect(201);
    assert_eq!(binding["effective"]["kms_key"], KEY);
    let statements = binding["policy"]["Statement"].as_array().expect("a list");
    let decrypt = statements
        .iter()
        .find(|statement| statement["Action"] == "kms:Decrypt")
        .expect("the key's statement");
    assert_eq!(decrypt["Resource"], KEY);
    assert_eq!(
        decrypt["Condition"],
        json!({
            "StringEquals": {"kms:ViaService": "secretsmanager.us-west-2.amazonaws.com"},
            "StringLike": {
                "kms:EncryptionContext:SecretARN":
                    "arn:aws:secretsmanager:us-west-2:123456789012:secret:compute-engine/one/*",
            },
        })
    );
    let access = client.fetch("/v1/clusters/one/role/access").await;
    let access = access.expect(200);
    assert_eq!(access["anything_else"]["decision"], "denied");
    installation
        .assert_sound_when_idle("created with a key")
        .await;
    // A change keeps the key and takes one call.
    let since = installation.mark();
    client
        .put("one", json!({"secrets": "all"}))
        .await
        .expect(200);
    assert_eq!(installation.mutations(since).len(), 1);
    installation
        .assert_sound_when_idle("changed with a key")
        .await;
    client.delete("one").await.expect(200);
    installation.assert_sound_when_idle("gone").await;
}

#[tokio::test]
async fn a_live_role_keeps_the_key_that_it_was_created_with() {
    let mut installation = with_key().await;
    installation.client().provision("one").await.expect(201);
    installation.becomes_idle().await;
    installation.set_env("ENGINE_ROLES_KMS_KEY_ARN", "");
    installation.restart(0).await;
    let client = installation.client();
    let binding = client.put("one", json!({"session_manager": true})).await;
    assert_eq!(binding.expect(200)["effective"]["kms_key"], KEY);
    let binding = client.provision("two").await;
    assert_eq!(binding.expect(201)["effective"]["kms_key"], Value::Null);
    installation
        .assert_sound_when_idle("with and without a key")
        .await;
}

#[tokio::test]
async fn a_region_without_the_key_is_rejected_and_names_the_field() {
    let installation = with_key().await;
    let answer = installation
        .client()
        .put("one", json!({"region": "eu-west-1"}))
        .await;
    let problem = answer.expect_problem(422, "invalid_region");
    assert_eq!(problem["errors"][0]["field"], "region");
    assert_eq!(installation.mutations(0).len(), 0);
    installation.assert_sound().await;
}
