//! The call budget: how many calls are reserved, and when they may be made.

mod any_operations;

use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::resources::CallKind;
use engine_roles_store::{BudgetLimits, CallRequest, Precedence, Reservation, Store};
use sqlx::{Connection, PgConnection, Row};

use crate::test_store::{TestStore, test_store};

const READ: CallKind = CallKind::Read;
const LIMITS: BudgetLimits = BudgetLimits {
    rate: 10.0,
    burst: 20.0,
};
/// A request of one caller that needs one call and can wait.
const ONE: CallRequest = CallRequest {
    precedence: Precedence::Prompt,
    next: 1,
    waiting: 1,
    batch: 1,
    longest_wait: Duration::from_mins(1),
};

/// A row of `call_budgets`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    tokens: f64,
    rate: f64,
    /// Seconds since the start of 2027.
    updated_at: f64,
}

struct Budget {
    store: Store,
    account: AccountId,
    sql: PgConnection,
    test: TestStore,
}

impl Budget {
    /// Stops the database's clock at the start of 2027.
    async fn new() -> Self {
        let test = test_store().await;
        test.sql(
            "CREATE TABLE clock AS SELECT 0::float8 AS seconds;
             CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT timestamptz '2027-01-01' + make_interval(secs => seconds) FROM clock $$",
        )
        .await
        .expect("the clock is stopped");
        let sql = PgConnection::connect(test.database.url()).await;
        Self {
            store: test.store.clone(),
            account: "123456789012".parse().expect("an account"),
            sql: sql.expect("a connection"),
            test,
        }
    }

    /// A bucket that holds no tokens.
    async fn empty() -> Self {
        let mut budget = Self::new().await;
        let all = budget.reserve(20, ONE).await;
        assert_eq!(all.waits, [Duration::ZERO; 20]);
        assert_near(budget.bucket().await.tokens, 0.0);
        budget
    }

    /// Moves the database's clock.
    async fn at(&mut self, seconds: f64) {
        sqlx::query("UPDATE clock SET seconds = $1")
            .bind(seconds)
            .execute(&mut self.sql)
            .await
            .expect("the clock is moved");
    }

    async fn ask(&self, request: CallRequest) -> Reservation {
        let reserved = self
            .store
            .reserve_calls(&self.account, READ, LIMITS, request);
        reserved.await.expect("an answer")
    }

    /// Reserves calls for one caller.
    async fn reserve(&self, calls: u32, request: CallRequest) -> Reservation {
        let request = CallRequest {
            next: calls,
            waiting: calls,
            batch: calls,
            ..request
        };
        self.ask(request).await
    }

    async fn throttled(&self, returned: u32) {
        let throttled = self
            .store
            .calls_throttled(&self.account, READ, LIMITS, returned);
        throttled.await.expect("an answer");
    }

    async fn bucket(&mut self) -> Bucket {
        let row = sqlx::query(
            "SELECT tokens, rate,
                    extract(epoch FROM updated_at - timestamptz '2027-01-01')::float8
             FROM call_budgets WHERE account_id = $1 AND kind = 'read'",
        )
        .bind(self.account.as_str())
        .fetch_one(&mut self.sql)
        .await
        .expect("a bucket");
        Bucket {
            tokens: row.get(0),
            rate: row.get(1),
            updated_at: row.get(2),
        }
    }
}

fn assert_near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-4, "{actual}, not {expected}");
}

