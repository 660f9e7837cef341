//! Amazon Resource Names as policies use them.
//!
//! "Amazon Resource Names (ARNs)" and "IAM JSON policy elements: Resource", IAM User Guide.

use std::borrow::Cow;

use crate::error::Rule;
use crate::pattern::Pattern;

/// The number of pieces of an ARN: `arn`, partition, service, region, account, resource.
pub(crate) const PIECES: usize = 6;

/// Splits at the first five colons; colons inside `${…}` do not count.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::with_capacity(PIECES);
    let (mut start, mut in_variable) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            '{' if text[..at].ends_with('$') => in_variable = true,
            '}' => in_variable = false,
            ':' if !in_variable && pieces.len() + 1 < PIECES => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// Returns the ARN of a `Resource` or `NotResource` with all six fields: missing fields and an empty
/// resource field become `*`. Every other text, also `*`, stays as it is.
///
/// An ARN with fewer than six fields of which the last is empty, such as `arn:aws:sqs:`, stays as it
/// is too: whether that field is missing or empty is not documented.
pub(crate) fn completed(text: &str) -> Cow<'_, str> {
    let pieces = split(text);
    let is_complete = pieces.len() == PIECES && pieces.last() != Some(&"");
    if pieces[0] != "arn" || is_complete {
        return Cow::Borrowed(text);
    }
    match (pieces.len(), pieces.last()) {
        (PIECES, _) => Cow::Owned(format!("{text}*")),
        (_, Some(&"")) => Cow::Borrowed(text),
        (found, _) => Cow::Owned(text.to_owned() + &":*".repeat(PIECES - found)),
    }
}

