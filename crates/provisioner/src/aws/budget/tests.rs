//! Tests of the call budget on a real database.

use std::net::Ipv4Addr;

use engine_roles_domain::resources::Namespace;
use engine_roles_embedded_postgres::{TestDatabase, test_database};
use engine_roles_store::StoreConfig;
use futures::FutureExt;
use futures::future::{join, join_all};
use tokio::net::TcpSocket;
use tokio_postgres::{Client, NoTls};

use super::*;

const INTERACTIVE_READ: Purpose = Purpose {
    kind: CallKind::Read,
    urgency: Urgency::Interactive,
};
const TEARDOWN_READ: Purpose = Purpose {
    kind: CallKind::Read,
    urgency: Urgency::Teardown,
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
        max_connections: 4,
        acquire_timeout,
        lease: Duration::from_mins(1),
        consistency_window: Duration::from_mins(1),
        ..StoreConfig::new(url)
    };
    let namespace = Namespace::parse("budget").expect("a namespace");
    Store::new(&config, namespace).expect("a store")
}

/// The budget of one replica.
struct Replica {
    store: Store,
    account: AccountId,
    budget: Budget,
}

impl Replica {
    fn new(store: Store, rate: f64, burst: f64) -> Self {
        Self {
            store,
            account: AccountId::parse("123456789012").expect("an account"),
            budget: Budget::new(BudgetLimits { rate, burst }),
        }
    }

    async fn acquire(&self, purpose: Purpose, calls: u8, wait: Duration) -> Option<Grant> {
        let until = Instant::now() + wait;
        self.budget
            .acquire(&self.store, &self.account, purpose, calls, until)
            .await
    }

    async fn throttled(&self) {
        let read = CallKind::Read;
        let budget = &self.budget;
        budget.throttled(&self.store, &self.account, read).await;
    }

    fn in_hand(&self, purpose: Purpose) -> u32 {
        self.budget.in_hand(purpose)
    }
}

/// A replica whose bucket is on a database of its own.
struct Bench {
    sql: Client,
    replica: Replica,
    /// The bucket held no tokens at some time after this.
    emptied_at: Instant,
    _database: TestDatabase,
}

impl std::ops::Deref for Bench {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl Bench {
    async fn new(rate: f64, burst: u8) -> Self {
        let database = test_database().await;
        let store = store(database.url(), Duration::from_mins(1));
        store.migrate().await.expect("migrations");
        let (sql, connection) = tokio_postgres::connect(database.url(), NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        let count_statements = "
            CREATE SEQUENCE statements MINVALUE 0;
            SELECT nextval('statements');
            CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN PERFORM nextval('statements'); RETURN NULL; END $$;
            CREATE TRIGGER count_statements AFTER UPDATE ON call_budgets
            FOR EACH STATEMENT EXECUTE FUNCTION count_statement();";
        sql.batch_execute(count_statements)
            .await
            .expect("a trigger");
        Self {
            sql,
            replica: Replica::new(store, rate, f64::from(burst)),
            emptied_at: Instant::now(),
            _database: database,
        }
    }

    /// A bucket that holds no tokens.
    async fn empty(rate: f64, burst: u8) -> Self {
        Self::new(rate, burst).await.use_up(burst).await
    }

    /// A bucket that holds no tokens and is not refilled.
    async fn empty_and_stopped(rate: f64, burst: u8) -> Self {
        let bench = Self::new(rate, burst).await;
        bench.stop_time().await;
        bench.use_up(burst).await
    }

    async fn use_up(mut self, calls: u8) -> Self {
        self.emptied_at = Instant::now();
        let used = self.acquire(INTERACTIVE_READ, calls, WAIT).await;
        assert!(used.is_some());
        self
    }

    /// Stops the database's clock, so that the bucket is not refilled.
    async fn stop_time(&self) {
        let now = "SELECT clock_timestamp()::text";
        let now: String = self.sql.query_one(now, &[]).await.expect("a time").get(0);
        let body = format!(
            "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT '{now}'::timestamptz $$"
        );
        let stopped = self.sql.batch_execute(&body).await;
        stopped.expect("time stands still");
    }

    /// Returns how many statements have updated, or would have updated, the bucket's row.
    async fn statements(&self) -> i64 {
        let counted = "SELECT last_value FROM statements";
        self.sql
            .query_one(counted, &[])
            .await
            .expect("a count")
            .get(0)
    }

    /// Returns tokens and rate of the bucket.
    async fn bucket(&self) -> (f64, f64) {
        let row = "SELECT tokens, rate FROM call_budgets WHERE kind = 'read'";
        let row = self.sql.query_one(row, &[]).await.expect("a bucket");
        (row.get(0), row.get(1))
    }
}

/// The callers that were served, in their order.
#[derive(Default)]
struct Served<T>(Mutex<Vec<T>>);

impl<T> Served<T> {
    fn note(&self, caller: T) {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        served.push(caller);
    }

