//! The settings of an installation, and its start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engine_roles_iam_sandbox::{Fault, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Installation;
use super::aws::{faults_of, log_start};
use super::postgres::PostgresServer;
use crate::administrator::{Administrator, SERVICE_ACCESS_KEY};
use crate::aws_proxy::{AwsProxy, Rule};
use crate::binary::service_binary;
use crate::client::Acknowledgements;
use crate::database::Database;
use crate::identity;
use crate::older_release;
use crate::policy_documents::policy_document;
use crate::pooler::{PgBouncer, PoolMode, program};
use crate::postgres_proxy::PostgresProxy;
use crate::release_dump;
use crate::tls::TlsFiles;

/// How many installations run at once. The shared Postgres server has connections for the pools of
/// so many.
const MOST_AT_ONCE: usize = 4;

/// How many server connections a pooler has for an installation. In transaction mode, few, so that the
/// connections of the service often meet what others have left on them; a session keeps one for each
/// connection of the service.
const SERVER_CONNECTIONS: usize = 20;

/// The secret key of the service's AWS credentials. The sandbox does not check it, and no log may
/// contain it.
pub const SERVICE_SECRET_KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY42";

/// The settings of an installation that is not started yet.
#[derive(Debug)]
pub struct InstallationBuilder {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    sandbox: SandboxConfig,
    faults: Vec<Fault>,
    replicas: usize,
    own_server: bool,
    proxied: bool,
    /// The rules of the proxy between the service and the sandbox; none without a proxy.
    aws_proxy: Option<Vec<Rule>>,
    pooler: Option<PoolMode>,
    waits_until_ready: bool,
    prepared: Vec<String>,
    administrators_calls: Vec<(String, Vec<(String, String)>)>,
    contents: Contents,
    /// The authorities of the service's certificate, in PEM; `None` without TLS.
    authorities: Option<Vec<u8>>,
}

/// What database and AWS account contain before the service starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Nothing,
    OlderRelease,
    LastRelease,
}

