use std::collections::BTreeMap;

use engine_roles_policy::Document;

use super::Operation;
use crate::authorization::Access;
use crate::caller::Caller;
use crate::context::Context;
use crate::documents;
use crate::errors::ApiError;
use crate::layers::PolicyLayer;
use crate::names::length;
use crate::pages::PageRequest;
use crate::role::Role;
use crate::simulation::{Match, Position, Simulation, Source, Verdict};
use crate::wire::Params;
use crate::xml::Xml;

/// A policy that allows everything, which applies if no identity policy is set.
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Simulates the policies of a role.
pub(super) struct SimulatePrincipalPolicy {
    principal: String,
    actions: Vec<String>,
    resources: Vec<String>,
    keys: Vec<(String, Vec<String>)>,
    policies: Vec<String>,
    boundaries: Vec<String>,
    /// The user who is the caller instead of the principal.
    caller: Option<String>,
    has_resource_policy: bool,
    page: PageRequest,
}

impl Operation for SimulatePrincipalPolicy {
    fn parse(params: &Params, _: &Context<'_>) -> Result<Self, ApiError> {
        let principal = params.required("PolicySourceArn")?;
        length(principal, "policySourceArn", 20, 2_048)?;
        let actions = params.values("ActionNames");
        if actions.is_empty() && params.get("ActionNames").is_none() {
            return Err(ApiError::missing("actionNames"));
        }
        let resources = params.values("ResourceArns");
        lengths(&actions, "actionNames", 3, 128)?;
        lengths(&resources, "resourceArns", 1, 2_048)?;
        Ok(Self {
            principal: principal.to_owned(),
            keys: context_entries(params)?,
            policies: documents::simulated(params, "PolicyInputList")?,
            boundaries: documents::simulated(params, "PermissionsBoundaryPolicyInputList")?,
            caller: params.get("CallerArn").cloned(),
            has_resource_policy: params.get("ResourcePolicy").is_some(),
            page: PageRequest::parse(params)?,
            actions,
            resources,
        })
    }

    fn accesses(&self, cx: &Context<'_>) -> Vec<Access> {
        let action = "iam:SimulatePrincipalPolicy";
        vec![Access::to_principal(action, &self.principal, cx)]
    }

    fn run(self, cx: &mut Context<'_>) -> Result<Option<Xml>, ApiError> {
        self.check()?;
        let (mut identity, mut boundary) = policies_of(&self.principal, cx)?;
        identity.extend(numbered("PolicyInputList", self.policies));
        // A boundary in the request replaces the role's own boundary.
        boundary = numbered("PermissionsBoundaryPolicyInputList", self.boundaries)
            .next()
            .or(boundary);
        let caller = self.caller.as_ref().unwrap_or(&self.principal);
        let simulation = Simulation::new(
            &identity,
            boundary.as_ref(),
            cx.policies.get(PolicyLayer::ServiceControl),
            &with_caller(self.keys, caller, cx),
        );
        let keys: Vec<_> = (0..self.actions.len())
            .map(|index| format!("{index:08}"))
            .collect();
        let page = self
            .page
            .cut(keys.iter().map(String::as_str).zip(&self.actions));
        let xml = page.to_xml("EvaluationResults", |xml, action| {
            write_result(xml, &simulation, action, &self.resources);
        });
        Ok(Some(xml))
    }
}

impl SimulatePrincipalPolicy {
    /// # Errors
    /// `InvalidInput`.
    fn check(&self) -> Result<(), ApiError> {
        // Resource policies can't be simulated for a role, and only a user can be the caller.
        let is_user = |caller: &String| caller.contains(":user/");
        if self.has_resource_policy || !self.caller.iter().all(is_user) {
            return Err(ApiError::input(
                "Invalid caller - Caller must be an IAM user in this context.",
            ));
        }
        if self.boundaries.len() > 1 {
            return Err(ApiError::input(
                "The list of Permissions Boundary policies cannot exceed 1 items.",
            ));
        }
        if self.actions.is_empty() {
            return Err(ApiError::input("ActionNames cannot be empty."));
        }
        let is_action = |action: &&String| {
            let parts = action.split_once(':');
            parts.is_some_and(|(service, name)| !service.is_empty() && !name.is_empty())
                && !action.contains(['*', '?'])
        };
        if let Some(other) = self.actions.iter().find(|action| !is_action(action)) {
            return Err(ApiError::input(format!("Invalid Input Actions: {other}.")));
        }
        let everything = self.resources == ["*"];
        let is_arn = |resource: &&String| everything || is_resource_arn(resource);
        if let Some(other) = self.resources.iter().find(|resource| !is_arn(resource)) {
            return Err(ApiError::input(format!(
                "ResourceNames are not in a valid ARN format: {other}."
            )));
        }
        Ok(())
    }
}

