//! An installation under test: the service's replicas, its database and its AWS account.

mod aws;
mod builder;
mod postgres;
mod waiting;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use chrono::{DateTime, Utc};
use engine_roles_embedded_postgres::Postgres;
use engine_roles_iam_sandbox::Sandbox;
use tokio::sync::OwnedSemaphorePermit;

use crate::administrator::Administrator;
use crate::aws_proxy::AwsProxy;
use crate::client::{Acknowledgements, Client};
use crate::database::{BindingRow, Database};
use crate::polling::eventually;
use crate::pooler::PgBouncer;
use crate::postgres_proxy::PostgresProxy;
use crate::service::{Service, command_of};

pub use aws::fault;
pub(crate) use aws::is_read;
pub use builder::{InstallationBuilder, SERVICE_SECRET_KEY};
use postgres::PostgresServer;
pub use waiting::PAST_A_LEASE;

/// A running service, its database and its AWS account. Dropping this value ends all of them, and
/// prints the logs if the test failed.
pub struct Installation {
    /// The replicas. The first field is dropped first, so replicas end before their database.
    pub replicas: Vec<Service>,
    /// Direct access to the database.
    pub database: Database,
    pub sandbox: Sandbox,
    /// A caller of IAM other than the service.
    pub administrator: Administrator,
    log_started: DateTime<Utc>,
    /// The number of the last call that the account tasks made at the start.
    last_startup_call: u64,
    postgres: PostgresServer,
    proxy: Option<PostgresProxy>,
    aws_proxy: Option<AwsProxy>,
    pooler: Option<PgBouncer>,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    key: String,
    /// The authorities of the service's certificate, in PEM; `None` without TLS.
    authorities: Option<Vec<u8>>,
    acknowledged: Acknowledgements,
    _permit: OwnedSemaphorePermit,
}

impl Installation {
    /// Starts one replica with default settings; IAM answers without delay.
    pub async fn start() -> Self {
        Self::build().start().await
    }

    pub fn build() -> InstallationBuilder {
        InstallationBuilder::new()
    }

