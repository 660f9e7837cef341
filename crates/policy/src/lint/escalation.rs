//! Known methods of privilege escalation, under their published names.

use super::{Findings, Severity, widest};
use crate::condition::{Condition, Test};
use crate::document::Document;
use crate::pattern;
use crate::statement::{Effect, Scope, Statement};
use crate::version::Version;

/// A method of privilege escalation: the actions that it needs, and the type of resource on which
/// one of them has to be allowed widely.
struct Method {
    name: &'static str,
    /// The action that has to be allowed on any resource of a type, and the type as an ARN writes
    /// it.
    wide: (&'static str, &'static str),
    /// The other actions that have to be allowed, on any resource.
    others: &'static [&'static str],
    /// For `iam:PassRole`, the service that the role is passed to.
    passed_to: Option<&'static str>,
}

pub(super) fn check(document: &Document, findings: &mut Findings) {
    for method in METHODS {
        let others = method
            .others
            .iter()
            .all(|action| allows(document, action).next().is_some());
        if !others {
            continue;
        }
        let (action, resource) = method.wide;
        let wide = allows(document, action)
            .filter(|(_, statement)| is_wide(document.version(), statement, resource))
            .filter(|(_, statement)| passes(statement, method.passed_to))
            // A statement without conditions is the more dangerous one.
            .min_by_key(|(index, statement)| (!statement.conditions.is_empty(), *index));
        let Some((index, statement)) = wide else {
            continue;
        };
        let (severity, limits) = if statement.conditions.is_empty() {
            (Severity::Error, "")
        } else {
            (Severity::Warning, ", as far as its conditions allow")
        };
        let also = match method.others {
            [] => String::new(),
            others => format!(" with {}", others.join(" and ")),
        };
        findings.add(
            method.name,
            severity,
            &format!("Statement[{index}]"),
            format!(
                "{action} on any {resource}{also} can be used to gain further permissions{limits}"
            ),
        );
    }
}

/// Returns the Allow statements that match an action.
fn allows<'a>(
    document: &'a Document,
    action: &'a str,
) -> impl Iterator<Item = (usize, &'a Statement)> {
    document
        .statements()
        .iter()
        .enumerate()
        .filter(|(_, statement)| statement.effect == Effect::Allow)
        .filter(move |(_, statement)| {
            let listed = statement
                .actions
                .patterns()
                .iter()
                .any(|own| pattern::matches_action(own, action));
            match statement.actions {
                Scope::Only(_) => listed,
                Scope::Except(_) => !listed,
            }
        })
}

/// Whether the statement covers resources of the type under any name.
fn is_wide(version: Version, statement: &Statement, resource: &str) -> bool {
    let separator = if resource == "function" { ':' } else { '/' };
    let any = format!("{resource}{separator}any-name");
    match &statement.resources {
        Some(Scope::Only(texts)) => texts.iter().any(|text| {
            if text == "*" {
                return true;
            }
            // The account and the region of the resource make no difference here.
            crate::arn::split(text)
                .get(5)
                .is_some_and(|own| widest(version, own).matches(&any))
        }),
        Some(Scope::Except(_)) => true,
        None => false,
    }
}

/// Whether the statement's conditions let a role be passed to this service.
fn passes(statement: &Statement, service: Option<&str>) -> bool {
    let Some(service) = service else {
        return true;
    };
    let limits = |condition: &&Condition| {
        condition.key.eq_ignore_ascii_case("iam:PassedToService")
            && matches!(
                condition.operator.test,
                Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike
            )
    };
    statement.conditions.iter().filter(limits).all(|condition| {
        condition
            .values
            .iter()
            .any(|value| match condition.operator.test {
                Test::StringLike => pattern::matches(value, service),
                Test::StringEqualsIgnoreCase => value.eq_ignore_ascii_case(service),
                _ => value == service,
            })
    })
}

const fn alone(name: &'static str, action: &'static str, resource: &'static str) -> Method {
    Method {
        name,
        wide: (action, resource),
        others: &[],
        passed_to: None,
    }
}

const fn pass_role(
    name: &'static str,
    others: &'static [&'static str],
    service: &'static str,
) -> Method {
    Method {
        name,
        wide: ("iam:PassRole", "role"),
        others,
        passed_to: Some(service),
    }
}

const METHODS: [Method; 22] = [
    alone(
        "CreateNewPolicyVersion",
        "iam:CreatePolicyVersion",
        "policy",
    ),
    alone(
        "SetExistingDefaultPolicyVersion",
        "iam:SetDefaultPolicyVersion",
        "policy",
    ),
    alone("CreateAccessKey", "iam:CreateAccessKey", "user"),
    alone("CreateLoginProfile", "iam:CreateLoginProfile", "user"),
    alone("UpdateLoginProfile", "iam:UpdateLoginProfile", "user"),
    alone("AttachUserPolicy", "iam:AttachUserPolicy", "user"),
    alone("AttachGroupPolicy", "iam:AttachGroupPolicy", "group"),
    alone("AttachRolePolicy", "iam:AttachRolePolicy", "role"),
    alone("PutUserPolicy", "iam:PutUserPolicy", "user"),
    alone("PutGroupPolicy", "iam:PutGroupPolicy", "group"),
    alone("PutRolePolicy", "iam:PutRolePolicy", "role"),
    alone("AddUserToGroup", "iam:AddUserToGroup", "group"),
    Method {
        name: "UpdateRolePolicyToAssumeIt",
        wide: ("iam:UpdateAssumeRolePolicy", "role"),
        others: &["sts:AssumeRole"],
        passed_to: None,
    },
    alone(
        "EditExistingLambdaFunctionWithRole",
        "lambda:UpdateFunctionCode",
        "function",
    ),
    alone(
        "UpdateExistingGlueDevEndpoint",
        "glue:UpdateDevEndpoint",
        "devEndpoint",
    ),
    pass_role(
        "CreateEC2WithExistingIP",
        &["ec2:RunInstances"],
        "ec2.amazonaws.com",
    ),
    pass_role(
        "PassExistingRoleToNewLambdaThenInvoke",
        &["lambda:CreateFunction", "lambda:InvokeFunction"],
        "lambda.amazonaws.com",
    ),
    pass_role(
        "PassExistingRoleToNewLambdaThenTriggerWithNewDynamo",
        &["lambda:CreateFunction", "lambda:CreateEventSourceMapping"],
        "lambda.amazonaws.com",
    ),
    pass_role(
        "PassExistingRoleToNewGlueDevEndpoint",
        &["glue:CreateDevEndpoint"],
        "glue.amazonaws.com",
    ),
    pass_role(
        "PassExistingRoleToNewCloudFormation",
        &["cloudformation:CreateStack"],
        "cloudformation.amazonaws.com",
    ),
    pass_role(
        "PassExistingRoleToNewDataPipeline",
        &[
            "datapipeline:CreatePipeline",
            "datapipeline:PutPipelineDefinition",
        ],
        "datapipeline.amazonaws.com",
    ),
    pass_role(
        "PassExistingRoleToNewCodeStarProject",
        &["codestar:CreateProject"],
        "codestar.amazonaws.com",
    ),
];
