//! Tests of the call budget on a real database.

use engine_roles_domain::resources::Namespace;
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use engine_roles_store::StoreConfig;
use futures::future::join_all;
use tokio_postgres::NoTls;

use super::*;

const INTERACTIVE_READ: Purpose = Purpose {
    kind: CallKind::Read,
    urgency: Urgency::Interactive,
};
const SWEEP_READ: Purpose = Purpose {
    kind: CallKind::Read,
    urgency: Urgency::Sweep,
};
const WAIT: Duration = Duration::from_secs(30);
/// How long a test waits for tokens that it must not get.
const SHORT: Duration = Duration::from_millis(300);

fn store(url: &str, acquire_timeout: Duration) -> Store {
    let config = StoreConfig {
        url: url.to_owned(),
        max_connections: 4,
        acquire_timeout,
        lease: Duration::from_mins(1),
        consistency_window: Duration::from_mins(1),
    };
    let namespace = Namespace::parse("budget").expect("a namespace");
    Store::new(&config, namespace).expect("a store")
}

struct Bucket {
    database: TestDatabase,
    store: Store,
    account: AccountId,
    budget: Arc<Budget>,
}

impl Bucket {
    async fn new(rate: f64, burst: f64) -> Self {
        let database = test_database().await;
        let store = store(database.url(), Duration::from_mins(1));
        store.migrate().await.expect("migrations");
        Self {
            database,
            store,
            account: AccountId::parse("123456789012").expect("an account"),
            budget: Arc::new(Budget::new(BudgetLimits { rate, burst })),
        }
    }

    /// Stops the database's clock, so that the bucket is not refilled.
    async fn stop_time(&self) {
        let (sql, connection) = tokio_postgres::connect(self.database.url(), NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        let now = "SELECT clock_timestamp()::text";
        let now: String = sql.query_one(now, &[]).await.expect("a time").get(0);
        let body = format!(
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT '{now}'::timestamptz $$"
        );
        sql.batch_execute(&body).await.expect("time stands still");
    }

    async fn acquire(&self, purpose: Purpose, calls: u8, wait: Duration) -> Option<Grant> {
        let until = Instant::now() + wait;
        self.budget
            .acquire(&self.store, &self.account, purpose, calls, until)
            .await
    }

    fn in_hand(&self, purpose: Purpose) -> f64 {
        self.budget.in_hand(purpose)
    }
}

#[tokio::test]
async fn the_burst_is_all_that_a_new_bucket_holds() {
    let bucket = Bucket::new(16.0, 20.0).await;
    bucket.stop_time().await;
    let all = bucket.acquire(INTERACTIVE_READ, 20, WAIT).await;
    assert!(all.is_some());
    let none = bucket.acquire(INTERACTIVE_READ, 1, SHORT).await;
    assert!(none.is_none());
}

#[tokio::test]
async fn a_caller_that_needs_many_calls_gets_them_before_later_callers_that_need_one() {
    let bucket = Bucket::new(20.0, 10.0).await;
    let drained = bucket.acquire(INTERACTIVE_READ, 10, WAIT).await;
    assert!(drained.is_some());
    let order = Mutex::new(Vec::new());
    let wait_in_queue = async |name: usize, calls: u8| {
        let grant = bucket.acquire(INTERACTIVE_READ, calls, WAIT).await;
        assert!(grant.is_some());
        order
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name);
    };
    let calls = |name| if name == 0 { 6 } else { 1 };
    join_all((0..20).map(|name| wait_in_queue(name, calls(name)))).await;
    let order = order.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(order, (0..20).collect::<Vec<usize>>());
}

#[tokio::test]
async fn queued_callers_give_up_at_their_deadline() {
    let bucket = Bucket::new(16.0, 10.0).await;
    bucket.stop_time().await;
    let drained = bucket.acquire(INTERACTIVE_READ, 10, WAIT).await;
    assert!(drained.is_some());
    let started = Instant::now();
    let wait = Duration::from_millis(500);
    let grants = join_all((0..200).map(|_| bucket.acquire(INTERACTIVE_READ, 3, wait))).await;
    assert!(grants.iter().all(Option::is_none));
    // One after the other they would take 100 seconds.
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_sweep_leaves_half_of_the_burst_and_takes_nothing_from_others() {
    let bucket = Bucket::new(16.0, 10.0).await;
    bucket.stop_time().await;
    assert!(bucket.acquire(SWEEP_READ, 5, WAIT).await.is_some());
    assert!(bucket.acquire(SWEEP_READ, 1, SHORT).await.is_none());
    assert!(bucket.acquire(INTERACTIVE_READ, 1, WAIT).await.is_some());
    assert!(bucket.in_hand(INTERACTIVE_READ) >= 4.0);
    assert!(bucket.acquire(SWEEP_READ, 1, SHORT).await.is_none());
    assert!(bucket.acquire(INTERACTIVE_READ, 4, WAIT).await.is_some());
}

#[tokio::test]
async fn a_caller_that_is_dropped_while_tokens_are_fetched_loses_none() {
    let bucket = Bucket::new(16.0, 10.0).await;
    bucket.stop_time().await;
    let leaves = bucket.acquire(INTERACTIVE_READ, 1, WAIT);
    assert!(
        futures::poll!(Box::pin(leaves)).is_pending(),
        "it is dropped at its first wait"
    );
    let all = bucket.acquire(INTERACTIVE_READ, 10, WAIT).await;
    assert!(all.is_some());
}

#[tokio::test]
async fn unused_tokens_are_given_back_unless_aws_has_throttled_since() {
    let bucket = Bucket::new(16.0, 10.0).await;
    bucket.stop_time().await;
    let grant = bucket.acquire(INTERACTIVE_READ, 6, WAIT).await;
    let grant = grant.expect("tokens are available");
    assert!((bucket.in_hand(INTERACTIVE_READ) - 4.0).abs() < f64::EPSILON);
    bucket.budget.give_back(INTERACTIVE_READ, 2, grant);
    assert!((bucket.in_hand(INTERACTIVE_READ) - 6.0).abs() < f64::EPSILON);
    let read = CallKind::Read;
    bucket
        .budget
        .throttled(&bucket.store, &bucket.account, read)
        .await;
    bucket.budget.give_back(INTERACTIVE_READ, 4, grant);
    assert!(bucket.in_hand(INTERACTIVE_READ).abs() < f64::EPSILON);
    let none = bucket.acquire(INTERACTIVE_READ, 1, SHORT);
    assert!(none.await.is_none());
}

#[tokio::test]
async fn an_unavailable_database_delays_a_queue_once_and_leaves_no_tokens() {
    let bucket = Bucket::new(16.0, 10.0).await;
    // Nobody listens on this port any more.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let unavailable = Bucket {
        store: store(
            &format!("postgres://nobody@{address}/none"),
            Duration::from_millis(500),
        ),
        ..bucket
    };
    let started = Instant::now();
    let grants = join_all((0..50).map(|_| unavailable.acquire(INTERACTIVE_READ, 4, WAIT))).await;
    // One after the other they would take 25 seconds.
    assert!(started.elapsed() < Duration::from_secs(10));
    for grant in grants {
        let grant = grant.expect("calls may be made");
        unavailable.budget.give_back(INTERACTIVE_READ, 4, grant);
    }
    assert!(unavailable.in_hand(INTERACTIVE_READ).abs() < f64::EPSILON);
}