    fn all(self) -> Vec<T> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until this is the case.
async fn until(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(WAIT, wait).await;
    assert!(waited.is_ok(), "it never happened");
}

fn assert_near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-3, "{actual}, not {expected}");
}

#[tokio::test]
async fn the_burst_is_all_that_a_new_bucket_holds() {
    let bench = Bench::new(1.0, 20).await;
    bench.stop_time().await;
    let all = bench.acquire(INTERACTIVE_READ, 20, WAIT).await;
    assert!(all.is_some());
    let none = bench.acquire(INTERACTIVE_READ, 1, SHORT).await;
    assert!(none.is_none());
    assert_near(bench.bucket().await.0, 0.0);
}

#[tokio::test]
async fn callers_are_served_in_the_order_in_which_they_came_whatever_they_need() {
    let bench = Bench::empty(100.0, 10).await;
    let served = Served::default();
    let wait_in_queue = async |name: u8| {
        let purpose = match name % 3 {
            0 => TEARDOWN_READ,
            _ => INTERACTIVE_READ,
        };
        let calls = if name.is_multiple_of(7) { 6 } else { 1 };
        let grant = bench.acquire(purpose, calls, WAIT).await;
        assert!(grant.is_some());
        served.note(name);
    };
    join_all((0..20).map(wait_in_queue)).await;
    assert_eq!(served.all(), (0..20).collect::<Vec<u8>>());
    // 35 calls.
    assert!(bench.emptied_at.elapsed() >= Duration::from_millis(345));
}

#[tokio::test]
async fn waiting_callers_use_one_statement_for_each_batch() {
    let bench = Bench::empty(1000.0, 10).await;
    let before = bench.statements().await;
    let callers = (0..160).map(|_| bench.acquire(INTERACTIVE_READ, 1, WAIT));
    let grants = join_all(callers).await;
    assert!(grants.iter().all(Option::is_some));
    assert_eq!(bench.statements().await - before, 10);
    assert_eq!(bench.in_hand(INTERACTIVE_READ), 0);
}

#[tokio::test]
async fn callers_that_can_not_be_served_by_their_deadline_give_up_with_one_statement() {
    let bench = Bench::empty_and_stopped(1.0, 10).await;
    let before = bench.statements().await;
    let started = Instant::now();
    let wait = Duration::from_secs(2);
    let grants = join_all((0..200).map(|_| bench.acquire(INTERACTIVE_READ, 3, wait))).await;
    assert!(grants.iter().all(Option::is_none));
    // One after the other they would take 400 seconds.
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(bench.statements().await - before, 1);
    assert_near(bench.bucket().await.0, 0.0);
    // A caller with more time is not kept from reserving.
    let grant = bench.acquire(INTERACTIVE_READ, 3, WAIT).await;
    assert!(grant.is_some());
}

#[tokio::test]
async fn a_sweep_leaves_half_of_the_burst_and_takes_nothing_from_others() {
    let bench = Bench::new(16.0, 20).await;
    bench.stop_time().await;
    assert!(bench.acquire(SWEEP_READ, 10, WAIT).await.is_some());
    assert!(bench.acquire(SWEEP_READ, 1, SHORT).await.is_none());
    assert!(bench.acquire(INTERACTIVE_READ, 1, WAIT).await.is_some());
    assert_eq!(bench.in_hand(INTERACTIVE_READ), 9);
    assert!(bench.acquire(SWEEP_READ, 1, SHORT).await.is_none());
    assert!(bench.acquire(INTERACTIVE_READ, 9, WAIT).await.is_some());
    // The sweeps that did not get their tokens owe none.
    assert_near(bench.bucket().await.0, 0.0);
}

#[tokio::test]
async fn a_waiting_sweep_asks_again_only_when_the_bucket_is_refilled() {
    let bench = Bench::empty(20.0, 10).await;
    let before = bench.statements().await;
    // Half of the burst and two tokens are refilled within 350 ms.
    let grants = join_all((0..2).map(|_| bench.acquire(SWEEP_READ, 1, WAIT))).await;
    assert!(grants.iter().all(Option::is_some));
    assert!(bench.emptied_at.elapsed() >= Duration::from_millis(345));
    let statements = bench.statements().await - before;
    // Each of the two asks at its time, and the first asks once to learn it. On a slow machine, one statement may
    // serve both.
    assert!((1..=4).contains(&statements), "{statements} statements");
}

#[tokio::test]
async fn urgent_callers_do_not_wait_for_a_sweep_that_came_first() {
    let bench = Bench::empty_and_stopped(100.0, 10).await;
    let sweep = bench.acquire(SWEEP_READ, 6, Duration::from_secs(1));
    let wait_in_queue = |name: usize| {
        let purpose = [INTERACTIVE_READ, TEARDOWN_READ][name % 2];
        bench.acquire(purpose, 1, WAIT)
    };
    let urgent = join_all((0..20).map(wait_in_queue));
    let (sweep, urgent) = join(sweep, urgent).await;
    assert!(urgent.iter().all(Option::is_some));
    assert!(sweep.is_none(), "the bucket never held half of the burst");
    assert_near(bench.bucket().await.0, -20.0);
}

#[tokio::test]
async fn a_caller_that_is_dropped_while_tokens_are_reserved_loses_none() {
    let bench = Bench::new(16.0, 10).await;
    bench.stop_time().await;
    let leaves = bench.acquire(INTERACTIVE_READ, 1, WAIT);
    let leaves = Box::pin(leaves).now_or_never();
    assert!(leaves.is_none(), "it is dropped at its first wait");
    let all = bench.acquire(INTERACTIVE_READ, 10, Duration::from_secs(5));
    assert!(all.await.is_some());
    assert_near(bench.bucket().await.0, 0.0);
}

#[tokio::test]
async fn callers_that_leave_while_the_database_is_slow_share_one_statement() {
    let bench = Bench::empty_and_stopped(100.0, 10).await;
    let before = bench.statements().await;
    let lock = "BEGIN; SELECT 1 FROM call_budgets FOR UPDATE";
    bench.sql.batch_execute(lock).await.expect("a lock");
    for _ in 0..20 {
        let wait = Duration::from_millis(5);
        let leaves = bench.acquire(INTERACTIVE_READ, 1, wait).await;
        assert!(leaves.is_none());
    }
    bench.sql.batch_execute("COMMIT").await.expect("no lock");
    let stays = bench.acquire(INTERACTIVE_READ, 1, WAIT).await;
    assert!(stays.is_some());
    // The first reservation was refused, as its caller's deadline was near.
    assert!(bench.statements().await - before <= 2);
    assert_near(bench.bucket().await.0, -1.0);
}

#[tokio::test]
async fn tokens_are_neither_lost_nor_invented_when_callers_leave_at_any_time() {
    const BURST: u8 = 20;
    let bench = Bench::new(500.0, BURST).await;
    bench.stop_time().await;
    let used = Served::default();
    let bench_ref = &bench;
    let callers = (0..300_u64).map(|number| {
        let used = &used;
        async move {
            let purpose = match number % 5 {
                0 => SWEEP_READ,
                1 => TEARDOWN_READ,
                _ => INTERACTIVE_READ,
            };
            let calls = u8::try_from(number % 6 + 1).expect("a small number");
            // Some wait for their tokens, some have a deadline, and some are dropped.
            let (wait, dropped_after) = match (purpose.urgency, number % 3) {
                (Urgency::Interactive, 0) => (WAIT, WAIT),
                (_, 1) => (Duration::from_millis(number * 37 % 600), WAIT),
                _ => (WAIT, Duration::from_millis(number * 53 % 700)),
            };
            let acquired = bench_ref.acquire(purpose, calls, wait);
            let Ok(Some(grant)) = tokio::time::timeout(dropped_after, acquired).await else {
                return;
            };
            let unused = u8::try_from(number % u64::from(calls)).expect("a small number");
            bench_ref.budget.give_back(purpose, unused, grant);
            used.note(calls - unused);
        }
    });
    join_all(callers).await;
    // Waits for a reservation that its caller has left.
    let last = bench.acquire(INTERACTIVE_READ, 1, WAIT).await;
    assert!(last.is_some());
    let used: Vec<u8> = used.all();
    assert!((60..300).contains(&used.len()), "{} callers", used.len());
    let used: u32 = used.into_iter().map(u32::from).sum::<u32>() + 1;
    let in_hand = bench.in_hand(INTERACTIVE_READ) + bench.in_hand(SWEEP_READ);
    let (in_bucket, _) = bench.bucket().await;
    assert_near(f64::from(used + in_hand) + in_bucket, f64::from(BURST));
}

#[tokio::test]
async fn unused_tokens_are_given_back_unless_aws_has_throttled_since() {
    let bench = Bench::new(16.0, 10).await;
    bench.stop_time().await;
    let grant = bench.acquire(INTERACTIVE_READ, 6, WAIT).await;
    let grant = grant.expect("tokens are available");
    assert_eq!(bench.in_hand(INTERACTIVE_READ), 4);
    bench.budget.give_back(INTERACTIVE_READ, 2, grant);
    assert_eq!(bench.in_hand(INTERACTIVE_READ), 6);
    bench.throttled().await;
    bench.budget.give_back(INTERACTIVE_READ, 4, grant);
    assert_eq!(bench.in_hand(INTERACTIVE_READ), 0);
    let (tokens, rate) = bench.bucket().await;
    assert_near(tokens, 0.0);
    assert_near(rate, 8.0);
}

#[tokio::test]
async fn a_waiting_caller_gets_tokens_that_another_gives_back_at_once() {
    let bench = Bench::new(0.1, 10).await;
    let grant = bench.acquire(INTERACTIVE_READ, 10, WAIT).await;
    let grant = grant.expect("tokens are available");
    let started = Instant::now();
    let waits = bench.acquire(INTERACTIVE_READ, 5, Duration::from_mins(2));
    let gives_back = async {
        // The first caller has reserved its tokens and waits.
        until(async || bench.in_hand(INTERACTIVE_READ) == 5).await;
        bench.budget.give_back(INTERACTIVE_READ, 5, grant);
    };
    let (served, ()) = join(waits, gives_back).await;
    assert!(served.is_some());
    // The bucket would be refilled in fifty seconds.
    assert!(started.elapsed() < Duration::from_secs(40));
    assert_eq!(bench.in_hand(INTERACTIVE_READ), 5);
}

#[tokio::test]
async fn after_throttling_waiting_callers_reserve_again_in_their_order_at_half_of_the_rate() {
    let bench = Bench::empty_and_stopped(4.0, 10).await;
    let served = Served::default();
    let started = Instant::now();
    let wait_in_queue = async |name: u8| {
        let grant = bench.acquire(INTERACTIVE_READ, 1, WAIT).await;
        assert!(grant.is_some());
        served.note((name, started.elapsed()));
    };
    let throttle = async {
        // All have reserved; the first may call after 250 ms.
        until(async || bench.in_hand(INTERACTIVE_READ) == 3).await;
        bench.throttled().await;
    };
    join(join_all((0..3).map(wait_in_queue)), throttle).await;
    let served = served.all();
    let names: Vec<u8> = served.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [0, 1, 2]);
    for (name, after) in served {
        let earliest = Duration::from_millis(500) * (u32::from(name) + 1);
        assert!(after >= earliest, "{name} was served after {after:?}");
    }
    // The first reservation of the three no longer counts.
    let (tokens, rate) = bench.bucket().await;
    assert_near(tokens, -3.0);
    assert_near(rate, 2.0);
}

