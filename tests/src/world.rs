//! A service with all that it needs, for one test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use engine_roles_embedded_postgres::{Postgres, PostgresConfig, TestDatabase, test_database};
use engine_roles_iam_sandbox::{Call, Fault, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::administrator::{Administrator, SERVICE_ACCESS_KEY};
use crate::checker::Checker;
use crate::client::{Acknowledgements, Client};
use crate::database::{BindingRow, Database};
use crate::identity;
use crate::patience::eventually;
use crate::postgres_proxy::PostgresProxy;
use crate::service::Service;

/// How many worlds there are at once: the shared server has room for so many replicas' pools.
const WORLDS: usize = 4;

/// The secret key of the service's AWS credentials; nothing looks at it, and no log may have it.
pub const SERVICE_SECRET_KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY42";

/// How exactly a call's time is known: its log counts whole milliseconds, and so is measured
/// when that began.
const MEASURED_TO: Duration = Duration::from_millis(3);

/// What a world is like, before it is.
#[derive(Debug)]
pub struct WorldBuilder {
    environment: BTreeMap<String, String>,
    sandbox: SandboxConfig,
    faults: Vec<Fault>,
    replicas: usize,
    own_server: bool,
    proxied: bool,
    waits_until_ready: bool,
    prepared: Vec<String>,
}

impl WorldBuilder {
    /// The administrator has prepared this role before the service starts, and put it on the
    /// list.
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

    /// Sets a variable of the service's environment; an empty value takes it away.
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

    /// Changes what the sandbox is like.
    #[must_use]
    pub fn sandbox(mut self, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        change(&mut self.sandbox);
        self
    }

    /// How long each call to AWS takes: with some, calls that run side by side are seen to.
    #[must_use]
    pub fn latency(self, milliseconds: u64) -> Self {
        self.sandbox(|sandbox| sandbox.latency = Duration::from_millis(milliseconds))
    }

    /// Every call of the service is decided by this document, one of `policies/`, in place of
    /// the least that it needs.
    #[must_use]
    pub fn identity(self, policy: &str) -> Self {
        let policy = policy_document(policy);
        self.sandbox(|sandbox| sandbox.identity_policy = Some(policy))
    }

    /// The service may do anything.
    #[must_use]
    pub fn almighty(self) -> Self {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        });
        self.sandbox(|sandbox| sandbox.identity_policy = Some(policy))
    }

    /// Faults that are there from the start.
    #[must_use]
    pub fn faults(mut self, faults: Value) -> Self {
        self.faults = faults_of(faults);
        self
    }

    /// How many replicas there are, on one database and one sandbox.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// On a Postgres server of this world's own, which may be stopped and killed.
    #[must_use]
    pub fn own_postgres(mut self) -> Self {
        self.own_server = true;
        self
    }

    /// The service reaches Postgres through a proxy: [`World::proxy`].
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// Nothing is checked for a day, so that what is at rest stays at rest however much time a
    /// test lets go by: see [`World::comes_to_rest`].
    #[must_use]
    pub fn rarely_checked(self) -> Self {
        self.env("ENGINE_ROLES_RECONCILE_INTERVAL", "24h")
    }

    /// Does not wait until the service is ready, only until it listens.
    #[must_use]
    pub fn not_yet_ready(mut self) -> Self {
        self.waits_until_ready = false;
        self
    }

    /// Starts it all.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(mut self) -> World {
        static PLACES: std::sync::OnceLock<Arc<Semaphore>> = std::sync::OnceLock::new();
        let places = PLACES.get_or_init(|| Arc::new(Semaphore::new(WORLDS)));
        let place = Arc::clone(places)
            .acquire_owned()
            .await
            .expect("nobody closes it");
        let data = Data::new(self.own_server).await;
        self.environment
            .entry("ENGINE_ROLES_PERMISSIONS_BOUNDARY".to_owned())
            .or_insert_with(|| identity::boundary_arn(&self.sandbox));
        if self.sandbox.identity_policy.is_none() {
            let least = identity::least(&self.sandbox, &self.environment);
            self.sandbox.identity_policy = Some(least);
        }
        let boundary = identity::boundary(&self.sandbox);
        let sandbox = Sandbox::start(self.sandbox)
            .await
            .expect("the sandbox starts");
        let administrator = Administrator::new(sandbox.endpoint());
        let log_started = log_start(&sandbox, &administrator).await;
        administrator
            .make_policy(identity::BOUNDARY, &boundary)
            .await;
        for role in &self.prepared {
            administrator.prepare_role(role).await;
        }
        sandbox.set_faults(self.faults);
        let key = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let mut environment = self.environment;
        environment
            .entry("AWS_ENDPOINT_URL".to_owned())
            .or_insert_with(|| sandbox.endpoint());
        let mut proxy = None;
        if self.proxied {
            let (started, url) = PostgresProxy::start(data.url()).await;
            environment.insert("DATABASE_URL".to_owned(), url);
            proxy = Some(started);
        }
        environment
            .entry("DATABASE_URL".to_owned())
            .or_insert_with(|| data.url().to_owned());
        environment.insert("ENGINE_ROLES_INIT_API_KEY".to_owned(), key.clone());
        let mut world = World {
            administrator,
            log_started,
            looked: 0,
            replicas: Vec::new(),
            database: Database::new(data.url()),
            sandbox,
            data,
            proxy,
            environment,
            key,
            acknowledged: Acknowledgements::default(),
            _place: place,
        };
        for _ in 0..self.replicas {
            world.add_replica().await;
        }
        if self.waits_until_ready {
            world.ready().await;
            world.looked = world.mark();
            let changed = world.mutations(0);
            assert!(
                changed.is_empty(),
                "the first look changes something: {changed:?}"
            );
        }
        world
    }
}

