//! The settings of logins with an AWS identity.

use std::time::Duration;

use clap::Args;
use engine_roles_api::{AwsLoginSettings, AwsRule};
use engine_roles_domain::account::Region;
use engine_roles_domain::caller::{Principal, ServerName};

use crate::config_error::{ConfigError, invalid_in};
use crate::list::list;
use crate::rights::rights;

const PRINCIPALS: &str = "--aws-principals";
const REGIONS: &str = "--aws-login-regions";
/// The longest lifetime of a token. A token keeps its rights also if its principal loses them meanwhile.
const LONGEST: Duration = Duration::from_hours(1);

/// The arguments of `serve` about logins with an AWS identity.
#[derive(Clone, Debug, Args)]
pub struct AwsLoginArgs {
    /// AWS roles and users that may log in, and what they may do: `ARN=SCOPES`, separated by commas, such
    /// as `arn:aws:iam::123456789012:role/manager=provision+read` or, for clusters with a prefix,
    /// `arn:aws:iam::123456789012:role/team-a=provision+read@team-a-`; needs --aws-server-name
    #[arg(
        long = "aws-principals",
        env = "ENGINE_ROLES_AWS_PRINCIPALS",
        value_name = "PRINCIPALS"
    )]
    pub principals: Option<String>,
    /// Name for which callers sign when they log in with an AWS identity, such as
    /// `engine-roles.example.com`; no two services may have the same name
    #[arg(
        long = "aws-server-name",
        env = "ENGINE_ROLES_AWS_SERVER_NAME",
        value_name = "NAME"
    )]
    pub server_name: Option<String>,
    /// Regions, separated by commas, for whose STS callers may sign, such as `us-west-2`: list only those
    /// whose STS the service can reach [default: the region of the service's own calls to STS]
    #[arg(
        long = "aws-login-regions",
        env = "ENGINE_ROLES_AWS_LOGIN_REGIONS",
        value_name = "REGIONS"
    )]
    pub regions: Option<String>,
    /// How long the token of such a login is valid; from 1s to 1h
    #[arg(long = "aws-token-lifetime", env = "ENGINE_ROLES_AWS_TOKEN_LIFETIME", value_name = "DURATION", default_value = "15m", value_parser = crate::values::duration)]
    pub token_lifetime: Duration,
}

impl AwsLoginArgs {
    /// Returns how AWS identities log in; none where they can't.
    ///
    /// # Errors
    /// When a setting breaks its rule, or one of two that belong together is missing.
    pub(crate) fn settings(&self) -> Result<Option<AwsLoginSettings>, ConfigError> {
        if !(Duration::from_secs(1)..=LONGEST).contains(&self.token_lifetime) {
            return Err(ConfigError::Form {
                flag: "--aws-token-lifetime",
                rule: "must be from 1s to 1h",
            });
        }
        let rules = rules(self.principals.as_deref())?;
        let name = self.server_name.as_deref().map(str::trim);
        match (name, rules.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Err(ConfigError::Form {
                flag: PRINCIPALS,
                rule: "needs --aws-server-name, for which callers sign their requests",
            }),
            (Some(_), true) => Err(ConfigError::Form {
                flag: "--aws-server-name",
                rule: "needs --aws-principals, which lists who may log in",
            }),
            (Some(name), false) => Ok(Some(AwsLoginSettings {
                server: invalid_in("--aws-server-name", ServerName::parse(name))?,
                rules,
                regions: regions(self.regions.as_deref())?,
                lifetime: self.token_lifetime,
            })),
        }
    }
}

fn regions(text: Option<&str>) -> Result<Vec<Region>, ConfigError> {
    let regions = list(text).map(|text| invalid_in(REGIONS, Region::parse_supported(text)));
    regions.collect()
}

