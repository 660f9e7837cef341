//! The settings of authentication.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use engine_roles_api::{ApiKey, AuthenticationSettings, CertificateRule};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::aws_login::AwsLoginArgs;
use crate::config_error::{ConfigError, ConfigErrors};
use crate::files;
use crate::list::list;
use crate::rights::rights;
use crate::values;

/// How much more than the average of a second one key may send at once.
const BURST: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

const SUBJECTS: &str = "--tls-client-subjects";
/// The rule of a number of requests.
const RATE: &str = "must be a number from 1 to 4294967295";

/// The arguments of `serve` about who may send requests.
#[derive(Clone, Debug, Args)]
pub struct AuthenticationArgs {
    /// The first API key, 64 characters of A-Z a-z 0-9; not needed once another key was made with
    /// `engine-roles keys create`
    #[arg(long, env = "ENGINE_ROLES_INIT_API_KEY", hide_env_values = true)]
    pub init_api_key: Option<SecretString>,
    /// File with the first API key
    #[arg(long, env = "ENGINE_ROLES_INIT_API_KEY_FILE", value_name = "FILE")]
    pub init_api_key_file: Option<PathBuf>,
    /// Accept requests without an API key; on a loopback address only
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// What clients with a certificate may do without an API key: `SUBJECT=SCOPES`, separated by commas,
    /// such as `dns:manager.example=provision+read` or, for clusters with a prefix,
    /// `cn:team-a=provision+read@team-a-`; needs --tls-client-ca
    #[arg(long, env = "ENGINE_ROLES_TLS_CLIENT_SUBJECTS")]
    pub tls_client_subjects: Option<String>,
    #[command(flatten)]
    pub aws_login: AwsLoginArgs,
    /// Addresses or networks, separated by commas, of the proxies in front of the service, such as
    /// `10.0.0.0/8`: what they add to X-Forwarded-For is believed
    #[arg(long, env = "ENGINE_ROLES_TRUSTED_PROXIES")]
    pub trusted_proxies: Option<String>,
    /// Maximum number of requests per second that one API key may send on average; twice as many at
    /// once
    #[arg(long, env = "ENGINE_ROLES_KEY_RATE", default_value = "1000", value_parser = values::number::<u32>(RATE))]
    pub key_rate: u32,
    /// Maximum number of requests per minute without a valid API key that one address may send on
    /// average; a third of them at once
    #[arg(long, env = "ENGINE_ROLES_FAILURE_RATE", default_value = "60", value_parser = values::number::<u32>(RATE))]
    pub failure_rate: u32,
}

impl AuthenticationArgs {
    /// Returns how callers authenticate at a service that listens on this address; `None` when a setting
    /// breaks its rule.
    pub(crate) fn settings(
        &self,
        listen: SocketAddr,
        errors: &mut ConfigErrors,
    ) -> Option<AuthenticationSettings> {
        let is_local = listen.ip().is_loopback();
        let rule = "is allowed only when --listen is a loopback address";
        errors.require(
            !self.insecure_no_auth || is_local,
            "--insecure-no-auth",
            rule,
        );
        let initial_key = errors.note(self.initial_key());
        let certificate_rules = errors.note(self.certificate_rules());
        let aws_login = errors.note(self.aws_login.settings());
        let trusted_proxies = errors.note(self.trusted_proxies());
        let failure_rate = errors.note(rate("--failure-rate", self.failure_rate));
        let key_rate = errors.note(rate("--key-rate", self.key_rate));
        let initial_key = initial_key?;
        Some(AuthenticationSettings {
            needs_no_key: self.insecure_no_auth && initial_key.is_none(),
            initial_key,
            certificate_rules: certificate_rules?,
            aws_login: aws_login?,
            trusted_proxies: trusted_proxies?,
            failure_rate: failure_rate?,
            key_rate: key_rate?,
            key_burst: key_rate?.saturating_mul(BURST),
        })
    }

    /// Returns whether certificates of clients authenticate.
    pub(crate) fn has_certificate_rules(&self) -> bool {
        list(self.tls_client_subjects.as_deref()).next().is_some()
    }

    fn initial_key(&self) -> Result<Option<ApiKey>, ConfigError> {
        let flags = ("--init-api-key", "--init-api-key-file");
        let (key, file) = (self.init_api_key.as_ref(), &self.init_api_key_file);
        let Some(source) = files::value_or_file(flags, key, file.as_deref())? else {
            return Ok(None);
        };
        let flag = source.flag;
        let key = ApiKey::new(source.read()?.expose_secret());
        let key = key.map_err(|source| ConfigError::Key { flag, source })?;
        Ok(Some(key))
    }

    fn certificate_rules(&self) -> Result<Vec<CertificateRule>, ConfigError> {
        let mut rules: Vec<CertificateRule> = Vec::new();
        for text in list(self.tls_client_subjects.as_deref()) {
            let rule = certificate_rule(text)?;
            if rules.iter().any(|earlier| earlier.subject == rule.subject) {
                return Err(ConfigError::Repeated {
                    flag: SUBJECTS,
                    name: rule.subject,
                });
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    fn trusted_proxies(&self) -> Result<Vec<IpNet>, ConfigError> {
        let proxies = list(self.trusted_proxies.as_deref()).map(|text| {
            let network = text.parse::<IpNet>().ok();
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let form = ConfigError::Form {
                flag: "--trusted-proxies",
                rule: "must be addresses or networks such as 10.0.0.0/8, separated by commas",
            };
            let network = network.or_else(address).ok_or(form)?;
            if network.prefix_len() == 0 {
                return Err(ConfigError::Form {
                    flag: "--trusted-proxies",
                    rule: "must not be all addresses: each client could choose the address that counts as its own",
                });
            }
            Ok(network)
        });
        proxies.collect()
    }
}

fn rate(flag: &'static str, rate: u32) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(rate).ok_or(ConfigError::Form { flag, rule: RATE })
}

fn certificate_rule(text: &str) -> Result<CertificateRule, ConfigError> {
    let form = ConfigError::Form {
        flag: SUBJECTS,
        rule: "must be of the form SUBJECT=SCOPES or SUBJECT=SCOPES@PREFIX, separated by commas, with a \
               subject that begins with uri:, dns: or cn:",
    };
    // A URI may contain an equals sign.
    let Some((subject, granted)) = text.rsplit_once('=') else {
        return Err(form);
    };
    let is_known = ["uri:", "dns:", "cn:"]
        .iter()
        .any(|kind| subject.len() > kind.len() && subject.starts_with(kind));
    if !is_known {
        return Err(form);
    }
    let (scopes, prefix) = rights(SUBJECTS, granted)?;
    Ok(CertificateRule {
        subject: subject.to_owned(),
        scopes,
        prefix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_a_subject_its_scopes_and_perhaps_a_prefix() {
        let read = |text| certificate_rule(text).ok();
        let rule = read("uri:spiffe://x/y?a=b=provision+read@team-").expect("a rule");
        assert_eq!(rule.subject, "uri:spiffe://x/y?a=b");
        assert_eq!(rule.scopes.to_string(), "provision,read");
        assert_eq!(rule.prefix.map(String::from).as_deref(), Some("team-"));
        assert_eq!(read("dns:a.example=audit").expect("a rule").prefix, None);
        for text in [
            "a.example=read",
            "dns:=read",
            "dns:a",
            "dns:a=",
            "dns:a=write",
            "dns:a=read@",
            "dns:a=read@*",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