impl InstallationBuilder {
    pub(super) fn new() -> Self {
        let environment = [
            ("ENGINE_ROLES_LISTEN", "127.0.0.1:0"),
            ("ENGINE_ROLES_LOG", "info,engine_roles_iam=debug"),
            ("ENGINE_ROLES_LOG_FORMAT", "json"),
            ("ENGINE_ROLES_POLL_INTERVAL", "50ms"),
            ("AWS_ACCESS_KEY_ID", SERVICE_ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SERVICE_SECRET_KEY),
            ("AWS_REGION", "us-west-2"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            binary: service_binary(),
            environment: environment.into(),
            sandbox: SandboxConfig::default(),
            faults: Vec::new(),
            replicas: 1,
            own_server: false,
            proxied: false,
            aws_proxy: None,
            pooler: PoolMode::everywhere(),
            waits_until_ready: true,
            prepared: Vec::new(),
            administrators_calls: Vec::new(),
            contents: Contents::Nothing,
            authorities: None,
        }
    }

    /// Starts with a database and an AWS account as an older release left them: see
    /// [`older_release`]. The start waits only until the service listens, because the service
    /// changes resources at once.
    #[must_use]
    pub fn older_release(mut self) -> Self {
        self.contents = Contents::OlderRelease;
        self.not_yet_ready().env(
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            older_release::PASS_THROUGH_ROLES,
        )
    }

    /// Starts with a database and an AWS account as the last release left them: see
    /// [`release_dump`]. The start waits only until the service listens.
    #[must_use]
    pub fn last_release(mut self) -> Self {
        self.contents = Contents::LastRelease;
        self.not_yet_ready().env(
            "ENGINE_ROLES_PASS_THROUGH_ROLES",
            release_dump::PASS_THROUGH_ROLES,
        )
    }

    /// Runs this binary of the service instead of the one that was built with this program.
    #[must_use]
    pub fn binary(mut self, binary: impl Into<PathBuf>) -> Self {
        self.binary = binary.into();
        self
    }

    /// Creates this role before the service starts, and lists it as a pass-through role.
    #[must_use]
    pub fn prepared(mut self, role: &str) -> Self {
        self.prepared.push(role.to_owned());
        let listed = self
            .environment
            .entry("ENGINE_ROLES_PASS_THROUGH_ROLES".to_owned())
            .or_default();
        if !listed
            .split(',')
            .any(|entry| entry.split('=').next() == Some(role))
        {
            let separator = if listed.is_empty() { "" } else { "," };
            *listed = format!("{listed}{separator}{role}");
        }
        self
    }

    /// Makes this call as the administrator before the service starts, after the prepared roles were
    /// created.
    #[must_use]
    pub fn administrators_call(mut self, action: &str, parameters: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters = parameters.iter().map(owned).collect();
        self.administrators_calls
            .push((action.to_owned(), parameters));
        self
    }

    /// Creates, before the service starts, an instance profile that contains a role.
    #[must_use]
    pub fn prepared_profile(self, name: &str, role: &str) -> Self {
        let profile = ("InstanceProfileName", name);
        self.administrators_call("CreateInstanceProfile", &[profile])
            .administrators_call("AddRoleToInstanceProfile", &[profile, ("RoleName", role)])
    }

    /// Sets a variable of the service's environment. An empty value removes the variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if value.is_empty() {
            self.environment.remove(name);
        } else {
            self.environment.insert(name.to_owned(), value);
        }
        self
    }

    /// Gives the clients of [`Installation::client`] this authority of the service's certificate, in PEM.
    #[must_use]
    pub fn trusting(mut self, authority: &str) -> Self {
        self.authorities = Some(authority.as_bytes().to_vec());
        self
    }

    /// Serves HTTPS with these files, and gives the clients of [`Installation::client`] their authority.
    #[must_use]
    pub fn tls(self, files: &TlsFiles) -> Self {
        self.trusting(&files.authority.pem())
            .env(
                "ENGINE_ROLES_TLS_CERT",
                files.certificate().to_string_lossy(),
            )
            .env("ENGINE_ROLES_TLS_KEY", files.key().to_string_lossy())
    }

    /// Changes the settings of the sandbox.
    #[must_use]
    pub fn sandbox(mut self, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        change(&mut self.sandbox);
        self
    }

    /// Sets how long each call to AWS takes. Concurrent calls overlap only with a latency.
    #[must_use]
    pub fn latency(self, milliseconds: u64) -> Self {
        self.sandbox(|sandbox| sandbox.latency = Duration::from_millis(milliseconds))
    }

    /// Gives the service's identity this document of `policies/` instead of the least-privilege
    /// policy.
    #[must_use]
    pub fn identity(self, policy: &str) -> Self {
        let policy = policy_document(policy);
        self.sandbox(|sandbox| sandbox.identity_policy = Some(policy))
    }

    /// Allows the service's identity every action.
    #[must_use]
    pub fn allowed_everything(self) -> Self {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        });
        self.sandbox(|sandbox| sandbox.identity_policy = Some(policy))
    }

    /// Sets faults that apply from the start.
    #[must_use]
    pub fn faults(mut self, faults: Value) -> Self {
        self.faults = faults_of(faults);
        self
    }

    /// Sets the number of replicas. All use one database and one sandbox.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Starts a separate Postgres server, which the test may stop and kill.
    #[must_use]
    pub fn own_postgres(mut self) -> Self {
        self.own_server = true;
        self
    }

    /// Connects the service to Postgres through a proxy: [`Installation::proxy`].
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// Lets the service call the sandbox through a proxy: [`Installation::aws_proxy`].
    #[must_use]
    pub fn aws_proxied(mut self) -> Self {
        self.aws_proxy.get_or_insert_default();
        self
    }

    /// As [`InstallationBuilder::aws_proxied`], with a rule that applies from the start.
    #[must_use]
    pub fn aws_rule(mut self, rule: Rule) -> Self {
        self.aws_proxy.get_or_insert_default().push(rule);
        self
    }

    /// Connects the service to Postgres through a pooler: `PgBouncer` with few server connections.
    #[must_use]
    pub fn pooled(mut self, mode: PoolMode) -> Self {
        self.pooler = Some(mode);
        self
    }

    /// Connects the service to Postgres without a pooler, also where the whole suite runs through one:
    /// while a server is away, `PgBouncer` answers in its place, and for 15 seconds after that.
    #[must_use]
    pub fn unpooled(mut self) -> Self {
        self.pooler = None;
        self
    }

    /// Sets the interval of checks to a day, so that an idle service stays idle while a test
    /// advances the clock: see [`Installation::becomes_idle`].
    #[must_use]
    pub fn rarely_checked(self) -> Self {
        self.env("ENGINE_ROLES_RECONCILE_INTERVAL", "24h")
    }

    /// Makes the start wait only until the service listens, not until it is ready.
    #[must_use]
    pub fn not_yet_ready(mut self) -> Self {
        self.waits_until_ready = false;
        self
    }

    /// Starts Postgres, the sandbox and the replicas.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn start(mut self) -> Installation {
        let permit = acquire_permit().await;
        let postgres = PostgresServer::new(self.own_server).await;
        let (sandbox, administrator) = self.start_account().await;
        let log_started = log_start(&sandbox, &administrator).await;
        administrator
            .create_policy(identity::BOUNDARY, &identity::boundary(&self.sandbox))
            .await;
        for role in &self.prepared {
            administrator.prepare_role(role).await;
        }
        for (action, parameters) in &self.administrators_calls {
            let parameters = parameters.iter();
            let parameters = parameters.map(|(name, value)| (name.as_str(), value.as_str()));
            let parameters: Vec<(&str, &str)> = parameters.collect();
            administrator.call(action, &parameters).await;
        }
        let database = Database::new(postgres.url());
        match self.contents {
            Contents::Nothing => {}
            Contents::OlderRelease => {
                older_release::restore(&database, &administrator, &sandbox).await;
            }
            Contents::LastRelease => release_dump::restore(&database, &sandbox).await,
        }
        sandbox.set_faults(self.faults);
        let key = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let mut environment = self.environment;
        let aws_proxy = match self.aws_proxy {
            Some(rules) => {
                let proxy = AwsProxy::start(sandbox.endpoint(), &self.sandbox).await;
                for rule in rules {
                    proxy.add(rule);
                }
                Some(proxy)
            }
            None => None,
        };
        let endpoint = aws_proxy.as_ref().map(AwsProxy::endpoint);
        environment
            .entry("AWS_ENDPOINT_URL".to_owned())
            .or_insert_with(|| endpoint.unwrap_or_else(|| sandbox.endpoint()));
        let mut server = postgres.url().to_owned();
        let mut pooler = None;
        // The proxy reads statements as the service sends them to Postgres itself.
        let mode = self.pooler.filter(|_| !self.proxied);
        if let Some((mode, program)) = mode.and_then(|mode| Some((mode, program()?))) {
            let started = PgBouncer::start(&program, &server, mode, SERVER_CONNECTIONS).await;
            let setting = "ENGINE_ROLES_DATABASE_POOLER".to_owned();
            environment.insert(setting, mode.as_str().to_owned());
            started.url().clone_into(&mut server);
            pooler = Some(started);
        }
        let mut proxy = None;
        if self.proxied {
            let (started, url) = PostgresProxy::start(&server).await;
            server = url;
            proxy = Some(started);
        }
        environment
            .entry("DATABASE_URL".to_owned())
            .or_insert(server);
        environment.insert("ENGINE_ROLES_INIT_API_KEY".to_owned(), key.clone());
        let mut installation = Installation {
            administrator,
            log_started,
            last_startup_call: 0,
            replicas: Vec::new(),
            database,
            sandbox,
            postgres,
            proxy,
            aws_proxy,
            pooler,
            binary: self.binary,
            environment,
            key,
            authorities: self.authorities,
            acknowledged: Acknowledgements::default(),
            _permit: permit,
        };
        for _ in 0..self.replicas {
            installation.add_replica().await;
        }
        if self.waits_until_ready {
            installation.ready().await;
            installation.last_startup_call = installation.mark();
            let changed = installation.mutations(0);
            assert!(
                changed.is_empty(),
                "the account tasks changed something at the start: {changed:?}"
            );
        }
        installation
    }

    /// Starts the sandbox. The service's identity has the least-privilege policy unless the test
    /// set another.
    async fn start_account(&mut self) -> (Sandbox, Administrator) {
        self.environment
            .entry("ENGINE_ROLES_PERMISSIONS_BOUNDARY".to_owned())
            .or_insert_with(|| identity::boundary_arn(&self.sandbox));
        if self.sandbox.identity_policy.is_none() {
            let policy = identity::least_privilege(&self.sandbox, &self.environment);
            self.sandbox.identity_policy = Some(policy);
        }
        let sandbox = Sandbox::start(self.sandbox.clone()).await;
        let sandbox = sandbox.expect("the sandbox starts");
        let administrator = Administrator::new(sandbox.endpoint());
        (sandbox, administrator)
    }
}

/// Waits until fewer than [`MOST_AT_ONCE`] installations run.
async fn acquire_permit() -> OwnedSemaphorePermit {
    static PERMITS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let permits = PERMITS.get_or_init(|| Arc::new(Semaphore::new(MOST_AT_ONCE)));
    let permit = Arc::clone(permits).acquire_owned().await;
    permit.expect("the semaphore is never closed")
}
