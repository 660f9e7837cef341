//! Which features the service's own identity has the permissions for, and what its administrator
//! should change.

use std::collections::BTreeMap;

use engine_roles_policy::Context;
use serde::Serialize;
use serde_json::{Value, json};

use crate::account::Scope;
use crate::binding::record::Binding;
use crate::cluster::spec::Mode;
use crate::grant::reach::{Access, Documents};
use crate::identity::denial::DeniedBy;
use crate::identity::needs::{Conditions, Feature, Need, needs_of_binding};
use crate::prepared::held::HeldRole;

/// Whether our identity may take an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Our identity may take the action.
    Allowed,
    /// AWS denies our identity the action; with the layer that denies it, where that is known.
    Denied(Option<DeniedBy>),
    /// Whether our identity may take the action is not known, for this reason.
    Unknown(String),
}

/// Whether a feature works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All actions that the feature needs are allowed.
    Works,
    /// An action that the feature needs is denied.
    Missing,
    /// No action is known to be denied, and not all are known to be allowed.
    Unknown,
    /// The configuration does not use the feature.
    Unused,
}

/// Whether a feature works, and what it lacks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureReport {
    /// The feature that the report is about.
    pub feature: Feature,
    /// Whether the feature works.
    pub status: Status,
    /// The denied actions that the feature needs.
    pub missing: Vec<&'static str>,
    /// What denies a missing action, where it is something else than that the identity's own policies do
    /// not allow it. No statement for the identity would help there.
    pub denied_by: BTreeMap<&'static str, DeniedBy>,
    /// The needed actions of which it is not known whether they are allowed.
    pub unknown: Vec<&'static str>,
    /// The policy statements that would allow the denied actions, where a statement helps.
    pub statements: Vec<Value>,
    /// Why it is not known whether the actions in `unknown` are allowed.
    pub reasons: Vec<String>,
}

/// Evaluates each need by the policy documents of our own role.
pub fn standings_by_documents(role: &HeldRole, scope: &Scope, needs: &[Need]) -> Vec<Standing> {
    let documents = Documents::of(role);
    let context = Context::partial()
        .with("aws:PrincipalAccount", scope.account.as_str())
        .with("aws:SecureTransport", "true");
    let context = match &role.role.arn {
        Some(arn) => context.with("aws:PrincipalArn", arn),
        None => context,
    };
    let standing = |need: &Need| {
        let keys = need.keys.iter();
        let context = keys.fold(context.clone(), |context, (key, value)| {
            context.with(key, value)
        });
        match documents.decide(need.action, &need.sample(), context) {
            Access::Allowed { .. } => Standing::Allowed,
            Access::Denied { .. } => Standing::Denied(None),
            Access::Indeterminate { because } => Standing::Unknown(because.join("; ")),
        }
    };
    needs.iter().map(standing).collect()
}

/// Returns the report on a feature, given the standing of each of its needs.
pub fn report(
    feature: Feature,
    needs: &[Need],
    standing: impl Fn(&Need) -> Standing,
) -> FeatureReport {
    let (mut missing, mut unknown, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let (mut denied, mut denied_by) = (Vec::new(), BTreeMap::new());
    for need in needs {
        match standing(need) {
            Standing::Allowed => {}
            Standing::Denied(by) => {
                missing.push(need.action);
                match by {
                    Some(by) if !by.is_mended_by_allowing() => {
                        denied_by.insert(need.action, by);
                    }
                    _ => denied.push(need),
                }
            }
            Standing::Unknown(reason) => {
                unknown.push(need.action);
                reasons.push(reason);
            }
        }
    }
    missing.dedup();
    unknown.dedup();
    reasons.sort();
    reasons.dedup();
    FeatureReport {
        feature,
        status: match (needs.is_empty(), missing.is_empty(), unknown.is_empty()) {
            (true, ..) => Status::Unused,
            (_, false, _) => Status::Missing,
            (_, true, false) => Status::Unknown,
            (_, true, true) => Status::Works,
        },
        statements: statements_to_add(&denied),
        missing,
        denied_by,
        unknown,
        reasons,
    }
}

/// Returns the policy statements that would allow these needs: one for each combination of resource
/// and conditions.
pub fn statements_to_add(needs: &[&Need]) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, &Conditions), Vec<&str>> = BTreeMap::new();
    for need in needs {
        let group = groups
            .entry((&need.resource, &need.conditions))
            .or_default();
        if !group.contains(&need.action) {
            group.push(need.action);
        }
    }
    let statements = groups.into_iter().map(|((resource, conditions), actions)| {
        let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": [resource]});
        if !conditions.is_empty() {
            statement["Condition"] = json!(conditions);
        }
        statement
    });
    statements.collect()
}

/// Returns the policy statements that would allow the given actions for a binding: the same as those
/// in the report on the feature.
pub fn statements_for_binding(actions: &[String], binding: &Binding) -> Vec<Value> {
    let needs = needs_of_binding(binding);
    let is_missing = |need: &&Need| actions.iter().any(|action| action == need.action);
    statements_to_add(&needs.iter().filter(is_missing).collect::<Vec<_>>())
}

/// What an administrator should do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    /// The mode that this identity has the permissions for; none where the identity has the
    /// permissions for no mode, or where its permissions are not known.
    pub mode: Option<Mode>,
    /// What to attach to the identity, or what to configure.
    pub advice: String,
}

/// Recommends the next step to the administrator.
pub fn recommend(reports: &[FeatureReport]) -> Recommendation {
    let status = |feature| {
        let found = reports.iter().find(|report| report.feature == feature);
        found.map_or(Status::Unused, |report| report.status)
    };
    let (create, teardown, pass) = (
        status(Feature::Create),
        status(Feature::Teardown),
        status(Feature::PassThrough),
    );
    let (mode, advice) = match (create, teardown, pass) {
        (Status::Works, Status::Works, _) => (
            Some(Mode::Create),
            "This identity may create a role for each engine: leave the default IAM role blank.",
        ),
        (Status::Missing, _, Status::Works) | (_, Status::Missing, Status::Works) => (
            Some(Mode::PassThrough),
            "This identity may not create and remove roles, but it may pass the prepared role: name \
             that role as the default IAM role (ENGINE_ROLES_DEFAULT_IAM_ROLE).",
        ),
        (Status::Missing, _, _) | (_, Status::Missing, _) => (
            None,
            "This identity may not create and remove roles. Either attach engine-role-service.json \
             (or ai-unlimited-workspaces.json) to it, or have an administrator prepare an engine \
             role from ai-unlimited-engine.json with engine-trust.json, name it in \
             ENGINE_ROLES_PASS_THROUGH_ROLES, and attach \
             ai-unlimited-without-iam-role-permissions.json to this identity.",
        ),
        _ => (
            None,
            "It is not known whether this identity has all permissions. Allow \
             iam:SimulatePrincipalPolicy on this identity's own role to find out for certain. Calls \
             that AWS denies while the service works are also reported here.",
        ),
    };
    Recommendation {
        mode,
        advice: advice.to_owned(),
    }
}
