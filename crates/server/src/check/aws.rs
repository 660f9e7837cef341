//! Checks of the AWS identity, its permissions and the clock.

use engine_roles_domain::account::{AccountId, Scope};
use engine_roles_domain::identity::{Feature, FeatureReport, Status};
use engine_roles_provisioner::{AwsState, Capabilities};
use serde_json::json;

use super::finding::{Finding, Verdict};
use crate::setting_names::Named;

/// From how many seconds on a difference of the clocks is reported.
const NOTICEABLE: u64 = 60;
/// From how many seconds on AWS rejects what is signed. Source: IAM User Guide, "Signature Version 4
/// elements": within five minutes.
const REJECTED: u64 = 300;

/// Returns whether AWS knows the identity, and whether it belongs to the configured account.
pub(super) fn identity(
    found: Result<&Capabilities, String>,
    configured: Option<&AccountId>,
) -> Finding {
    let name = "aws identity";
    let found = match found {
        Ok(found) => found,
        Err(reason) => {
            return Finding::new(name, Verdict::Failed, reason)
                .with_advice("correct the credentials (AWS_*), or the network to STS");
        }
    };
    let Some(arn) = found.identity.as_deref() else {
        let found = "STS did not return it; the configured account is believed";
        return Finding::new(name, Verdict::Unknown, found)
            .with_advice("correct the credentials (AWS_*), or the network to STS");
    };
    let scope = Scope::of_arn(arn);
    match (scope, configured) {
        (Some(scope), Some(configured)) if scope.account != *configured => {
            let found = format!("{arn} is of account {}, not {configured}", scope.account);
            Finding::new(name, Verdict::Failed, found)
                .with_advice(Named("correct the credentials, or --account-id").to_string())
        }
        (Some(scope), Some(_)) => {
            let found = format!(
                "{arn}, in the configured account, partition {}",
                scope.partition
            );
            Finding::new(name, Verdict::Ok, found)
        }
        (Some(scope), None) => {
            let found = format!(
                "{arn}, partition {}; no account is configured",
                scope.partition
            );
            Finding::new(name, Verdict::Ok, found)
        }
        (None, _) => {
            let found = format!("{arn}, whose account can't be read");
            Finding::new(name, Verdict::Unknown, found)
        }
    }
}

/// Returns a line where AWS knows the identity, and did not answer the call that followed.
pub(super) fn unanswered(state: AwsState) -> Option<Finding> {
    (state == AwsState::Unreachable).then(|| {
        let found = "AWS did not answer the last call; the reasons are with the permissions";
        Finding::new("iam", Verdict::Failed, found).with_advice(
            "correct the network to IAM, or the variables of its endpoint (AWS_ENDPOINT_URL, \
             AWS_ENDPOINT_URL_IAM)",
        )
    })
}

/// Judges by how many seconds this machine's clock is ahead of AWS's.
pub(super) fn clock(ahead: Option<i64>) -> Finding {
    let name = "clock";
    let Some(ahead) = ahead else {
        return Finding::new(name, Verdict::Unknown, "AWS did not answer");
    };
    let seconds = ahead.unsigned_abs();
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let found = format!("{seconds} s {direction} AWS's");
    let advice = "let the machine set its clock by NTP";
    if seconds <= NOTICEABLE {
        Finding::new(name, Verdict::Ok, found)
    } else if seconds <= REJECTED {
        Finding::new(name, Verdict::Warning, found).with_advice(advice)
    } else {
        let found = format!("{found}; AWS rejects what is signed more than 5 minutes away");
        Finding::new(name, Verdict::Failed, found).with_advice(advice)
    }
}

/// Returns whether roles can neither be created nor passed.
pub(super) fn lacks_both_modes(found: &Capabilities) -> bool {
    let is_missing = |feature| {
        let report = found
            .features
            .iter()
            .find(|report| report.feature == feature);
        report.is_none_or(|report| matches!(report.status, Status::Missing | Status::Unused))
    };
    let creates = !is_missing(Feature::Create) && !is_missing(Feature::Teardown);
    !creates && is_missing(Feature::PassThrough)
}

/// What to do where it is not known whether AWS allows an action.
const FIND_OUT: &str = "unknown means that no simulation and no read has shown whether AWS allows these actions: \
     a policy of the organization (SCP) or a permissions boundary may deny them. To find out, allow \
     iam:SimulatePrincipalPolicy on this identity's own role and check again, or provision a role for a \
     trial cluster (`engine-roles role put trial`) and tear it down (`engine-roles role delete trial`): an \
     answer that is denied names the permission";