#[tokio::test]
async fn throttled_calls_that_were_sent_together_lower_the_rate_once() {
    let bench = Bench::empty_and_stopped(16.0, 10).await;
    let before = bench.statements().await;
    join_all((0..20).map(|_| bench.throttled())).await;
    assert_eq!(bench.statements().await - before, 1);
    assert_near(bench.bucket().await.1, 8.0);
}

#[tokio::test]
async fn replicas_share_the_rate() {
    let bench = Bench::empty(100.0, 10).await;
    let other = Replica::new(bench.store.clone(), 100.0, 10.0);
    let ours = join_all((0..20).map(|_| bench.acquire(INTERACTIVE_READ, 1, WAIT)));
    let theirs = join_all((0..20).map(|_| other.acquire(INTERACTIVE_READ, 1, WAIT)));
    let (ours, theirs) = join(ours, theirs).await;
    assert!(ours.iter().chain(&theirs).all(Option::is_some));
    assert!(bench.emptied_at.elapsed() >= Duration::from_millis(395));
}

/// A replica whose database can't be reached, which it notices after half a second. The socket has the port
/// of the database and does not listen, so that nobody else gets it.
fn unavailable() -> (Replica, TcpSocket) {
    let silent = TcpSocket::new_v4().expect("a socket");
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    silent.bind(any_port).expect("a port");
    let address = silent.local_addr().expect("an address");
    let url = format!("postgres://nobody@{address}/none");
    let store = store(&url, Duration::from_millis(500));
    (Replica::new(store, 16.0, 10.0), silent)
}

