//! Configuration: flags and environment variables, read and checked at the start.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use engine_roles_api::{AuthenticationSettings, ConnectionLimits};
use engine_roles_domain::account::{AccountId, Region};
use engine_roles_domain::cluster::{Defaults, RoleReference};
use engine_roles_domain::grant::{BoundaryArn, KmsKeyArn};
use engine_roles_domain::invalid::Invalid;
use engine_roles_domain::resources::{Namespace, RolePrefix, Tags};
use engine_roles_provisioner::{
    AttestationMode, AuditSigning, BudgetLimits, DriftMode, OrphanMode, ProbeMode,
};
use engine_roles_store::StoreConfig;

use crate::audit_signing::AuditSigningArgs;
use crate::authentication::AuthenticationArgs;
use crate::config_error::{ConfigError, ConfigErrors, invalid_in};
use crate::database::DatabaseArgs;
use crate::limits::{self, LimitArgs};
use crate::list::list;
use crate::role_list::pass_through_roles;
use crate::telemetry::{self, LogArgs};
use crate::tls::{TlsArgs, TlsPaths};
use crate::values;

/// The shortest time for which events of the audit log are kept. The database enforces the same time,
/// so that no mistake in a setting deletes the events of an incident that just happened.
const SHORTEST_RETENTION: Duration = Duration::from_hours(24);
/// The longest one: a hundred years, because Postgres's times begin in 4713 BC.
const LONGEST_RETENTION: Duration = Duration::from_hours(24 * 36_500);

/// When `serve` brings the database schema up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// At the start, where its database user may.
    Auto,
    /// Never: `engine-roles migrate` does it.
    Never,
}

impl FromStr for Migrate {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => Err("must be auto or never"),
        }
    }
}