    /// A client of the first replica.
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    pub fn client_of(&self, replica: usize) -> Client {
        let address = self.replicas[replica].address();
        let acknowledged = self.acknowledged.clone();
        match &self.authorities {
            Some(pem) => Client::over_tls(address, &self.key, acknowledged, pem),
            None => Client::new(address, &self.key, acknowledged),
        }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// The environment in which replicas are started.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The requests that were answered with success.
    pub fn acknowledged(&self) -> &Acknowledgements {
        &self.acknowledged
    }

    /// The Postgres server of [`InstallationBuilder::own_postgres`].
    ///
    /// # Panics
    /// When the installation uses the shared server.
    pub fn postgres(&mut self) -> &mut Postgres {
        match &mut self.postgres {
            PostgresServer::Own { server, .. } => server,
            PostgresServer::Shared(_) => {
                panic!("this installation shares its server: see own_postgres")
            }
        }
    }

    /// The proxy of [`InstallationBuilder::proxied`].
    ///
    /// # Panics
    /// When the installation has no proxy.
    pub fn proxy(&self) -> &PostgresProxy {
        self.proxy
            .as_ref()
            .expect("this installation reaches Postgres directly: see proxied")
    }

    /// The proxy of [`InstallationBuilder::aws_proxied`].
    ///
    /// # Panics
    /// When the service calls the sandbox directly.
    pub fn aws_proxy(&self) -> &AwsProxy {
        self.aws_proxy
            .as_ref()
            .expect("this installation calls the sandbox directly: see aws_proxied")
    }

    /// The pooler of [`InstallationBuilder::pooled`]; none without a pooler.
    pub fn pooler(&self) -> Option<&PgBouncer> {
        self.pooler.as_ref()
    }

    /// How many pings the service sent to Postgres through the proxy; 0 without a proxy.
    pub fn pings(&self) -> usize {
        self.proxy.as_ref().map_or(0, PostgresProxy::pings)
    }

    pub async fn add_replica(&mut self) {
        let service = Service::start_binary(&self.binary, &self.environment).await;
        self.replicas.push(service);
    }

    /// Adds a replica of another binary.
    pub async fn add_replica_of(&mut self, binary: &Path) {
        let service = Service::start_binary(binary, &self.environment).await;
        self.replicas.push(service);
    }

    /// Starts a replica again with another binary, and waits until it listens.
    pub async fn start_again(&mut self, replica: usize, binary: &Path) {
        self.replicas[replica] = Service::start_binary(binary, &self.environment).await;
    }

    /// Starts a replica again with the current environment, and waits until it is ready and its
    /// account tasks have run once. Kills the old process if it still runs.
    pub async fn restart(&mut self, replica: usize) {
        self.restart_during_faults(replica).await;
        self.ready_at(replica).await;
        self.first_account_checks_done(replica).await;
    }

    /// As [`Installation::restart`], but does not wait for the account tasks, which may take long
    /// while AWS calls fail. For the same reason the replica may be degraded.
    pub async fn restart_during_faults(&mut self, replica: usize) {
        self.replicas[replica] = Service::start_binary(&self.binary, &self.environment).await;
        self.has_status(replica, &["ready", "degraded"]).await;
    }

    /// As [`Installation::restart`], but waits only until the replica listens.
    pub async fn restart_listening(&mut self, replica: usize) {
        self.replicas[replica] = Service::start_binary(&self.binary, &self.environment).await;
    }

    /// Sets a variable for processes that are started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Runs a command of the binary in the environment of the replicas, with changes. An empty value
    /// counts as not set. Blocks the thread: what the command talks to must run on another one.
    ///
    /// # Panics
    /// When the binary can't be run.
    pub fn run(&self, arguments: &[&str], changes: &[(&str, &str)]) -> Output {
        let mut environment = self.environment.clone();
        let changes = changes.iter();
        environment.extend(changes.map(|(name, value)| ((*name).into(), (*value).into())));
        let output = command_of(&self.binary, arguments, &environment).output();
        output.expect("the binary can be run")
    }

    /// Returns the record of a cluster's newest binding.
    ///
    /// # Panics
    /// When the cluster has no binding.
    pub async fn recorded(&self, cluster: &str) -> BindingRow {
        let row = self.database.binding(cluster).await;
        row.unwrap_or_else(|| panic!("{cluster} has no binding"))
    }

    /// Waits until all replicas are ready and their account tasks have run once.
    pub async fn ready(&self) {
        for replica in 0..self.replicas.len() {
            self.ready_at(replica).await;
            self.first_account_checks_done(replica).await;
        }
    }

    async fn ready_at(&self, replica: usize) {
        self.has_status(replica, &["ready"]).await;
    }

    async fn has_status(&self, replica: usize, expected: &[&str]) {
        let client = self.client_of(replica).anonymous();
        eventually("the service is ready", async || {
            let answer = client.fetch("/readyz").await;
            let status = answer.body["status"].as_str();
            status
                .is_some_and(|status| expected.contains(&status))
                .then_some(())
        })
        .await;
    }

    /// Waits until the account tasks of a replica have run once, so that their calls do not count
    /// in the test.
    async fn first_account_checks_done(&self, replica: usize) {
        // Each list has the log messages with which one task can end.
        let checks: [&[&str]; 3] = [
            &[
                "capabilities detected",
                "capabilities could not be detected",
            ],
            &["account quota read for the first time"],
            &[
                "pass-through roles attested",
                "attestation of pass-through roles is off",
                "attestation of pass-through roles postponed; the call budget is used up",
                "attestation of pass-through roles could not be recorded",
            ],
        ];
        eventually("the first account checks are done", async || {
            let log = self.replicas[replica].log();
            let is_done = checks
                .iter()
                .all(|ends| ends.iter().any(|end| log.find(end).is_some()));
            is_done.then_some(())
        })
        .await;
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (number, replica) in self.replicas.iter().enumerate() {
            eprintln!("--- log of replica {number}\n{}", replica.log().text());
        }
        let calls = self.sandbox.calls(0);
        eprintln!("--- calls to AWS");
        for call in calls {
            eprintln!(
                "{} {} {}..{:?} {:?} {:?}",
                call.n, call.action, call.started_ms, call.ended_ms, call.status, call.error
            );
        }
    }
}