/// Where the database is.
#[derive(Debug)]
enum Data {
    Shared(TestDatabase),
    Own { server: Box<Postgres>, url: String },
}

impl Data {
    async fn new(own: bool) -> Self {
        if !own {
            return Self::Shared(test_database().await);
        }
        let config = PostgresConfig {
            own: true,
            ..PostgresConfig::default()
        };
        let server = Postgres::start(config).await.expect("Postgres starts");
        let url = server
            .create_database("engine_roles")
            .await
            .expect("a fresh server makes a database");
        Self::Own {
            server: Box::new(server),
            url,
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Shared(database) => database.url(),
            Self::Own { url, .. } => url,
        }
    }
}

/// A running service, its database, and the AWS account that it works in. All of it ends with
/// the test; the logs are shown when that fails.
pub struct World {
    /// The replicas. They come first here, and so end first.
    pub replicas: Vec<Service>,
    /// The database, from outside.
    pub database: Database,
    /// The AWS account.
    pub sandbox: Sandbox,
    /// Somebody else in the account.
    pub administrator: Administrator,
    log_started: DateTime<Utc>,
    /// The number of the last call of the first look after the start.
    looked: u64,
    data: Data,
    proxy: Option<PostgresProxy>,
    environment: BTreeMap<String, String>,
    key: String,
    acknowledged: Acknowledgements,
    _place: OwnedSemaphorePermit,
}

impl World {
    /// A world as most tests want it: one replica, IAM at once, the defaults for all else.
    pub async fn start() -> Self {
        Self::build().start().await
    }

    /// A world to be described.
    pub fn build() -> WorldBuilder {
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
        WorldBuilder {
            environment: environment.into(),
            sandbox: SandboxConfig::default(),
            faults: Vec::new(),
            replicas: 1,
            own_server: false,
            proxied: false,
            waits_until_ready: true,
            prepared: Vec::new(),
        }
    }

    /// A caller of the first replica.
    pub fn client(&self) -> Client {
        self.client_of(0)
    }

    /// A caller of one replica.
    pub fn client_of(&self, replica: usize) -> Client {
        let address = self.replicas[replica].address();
        Client::new(address, &self.key, self.acknowledged.clone())
    }

    /// The API key that callers hold.
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

    /// The Postgres server of [`WorldBuilder::own_postgres`].
    ///
    /// # Panics
    /// When the world has none of its own.
    pub fn postgres(&mut self) -> &mut Postgres {
        match &mut self.data {
            Data::Own { server, .. } => server,
            Data::Shared(_) => panic!("this world shares its server: see own_postgres"),
        }
    }

    /// The proxy of [`WorldBuilder::proxied`].
    ///
    /// # Panics
    /// When the world has none.
    pub fn proxy(&self) -> &PostgresProxy {
        self.proxy
            .as_ref()
            .expect("this world reaches Postgres directly: see proxied")
    }