/// The arguments of `serve`. An empty variable counts as not set.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, env = "ENGINE_ROLES_LISTEN", default_value = "127.0.0.1:3283", value_parser = values::listen_address)]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub authentication: AuthenticationArgs,
    #[command(flatten)]
    pub log: LogArgs,
    /// AWS account id [default: the account that STS reports for the service's identity]
    #[arg(long, env = "ENGINE_ROLES_ACCOUNT_ID")]
    pub account_id: Option<String>,
    /// Region in which engines run [default: the AWS SDK's region]
    #[arg(long, env = "ENGINE_ROLES_DEFAULT_REGION")]
    pub default_region: Option<String>,
    /// Name or ARN of the prepared role that is passed to engines whose request names no role; if
    /// not set, such a request creates a role
    #[arg(long, env = "ENGINE_ROLES_DEFAULT_IAM_ROLE")]
    pub default_iam_role: Option<String>,
    /// Prefix of the names of created roles and instance profiles, at most 30 characters
    #[arg(
        long,
        env = "ENGINE_ROLES_ROLE_PREFIX",
        default_value = "ai-unlimited-"
    )]
    pub role_prefix: String,
    /// ARN of the permissions boundary of created roles whose request names no boundary
    #[arg(long, env = "ENGINE_ROLES_PERMISSIONS_BOUNDARY")]
    pub permissions_boundary: Option<String>,
    /// ARN of the KMS key that encrypts the engines' secrets; roles created from now on may use it
    /// for their cluster's secrets
    #[arg(long, env = "ENGINE_ROLES_KMS_KEY_ARN")]
    pub kms_key_arn: Option<String>,
    /// Tags of everything that is created, in addition to those of the request, `k=v,k=v`; a request
    /// can't use their keys
    #[arg(long, env = "ENGINE_ROLES_RESOURCE_TAGS")]
    pub resource_tags: Option<String>,
    /// Prepared roles that may be passed, names or ARNs, `role[=instance-profile]` separated by
    /// commas
    #[arg(long, env = "ENGINE_ROLES_PASS_THROUGH_ROLES")]
    pub pass_through_roles: Option<String>,
    /// ARNs of permissions boundaries that a request may name in addition to the default one,
    /// separated by commas
    #[arg(long, env = "ENGINE_ROLES_ALLOWED_BOUNDARIES")]
    pub allowed_boundaries: Option<String>,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// How long IAM's reads may lag behind its writes
    #[arg(long, env = "ENGINE_ROLES_CONSISTENCY_WINDOW", default_value = "60s", value_parser = values::duration)]
    pub consistency_window: Duration,
    /// How often each active role is compared with its spec; the checks are spread over this time
    #[arg(long, env = "ENGINE_ROLES_RECONCILE_INTERVAL", default_value = "15m", value_parser = values::duration)]
    pub reconcile_interval: Duration,
    /// How long a replica may work on a cluster's role without renewing its lease in the database; a
    /// lease ends earlier when its replica is declared dead
    #[arg(long, env = "ENGINE_ROLES_LEASE", default_value = "60s", value_parser = values::duration)]
    pub lease: Duration,
    /// How long one call to AWS may take; at most a quarter of the lease
    #[arg(long, env = "ENGINE_ROLES_CALL_TIMEOUT", default_value = "10s", value_parser = values::duration)]
    pub call_timeout: Duration,
    /// How often the heartbeat is raised and the database is queried for due work; at most 1s
    #[arg(long, env = "ENGINE_ROLES_POLL_INTERVAL", default_value = "1s", value_parser = values::duration)]
    pub poll_interval: Duration,
    /// What to do when a role at AWS differs from what was requested: `repair`, `report` or `off`
    #[arg(long, env = "ENGINE_ROLES_DRIFT", default_value = "repair")]
    pub drift: DriftMode,
    /// What to do with resources left behind by earlier roles of a cluster: `remove`, `report` or `off`
    #[arg(long, env = "ENGINE_ROLES_ORPHANS", default_value = "remove")]
    pub orphans: OrphanMode,
    /// What to do with a pass-through role that is unfit: `enforce` (reject requests that would pass
    /// it to a new engine), `warn` or `off`
    #[arg(long, env = "ENGINE_ROLES_ATTESTATION", default_value = "enforce")]
    pub attestation: AttestationMode,
    /// Whether the service finds out by calls to IAM what its identity may do: `on`, or `off` where a
    /// denied call would raise an alarm
    #[arg(long, env = "ENGINE_ROLES_PROBES", default_value = "on")]
    pub probes: ProbeMode,
    /// How long the events of the audit log are kept, such as `400d`; from one day to 100 years
    /// [default: for ever]. Records of roles that were torn down are deleted after their events
    #[arg(long, env = "ENGINE_ROLES_AUDIT_RETENTION")]
    pub audit_retention: Option<String>,
    #[command(flatten)]
    pub audit_signing: AuditSigningArgs,
    /// Maximum number of calls per second to IAM from all replicas together, for reads and for
    /// writes each; halved when AWS throttles
    #[arg(long, env = "ENGINE_ROLES_CALL_RATE", default_value = "50", value_parser = values::number::<f64>(CALL_RATE))]
    pub call_rate: f64,
    /// Maximum number of calls to IAM at once after a time without calls
    #[arg(long, env = "ENGINE_ROLES_CALL_BURST", default_value = "200", value_parser = values::number::<u32>(CALL_BURST))]
    pub call_burst: u32,
    /// Maximum number of connections to the database from this replica
    #[arg(long, env = "ENGINE_ROLES_DATABASE_CONNECTIONS", default_value = "16", value_parser = values::number::<u32>(DATABASE_CONNECTIONS))]
    pub database_connections: u32,
    /// Whether the database schema is brought up to date at the start: `auto` (where the database user
    /// may do that) or `never` (`engine-roles migrate` does it)
    #[arg(long, env = "ENGINE_ROLES_MIGRATE", default_value = "auto")]
    pub migrate: Migrate,
    /// How long the service continues to answer requests after it was told to stop, while `/readyz`
    /// already answers that it is not ready, so that load balancers stop sending requests
    #[arg(long, env = "ENGINE_ROLES_DRAIN_DELAY", default_value = "0s", value_parser = values::duration)]
    pub drain_delay: Duration,
    /// Maximum number of connections of clients at once; a smaller number where the operating system
    /// allows fewer open files. At the limit, a new connection replaces one that answers no request
    #[arg(long, env = "ENGINE_ROLES_MAX_CONNECTIONS", default_value = "4096", value_parser = values::number::<u32>(MAX_CONNECTIONS))]
    pub max_connections: u32,
    /// How long a client may take to send a request's head, as long again for its body, and how long
    /// it may read nothing of an answer
    #[arg(long, env = "ENGINE_ROLES_SLOW_CLIENT_LIMIT", default_value = "20s", value_parser = values::duration)]
    pub slow_client_limit: Duration,
    /// How long a connection may be idle between two requests; must be longer than the idle timeout
    /// of a load balancer in front of the service
    #[arg(long, env = "ENGINE_ROLES_IDLE_LIMIT", default_value = "75s", value_parser = values::duration)]
    pub idle_limit: Duration,
    /// How long running requests and work may take to finish when the service stops
    #[arg(long, env = "ENGINE_ROLES_SHUTDOWN_LIMIT", default_value = "25s", value_parser = values::duration)]
    pub shutdown_limit: Duration,
}