fn ms(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Duration> {
    let waits = milliseconds.into_iter().map(Duration::from_millis);
    waits.collect()
}

const SWEEP: CallRequest = CallRequest {
    precedence: Precedence::Sweep,
    ..ONE
};

#[tokio::test]
async fn calls_beyond_the_bucket_are_owed_and_each_has_its_time() {
    let mut budget = Budget::empty().await;
    let owed = budget.reserve(3, ONE).await;
    assert_eq!(owed.waits, ms([100, 200, 300]));
    assert_eq!(owed.rest, None);
    assert_near(budget.bucket().await.tokens, -3.0);
    budget.at(0.5).await;
    // Two more than are owed have been refilled.
    let reserved = budget.reserve(4, ONE).await;
    assert_eq!(reserved.waits, ms([0, 0, 100, 200]));
    budget.at(60.0).await;
    let all = budget.reserve(21, ONE).await;
    assert_eq!(all.waits.last(), Some(&Duration::from_millis(100)));
    assert_near(budget.bucket().await.tokens, -1.0);
}

#[tokio::test]
async fn callers_that_wait_get_at_most_the_tokens_of_the_next_second() {
    let mut budget = Budget::empty().await;
    let all = CallRequest {
        waiting: 40,
        batch: 16,
        ..ONE
    };
    let reserved = budget.ask(all).await;
    assert_eq!(reserved.waits, ms((1..=10).map(|nth| nth * 100)));
    // The bucket owes a second's tokens, so another replica gets what its next caller needs.
    let three = CallRequest { next: 3, ..all };
    let reserved = budget.ask(three).await;
    assert_eq!(reserved.waits, ms([1100, 1200, 1300]));
    assert_near(budget.bucket().await.tokens, -13.0);
}

#[tokio::test]
async fn callers_that_wait_get_what_the_bucket_holds_and_at_most_a_batch_before_it_is_refilled() {
    let budget = Budget::new().await;
    let all = CallRequest {
        waiting: 18,
        batch: 4,
        ..ONE
    };
    assert_eq!(budget.ask(all).await.waits, ms([0; 18]));
    assert_eq!(budget.ask(all).await.waits, ms([0, 0, 100, 200]));
}

#[tokio::test]
async fn tokens_that_no_caller_waits_for_are_taken_only_from_the_bucket() {
    let mut budget = Budget::empty().await;
    let batch = CallRequest {
        next: 2,
        waiting: 2,
        batch: 16,
        ..ONE
    };
    budget.at(0.5).await;
    let reserved = budget.ask(batch).await;
    assert_eq!(reserved.waits, ms([0; 5]));
    assert_eq!(budget.ask(batch).await.waits, ms([100, 200]));
    budget.at(60.0).await;
    // No more than the tokens of one second, although the bucket holds twenty.
    assert_eq!(budget.ask(batch).await.waits, ms([0; 10]));
}

#[tokio::test]
async fn a_caller_that_would_wait_too_long_takes_nothing() {
    let mut budget = Budget::empty().await;
    let before = budget.bucket().await;
    budget.at(0.1).await;
    let short = CallRequest {
        longest_wait: Duration::from_millis(350),
        ..ONE
    };
    let refused = budget.reserve(5, short).await;
    assert_eq!(refused.waits, []);
    assert_eq!(refused.rest, Some(Duration::from_millis(400)));
    assert_eq!(budget.bucket().await, before);
    let reserved = budget.reserve(4, short).await;
    assert_eq!(reserved.waits, ms([0, 100, 200, 300]));
}

#[tokio::test]
async fn a_sweep_leaves_half_of_the_burst_and_learns_when_to_ask_again() {
    let mut budget = Budget::new().await;
    assert_eq!(budget.reserve(8, SWEEP).await.waits, ms([0; 8]));
    let partial = budget.reserve(5, SWEEP).await;
    assert_eq!(partial.waits, ms([0; 2]));
    assert_eq!(partial.rest, Some(Duration::from_millis(300)));
    assert_near(budget.bucket().await.tokens, 10.0);
    // A more urgent call may take all of that, and the sweep's wait grows.
    assert_eq!(budget.reserve(12, ONE).await.waits.len(), 12);
    let refused = budget.reserve(3, SWEEP).await;
    assert_eq!(refused.waits, []);
    assert_eq!(refused.rest, Some(Duration::from_millis(1500)));
    assert_near(budget.bucket().await.tokens, -2.0);
    budget.at(1.499).await;
    assert_eq!(budget.reserve(3, SWEEP).await.waits.len(), 2);
    budget.at(1.6).await;
    assert_eq!(budget.reserve(1, SWEEP).await.waits.len(), 1);
}

#[tokio::test]
async fn a_sweep_that_needs_more_than_half_of_the_burst_gets_it_in_parts() {
    let mut budget = Budget::new().await;
    let first = budget.reserve(12, SWEEP).await;
    assert_eq!(first.waits.len(), 10);
    assert_eq!(first.rest, Some(Duration::from_millis(200)));
    assert_eq!(budget.reserve(10, ONE).await.waits.len(), 10);
    let second = budget.reserve(12, SWEEP).await;
    // The bucket is full after two seconds, and never holds the 22 tokens that are needed at once.
    assert_eq!(
        (second.waits.len(), second.rest),
        (0, Some(Duration::from_secs(2)))
    );
    budget.at(2.0).await;
    assert_eq!(budget.reserve(12, SWEEP).await.waits.len(), 10);
}

#[tokio::test]
async fn throttling_halves_the_rate_once_a_second_and_discards_what_the_bucket_holds() {
    let mut budget = Budget::new().await;
    assert_eq!(budget.reserve(4, ONE).await.waits.len(), 4);
    budget.throttled(0).await;
    budget.at(0.9).await;
    budget.throttled(0).await;
    let bucket = budget.bucket().await;
    assert_near(bucket.tokens, 4.5);
    assert_near(bucket.rate, 5.045);
    budget.at(1.0).await;
    budget.throttled(0).await;
    let bucket = budget.bucket().await;
    assert_near(bucket.tokens, 0.0);
    assert_near(bucket.rate, 2.525);
    // All of the rate is back after at most 200 seconds.
    budget.at(201.0).await;
    budget.reserve(1, ONE).await;
    assert_near(budget.bucket().await.rate, 10.0);
}

#[tokio::test]
async fn reserved_tokens_that_a_throttled_replica_returns_are_no_longer_owed() {
    let mut budget = Budget::empty().await;
    assert_eq!(budget.reserve(6, ONE).await.waits.len(), 6);
    budget.at(0.1).await;
    // One was usable, four are returned, and another replica waits for the last.
    budget.throttled(4).await;
    assert_near(budget.bucket().await.tokens, -1.0);
    let rate = budget.bucket().await.rate;
    let waits = budget.reserve(1, ONE).await.waits;
    assert!(
        (waits[0].as_secs_f64() - 2.0 / rate).abs() < 1e-4,
        "{waits:?}"
    );
    // Returned tokens do not overfill the bucket, and throttling leaves none in it.
    budget.at(10.0).await;
    budget.throttled(15).await;
    assert_near(budget.bucket().await.tokens, 0.0);
}

#[tokio::test]
async fn a_clock_that_is_set_back_stops_neither_refill_nor_throttling() {
    let mut budget = Budget::empty().await;
    budget.at(100.0).await;
    budget.throttled(0).await;
    budget.at(50.0).await;
    budget.throttled(0).await;
    assert_near(budget.bucket().await.rate, 2.5);
    budget.at(54.0).await;
    assert_eq!(budget.reserve(10, ONE).await.waits[9], Duration::ZERO);
}

#[tokio::test]
async fn a_statement_that_waited_for_the_row_does_not_refill_the_same_time_twice() {
    let mut budget = Budget::empty().await;
    let real = "CREATE OR REPLACE FUNCTION service_now() RETURNS timestamptz LANGUAGE sql VOLATILE
                AS $$ SELECT clock_timestamp() $$";
    budget.test.sql(real).await.expect("the clock runs");
    budget.reserve(1, ONE).await;
    let mut holder = PgConnection::connect(budget.test.database.url())
        .await
        .expect("a connection");
    let mut held = holder.begin().await.expect("a transaction");
    sqlx::query("SELECT 1 FROM call_budgets FOR UPDATE")
        .execute(&mut *held)
        .await
        .expect("the row is locked");
    let (store, account) = (budget.store.clone(), budget.account.clone());
    let waits = tokio::spawn(async move { store.reserve_calls(&account, READ, LIMITS, ONE).await });
    loop {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND query LIKE '/* budget */%'
                         AND datname = current_database()";
        let row = sqlx::query(waiting).fetch_one(&mut budget.sql).await;
        if row.expect("a count").get::<i64, _>(0) == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let used = "UPDATE call_budgets SET updated_at = service_now()
                RETURNING extract(epoch FROM updated_at - timestamptz '2027-01-01')::float8";
    let row = sqlx::query(used).fetch_one(&mut *held).await;
    let updated_at: f64 = row.expect("an update").get(0);
    held.commit().await.expect("the lock is released");
    let reserved = waits.await.expect("no panic").expect("an answer");
    assert_eq!(reserved.waits.len(), 1);
    assert!(budget.bucket().await.updated_at >= updated_at);
}