    /// Starts one more replica.
    pub async fn add_replica(&mut self) {
        let service = Service::start(&self.environment).await;
        self.replicas.push(service);
    }

    /// Starts a replica anew, with other settings if they were changed meanwhile, and waits
    /// until it is ready. Kills the old process if it still runs.
    pub async fn restart(&mut self, replica: usize) {
        self.restart_in_a_storm(replica).await;
        self.looked_around(replica).await;
    }

    /// As [`World::restart`], while AWS may be in such trouble that the first look takes long.
    pub async fn restart_in_a_storm(&mut self, replica: usize) {
        self.replicas[replica] = Service::start(&self.environment).await;
        self.ready_at(replica).await;
    }

    /// Changes a variable for processes that are started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Waits until all replicas are ready and know their account.
    pub async fn ready(&self) {
        for replica in 0..self.replicas.len() {
            self.ready_at(replica).await;
            self.looked_around(replica).await;
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
    async fn looked_around(&self, replica: usize) {
        eventually("the service has looked around", async || {
            let found = self.replicas[replica].log().find("looked around");
            found.map(drop)
        })
        .await;
    }

    /// Moves the database's clock and the sandbox's.
    pub async fn advance(&self, by: Duration) {
        self.sandbox.advance(by);
        self.database.advance(by).await;
    }

    /// Sets faults, in the sandbox's JSON.
    pub fn set_faults(&self, faults: Value) {
        self.sandbox.set_faults(faults_of(faults));
    }

    /// Lets IAM decide by one of the documents of `policies/` from now on.
    pub async fn become_identity(&self, policy: &str) {
        let policy = policy_document(policy);
        self.administrator.steer("identity-policy", policy).await;
    }

    /// What the service's identity may do where nothing else is said: the least that it needs.
    pub fn least(&self) -> Value {
        identity::least(&SandboxConfig::default(), &self.environment)
    }

    /// From now on the service may do the least that it needs, and none of these actions.
    pub async fn refuse(&self, actions: &[&str]) {
        let mut policy = self.least();
        let deny = json!({"Sid": "Refused", "Effect": "Deny", "Action": actions, "Resource": "*"});
        let statements = policy["Statement"].as_array_mut();
        statements.expect("it is a list").push(deny);
        self.administrator.steer("identity-policy", policy).await;
    }

    /// From now on the service may do the least that it needs, and that alone.
    pub async fn refuse_nothing(&self) {
        let policy = self.least();
        self.administrator.steer("identity-policy", policy).await;
    }

    /// The number of the last call that reached AWS.
    pub fn mark(&self) -> u64 {
        self.sandbox.calls(0).last().map_or(0, |call| call.n)
    }

    /// The service's own calls after a mark.
    pub fn calls(&self, since: u64) -> Vec<Call> {
        let mut calls = self.sandbox.calls(since);
        calls.retain(|call| call.access_key.as_deref() == Some(SERVICE_ACCESS_KEY));
        calls
    }

    /// The service's own calls to IAM after a mark; STS and the first look apart.
    pub fn iam_calls(&self, since: u64) -> Vec<Call> {
        let mut calls = self.calls(since.max(self.looked));
        calls.retain(|call| call.action != "GetCallerIdentity");
        calls
    }

    /// The latest that a call can have reached AWS, by the machine's clock.
    pub fn time_of(&self, call: &Call) -> DateTime<Utc> {
        self.log_started + Duration::from_millis(call.started_ms) + MEASURED_TO
    }

    /// The service's own calls after a mark that change something.
    pub fn mutations(&self, since: u64) -> Vec<Call> {
        let mut calls = self.calls(since);
        calls.retain(|call| !is_read(call));
        calls
    }

    /// Waits until a call of this name has reached AWS after a mark.
    pub async fn reached(&self, action: &str, since: u64) -> Call {
        eventually(&format!("{action} reaches IAM"), async || {
            let calls = self.calls(since);
            calls.into_iter().find(|call| call.action == action)
        })
        .await
    }

    /// The sandbox's role of this name.
    pub fn role(&self, name: &str) -> Option<Value> {
        find(&self.sandbox.state()["roles"], name)
    }

    /// The sandbox's instance profile of this name.
    pub fn instance_profile(&self, name: &str) -> Option<Value> {
        find(&self.sandbox.state()["instance_profiles"], name)
    }

    /// Whether the account holds nothing under our path.
    pub fn holds_nothing_of_ours(&self) -> bool {
        let state = self.sandbox.state();
        let all = [&state["roles"], &state["instance_profiles"]];
        let mut all = all.into_iter().filter_map(Value::as_array).flatten();
        !all.any(|found| {
            found["path"]
                .as_str()
                .is_some_and(|path| path.starts_with("/ai-unlimited/engine/"))
        })
    }

    /// Waits until the newest binding of a cluster is in this state; the answer about it.
    pub async fn reaches(&self, cluster: &str, state: &str) -> Value {
        eventually(&format!("{cluster} is {state}"), async || {
            let binding = self.database.binding(cluster).await?;
            (binding.state == state).then_some(())
        })
        .await;
        self.client().get(cluster).await.body
    }

    /// As [`World::reaches`], and moves time on whenever the binding only rests until something
    /// is due. Never while a worker holds it: its lease would run out under its hands.
    pub async fn reaches_in_time(&self, cluster: &str, state: &str) -> Value {
        let what = format!("{cluster} is {state}");
        self.in_time(&what, cluster, |binding| binding.state == state)
            .await
    }

    /// Moves time on as [`World::reaches_in_time`] does until IAM was read and held what is
    /// meant; the answer about it.
    pub async fn is_verified_in_time(&self, cluster: &str) -> Value {
        let what = format!("{cluster} is verified");
        self.in_time(&what, cluster, |binding| binding.verified_at.is_some())
            .await
    }

    async fn in_time(
        &self,
        what: &str,
        cluster: &str,
        is_so: impl Fn(&BindingRow) -> bool,
    ) -> Value {
        eventually(what, async || {
            let binding = self.database.binding(cluster).await?;
            if is_so(&binding) {
                return Some(());
            }
            let now = self.database.now().await;
            let due_at = binding.due_at.filter(|_| binding.lease_until.is_none());
            if let Some(wait) = due_at.and_then(|due_at| (due_at - now).to_std().ok()) {
                self.advance(wait + Duration::from_secs(1)).await;
            }
            None
        })
        .await;
        self.client().get(cluster).await.body
    }

    /// Checks that nothing is lost, forgotten, made twice or touched that is not ours.
    ///
    /// # Panics
    /// With all that is wrong.
    pub async fn assert_sound(&self) {
        let breaches = Checker::read(self).await.breaches();
        assert!(
            breaches.is_empty(),
            "{} breaches:\n{}",
            breaches.len(),
            breaches.join("\n")
        );
    }
}

impl Drop for World {
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

/// When the sandbox's log of calls counts from, by the machine's clock and never later than it
/// does: a call's time less than what passed until it was asked for.
async fn log_start(sandbox: &Sandbox, administrator: &Administrator) -> DateTime<Utc> {
    let mut started = DateTime::<Utc>::MIN_UTC;
    for _ in 0..5 {
        let asked = Utc::now();
        administrator.ask_who_calls().await;
        let calls = sandbox.calls(0);
        let call = calls.last().expect("it was just made");
        started = started.max(asked - Duration::from_millis(call.started_ms + 1));
    }
    started
}

/// Whether a call changes nothing.
pub(crate) fn is_read(call: &Call) -> bool {
    let reads = ["Get", "List", "Simulate"];
    reads.iter().any(|verb| call.action.starts_with(verb))
}

/// One of the documents of `policies/`.
///
/// # Panics
/// When there is none of that name.
pub fn policy_document(name: &str) -> Value {
    let path = format!("{}/../policies/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A fault of one call.
pub fn fault(action: &str, when: &str, effect: Value) -> Value {
    let mut fault = json!({ "action": action, "when": when });
    fault["do"] = effect;
    Value::Array(vec![fault])
}

fn faults_of(faults: Value) -> Vec<Fault> {
    serde_json::from_value(faults).expect("faults are written as the sandbox reads them")
}

fn find(list: &Value, name: &str) -> Option<Value> {
    let mut all = list.as_array()?.iter();
    all.find(|found| found["name"] == name).cloned()
}
