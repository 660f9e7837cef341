use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// What a sandbox is like.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// The account that it is.
    pub account_id: String,
    /// The partition of the account's ARNs.
    pub partition: String,
    /// The policy that decides each call; without one, all are allowed.
    pub identity_policy: Option<Value>,
    /// How long each call takes before its effect.
    pub latency: Duration,
    /// How old what a read sees may be.
    pub stale_reads: Duration,
    /// Whether writes, too, may not find what is younger than `stale_reads`.
    pub stale_writes: bool,
    /// How many IAM calls per second the account has; without it, any number.
    pub rate: Option<f64>,
    /// How many IAM calls the account has at once; one second's worth where it is missing.
    pub burst: Option<u32>,
    /// What the account has room for.
    pub quotas: Quotas,
    /// What random choices follow from.
    pub seed: Option<u64>,
    /// The path that the ARN of a role or instance profile which doesn't exist is taken to have
    /// when the identity's policy decides. A request names neither, so IAM can't know it.
    pub unknown_path: String,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account_id: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            identity_policy: None,
            latency: Duration::ZERO,
            stale_reads: Duration::ZERO,
            stale_writes: false,
            rate: None,
            burst: None,
            quotas: Quotas::default(),
            seed: None,
            unknown_path: "/".to_owned(),
        }
    }
}

/// What an account has room for. On the command line, `roles=1000,instance-profiles=1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Roles, 1,000 by default.
    pub roles: usize,
    /// Instance profiles, 1,000 by default.
    pub instance_profiles: usize,
    /// Managed policies of the account's own, 1,500 by default.
    pub policies: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            roles: 1_000,
            instance_profiles: 1_000,
            policies: 1_500,
        }
    }
}

impl FromStr for Quotas {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut quotas = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, number) = part
                .split_once('=')
                .ok_or_else(|| format!("{part} is not NAME=NUMBER"))?;
            let number = number
                .parse()
                .map_err(|error| format!("{number} is no quota: {error}"))?;
            match name {
                "roles" => quotas.roles = number,
                "instance-profiles" => quotas.instance_profiles = number,
                "policies" => quotas.policies = number,
                _ => {
                    return Err(format!(
                        "{name} is none of roles, instance-profiles and policies"
                    ));
                }
            }
        }
        Ok(quotas)
    }
}

/// The sandbox's command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4599")]
    pub listen: SocketAddr,
    /// What the sandbox is like.
    #[command(flatten)]
    pub options: Options,
}

/// The options beside the address, for programs that choose that themselves.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The AWS account that it is.
    #[arg(long, value_name = "N", default_value = "123456789012", value_parser = account_id)]
    pub account_id: String,
    /// The partition of the account's ARNs.
    #[arg(long, default_value = "aws")]
    pub partition: String,
    /// Allow or deny every call by this policy document, as IAM would.
    #[arg(long, value_name = "FILE")]
    pub identity_policy: Option<PathBuf>,
    /// How long each call takes.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub latency: Duration,
    /// How old what a read sees may be.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub stale_reads: Duration,
    /// Let writes, too, miss what is younger than the stale reads' duration.
    #[arg(long)]
    pub stale_writes: bool,
    /// Throttle calls above this many per second.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// How many calls may come at once before the rate holds.
    #[arg(long, value_name = "N", requires = "rate")]
    pub burst: Option<u32>,
    /// What the account has room for.
    #[arg(
        long,
        value_name = "NAME=N,…",
        default_value = "roles=1000,instance-profiles=1000"
    )]
    pub quota: Quotas,
    /// What random choices follow from.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The path that a role or instance profile which doesn't exist is taken to be under when
    /// the identity's policy decides.
    #[arg(long, default_value = "/")]
    pub unknown_path: String,
}

/// Why options can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The identity's policy can't be read.
    #[error("could not read the identity policy {path}")]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The identity's policy is not JSON.
    #[error("the identity policy {path} is not JSON")]
    Json {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Args {
    /// What they ask for.
    ///
    /// # Errors
    /// Where the identity's policy can't be read.
    pub fn into_config(self) -> Result<SandboxConfig, OptionsError> {
        self.options.into_config(self.listen)
    }
}

impl Options {
    /// What they ask for, at that address.
    ///
    /// # Errors
    /// Where the identity's policy can't be read.
    pub fn into_config(self, listen: SocketAddr) -> Result<SandboxConfig, OptionsError> {
        let identity_policy = match self.identity_policy {
            Some(path) => {
                let text = fs::read_to_string(&path).map_err(|source| OptionsError::Read {
                    path: path.clone(),
                    source,
                })?;
                let policy = serde_json::from_str(&text)
                    .map_err(|source| OptionsError::Json { path, source })?;
                Some(policy)
            }
            None => None,
        };
        Ok(SandboxConfig {
            listen,
            account_id: self.account_id,
            partition: self.partition,
            identity_policy,
            latency: self.latency,
            stale_reads: self.stale_reads,
            stale_writes: self.stale_writes,
            rate: self.rate,
            burst: self.burst,
            quotas: self.quota,
            seed: self.seed,
            unknown_path: self.unknown_path,
        })
    }
}

pub(crate) fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is not of twelve digits"))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().map_err(|error| error.to_string())?;
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err("a rate is more than 0".to_owned())
    }
}

/// Reads `50ms`, `2s`, `1.5s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("{text} is no duration such as 50ms, 2s or 5m")),
    };
    let number = number.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert!(duration("5").is_err());
        assert!(duration("s").is_err());
    }

    #[test]
    fn quotas_that_are_not_named_keep_their_default() {
        let quotas: Quotas = "instance-profiles=3".parse().expect("a quota");
        assert_eq!(quotas.instance_profiles, 3);
        assert_eq!(quotas.roles, 1_000);
        assert!("users=3".parse::<Quotas>().is_err());
    }
}