/// # Errors
/// `ValidationError`.
fn lengths(values: &[String], member: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let mut values = values.iter().enumerate();
    values.try_for_each(|(index, value)| {
        let member = format!("{member}.{}.member", index + 1);
        length(value, &member, least, most)
    })
}

/// Parses the condition keys in a request.
///
/// # Errors
/// `ValidationError` for lengths and types, `InvalidInput` for a key without a name and for a key
/// that occurs twice.
fn context_entries(params: &Params) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    const TYPES: [&str; 6] = ["string", "numeric", "boolean", "ip", "binary", "date"];
    let mut keys = BTreeMap::new();
    for (index, entry) in params.list("ContextEntries").iter().enumerate() {
        let at = format!("contextEntries.{}.member", index + 1);
        let Some(key) = entry.get("ContextKeyName").filter(|key| !key.is_empty()) else {
            return Err(ApiError::input("ContextKeyName cannot be null or empty."));
        };
        length(key, &format!("{at}.contextKeyName"), 5, 256)?;
        if let Some(kind) = entry.get("ContextKeyType")
            && !TYPES.contains(&kind.strip_suffix("List").unwrap_or(kind))
        {
            let rule = "Member must satisfy enum value set: [string, stringList, numeric, \
                        numericList, boolean, booleanList, ip, ipList, binary, binaryList, date, \
                        dateList]";
            return Err(ApiError::constraint(
                kind,
                &format!("{at}.contextKeyType"),
                rule,
            ));
        }
        let values = entry.values("ContextKeyValues");
        let twice = keys.insert(key.to_lowercase(), (key.clone(), values));
        if twice.is_some() {
            return Err(ApiError::input(format!("Duplicate context key: {key}.")));
        }
    }
    Ok(keys.into_values().collect())
}

fn is_resource_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    parts.len() == 6 && parts[0] == "arn" && [1, 2, 5].iter().all(|part| !parts[*part].is_empty())
}

/// Returns the policies and the boundary of a role of the account. For the service's own ARN, if
/// the account has no role with this name, returns the identity policy and the boundary that decide
/// its calls.
///
/// # Errors
/// `InvalidInput` for a text that is not the ARN of a user, group or role of this account;
/// `NoSuchEntity` for an entity that does not exist.
fn policies_of(arn: &str, cx: &Context<'_>) -> Result<(Vec<Source>, Option<Source>), ApiError> {
    let (kind, name) = entity(arn, cx)?;
    if let Some(role) = cx.account.role_with_arn_at(arn, cx.view) {
        return Ok(policies_of_role(role, cx));
    }
    let service = Caller::service(cx.account).role_arn;
    if arn == service
        && cx
            .account
            .roles
            .at(&name.to_ascii_lowercase(), cx.view)
            .is_none()
    {
        let document = cx
            .policies
            .get(PolicyLayer::Identity)
            .map(Document::to_json);
        let policy = Source {
            id: format!("role_{name}_identity-policy"),
            document: document.unwrap_or_else(|| EVERYTHING.to_owned()),
        };
        let boundary = cx.policies.get(PolicyLayer::Boundary);
        let boundary = boundary.map(|document| Source {
            id: format!("{name}-boundary"),
            document: document.to_json(),
        });
        return Ok((vec![policy], boundary));
    }
    Err(ApiError::absent(format!(
        "The {kind} with name {name} cannot be found."
    )))
}

