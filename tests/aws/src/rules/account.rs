//! The caller, the protocol, and the account's summary.

use aws_credential_types::Credentials;

use crate::answer::Answer;
use crate::params::Params;
use crate::probe::{Ask, Probe};
use crate::trouble::Trouble;

/// Keys of the summary that the service or the sandbox's users read. AWS has more.
const KEYS: [&str; 15] = [
    "AssumeRolePolicySizeQuota",
    "AttachedPoliciesPerRoleQuota",
    "Groups",
    "GroupsQuota",
    "InstanceProfiles",
    "InstanceProfilesQuota",
    "Policies",
    "PoliciesQuota",
    "PolicySizeQuota",
    "RolePolicySizeQuota",
    "Roles",
    "RolesQuota",
    "Users",
    "UsersQuota",
    "VersionsPerPolicyQuota",
];
/// Keys whose values no account can change.
const FIXED: [&str; 3] = [
    "PolicySizeQuota",
    "RolePolicySizeQuota",
    "VersionsPerPolicyQuota",
];

pub(super) async fn identity(probe: &mut Probe) -> Result<(), Trouble> {
    let ask = Ask::new("GetCallerIdentity", "GetCallerIdentity", &[]);
    probe
        .ask(ask.showing(|answer| {
            let account = answer.text("Account").unwrap_or_default();
            let arn = answer.text("Arn").unwrap_or_default();
            let has_id = answer.text("UserId").is_some_and(|id| !id.is_empty());
            // An administrator may run the suite as a user or as a role.
            let is_arn = arn.contains(&format!(":{account}:"));
            format!("account {account}, its ARN {is_arn}, user id {has_id}")
        }))
        .await?;
    Ok(())
}

/// Returns where an answer has the id of its request: in the header, and in the body.
fn ids(answer: &Answer) -> String {
    let body = answer.text("RequestId").filter(|id| !id.is_empty());
    let same = body.is_some() && body == answer.request_id;
    let (header, body) = (answer.request_id.is_some(), body.is_some());
    format!("in the header {header}, in the body {body}, the same {same}")
}

pub(super) async fn protocol(probe: &mut Probe) -> Result<(), Trouble> {
    let role = probe.role("protocol").await?;
    let absent = probe.run.name("absent");
    let no_params = Params::default();
    for (what, action, params) in [
        (
            "request id of a success",
            "GetRole",
            Params::from(&[("RoleName", role.as_str())]),
        ),
        (
            "request id of an error",
            "GetRole",
            Params::from(&[("RoleName", absent.as_str())]),
        ),
        (
            "request id of an answer of STS",
            "GetCallerIdentity",
            no_params.clone(),
        ),
    ] {
        let answer = probe.account.call(action, &params).await?;
        probe.note(what, &ids(&answer));
    }
    probe
        .see("an unknown action", "MakeRole", &no_params)
        .await?;
    probe
        .see("a required parameter is missing", "GetRole", &no_params)
        .await?;
    let unknown = Credentials::new("AKIAQQQQQQQQQQQQQQQQ", "secret", None, None, "unknown");
    // The sandbox accepts every key unless it is configured otherwise.
    if probe.is_aws() {
        let answer = probe
            .account
            .call_by(&unknown, "GetCallerIdentity", &no_params)
            .await?;
        let is_known = answer.code() == "InvalidClientTokenId" && answer.status == 403;
        if !is_known {
            let found = answer.outcome();
            return Err(Trouble::Unexpected(format!(
                "an unknown access key: {found}"
            )));
        }
    }
    Ok(())
}

pub(super) async fn summary(probe: &mut Probe) -> Result<(), Trouble> {
    let ask = Ask::new("keys that the service reads", "GetAccountSummary", &[]);
    let answer = probe
        .ask(ask.showing(|answer| {
            let found = answer.texts("key");
            let missing = KEYS
                .iter()
                .filter(|key| !found.iter().any(|one| one == *key));
            format!("missing: {:?}", missing.collect::<Vec<_>>())
        }))
        .await?;
    let values = answer.texts("key").into_iter().zip(answer.texts("value"));
    let fixed = values.filter(|(key, _)| FIXED.contains(&key.as_str()));
    let mut fixed: Vec<String> = fixed.map(|(key, value)| format!("{key}={value}")).collect();
    fixed.sort();
    probe.note("limits that no account can change", &fixed.join(" "));
    Ok(())
}
