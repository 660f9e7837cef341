use engine_roles_policy::{Document, Kind, Principal, Rule, size_of_text};

use crate::account::Account;
use crate::errors::ApiError;
use crate::names::length;
use crate::wire::{Params, member};

/// IAM's default quota for the characters of a trust policy, without white space.
const TRUST_SIZE: usize = 2_048;

/// Returns the permissions policy in a parameter, with its size as IAM counts it.
///
/// # Errors
/// `ValidationError` for a text with invalid characters or length, `MalformedPolicyDocument` for a
/// text that is not a permissions policy.
pub(crate) fn identity(params: &Params, parameter: &str) -> Result<(String, usize), ApiError> {
    let text = text(params, parameter)?;
    parse(Kind::Identity, text).map_err(ApiError::malformed)?;
    Ok((text.to_owned(), size_of_text(text)))
}

/// Returns the session policy in a parameter; `None` if it is absent.
///
/// # Errors
/// As [`identity`].
pub(crate) fn session(params: &Params, parameter: &str) -> Result<Option<Document>, ApiError> {
    if params.get(parameter).is_none() {
        return Ok(None);
    }
    let text = text(params, parameter)?;
    let document = parse(Kind::Identity, text).map_err(ApiError::malformed)?;
    Ok(Some(document))
}

/// Returns the permissions policies in a list parameter of a simulation.
///
/// # Errors
/// `ValidationError` for a text with invalid characters or length, `InvalidInput` for a text that
/// is not a permissions policy.
pub(crate) fn simulated(params: &Params, list: &str) -> Result<Vec<String>, ApiError> {
    let texts = params.values(list);
    for (index, text) in texts.iter().enumerate() {
        check_text(text, &format!("{}.{}.member", member(list), index + 1))?;
        parse(Kind::Identity, text).map_err(ApiError::input)?;
    }
    Ok(texts)
}

/// Returns the trust policy in a parameter.
///
/// # Errors
/// The errors of [`identity`]; also `MalformedPolicyDocument` for principals that don't exist and
/// for actions of services other than STS, and `LimitExceeded` for more than 2,048 characters.
pub(crate) fn trust(
    params: &Params,
    parameter: &str,
    account: &Account,
) -> Result<String, ApiError> {
    let text = text(params, parameter)?;
    let document = parse(Kind::Trust, text).map_err(ApiError::malformed)?;
    for statement in document.statements() {
        if let Some(principal) = statement
            .principals
            .iter()
            .find(|principal| !exists(principal, account))
        {
            let (kind, id) = match principal {
                Principal::Service(id) => ("SERVICE", id.as_str()),
                Principal::Aws(id) => ("AWS", id.as_str()),
                _ => ("FEDERATED", ""),
            };
            return Err(ApiError::malformed(format!(
                "Invalid principal in policy: \"{kind}\":\"{id}\""
            )));
        }
        let is_sts = |action: &String| {
            let action = action.to_ascii_lowercase();
            action == "*" || action.starts_with("sts:")
        };
        if !statement.actions.patterns().iter().all(is_sts) {
            return Err(ApiError::malformed(
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ));
        }
    }
    if size_of_text(text) > TRUST_SIZE {
        return Err(ApiError::quota("ACLSizePerRole", TRUST_SIZE));
    }
    Ok(text.to_owned())
}

/// Whether a principal exists. IAM rejects unknown services and roles of the account that don't
/// exist. The sandbox can't know users and other accounts, so it accepts them.
fn exists(principal: &Principal, account: &Account) -> bool {
    match principal {
        Principal::Service(service) => [
            ".amazonaws.com",
            ".amazonaws.com.cn",
            ".amazonaws.eu",
            ".aws.internal",
        ]
        .iter()
        .any(|domain| service.ends_with(domain)),
        Principal::Aws(arn) => {
            let Some(role) = arn.strip_prefix(&account.arn("role", "/", "")) else {
                return true;
            };
            let name = role.rsplit('/').next().unwrap_or(role);
            let role = account.roles.current(&name.to_ascii_lowercase());
            role.is_some_and(|role| role.arn == *arn)
        }
        _ => true,
    }
}

fn text<'a>(params: &'a Params, parameter: &str) -> Result<&'a str, ApiError> {
    let text = params.required(parameter)?;
    check_text(text, &member(parameter))?;
    Ok(text)
}

fn check_text(text: &str, member: &str) -> Result<(), ApiError> {
    length(text, member, 1, 131_072)?;
    let valid = text
        .chars()
        .all(|char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}'));
    if !valid {
        let rule = "Member must satisfy regular expression pattern: \
                    [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+";
        return Err(ApiError::constraint(text, member, rule));
    }
    Ok(())
}

/// Parses a document; the error has AWS's wording.
fn parse(kind: Kind, text: &str) -> Result<Document, String> {
    Document::parse(kind, text).map_err(|error| {
        let what = match error.rule {
            Rule::JsonSyntax => "This policy contains invalid Json",
            Rule::MissingElement => "Missing required field in policy",
            Rule::ProhibitedElement => "Has prohibited field",
            Rule::InvalidPrincipal => "Invalid principal in policy",
            _ => "Syntax errors in policy",
        };
        format!("{what}. ({error})")
    })
}
