//! Settings that say what a caller may do.

use engine_roles_domain::caller::{ClusterPrefix, KeyScopes};

use crate::config_error::{ConfigError, invalid_in};

/// Reads `SCOPES` or `SCOPES@PREFIX`, with scopes that are separated by plus signs.
pub(crate) fn rights(
    flag: &'static str,
    text: &str,
) -> Result<(KeyScopes, Option<ClusterPrefix>), ConfigError> {
    let (scopes, prefix) = match text.split_once('@') {
        Some((scopes, prefix)) => (scopes, Some(prefix)),
        None => (text, None),
    };
    let prefix = prefix.map(|text| invalid_in(flag, ClusterPrefix::parse(text)));
    let scopes = invalid_in(flag, KeyScopes::parse(scopes.split('+')))?;
    Ok((scopes, prefix.transpose()?))
}