impl ServeArgs {
    /// Starts logging. A second call in the same process has no effect.
    pub fn start_logging(&self) {
        telemetry::start(&self.log);
    }

    /// Starts logging, and sending traces where the environment names a collector. A second call in the
    /// same process has no effect.
    pub fn start_telemetry(&self) {
        telemetry::start_with_traces(&self.log);
    }
}

/// The configuration of the service, checked.
pub struct Config {
    pub(crate) listen: SocketAddr,
    /// The files of TLS; `None` for plain HTTP.
    pub(crate) tls: Option<TlsPaths>,
    pub(crate) namespace: Namespace,
    pub(crate) database: StoreConfig,
    /// Whether tokens of the AWS identity take the place of a database password.
    pub(crate) database_iam_auth: bool,
    pub(crate) migrate: Migrate,
    pub(crate) authentication: AuthenticationSettings,
    pub(crate) account: Option<AccountId>,
    pub(crate) defaults: Defaults,
    pub(crate) drift: DriftMode,
    pub(crate) orphans: OrphanMode,
    pub(crate) attestation: AttestationMode,
    pub(crate) probes: ProbeMode,
    pub(crate) audit_retention: Option<Duration>,
    pub(crate) audit_signing: Option<Arc<AuditSigning>>,
    pub(crate) call_limits: BudgetLimits,
    pub(crate) reconcile_interval: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_limit: Duration,
    pub(crate) connections: ConnectionLimits,
}

/// Checks what each duration is at least and at most. A time outside would keep the service from working:
/// it would burden the database or AWS, or outlast what depends on it.
fn check_durations(args: &ServeArgs, errors: &mut ConfigErrors) {
    let (seconds, minutes) = (Duration::from_secs, Duration::from_mins);
    let (milliseconds, hours) = (Duration::from_millis, Duration::from_hours);
    let rules = [
        (
            "--consistency-window",
            args.consistency_window,
            seconds(1)..=hours(1),
            "must be from 1s to 1h",
        ),
        (
            "--reconcile-interval",
            args.reconcile_interval,
            seconds(1)..=hours(24 * 30),
            "must be from 1s to 30d",
        ),
        (
            "--lease",
            args.lease,
            seconds(5)..=hours(1),
            "must be from 5s to 1h",
        ),
        (
            "--call-timeout",
            args.call_timeout,
            // Its upper limit is that of the lease.
            milliseconds(100)..=Duration::MAX,
            "must be at least 100ms",
        ),
        (
            "--slow-client-limit",
            args.slow_client_limit,
            milliseconds(100)..=hours(24),
            "must be from 100ms to 24h",
        ),
        (
            "--idle-limit",
            args.idle_limit,
            milliseconds(100)..=hours(24),
            "must be from 100ms to 24h",
        ),
        (
            "--poll-interval",
            args.poll_interval,
            milliseconds(50)..=seconds(1),
            "must be from 50ms to 1s",
        ),
        (
            "--drain-delay",
            args.drain_delay,
            Duration::ZERO..=minutes(10),
            "must be at most 10m",
        ),
        (
            "--shutdown-limit",
            args.shutdown_limit,
            Duration::ZERO..=minutes(10),
            "must be at most 10m",
        ),
    ];
    for (flag, value, allowed, rule) in rules {
        errors.require(allowed.contains(&value), flag, rule);
    }
    // A stage takes at most the time of two calls, and the lease is renewed after half of its own time.
    let is_short = args.call_timeout.saturating_mul(4) <= args.lease;
    let rule = "must be at most a quarter of --lease";
    errors.require(is_short, "--call-timeout", rule);
}

