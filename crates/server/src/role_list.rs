//! The administrator's list of pass-through roles: `role[=instance-profile]`, separated by commas.

use engine_roles_domain::cluster::RoleReference;
use engine_roles_domain::prepared::PassThroughRole;
use engine_roles_domain::resources::ProfileName;

use crate::config_error::{ConfigError, invalid_in};

/// Reads the list. Names of IAM may contain commas and equals signs: a backslash before a comma, an
/// equals sign or a backslash makes it part of the name.
///
/// # Errors
/// When an entry is not a role, or not an instance profile after the equals sign, or when a role's name
/// occurs twice: a name is unique in its account, and a role is judged by one instance profile.
pub(crate) fn pass_through_roles(
    flag: &'static str,
    text: Option<&str>,
) -> Result<Vec<PassThroughRole>, ConfigError> {
    let entries = split(text.unwrap_or_default(), ',').into_iter();
    let entries = entries.filter(|entry| !entry.trim().is_empty());
    let listed: Vec<PassThroughRole> = entries
        .map(|entry| pass_through_role(flag, &entry))
        .collect::<Result<_, _>>()?;
    for (place, entry) in listed.iter().enumerate() {
        let name = entry.role.name();
        if listed[..place]
            .iter()
            .any(|other| other.role.name() == name)
        {
            return Err(ConfigError::Repeated {
                flag,
                name: name.to_string(),
            });
        }
    }
    Ok(listed)
}

/// Reads one entry of the list.
///
/// # Errors
/// As [`pass_through_roles`].
fn pass_through_role(flag: &'static str, entry: &str) -> Result<PassThroughRole, ConfigError> {
    let parts = split(entry, '=');
    let (role, profile) = match &parts[..] {
        [role] => (unescaped(role), None),
        [role, profile] => (unescaped(role), Some(unescaped(profile))),
        _ => {
            return Err(ConfigError::Form {
                flag,
                rule: "must be of the form role or role=instance-profile, separated by commas; a comma, an \
                       equals sign or a backslash that is part of a name needs a backslash before it",
            });
        }
    };
    Ok(PassThroughRole {
        role: invalid_in(flag, RoleReference::parse(role.trim()))?,
        instance_profile: profile
            .map(|profile| invalid_in(flag, ProfileName::parse(profile.trim())))
            .transpose()?,
    })
}

/// Splits at each separator that no backslash precedes. The parts keep their backslashes.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for c in text.chars() {
        let part = match parts.last_mut() {
            Some(part) if c != separator || is_escaped => part,
            _ => {
                parts.push(String::new());
                continue;
            }
        };
        part.push(c);
        is_escaped = c == '\\' && !is_escaped;
    }
    parts
}

/// Removes the backslash before each escaped character.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, rest.clone().next()) {
            ('\\', Some(next @ (',' | '=' | '\\'))) => {
                plain.push(next);
                rest.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(String, Option<String>)> {
        let read = pass_through_roles("--flag", Some(text)).expect("a list");
        let entries = read.into_iter().map(|entry| {
            let profile = entry.instance_profile.map(|profile| profile.to_string());
            (entry.role.name().to_string(), profile)
        });
        entries.collect()
    }

    #[test]
    fn names_with_separators_are_escaped() {
        let plain = |role: &str| (role.to_owned(), None);
        let with = |role: &str, profile: &str| (role.to_owned(), Some(profile.to_owned()));
        for (text, expected) in [
            ("", vec![]),
            ("a, b,", vec![plain("a"), plain("b")]),
            ("a=p,b", vec![with("a", "p"), plain("b")]),
            (r"a\=b", vec![plain("a=b")]),
            (r"a\,b,c", vec![plain("a,b"), plain("c")]),
            (r"a\=b=p\,q", vec![with("a=b", "p,q")]),
            (r"a=p\=q", vec![with("a", "p=q")]),
        ] {
            assert_eq!(entries(text), expected, "{text}");
        }
    }

    #[test]
    fn a_role_that_occurs_twice_is_refused() {
        let arn = "arn:aws:iam::123456789012:role/p/a";
        for text in [
            "a=p,a=q",
            "a,a",
            &format!("a,{arn}"),
            &format!("{arn}=p,b,a"),
        ] {
            let refused = pass_through_roles("--flag", Some(text));
            let error = refused.expect_err("the name occurs twice").to_string();
            assert_eq!(error, "--flag: a occurs more than once", "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [r"a\\", r"a\b", "a=", "=p", "a=p=q"] {
            assert!(pass_through_roles("--flag", Some(text)).is_err(), "{text}");
        }
    }
}
