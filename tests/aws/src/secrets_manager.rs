//! Calls to Secrets Manager, which speaks JSON. The sandbox has none.

use aws_credential_types::Credentials;
use serde_json::{Value, json};

use crate::account::{Account, Signed};
use crate::run::MARK;
use crate::trouble::Trouble;

/// Makes a call. Returns the HTTP status and the body.
///
/// # Errors
/// As [`Account::send`].
pub(crate) async fn call(
    account: &Account,
    credentials: &Credentials,
    action: &str,
    body: &Value,
) -> Result<(u16, Value), Trouble> {
    account.budget.count(1);
    let endpoints = &account.endpoints;
    let (region, suffix) = (endpoints.region.as_str(), endpoints.partition.dns_suffix());
    let target = format!("secretsmanager.{action}");
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", target.as_str()),
    ];
    let request = Signed {
        action,
        service: "secretsmanager",
        region,
        url: &format!("https://secretsmanager.{region}.{suffix}/"),
        headers: &headers,
        body: body.to_string(),
    };
    let answer = account.send(request, credentials).await?;
    let body = serde_json::from_str(&answer.body).unwrap_or_default();
    Ok((answer.status, body))
}

/// Creates a secret that carries the suite's tag. Returns its ARN.
///
/// # Errors
/// [`Trouble::Failed`], and as [`Account::send`].
pub(crate) async fn create(account: &Account, name: &str, run: &str) -> Result<String, Trouble> {
    let own = account.own_credentials().await?;
    let token = uuid::Uuid::new_v4().to_string();
    let body = json!({
        "Name": name,
        "SecretString": "a value without meaning",
        "ClientRequestToken": token,
        "Tags": [{"Key": MARK, "Value": run}],
    });
    let (status, answer) = call(account, &own, "CreateSecret", &body).await?;
    let arn = answer["ARN"].as_str().map(str::to_owned);
    arn.filter(|_| status == 200)
        .ok_or_else(|| failed("CreateSecret", &answer))
}

/// Returns the ARNs of the secrets that carry the suite's tag: of one run, or of all.
///
/// # Errors
/// As [`create`].
pub(crate) async fn list(account: &Account, run: Option<&str>) -> Result<Vec<String>, Trouble> {
    let own = account.own_credentials().await?;
    let (mut found, mut next) = (Vec::new(), Value::Null);
    loop {
        let mut body = json!({
            "MaxResults": 100,
            "Filters": [{"Key": "tag-key", "Values": [MARK]}],
        });
        if !next.is_null() {
            body["NextToken"] = next;
        }
        let (status, answer) = call(account, &own, "ListSecrets", &body).await?;
        if status != 200 {
            return Err(failed("ListSecrets", &answer));
        }
        for secret in answer["SecretList"].as_array().into_iter().flatten() {
            let tags = secret["Tags"].as_array();
            let mut tags = tags.into_iter().flatten();
            // The filter matches the beginning of a key.
            let ours =
                tags.any(|tag| tag["Key"] == MARK && run.is_none_or(|run| tag["Value"] == run));
            found.extend(secret["ARN"].as_str().filter(|_| ours).map(str::to_owned));
        }
        next = answer["NextToken"].clone();
        if next.is_null() {
            return Ok(found);
        }
    }
}

/// Deletes a secret at once.
///
/// # Errors
/// As [`create`].
pub(crate) async fn delete(account: &Account, arn: &str) -> Result<(), Trouble> {
    let own = account.own_credentials().await?;
    let body = json!({"SecretId": arn, "ForceDeleteWithoutRecovery": true});
    let (status, answer) = call(account, &own, "DeleteSecret", &body).await?;
    if status == 200 || answer["__type"] == "ResourceNotFoundException" {
        return Ok(());
    }
    Err(failed("DeleteSecret", &answer))
}

fn failed(action: &str, answer: &Value) -> Trouble {
    Trouble::Failed {
        action: action.to_owned(),
        answer: format!("{} {}", answer["__type"], answer["Message"]),
    }
}