fn rules(text: Option<&str>) -> Result<Vec<AwsRule>, ConfigError> {
    let mut rules: Vec<AwsRule> = Vec::new();
    for text in list(text) {
        let rule = rule(text)?;
        let mut earlier = rules.iter();
        if earlier.any(|earlier| earlier.principal == rule.principal) {
            return Err(ConfigError::Repeated {
                flag: PRINCIPALS,
                name: rule.principal.to_string(),
            });
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(text: &str) -> Result<AwsRule, ConfigError> {
    // The name of a role may contain an equals sign.
    let (principal, granted) = text.rsplit_once('=').ok_or(ConfigError::Form {
        flag: PRINCIPALS,
        rule: "must be of the form ARN=SCOPES or ARN=SCOPES@PREFIX, separated by commas",
    })?;
    let (scopes, prefix) = rights(PRINCIPALS, granted)?;
    Ok(AwsRule {
        principal: invalid_in(PRINCIPALS, Principal::parse(principal))?,
        scopes,
        prefix,
    })
}

#[cfg(test)]
mod tests {
    use engine_roles_domain::caller::ClusterPrefix;

    use super::*;

    fn args(principals: Option<&str>, name: Option<&str>) -> AwsLoginArgs {
        AwsLoginArgs {
            principals: principals.map(str::to_owned),
            server_name: name.map(str::to_owned),
            regions: None,
            token_lifetime: Duration::from_mins(15),
        }
    }

    const ROLE: &str = "arn:aws:iam::123456789012:role/manager";

    #[test]
    fn a_rule_names_a_principal_its_scopes_and_perhaps_a_prefix() {
        let text = format!("{ROLE}=provision+read@team-, {ROLE}/a=b=audit");
        let settings = args(Some(&text), Some("roles.example")).settings();
        let settings = settings.expect("valid").expect("switched on");
        assert_eq!(settings.server.as_str(), "roles.example");
        let [first, second] = &settings.rules[..] else {
            panic!("{settings:?}");
        };
        assert_eq!(first.principal.to_string(), ROLE);
        assert_eq!(first.scopes.to_string(), "provision,read");
        assert_eq!(
            first.prefix.as_ref().map(ClusterPrefix::as_str),
            Some("team-")
        );
        let second = second.principal.to_string();
        assert_eq!(second, "arn:aws:iam::123456789012:role/a=b");
    }

    #[test]
    fn logins_need_both_a_name_and_principals() {
        assert!(args(None, None).settings().expect("valid").is_none());
        let good = format!("{ROLE}=read");
        for (principals, name) in [
            (Some(good.as_str()), None),
            (None, Some("roles.example")),
            (Some(&good), Some("roles example")),
            (Some(ROLE), Some("roles.example")),
            (Some(&format!("{ROLE}=")), Some("roles.example")),
            (Some(&format!("{ROLE}=write")), Some("roles.example")),
            (Some(&format!("{ROLE}=read@*")), Some("roles.example")),
            (Some(&format!("{ROLE}*=read")), Some("roles.example")),
            (
                Some("arn:aws:iam::123456789012:root=read"),
                Some("roles.example"),
            ),
            // The path of a role makes no difference.
            (
                Some(&format!(
                    "{good},arn:aws:iam::123456789012:role/a/manager=audit"
                )),
                Some("roles.example"),
            ),
        ] {
            let settings = args(principals, name).settings();
            assert!(settings.is_err(), "{principals:?} {name:?}");
        }
        let regions_of = |text: &str| {
            let args = AwsLoginArgs {
                regions: Some(text.to_owned()),
                ..args(Some(&good), Some("roles.example"))
            };
            let settings = args.settings().ok()?.expect("switched on");
            Some(settings.regions.iter().map(Region::to_string).collect())
        };
        assert_eq!(
            regions_of("us-west-2, cn-north-1"),
            Some(vec!["us-west-2".to_owned(), "cn-north-1".to_owned()])
        );
        assert_eq!(regions_of("us-iso-east-1"), None);
        let endless = AwsLoginArgs {
            token_lifetime: Duration::from_hours(2),
            ..args(None, None)
        };
        assert!(endless.settings().is_err());
    }
}