/// The rules of the settings that are numbers.
const CALL_RATE: &str = "must be from 1 to 1000000";
const CALL_BURST: &str = "must be from 10 to 1000000";
const DATABASE_CONNECTIONS: &str = "must be from 4 to 1000";
const MAX_CONNECTIONS: &str = "must be a number from 1 to 4294967295";
/// The most calls per second, and at once, that may be set. AWS throttles at far less.
const MOST_CALLS: f64 = 1_000_000.0;
/// How many database connections may be set. Fewer would not leave one for each kind of work.
const CONNECTIONS: RangeInclusive<u32> = 4..=1_000;

fn check_numbers(args: &ServeArgs, errors: &mut ConfigErrors) {
    let is_rate = (1.0..=MOST_CALLS).contains(&args.call_rate);
    errors.require(is_rate, "--call-rate", CALL_RATE);
    let is_burst = (10.0..=MOST_CALLS).contains(&f64::from(args.call_burst));
    errors.require(is_burst, "--call-burst", CALL_BURST);
    let is_number = CONNECTIONS.contains(&args.database_connections);
    errors.require(is_number, "--database-connections", DATABASE_CONNECTIONS);
}

impl Config {
    /// Checks the flags of `serve`.
    ///
    /// # Errors
    /// When a flag is invalid. The error names several at once. A contradiction between settings may show only
    /// when their values are right.
    pub fn new(args: &ServeArgs) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let authentication = authentication(args, &mut errors);
        Self::with(args, authentication, errors)
    }

    /// Checks the flags for a command that accepts no requests and therefore needs no API key.
    pub(crate) fn for_command(args: &ServeArgs) -> Result<Self, ConfigErrors> {
        let authentication = AuthenticationSettings::for_no_requests();
        Self::with(args, Some(authentication), ConfigErrors::default())
    }

    fn with(
        args: &ServeArgs,
        authentication: Option<AuthenticationSettings>,
        mut errors: ConfigErrors,
    ) -> Result<Self, ConfigErrors> {
        check_durations(args, &mut errors);
        check_numbers(args, &mut errors);
        let config = Self::noting(args, authentication, &mut errors);
        config.filter(|_| errors.is_empty()).ok_or(errors)
    }

    /// Reads all settings, so that `errors` names all that are refused; `None` if there are any.
    fn noting(
        args: &ServeArgs,
        authentication: Option<AuthenticationSettings>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let namespace = errors.note(args.database.namespace());
        let tls = errors.note(args.tls.paths());
        let database = errors.note(args.database.store_config());
        let account = args.account_id.as_deref();
        let account = errors.note(optional("--account-id", account, AccountId::parse));
        let defaults = defaults(args, errors);
        let audit_retention = errors.note(audit_retention(args.audit_retention.as_deref()));
        let audit_signing = errors.note(args.audit_signing.signing(namespace.as_ref()));
        let connections = connections(args, errors);
        Some(Self {
            listen: args.listen,
            tls: tls?,
            database: StoreConfig {
                max_connections: args.database_connections,
                lease: args.lease,
                consistency_window: args.consistency_window,
                ..database?
            },
            database_iam_auth: args.database.database_iam_auth,
            migrate: args.migrate,
            authentication: authentication?,
            account: account?,
            defaults: defaults?,
            drift: args.drift,
            orphans: args.orphans,
            attestation: args.attestation,
            probes: args.probes,
            audit_retention: audit_retention?,
            audit_signing: audit_signing?,
            call_limits: BudgetLimits {
                rate: args.call_rate,
                burst: f64::from(args.call_burst),
            },
            reconcile_interval: args.reconcile_interval,
            poll_interval: args.poll_interval,
            call_timeout: args.call_timeout,
            drain_delay: args.drain_delay,
            shutdown_limit: args.shutdown_limit,
            connections,
            namespace: namespace?,
        })
    }
}

