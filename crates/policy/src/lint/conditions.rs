//! Conditions that hold more often than they appear to, or never.

use super::granted::Granted;
use super::{Findings, Severity};
use crate::condition::{SetOperator, Test};
use crate::statement::{Effect, Statement};

pub(super) fn check(granted: Granted<'_>, place: &str, findings: &mut Findings) {
    let statement = granted.statement;
    for condition in &statement.conditions {
        let place = format!("{place}.Condition.{}.{}", condition.operator, condition.key);
        if statement.effect == Effect::Allow
            && condition.operator.set == Some(SetOperator::ForAllValues)
            && !requires(statement, &condition.key)
        {
            // The first context that is tried leaves the key out.
            let example = || {
                let actions = granted.actions();
                actions.iter().find_map(|action| granted.example_of(action))
            };
            findings.add_with_examples(
                "for-all-values-of-nothing",
                Severity::Warning,
                &place,
                "ForAllValues also holds if the key is absent; add a Null test with \"false\" for the same key to require it",
                example(),
                None,
            );
        }
        let key = condition.key.to_ascii_lowercase();
        if let Some(name) = key.strip_prefix("aws:")
            && !is_global_key(name)
        {
            findings.add(
                "unknown-global-key",
                Severity::Warning,
                &place,
                format!(
                    "{:?} is not a global condition key that this lint knows",
                    condition.key
                ),
            );
        }
    }
}

fn requires(statement: &Statement, key: &str) -> bool {
    statement.conditions.iter().any(|condition| {
        condition.operator.test == Test::Null
            && condition.key.eq_ignore_ascii_case(key)
            && condition
                .values
                .iter()
                .all(|value| value.eq_ignore_ascii_case("false"))
    })
}

fn is_global_key(name: &str) -> bool {
    let tag = ["principaltag/", "requesttag/", "resourcetag/"];
    tag.iter()
        .any(|prefix| name.len() > prefix.len() && name.starts_with(prefix))
        || GLOBAL_KEYS.contains(&name)
}

/// "AWS global condition context keys", IAM User Guide, and the keys that only AWS's managed
/// policies use (`aws:IsMcpServiceAction`, `aws:PrincipalOrgMasterAccountId`); in lower case,
/// without `aws:`.
const GLOBAL_KEYS: [&str; 50] = [
    "assumedroot",
    "calledvia",
    "calledviafirst",
    "calledviaawsmcp",
    "calledvialast",
    "chatbotsourcearn",
    "currenttime",
    "ec2instancesourceprivateipv4",
    "ec2instancesourcevpc",
    "epochtime",
    "federatedprovider",
    "ismcpserviceaction",
    "multifactorauthage",
    "multifactorauthpresent",
    "principalaccount",
    "principalarn",
    "principalisawsservice",
    "principalorgid",
    "principalorgmasteraccountid",
    "principalorgpaths",
    "principalservicename",
    "principalservicenameslist",
    "principaltype",
    "referer",
    "requestedregion",
    "resourceaccount",
    "resourceorgid",
    "resourceorgpaths",
    "securetransport",
    "signinsessionarn",
    "sourceaccount",
    "sourcearn",
    "sourceidentity",
    "sourceip",
    "sourceorgid",
    "sourceorgpaths",
    "sourcevpc",
    "sourcevpcarn",
    "sourcevpce",
    "tagkeys",
    "tokenissuetime",
    "useragent",
    "userid",
    "username",
    "viaawsmcpservice",
    "viaawsservice",
    "vpceaccount",
    "vpceorgid",
    "vpceorgpaths",
    "vpcsourceip",
];
