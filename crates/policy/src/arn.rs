//! Amazon Resource Names as policies use them.
//!
//! "Amazon Resource Names (ARNs)" and "IAM JSON policy elements: Resource", IAM User Guide.

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

/// Checks the resource of a policy; the error says what is wrong.
pub(crate) fn check_resource(text: &str) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} has a control character"));
    }
    let pieces = split(text);
    let [prefix, partition, service, _, account, resource] = pieces.as_slice() else {
        return Err(format!("{text:?} is neither \"*\" nor an ARN of six parts"));
    };
    if *prefix != "arn" {
        return Err(format!("{text:?} does not begin with \"arn:\""));
    }
    let is_name = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let has_pattern = |text: &str| text.contains(['*', '?', '$']);
    if !(partition.starts_with("aws") && is_name(partition) || has_pattern(partition)) {
        return Err(format!("{partition:?} is not a partition"));
    }
    if service.is_empty() || !is_name(service) && !has_pattern(service) {
        return Err(format!("{service:?} is not the name of a service"));
    }
    let is_account = |text: &str| {
        text.is_empty()
            || text == "aws"
            || text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_account(account) && !has_pattern(account) {
        // The ARNs of AMIs and some other resources have an account alias, such as `amazon`, here.
        let is_owner = account
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if !is_owner {
            return Err(format!("{account:?} is not an account of twelve digits"));
        }
    }
    if resource.is_empty() {
        return Err(format!("{text:?} has no resource part"));
    }
    Ok(())
}

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

/// Whether an ARN matches this pattern, piece by piece; `None` if the text is not an ARN.
///
/// The pattern `*` matches every ARN; any other pattern of fewer than six pieces matches none.
pub(crate) fn matches(pattern: &Pattern, text: &str) -> Option<bool> {
    let pieces: Vec<&str> = text.splitn(PIECES, ':').collect();
    if pieces.len() < PIECES || pieces[0] != "arn" {
        return None;
    }
    if *pattern == Pattern::new("*") {
        return Some(true);
    }
    let patterns = pattern.split_at_colons(PIECES);
    Some(
        patterns.len() == PIECES
            && patterns
                .iter()
                .zip(&pieces)
                .all(|(pattern, piece)| pattern.matches(piece)),
    )
}
