use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::layers::PolicyLayer;

/// The configuration of a sandbox.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The address to listen on; port 0 means any free port.
    pub listen: SocketAddr,
    /// The id of the simulated AWS account.
    pub account_id: String,
    /// The partition of the account's ARNs.
    pub partition: String,
    /// The identity policy that decides each call; `None` allows every call.
    pub identity_policy: Option<Value>,
    /// The permissions boundary of the service's identity.
    pub identity_boundary: Option<Value>,
    /// The service control policy of the organization; it applies to every role of the account.
    pub scp: Option<Value>,
    /// The policy of the session in which the service runs.
    pub session_policy: Option<Value>,
    /// The policy of the VPC endpoint through which the calls come; its principals must be `*`.
    pub endpoint_policy: Option<Value>,
    /// Whether messages of explicit denials name the policy, as AWS's newer messages do.
    pub policy_arns: bool,
    /// Whether a session that `AssumeRole` returned is decided by the policies of its role, the role's
    /// boundary and the session policy of the request, as AWS does. Otherwise the service's policies
    /// decide it.
    pub role_policies: bool,
    /// The time that each call waits before its effect.
    pub latency: Duration,
    /// The maximum age of the state that a read returns; zero means that every read is current.
    pub stale_reads: Duration,
    /// Whether a write, too, may not find a resource that is younger than `stale_reads`.
    pub stale_writes: bool,
    /// The IAM calls per second that the account allows; `None` means no limit.
    pub rate: Option<f64>,
    /// The IAM calls that may come at once before `rate` limits them; `None` means as many as
    /// `rate` allows in one second.
    pub burst: Option<u32>,
    /// The quotas of the account.
    pub quotas: Quotas,
    /// The seed of random choices; `None` means a random seed.
    pub seed: Option<u64>,
    /// The path in the ARN of a role or instance profile that does not exist, for the decision of
    /// the identity policy. The sandbox has to assume one, because requests contain only the name.
    pub unknown_path: String,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account_id: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            identity_policy: None,
            identity_boundary: None,
            scp: None,
            session_policy: None,
            endpoint_policy: None,
            policy_arns: false,
            role_policies: false,
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

impl SandboxConfig {
    /// Returns the policy of a layer.
    pub fn policy(&self, layer: PolicyLayer) -> Option<&Value> {
        let policy = match layer {
            PolicyLayer::ServiceControl => &self.scp,
            PolicyLayer::Endpoint => &self.endpoint_policy,
            PolicyLayer::Identity => &self.identity_policy,
            PolicyLayer::Boundary => &self.identity_boundary,
            PolicyLayer::Session => &self.session_policy,
        };
        policy.as_ref()
    }
}

