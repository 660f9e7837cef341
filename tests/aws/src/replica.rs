//! The service itself, as a process with a database of its own, working in the account.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine_roles_e2e::client::Acknowledgements;
use engine_roles_e2e::{Answer, Client, Service};
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use serde_json::Value;

use crate::probe::{Probe, Side};
use crate::run::{MARK, NAME};
use crate::trouble::Trouble;

const PAUSE: Duration = Duration::from_millis(200);
/// How long the service may take to become ready, and to bring a binding into a state.
const LONGEST_WAIT: Duration = Duration::from_mins(3);

/// A replica of the service. Dropping this value kills the process.
pub(crate) struct Replica {
    // Dropped before its database.
    _service: Service,
    client: Client,
    _database: TestDatabase,
    /// How many of its calls the budget has counted.
    counted: u64,
}

impl Replica {
    /// Starts the service with these settings, and waits until it is ready.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`] if it does not become ready.
    ///
    /// # Panics
    /// If Postgres or the service does not start.
    pub(crate) async fn start(probe: &Probe, settings: &[(&str, &str)]) -> Result<Self, Trouble> {
        let database = test_database().await;
        let key = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let mut environment = of_aws(probe);
        let own = [
            ("DATABASE_URL", database.url().to_owned()),
            ("ENGINE_ROLES_INIT_API_KEY", key.clone()),
            ("ENGINE_ROLES_LISTEN", "127.0.0.1:0".to_owned()),
            ("ENGINE_ROLES_LOG_FORMAT", "json".to_owned()),
            ("ENGINE_ROLES_NAMESPACE", probe.run.namespace()),
            ("ENGINE_ROLES_ROLE_PREFIX", NAME.to_owned()),
            (
                "ENGINE_ROLES_RESOURCE_TAGS",
                format!("{MARK}={}", probe.run.suffix),
            ),
            ("ENGINE_ROLES_ORPHANS", "report".to_owned()),
            // Other users of the account share AWS's limits.
            ("ENGINE_ROLES_CALL_RATE", "10".to_owned()),
            ("ENGINE_ROLES_CALL_BURST", "20".to_owned()),
        ];
        let settings = settings.iter();
        let settings = settings.map(|(name, value)| (*name, (*value).to_owned()));
        let all = own.into_iter().chain(settings);
        environment.extend(all.map(|(name, value)| (name.to_owned(), value)));
        let service = Service::start(&environment).await;
        let client = Client::new(service.address(), &key, Acknowledgements::default());
        let mut replica = Self {
            _service: service,
            client: client.waiting_longest(),
            _database: database,
            counted: 0,
        };
        let started = Instant::now();
        loop {
            let answer = replica.client.anonymous().fetch("/readyz").await;
            if answer.body["status"] == "ready" {
                replica.count_calls(probe).await?;
                return Ok(replica);
            }
            if started.elapsed() > LONGEST_WAIT {
                return Err(unexpected("the service is not ready", &answer));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Counts the calls that the service made since the last time.
    ///
    /// # Errors
    /// [`Trouble::BudgetUsedUp`].
    pub(crate) async fn count_calls(&mut self, probe: &Probe) -> Result<(), Trouble> {
        let metrics = self.client.anonymous().fetch("/metrics").await.text;
        let calls = metrics.lines();
        let calls = calls.filter(|line| line.starts_with("engine_roles_iam_calls_total{"));
        let calls = calls.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        let calls: u64 = calls.sum();
        probe
            .account
            .budget
            .count(calls.saturating_sub(self.counted));
        self.counted = calls;
        probe.account.budget.check()
    }

    /// Requests a role and waits until the binding is active. Returns the first answer's status and the
    /// binding.
    ///
    /// # Errors
    /// [`Trouble::Unexpected`], [`Trouble::BudgetUsedUp`].
    pub(crate) async fn put(
        &mut self,
        probe: &Probe,
        cluster: &str,
        body: Value,
    ) -> Result<(u16, Value), Trouble> {
        let answer = self.client.put(cluster, body).await;
        let binding = self.reaches(probe, cluster, "active", &answer).await?;
        Ok((answer.status, binding))
    }

    /// Tears a cluster's role down and waits until that is done. Returns as [`Replica::put`].
    ///
    /// # Errors
    /// As [`Replica::put`].
    pub(crate) async fn delete(
        &mut self,
        probe: &Probe,
        cluster: &str,
    ) -> Result<(u16, Value), Trouble> {
        let answer = self.client.delete(cluster).await;
        let binding = self.reaches(probe, cluster, "deleted", &answer).await?;
        Ok((answer.status, binding))
    }

    async fn reaches(
        &mut self,
        probe: &Probe,
        cluster: &str,
        state: &str,
        first: &Answer,
    ) -> Result<Value, Trouble> {
        self.count_calls(probe).await?;
        let started = Instant::now();
        if !(200..=202).contains(&first.status) {
            return Err(unexpected(&format!("{cluster} is not {state}"), first));
        }
        loop {
            let found = self.client.get(cluster).await;
            if found.status == 200 && found.body["state"] == state {
                self.count_calls(probe).await?;
                return Ok(found.body);
            }
            if started.elapsed() > LONGEST_WAIT {
                return Err(unexpected(&format!("{cluster} is not {state}"), &found));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads a path of the interface.
    pub(crate) async fn fetch(&self, path: &str) -> Answer {
        self.client.fetch(path).await
    }
}

fn unexpected(what: &str, answer: &Answer) -> Trouble {
    Trouble::Unexpected(format!("{what}: {} {}", answer.status, answer.text))
}

/// Returns the AWS settings of the service: on AWS those of the suite.
fn of_aws(probe: &Probe) -> BTreeMap<String, String> {
    let endpoints = &probe.account.endpoints;
    if probe.side == Side::Aws {
        let set = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let mut set: BTreeMap<String, String> =
            set.filter(|(name, _)| name.starts_with("AWS_")).collect();
        set.entry("AWS_REGION".to_owned())
            .or_insert_with(|| endpoints.region.clone());
        return set;
    }
    let settings = [
        ("AWS_ENDPOINT_URL", endpoints.iam.as_str()),
        ("AWS_REGION", &endpoints.region),
        ("AWS_ACCESS_KEY_ID", "AKIASUITE00000000000"),
        ("AWS_SECRET_ACCESS_KEY", "not-checked"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.into()
}
