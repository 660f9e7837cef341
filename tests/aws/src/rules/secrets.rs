//! Whether an engine's role really reads its cluster's secrets, and no others.
//!
//! Only on AWS: the sandbox has no Secrets Manager, so there is nothing to compare, and a wrong answer
//! is an error of this rule.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use serde_json::json;

use crate::params::Params;
use crate::probe::Probe;
use crate::replica::Replica;
use crate::scoped::{assume, trusting_the_account};
use crate::secrets_manager;
use crate::trouble::Trouble;

const READS: usize = 5;

/// Returns the error code of a read of a secret; empty if it was read.
async fn read(probe: &Probe, session: &Credentials, secret: &str) -> Result<String, Trouble> {
    probe.account.budget.check()?;
    let body = json!({ "SecretId": secret });
    let answer = secrets_manager::call(&probe.account, session, "GetSecretValue", &body).await?;
    Ok(answer.1["__type"].as_str().unwrap_or_default().to_owned())
}

pub(super) async fn secrets(probe: &mut Probe) -> Result<(), Trouble> {
    if !probe.is_aws() {
        probe.not_checked("what an engine's role reads: the sandbox has no Secrets Manager");
        return Ok(());
    }
    let (own, other) = (probe.run.cluster("own"), probe.run.cluster("other"));
    let mut arns = Vec::new();
    for cluster in [&own, &other] {
        let name = format!("compute-engine/{cluster}/password");
        let run = &probe.run.suffix;
        arns.push(secrets_manager::create(&probe.account, &name, run).await?);
    }
    let mut replica = Replica::start(probe, &[]).await?;
    let (_, binding) = replica.put(probe, &own, json!({})).await?;
    let role = binding["role"]["name"].as_str().unwrap_or_default();
    let arn = binding["role"]["arn"].as_str().unwrap_or_default();
    // The role trusts only EC2; for this test, the account too.
    let trust = trusting_the_account(probe);
    let update = Params::from(&[("RoleName", role), ("PolicyDocument", &trust)]);
    probe.must("UpdateAssumeRolePolicy", &update).await?;
    let session = assume(probe, arn, None).await?;
    let started = Instant::now();
    loop {
        let code = read(probe, &session, &arns[0]).await?;
        if code.is_empty() {
            break;
        }
        if started.elapsed() > probe.longest_lag {
            return Err(Trouble::Unexpected(format!(
                "the role does not read its own secret: {code}"
            )));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    probe.measured(
        "until the engine's role reads its secret",
        started.elapsed(),
    );
    for _ in 0..READS {
        let code = read(probe, &session, &arns[1]).await?;
        if code != "AccessDeniedException" {
            let found = format!("another cluster's secret is not denied: {code:?}");
            return Err(Trouble::Unexpected(found));
        }
    }
    replica.delete(probe, &own).await?;
    Ok(())
}
