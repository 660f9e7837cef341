use crate::errors::ApiError;
use crate::wire::{Params, member};

/// A valid name of a role, an instance profile or a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

pub(crate) const ROLE: usize = 64;
pub(crate) const INSTANCE_PROFILE: usize = 128;
pub(crate) const POLICY: usize = 128;

impl Name {
    /// Parses the name in a parameter, which may have at most `most` characters.
    ///
    /// # Errors
    /// `ValidationError` if the name is missing, too long or has invalid characters.
    pub(crate) fn parse(params: &Params, parameter: &str, most: usize) -> Result<Self, ApiError> {
        let name = params.required(parameter)?;
        let member = member(parameter);
        length(name, &member, 1, most)?;
        if !name.bytes().all(is_name_byte) {
            return Err(ApiError::invalid(format!(
                "The specified value for {member} is invalid. It must contain only alphanumeric \
                 characters and/or the following: +=,.@_-"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key of the name. IAM does not allow two names that differ only in case.
    pub(crate) fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Matches IAM's `[\w+=,.@-]`, where `\w` is ASCII.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// Parses the name of a role session.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn session_name(params: &Params) -> Result<Name, ApiError> {
    length(
        params.required("RoleSessionName")?,
        "roleSessionName",
        2,
        64,
    )?;
    Name::parse(params, "RoleSessionName", 64)
}

/// Parses the parameter `Path`; `/` if it is absent.
///
/// # Errors
/// `ValidationError` for a path that does not begin and end with `/`, is longer than 512 characters
/// or has characters other than U+0021 to U+007E.
pub(crate) fn path(params: &Params) -> Result<String, ApiError> {
    let Some(path) = params.get("Path") else {
        return Ok("/".to_owned());
    };
    length(path, "path", 1, 512)?;
    let inner = path
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'));
    let valid = path == "/" || inner.is_some_and(|inner| !inner.is_empty() && is_path(inner));
    if !valid {
        return Err(ApiError::invalid(
            "The specified value for path is invalid. It must begin and end with / and contain \
             only alphanumeric characters and/or / characters.",
        ));
    }
    Ok(path.clone())
}

/// Parses the path prefix of a list request; `/` if it is absent.
///
/// # Errors
/// `ValidationError` for a text that can't be the beginning of a path.
pub(crate) fn path_prefix(params: &Params) -> Result<String, ApiError> {
    let Some(prefix) = params.get("PathPrefix") else {
        return Ok("/".to_owned());
    };
    length(prefix, "pathPrefix", 1, 512)?;
    if !prefix.starts_with('/') || !is_path(prefix) {
        return Err(ApiError::invalid(
            "The specified value for pathPrefix is invalid. It must begin with / and contain \
             only alphanumeric characters and/or / characters.",
        ));
    }
    Ok(prefix.clone())
}

fn is_path(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Parses the description in a request.
///
/// # Errors
/// `ValidationError` for a text that is longer than 1,000 characters or has characters other than
/// printable Latin-1.
pub(crate) fn description(params: &Params) -> Result<Option<String>, ApiError> {
    let Some(description) = params.get("Description") else {
        return Ok(None);
    };
    length(description, "description", 0, 1_000)?;
    let valid = description
        .chars()
        .all(|char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{7e}' | '\u{a1}'..='\u{ff}'));
    if !valid {
        let rule = "Member must satisfy regular expression pattern: \
                    [\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
        return Err(ApiError::constraint(description, "description", rule));
    }
    Ok(Some(description.clone()))
}

/// Checks the length of a value, in characters.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn length(value: &str, member: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let length = value.chars().count();
    if length < least {
        let rule = format!("Member must have length greater than or equal to {least}");
        return Err(ApiError::constraint(value, member, &rule));
    }
    if length > most {
        let rule = format!("Member must have length less than or equal to {most}");
        return Err(ApiError::constraint(value, member, &rule));
    }
    Ok(())
}