/// Returns the kind and the name of the entity with this ARN.
///
/// # Errors
/// `InvalidInput`.
fn entity<'a>(arn: &'a str, cx: &Context<'_>) -> Result<(&'a str, &'a str), ApiError> {
    let unclear = || {
        ApiError::input(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        ))
    };
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", _, "iam", "", account, resource] = parts[..] else {
        return Err(unclear());
    };
    let (kind, rest) = resource.split_once('/').ok_or_else(unclear)?;
    let name = rest.rsplit('/').next().unwrap_or_default();
    if !["user", "group", "role"].contains(&kind) || name.is_empty() {
        return Err(unclear());
    }
    let own = &cx.account.id;
    if account != own {
        return Err(ApiError::input(format!(
            "Invalid Policy Source Arn: caller's account {own} does not have access to policies in \
             account {account}"
        )));
    }
    Ok((kind, name))
}

fn policies_of_role(role: &Role, cx: &Context<'_>) -> (Vec<Source>, Option<Source>) {
    let inline = role.inline.iter().map(|(name, policy)| Source {
        id: format!("role_{}_{name}", role.name),
        document: policy.document.clone(),
    });
    let managed = |arn: &String| {
        let policy = cx.account.policy_at(arn, cx.view);
        let policy = policy.expect("a policy that is attached is not deleted");
        Source {
            id: policy.name.clone(),
            document: policy.document.clone(),
        }
    };
    let policies = inline.chain(role.attached.iter().map(managed)).collect();
    (policies, role.boundary.as_ref().map(managed))
}

/// Returns the policies in the request, under the names that the simulator gives them.
fn numbered(list: &str, documents: Vec<String>) -> impl Iterator<Item = Source> {
    let documents = documents.into_iter().enumerate();
    documents.map(move |(index, document)| Source {
        id: format!("{list}.{}", index + 1),
        document,
    })
}

/// Adds to the given context keys those that the simulator sets by itself, which identify the
/// caller.
fn with_caller(
    mut keys: Vec<(String, Vec<String>)>,
    caller: &str,
    cx: &Context<'_>,
) -> Vec<(String, Vec<String>)> {
    let known = [
        ("aws:PrincipalArn", caller),
        ("aws:PrincipalAccount", &cx.account.id),
    ];
    for (key, value) in known {
        if !keys
            .iter()
            .any(|(given, _)| given.eq_ignore_ascii_case(key))
        {
            keys.push((key.to_owned(), vec![value.to_owned()]));
        }
    }
    keys
}

/// Writes the result for one action: for all resources together, then for each resource.
fn write_result(xml: &mut Xml, simulation: &Simulation, action: &str, resources: &[String]) {
    let named = !resources.is_empty() && resources != ["*"];
    let everything = ["*".to_owned()];
    let resources = if named { resources } else { &everything };
    let each = resources.iter();
    let each: Vec<_> = each
        .map(|resource| simulation.judge(action, resource))
        .collect();
    let all = Verdict::together(&each);
    let resource = match resources {
        [one] => one,
        _ => "*",
    };
    xml.text("EvalActionName", action)
        .text("EvalResourceName", resource)
        .text("EvalDecision", all.outcome.name());
    write_verdict(xml, &all);
    if let Some(allowed) = all.by_organization {
        xml.element("OrganizationsDecisionDetail", |xml| {
            xml.bool("AllowedByOrganizations", allowed);
        });
    }
    if named {
        // Empty: this element concerns other accounts only.
        xml.element("EvalDecisionDetails", |_| {});
        let each = resources.iter().zip(&each);
        xml.list(
            "ResourceSpecificResults",
            each,
            |xml, (resource, verdict)| {
                xml.text("EvalResourceName", resource)
                    .text("EvalResourceDecision", verdict.outcome.name());
                write_verdict(xml, verdict);
            },
        );
    }
}

fn write_verdict(xml: &mut Xml, verdict: &Verdict) {
    xml.list("MatchedStatements", &verdict.matched, write_match)
        .texts("MissingContextValues", &verdict.missing);
    if let Some(within) = verdict.within_boundary {
        xml.element("PermissionsBoundaryDecisionDetail", |xml| {
            xml.bool("AllowedByPermissionsBoundary", within);
        });
    }
}

fn write_match(xml: &mut Xml, matched: &Match) {
    xml.text("SourcePolicyId", &matched.source)
        .text("SourcePolicyType", matched.kind);
    xml.element("StartPosition", |xml| {
        write_position(xml, matched.span.start);
    })
    .element("EndPosition", |xml| write_position(xml, matched.span.end));
}

fn write_position(xml: &mut Xml, position: Position) {
    xml.number("Line", position.line)
        .number("Column", position.column);
}