#[tokio::test]
async fn an_unavailable_database_delays_a_queue_once_and_leaves_no_tokens() {
    let (replica, _silent) = unavailable();
    let started = Instant::now();
    let grants = join_all((0..50).map(|_| replica.acquire(INTERACTIVE_READ, 4, WAIT))).await;
    // One after the other they would take 25 seconds.
    assert!(started.elapsed() < Duration::from_secs(10));
    for grant in grants {
        let grant = grant.expect("calls may be made");
        replica.budget.give_back(INTERACTIVE_READ, 4, grant);
    }
    assert_eq!(replica.in_hand(INTERACTIVE_READ), 0);
}

#[tokio::test]
async fn a_caller_asks_the_database_itself_if_the_last_failure_was_before_it_came() {
    let (replica, _silent) = unavailable();
    let leaves = replica.acquire(INTERACTIVE_READ, 1, Duration::from_millis(50));
    assert!(leaves.await.is_none(), "its deadline passes first");
    let queue = &replica.budget.reads.prompt;
    let has_failed = async || {
        let front = queue.front.lock().await;
        let reservation = front.reservation.as_ref();
        reservation.is_some_and(JoinHandle::is_finished)
    };
    until(has_failed).await;
    let started = Instant::now();
    let grant = replica.acquire(INTERACTIVE_READ, 1, WAIT).await;
    assert!(grant.is_some(), "calls may be made");
    assert!(started.elapsed() >= Duration::from_millis(450));
}