/// The quotas of an account. On the command line: `roles=1000,instance-profiles=1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Roles, 1,000 by default.
    pub roles: usize,
    /// Instance profiles, 1,000 by default.
    pub instance_profiles: usize,
    /// Customer managed policies, 1,500 by default.
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
                .map_err(|error| format!("{number} is not a quota: {error}"))?;
            match name {
                "roles" => quotas.roles = number,
                "instance-profiles" => quotas.instance_profiles = number,
                "policies" => quotas.policies = number,
                _ => {
                    return Err(format!(
                        "{name} is not a quota; expected roles, instance-profiles or policies"
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
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4599")]
    pub listen: SocketAddr,
    /// All options except the address.
    #[command(flatten)]
    pub options: Options,
}

/// All options except the address, for programs that choose the address themselves.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The id of the simulated AWS account.
    #[arg(long, value_name = "N", default_value = "123456789012", value_parser = account_id)]
    pub account_id: String,
    /// The partition of the account's ARNs.
    #[arg(long, default_value = "aws")]
    pub partition: String,
    /// Decide every call by this policy document, as IAM would; without it, every call is allowed.
    #[arg(long, value_name = "FILE")]
    pub identity_policy: Option<PathBuf>,
    /// Limit the identity policy by this permissions boundary.
    #[arg(long, value_name = "FILE")]
    pub identity_boundary: Option<PathBuf>,
    /// Filter every call by this service control policy. The simulator of policies does not evaluate
    /// it if a statement has a condition, and then answers that nothing is allowed.
    #[arg(long, value_name = "FILE")]
    pub scp: Option<PathBuf>,
    /// Filter every call by this session policy.
    #[arg(long, value_name = "FILE")]
    pub session_policy: Option<PathBuf>,
    /// Filter every call by this VPC endpoint policy; its principals must be "*".
    #[arg(long, value_name = "FILE")]
    pub endpoint_policy: Option<PathBuf>,
    /// Name the policy in the message of an explicit denial, as AWS's newer messages do.
    #[arg(long)]
    pub policy_arns: bool,
    /// Decide the calls of an assumed role by the role's own policies, its boundary and the policy of
    /// the session, as AWS does, instead of by the policies above.
    #[arg(long)]
    pub role_policies: bool,
    /// The time that each call takes.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub latency: Duration,
    /// The maximum age of the state that a read returns.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub stale_reads: Duration,
    /// Let a write, too, miss a resource that is younger than --stale-reads.
    #[arg(long)]
    pub stale_writes: bool,
    /// Throttle IAM calls above this number per second.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// The number of calls that may come at once before --rate limits them.
    #[arg(long, value_name = "N", requires = "rate")]
    pub burst: Option<u32>,
    /// The quotas of the account.
    #[arg(
        long,
        value_name = "NAME=N,…",
        default_value = "roles=1000,instance-profiles=1000"
    )]
    pub quota: Quotas,
    /// The seed of random choices.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The path assumed for a role or instance profile that does not exist, when the identity
    /// policy decides a call.
    #[arg(long, default_value = "/")]
    pub unknown_path: String,
}

/// The reason why options can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The file of a policy can't be read.
    #[error("could not read the {layer} {path}")]
    Read {
        /// What the policy is.
        layer: PolicyLayer,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file of a policy is not JSON.
    #[error("the {layer} {path} is not JSON")]
    Json {
        /// What the policy is.
        layer: PolicyLayer,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

impl Args {
    /// Returns the configuration.
    ///
    /// # Errors
    /// Returns an error if a policy can't be read or is not JSON.
    pub fn into_config(self) -> Result<SandboxConfig, OptionsError> {
        self.options.into_config(self.listen)
    }
}

impl Options {
    /// Returns the configuration, with this address.
    ///
    /// # Errors
    /// Returns an error if a policy can't be read or is not JSON.
    pub fn into_config(self, listen: SocketAddr) -> Result<SandboxConfig, OptionsError> {
        Ok(SandboxConfig {
            listen,
            account_id: self.account_id,
            partition: self.partition,
            identity_policy: read(PolicyLayer::Identity, self.identity_policy)?,
            identity_boundary: read(PolicyLayer::Boundary, self.identity_boundary)?,
            scp: read(PolicyLayer::ServiceControl, self.scp)?,
            session_policy: read(PolicyLayer::Session, self.session_policy)?,
            endpoint_policy: read(PolicyLayer::Endpoint, self.endpoint_policy)?,
            policy_arns: self.policy_arns,
            role_policies: self.role_policies,
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

/// Reads the policy of a layer.
fn read(layer: PolicyLayer, path: Option<PathBuf>) -> Result<Option<Value>, OptionsError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let text = fs::read_to_string(&path).map_err(|source| OptionsError::Read {
        layer,
        path: path.clone(),
        source,
    })?;
    let policy = serde_json::from_str(&text).map_err(|source| OptionsError::Json {
        layer,
        path,
        source,
    })?;
    Ok(Some(policy))
}

pub(crate) fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is not an account id of twelve digits"))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().map_err(|error| error.to_string())?;
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err("a rate must be greater than 0".to_owned())
    }
}

/// Parses `50ms`, `2s`, `1.5s`, `5m`, `1h`.
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
        _ => return Err(format!("{text} is not a duration such as 50ms, 2s or 5m")),
    };
    let number = number.parse::<f64>().map_err(|error| error.to_string())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_with_their_units() {
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
