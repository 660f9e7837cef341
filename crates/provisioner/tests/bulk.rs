//! Tests of the bulk drift sweep with a real database and the IAM sandbox: how many calls it makes, and
//! that it resumes at the page where it was throttled.

use std::time::Duration;

use engine_roles_domain::account::Region;
use engine_roles_domain::audit::{Actor, Cause};
use engine_roles_domain::binding::{Conditions, Verdict};
use engine_roles_domain::cluster::{ClusterName, Defaults, Limits, RoleRequest};
use engine_roles_domain::resources::{Namespace, RolePrefix, Tags};
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use engine_roles_iam::{Endpoint, Iam, IamConfig};
use engine_roles_iam_sandbox::{Effect, Fault, Quotas, Sandbox, SandboxConfig, When};
use engine_roles_provisioner::{
    AttestationMode, BudgetLimits, DriftMode, OrphanMode, Permit, ProbeMode, Provisioner, Request,
    Settings,
};
use engine_roles_store::{Store, StoreConfig};
use futures::StreamExt;
use tokio_postgres::{Client, NoTls};

/// Returns the number of roles in the test: `ENGINE_ROLES_BULK_ROLES`, or by default slightly more than
/// fit in one page of the listing.
fn roles() -> usize {
    std::env::var("ENGINE_ROLES_BULK_ROLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_100)
}

struct Fleet {
    database: TestDatabase,
    sandbox: Sandbox,
    provisioner: Provisioner,
    sql: Client,
}

impl Fleet {
    async fn new() -> Self {
        let database = test_database().await;
        let quotas = Quotas {
            roles: 10_000,
            instance_profiles: 10_000,
            ..Quotas::default()
        };
        let config = SandboxConfig {
            quotas,
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::start(config).await.expect("a sandbox");
        let config = StoreConfig {
            max_connections: 8,
            acquire_timeout: Duration::from_mins(1),
            lease: Duration::from_mins(5),
            consistency_window: Duration::from_mins(1),
            ..StoreConfig::new(database.url())
        };
        let namespace = Namespace::parse("bulk").expect("a namespace");
        let store = Store::new(&config, namespace).expect("a store");
        store.migrate().await.expect("migrations");
        let endpoint = Endpoint {
            url: sandbox.endpoint(),
            access_key_id: "AKIASANDBOX000000000".to_owned(),
            secret_access_key: "sandbox".to_owned(),
        };
        let iam = IamConfig {
            region: None,
            call_timeout: Duration::from_secs(20),
        };
        let iam = Iam::connect_to(&endpoint, &iam).await;
        let provisioner = Provisioner::new(store, iam, settings());
        let (sql, connection) = tokio_postgres::connect(database.url(), NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        Self {
            database,
            sandbox,
            provisioner,
            sql,
        }
    }

    async fn provision(&self, count: usize) {
        let wanted = RoleRequest::default();
        let cause = Cause::without_request(Actor("test".to_owned()));
        let request = Request::new(
            cause,
            Conditions::default(),
            Duration::from_mins(2),
            Permit::default(),
        );
        let provisions = futures::stream::iter(0..count).map(|n| {
            let cluster = ClusterName::parse(&format!("cluster-{n}")).expect("a name");
            let (wanted, request) = (&wanted, &request);
            async move { self.provisioner.provision(&cluster, wanted, request).await }
        });
        let mut answers = provisions.buffer_unordered(16);
        while let Some(answer) = answers.next().await {
            assert_eq!(answer.expect("an answer").verdict, Verdict::Done);
        }
    }

    /// Sets the database's clock this many seconds ahead of the real time.
    async fn move_time(&self, seconds: u32) {
        let body = format!(
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT clock_timestamp() + interval '{seconds} seconds' $$"
        );
        self.sql.batch_execute(&body).await.expect("time moves");
    }

    async fn verified(&self) -> i64 {
        let sql = "SELECT count(*) FROM bindings WHERE verified_at IS NOT NULL";
        self.sql.query_one(sql, &[]).await.expect("a count").get(0)
    }

    /// Returns how many bindings are not verified, but due for a separate check.
    async fn due(&self) -> i64 {
        let sql = "SELECT count(*) FROM bindings b JOIN schedule s ON s.binding_id = b.id
                   WHERE b.verified_at IS NULL AND s.due_at <= service_now()";
        self.sql.query_one(sql, &[]).await.expect("a count").get(0)
    }

    /// Waits until the listing has verified most bindings, and each other one is due for a separate check.
    async fn wait_until_swept(&self, count: usize) {
        let all = i64::try_from(count).expect("a small number");
        // Two minutes are far more than necessary.
        for _ in 0..1200 {
            let verified = self.verified().await;
            if verified >= all - all / 20 && verified + self.due().await == all {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (verified, due) = (self.verified().await, self.due().await);
        panic!("{verified} of {count} roles are verified, and {due} are due for a separate check");
    }

    fn reads_since(&self, mark: u64) -> Vec<engine_roles_iam_sandbox::Call> {
        self.sandbox.calls(mark)
    }
}

fn settings() -> Settings {
    Settings {
        defaults: Defaults {
            region: Some(Region::parse("us-west-2").expect("a region")),
            iam_role: None,
            role_prefix: RolePrefix::parse("bulk-").expect("a prefix"),
            permissions_boundary: None,
            kms_key: None,
            tags: Tags::default(),
            pass_through_roles: Vec::new(),
            allowed_boundaries: Vec::new(),
            limits: Limits::default(),
        },
        scope: None,
        drift: DriftMode::Repair,
        orphans: OrphanMode::Off,
        attestation: AttestationMode::Off,
        probes: ProbeMode::On,
        call_limits: BudgetLimits {
            rate: 100_000.0,
            burst: 100_000.0,
        },
        // So long that no binding is due for a separate check before the test moves the clock.
        reconcile_interval: Duration::from_hours(4),
        poll_interval: Duration::from_millis(100),
        audit_retention: None,
        audit_signing: None,
        reconcile_slots: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listing_checks_all_roles_and_resumes_at_the_page_where_it_was_throttled() {
    let fleet = Fleet::new().await;
    let count = roles();
    let first = fleet.provisioner.start_heartbeat().await;
    first.expect("the heartbeat is acknowledged");
    fleet.provision(count).await;
    let mark = fleet.sandbox.calls(0).last().map_or(0, |call| call.n);
    fleet.sandbox.set_faults(vec![Fault {
        action: "GetAccountAuthorizationDetails".to_owned(),
        when: When::Before,
        effect: Effect::Error("Throttling".to_owned()),
        times: 2,
        skip: 1,
        params: std::collections::BTreeMap::new(),
        chance: 1.0,
    }]);
    fleet.provisioner.start().expect("the tasks start");
    fleet.move_time(120).await;
    // The first sweep is due one interval after the service first asked for one.
    for _ in 0..600 {
        let asked: i64 = fleet
            .sql
            .query_one("SELECT count(*) FROM sweeps WHERE kind = 'drift'", &[])
            .await
            .expect("a count")
            .get(0);
        if asked > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fleet.move_time(3 * 3600).await;
    // The listing does not contain the tags of profiles. The sweep leaves a few profiles at a time to
    // a worker, which reads their tags; this test runs none.
    fleet.wait_until_swept(count).await;
    fleet.provisioner.shut_down(Duration::from_secs(10)).await;
    fleet.provisioner.end_heartbeat().await;

    let calls = fleet.reads_since(mark);
    let pages: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "GetAccountAuthorizationDetails")
        .collect();
    let full_pages = count.div_ceil(1000);
    assert_eq!(
        pages.len(),
        full_pages + 2,
        "two of the calls were throttled"
    );
    let throttled: Vec<_> = pages
        .iter()
        .filter(|call| call.error.as_deref() == Some("Throttling"))
        .collect();
    assert_eq!(throttled.len(), 2);
    let markers: Vec<_> = pages.iter().map(|call| call.params.get("Marker")).collect();
    assert_eq!(markers[1], markers[2], "the same page is requested again");
    assert_eq!(markers[2], markers[3]);
    assert_ne!(markers[0], markers[1], "no page is read twice");
    let of_ours = |call: &&engine_roles_iam_sandbox::Call| {
        let role = call.params.get("RoleName");
        call.action == "GetRole" && role.is_some_and(|role| role.starts_with("bulk-"))
    };
    let separate_reads = calls.iter().filter(of_ours).count();
    assert_eq!(separate_reads, 0, "no role was read separately");
    drop(fleet.database);
}