/// Checks the resource of a policy, after [`completed`]; the error is the rule that it breaks, and
/// what is wrong.
pub(crate) fn check_resource(text: &str) -> Result<(), (Rule, String)> {
    let invalid = |reason: String| Err((Rule::InvalidResource, reason));
    if text == "*" {
        return Ok(());
    }
    if text.chars().any(char::is_control) {
        return invalid(format!("{text:?} has a control character"));
    }
    let pieces = split(text);
    if pieces[0] != "arn" {
        return invalid(format!("{text:?} is neither \"*\" nor an ARN"));
    }
    let [_, partition, service, region, account, resource] = pieces.as_slice() else {
        return invalid(format!(
            "{text:?} is an incomplete ARN that ends in a colon; leave out that colon"
        ));
    };
    let before = [partition, service, region, account];
    if before.iter().any(|field| field.contains('$')) {
        let reason = format!("{text:?}: IAM accepts variables only after the fifth colon");
        return Err((Rule::VariableBeforeResource, reason));
    }
    let has_wildcard = |text: &str| text.contains(['*', '?']);
    if !(partition.starts_with("aws") && is_name(partition) || has_wildcard(partition)) {
        return invalid(format!("{partition:?} is not a partition"));
    }
    if has_wildcard(service) {
        let reason = format!("{text:?}: the service can't have a wildcard");
        return Err((Rule::WildcardInArn, reason));
    }
    if service.is_empty() || !is_name(service) {
        return invalid(format!("{service:?} is not the name of a service"));
    }
    let is_known_account = account.is_empty() || *account == "aws" || is_account(account);
    // The ARNs of AMIs and some other resources have an account alias, such as `amazon`, here.
    let is_owner = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    if !is_known_account && !has_wildcard(account) && !is_owner(account) {
        return invalid(format!("{account:?} is not an account of twelve digits"));
    }
    if has_wildcard_type(service, resource) {
        let reason = format!("{text:?}: the type of the resource can't have a wildcard");
        return Err((Rule::WildcardInArn, reason));
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a wildcard is in the resource's type, which IAM does not accept ("Identify AWS resources
/// with Amazon Resource Names (ARNs)", IAM User Guide, with the example `u*` for `user`).
///
/// The type is what precedes the first `/` or `:`. A resource of only `*` has no type, and neither
/// has a resource that begins with a slash. A wildcard without a separator after it is a pattern of
/// names, unless the service is known to write a type before each name.
fn has_wildcard_type(service: &str, resource: &str) -> bool {
    let end = resource.find(['/', ':']);
    let first = &resource[..end.unwrap_or(resource.len())];
    let is_star = end.is_none() && first.bytes().all(|byte| byte == b'*');
    if is_star || !without_escapes(first).contains(['*', '?']) || WITHOUT_TYPE.contains(&service) {
        return false;
    }
    end.is_some() || WITH_TYPE.contains(&service)
}

/// Returns the text without `${…}`, so also without the escapes `${*}` and `${?}`.
fn without_escapes(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, variable)) = rest.split_once("${") {
        plain.push_str(before);
        rest = variable.split_once('}').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// The services whose ARNs have no resource type: the name follows the account at once. "Service
/// Authorization Reference", the resource types on the pages of these services.
const WITHOUT_TYPE: [&str; 8] = [
    "apigateway",
    "codecommit",
    "codepipeline",
    "execute-api",
    "s3",
    "sns",
    "sqs",
    "swf",
];

/// The services that write a resource type before each name, among those that a role of an engine
/// is likely to use. Source: as for [`WITHOUT_TYPE`].
const WITH_TYPE: [&str; 16] = [
    "cloudformation",
    "codebuild",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "eks",
    "glue",
    "iam",
    "kms",
    "lambda",
    "logs",
    "rds",
    "secretsmanager",
    "ssm",
    "sts",
];

/// Whether this is an account, an ARN of IAM or STS, or a unique id, which IAM shows in place of a
/// deleted principal.
pub(crate) fn is_aws_principal(id: &str) -> bool {
    account(id).is_some()
        || is_unique_id(id)
        || matches!(
            split(id).as_slice(),
            ["arn", partition, "iam" | "sts", "", account, resource]
                if partition.starts_with("aws")
                    && is_account(account)
                    && ["user/", "role/", "assumed-role/", "federated-user/"]
                        .iter()
                        .any(|start| resource.len() > start.len() && resource.starts_with(start))
        )
}

fn is_unique_id(id: &str) -> bool {
    (16..=128).contains(&id.len())
        && id.starts_with('A')
        && id
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the account if the principal is a whole account, written as twelve digits or as its root
/// ARN.
pub(crate) fn account(id: &str) -> Option<&str> {
    if is_account(id) {
        return Some(id);
    }
    match split(id).as_slice() {
        ["arn", partition, "iam", "", account, "root"]
            if partition.starts_with("aws") && is_account(account) =>
        {
            Some(account)
        }
        _ => None,
    }
}

/// Whether `caller` is the principal that a policy names as `named`.
///
/// An account includes every principal in it, and a role includes its sessions. Case matters.
pub(crate) fn is_principal(named: &str, caller: &str) -> bool {
    if named == "*" || named == caller {
        return true;
    }
    let caller_pieces = split(caller);
    if let Some(account) = account(named) {
        return self::account(caller) == Some(account)
            || matches!(
                caller_pieces.as_slice(),
                ["arn", _, "iam" | "sts", "", own, _] if *own == account
            );
    }
    // The ARN of a session has the role's name without its path; names are unique in an account.
    match (split(named).as_slice(), caller_pieces.as_slice()) {
        (
            ["arn", partition, "iam", "", account, role],
            ["arn", own_partition, "sts", "", own_account, session],
        ) if partition == own_partition && account == own_account => {
            let role = role
                .strip_prefix("role/")
                .and_then(|path| path.rsplit('/').next());
            let own_role = session
                .strip_prefix("assumed-role/")
                .and_then(|rest| rest.split_once('/'))
                .map(|(name, _)| name);
            role.is_some() && role == own_role
        }
        _ => false,
    }
}

/// Whether an ARN matches this pattern, piece by piece; `None` if the text is not an ARN or the
/// pattern is not one of six pieces, because the guide does not say what that gives.
pub(crate) fn matches(pattern: &Pattern, text: &str) -> Option<bool> {
    let pieces: Vec<&str> = text.splitn(PIECES, ':').collect();
    let patterns = pattern.split_at_colons(PIECES);
    if pieces.len() < PIECES || pieces[0] != "arn" {
        return None;
    }
    if patterns.len() < PIECES || patterns[0] != Pattern::new("arn") {
        return None;
    }
    let mut each = patterns.iter().zip(&pieces);
    Some(each.all(|(pattern, piece)| pattern.matches(piece)))
}