/// The same, where the simulation reports a denial that it may be wrong about.
const TRY: &str = "the simulation can be wrong about such a denial, because it does not know every condition: \
     ask whoever owns the policy, or provision a role for a trial cluster (`engine-roles role put trial`) and \
     tear it down (`engine-roles role delete trial`)";
/// The same, where the database is the reason.
const REPAIR_DATABASE: &str = "do what the lines about the database say, and check again: the call budget, \
     which each call to AWS needs, is in the database";

/// Returns a line for each feature. Without a usable database no call to IAM can be made.
pub(super) fn permissions(found: Option<&Capabilities>, is_database_usable: bool) -> Vec<Finding> {
    let Some(found) = found else {
        let line = Finding::new("permissions", Verdict::Unknown, "AWS could not be asked");
        return vec![line];
    };
    let lacks_both = lacks_both_modes(found);
    let lines = found.features.iter();
    let find_out = if is_database_usable {
        FIND_OUT
    } else {
        REPAIR_DATABASE
    };
    let lines = lines.map(|report| permission(report, lacks_both, find_out));
    lines.collect()
}

fn permission(report: &FeatureReport, lacks_both_modes: bool, find_out: &str) -> Finding {
    let feature = report.feature.as_str();
    let is_mode = matches!(
        report.feature,
        Feature::Create | Feature::Teardown | Feature::PassThrough
    );
    let verdict = match report.status {
        Status::Works => Verdict::Ok,
        Status::Missing if is_mode && lacks_both_modes => Verdict::Failed,
        Status::Missing => Verdict::Warning,
        Status::Unknown => Verdict::Unknown,
        Status::Unused => Verdict::Skipped,
    };
    let status = json!(report.status);
    let status = status.as_str().unwrap_or_default();
    let mut details = Vec::new();
    for (word, actions) in [("missing", &report.missing), ("not known", &report.unknown)] {
        if !actions.is_empty() {
            details.push(format!("{word}: {}", actions.join(", ")));
        }
    }
    let denied_by = report.denied_by.iter();
    details.extend(denied_by.map(|(action, by)| format!("{action} is denied by {by}")));
    details.extend(report.reasons.iter().cloned());
    let statements = report.statements.iter();
    details.extend(statements.map(|statement| format!("add: {statement}")));
    let line = Finding::new(format!("permissions: {feature}"), verdict, status);
    let line = line.with_details(details);
    match report.status {
        Status::Missing if report.statements.is_empty() => {
            line.with_advice("ask whoever owns the policy that denies it")
        }
        Status::Missing => line.with_advice("add the statement to a policy of the identity"),
        Status::Unknown if report.denied_by.is_empty() => line.with_advice(find_out),
        Status::Unknown => line.with_advice(TRY),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use engine_roles_domain::identity::recommend;

    use super::*;

    #[test]
    fn what_is_unknown_has_advice_which_is_about_the_database_where_that_is_the_reason() {
        let report = FeatureReport {
            feature: Feature::Create,
            status: Status::Unknown,
            missing: Vec::new(),
            denied_by: std::collections::BTreeMap::new(),
            unknown: vec!["iam:CreateRole"],
            statements: Vec::new(),
            reasons: vec!["nobody asked".to_owned()],
        };
        let found = Capabilities {
            identity: None,
            found_by: Vec::new(),
            found_at: chrono::Utc::now(),
            recommendation: recommend(&[]),
            features: vec![report],
        };
        for (is_database_usable, expected) in [(true, FIND_OUT), (false, REPAIR_DATABASE)] {
            let lines = permissions(Some(&found), is_database_usable);
            let [line] = &lines[..] else {
                panic!("{lines:?}");
            };
            assert_eq!(line.verdict, Verdict::Unknown);
            assert_eq!(line.advice.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_clock_is_judged_by_its_difference_in_both_directions() {
        for (ahead, expected) in [
            (None, Verdict::Unknown),
            (Some(0), Verdict::Ok),
            (Some(-60), Verdict::Ok),
            (Some(61), Verdict::Warning),
            (Some(-300), Verdict::Warning),
            (Some(301), Verdict::Failed),
            (Some(-3600), Verdict::Failed),
        ] {
            assert_eq!(clock(ahead).verdict, expected, "{ahead:?}");
        }
    }
}