/// Reads the settings of authentication, which only the service needs; `None` if one is refused.
pub(crate) fn authentication(
    args: &ServeArgs,
    errors: &mut ConfigErrors,
) -> Option<AuthenticationSettings> {
    let needs_authorities = args.authentication.has_certificate_rules();
    errors.require(
        !needs_authorities || args.tls.client_authorities.is_some(),
        "--tls-client-subjects",
        "needs --tls-client-ca, whose authorities sign the certificates of clients",
    );
    args.authentication.settings(args.listen, errors)
}

fn connections(args: &ServeArgs, errors: &mut ConfigErrors) -> ConnectionLimits {
    let has_connections = args.max_connections != 0;
    errors.require(has_connections, "--max-connections", MAX_CONNECTIONS);
    ConnectionLimits {
        most: usize::try_from(args.max_connections).unwrap_or(usize::MAX),
        slow_client: args.slow_client_limit,
        idle: args.idle_limit,
    }
}

fn audit_retention(text: Option<&str>) -> Result<Option<Duration>, ConfigError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(None) };
    match values::duration(text) {
        Ok(retention) if (SHORTEST_RETENTION..=LONGEST_RETENTION).contains(&retention) => {
            Ok(Some(retention))
        }
        _ => Err(ConfigError::Form {
            flag: "--audit-retention",
            rule: "must be a duration from 1d to 36500d",
        }),
    }
}

fn defaults(args: &ServeArgs, errors: &mut ConfigErrors) -> Option<Defaults> {
    let region = args.default_region.as_deref();
    let region = errors.note(optional(
        "--default-region",
        region,
        Region::parse_supported,
    ));
    let iam_role = args.default_iam_role.as_deref();
    let iam_role = errors.note(optional(
        "--default-iam-role",
        iam_role,
        RoleReference::parse,
    ));
    let role_prefix = RolePrefix::parse(&args.role_prefix);
    let role_prefix = errors.note(invalid_in("--role-prefix", role_prefix));
    let boundary = args.permissions_boundary.as_deref();
    let boundary = optional("--permissions-boundary", boundary, BoundaryArn::parse);
    let boundary = errors.note(boundary);
    let key = kms_key(args, region.as_ref().and_then(Option::as_ref));
    let key = errors.note(key);
    let tags = errors.note(tags(args.resource_tags.as_deref()));
    let roles = args.pass_through_roles.as_deref();
    let roles = errors.note(pass_through_roles("--pass-through-roles", roles));
    let boundaries = list(args.allowed_boundaries.as_deref())
        .map(|arn| invalid_in("--allowed-boundaries", BoundaryArn::parse(arn)));
    let boundaries = errors.note(boundaries.collect());
    let limits = args.limits.limits(errors);
    let defaults = Defaults {
        iam_role: iam_role?,
        role_prefix: role_prefix?,
        permissions_boundary: boundary?,
        kms_key: key?,
        tags: tags?,
        pass_through_roles: roles?,
        allowed_boundaries: boundaries?,
        limits: limits?,
        region: region?,
    };
    errors.note(limits::check(&defaults))?;
    Some(defaults)
}

// Without this check, a key of another region would make every request fail that names no region.
fn kms_key(args: &ServeArgs, region: Option<&Region>) -> Result<Option<KmsKeyArn>, ConfigError> {
    let flag = "--kms-key-arn";
    let key = optional(flag, args.kms_key_arn.as_deref(), KmsKeyArn::parse)?;
    let other_region = key
        .as_ref()
        .zip(region)
        .is_some_and(|(key, region)| key.in_region(region).is_none());
    if other_region {
        let rule = "must be a key of --default-region, or a multi-Region key of its partition";
        return Err(ConfigError::Form { flag, rule });
    }
    Ok(key)
}

fn tags(text: Option<&str>) -> Result<Tags, ConfigError> {
    let flag = "--resource-tags";
    let pairs = list(text).map(|pair| {
        let (key, value) = pair.split_once('=').ok_or(ConfigError::Form {
            flag,
            rule: "must be of the form k=v,k=v",
        })?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    });
    let pairs = pairs.collect::<Result<Vec<_>, ConfigError>>()?;
    invalid_in(flag, Tags::new(pairs))
}

pub(crate) fn optional<T>(
    flag: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Option<T>, ConfigError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(|text| invalid_in(flag, parse(text))).transpose()
}
