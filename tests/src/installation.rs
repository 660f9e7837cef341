//! An installation under test: the service with all that it needs, for one test.

mod aws;
mod builder;
mod postgres;
mod waiting;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine_roles_embedded_postgres::Postgres;
use engine_roles_iam_sandbox::Sandbox;
use tokio::sync::OwnedSemaphorePermit;

use crate::administrator::Administrator;
use crate::client::{Acknowledgements, Client};
use crate::database::{BindingRow, Database};
use crate::polling::eventually;
use crate::postgres_proxy::PostgresProxy;
use crate::service::Service;

pub use aws::fault;
pub(crate) use aws::is_read;
pub use builder::{InstallationBuilder, SERVICE_SECRET_KEY};
use postgres::PostgresServer;
pub use waiting::PAST_A_LEASE;

/// A running service, its database, and the AWS account that it works in. All of it ends with
/// the test; the logs are shown when that fails.
pub struct Installation {
    /// The replicas. They come first here, and so end first.
    pub replicas: Vec<Service>,
    /// The database, from outside.
    pub database: Database,
    pub sandbox: Sandbox,
    /// Somebody else in the account.
    pub administrator: Administrator,
    log_started: DateTime<Utc>,
    /// The number of the last call of the first look after the start.
    looked: u64,
    postgres: PostgresServer,
    proxy: Option<PostgresProxy>,
    environment: BTreeMap<String, String>,
    key: String,
    acknowledged: Acknowledgements,
    _place: OwnedSemaphorePermit,
}

impl Installation {
    /// An installation as most tests want it: one replica, IAM at once, the defaults for all else.
    pub async fn start() -> Self {
        Self::build().start().await
    }

    pub fn build() -> InstallationBuilder {
        InstallationBuilder::new()
    }

    /// A caller of the first replica.
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    pub fn client_of(&self, replica: usize) -> Client {
        let address = self.replicas[replica].address();
        Client::new(address, &self.key, self.acknowledged.clone())
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the service's processes are started with.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// What callers were told.
    pub fn acknowledged(&self) -> &Acknowledgements {
        &self.acknowledged
    }

    /// The Postgres server of [`InstallationBuilder::own_postgres`].
    ///
    /// # Panics
    /// When the installation has none of its own.
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
    /// When the installation has none.
    pub fn proxy(&self) -> &PostgresProxy {
        self.proxy
            .as_ref()
            .expect("this installation reaches Postgres directly: see proxied")
    }

    pub async fn add_replica(&mut self) {
        let service = Service::start(&self.environment).await;
        self.replicas.push(service);
    }

    /// Starts a replica anew, with other settings if they were changed meanwhile, and waits
    /// until it is ready. Kills the old process if it still runs.
    pub async fn restart(&mut self, replica: usize) {
        self.restart_in_a_storm(replica).await;
        self.first_account_checks_done(replica).await;
    }

    /// As [`Installation::restart`], while AWS may be in such trouble that the first look takes
    /// long.
    pub async fn restart_in_a_storm(&mut self, replica: usize) {
        self.replicas[replica] = Service::start(&self.environment).await;
        self.ready_at(replica).await;
    }

    /// Changes a variable for processes that are started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the record of a cluster's newest binding.
    ///
    /// # Panics
    /// When there is none.
    pub async fn recorded(&self, cluster: &str) -> BindingRow {
        let row = self.database.binding(cluster).await;
        row.unwrap_or_else(|| panic!("{cluster} has no binding"))
    }

    /// Waits until all replicas are ready and know their account.
    pub async fn ready(&self) {
        for replica in 0..self.replicas.len() {
            self.ready_at(replica).await;
            self.first_account_checks_done(replica).await;
        }
    }

    async fn ready_at(&self, replica: usize) {
        let client = self.client_of(replica).anonymous();
        eventually("the service is ready", async || {
            let answer = client.fetch("/readyz").await;
            (answer.body["status"] == "ready").then_some(())
        })
        .await;
    }

    /// Waits until the first look of a replica after its start is over, so that no call of it is
    /// counted later.
    async fn first_account_checks_done(&self, replica: usize) {
        // Each list names the ways in which one check can end.
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
