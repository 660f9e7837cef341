//! Sessions of the console, and what only the console reads.

use std::time::Duration;

use engine_roles_domain::account::AccountId;
use engine_roles_domain::caller::{ClusterPrefix, KeyId, KeyName, KeyScopes};
use engine_roles_domain::resources::CallKind;
use engine_roles_store::{
    BudgetLimits, CallRequest, NewApiKey, NewConsoleSession, Precedence, StoreError,
};
use uuid::Uuid;

use crate::test_store::{TestStore, caller, test_store};

/// A session of the key in the configuration.
pub(crate) fn session(hash: u8) -> NewConsoleSession {
    NewConsoleSession {
        id: Uuid::now_v7(),
        hash: [hash; 32],
        key: None,
        key_hash: [200; 32],
        scopes: KeyScopes::parse(["read", "audit"]).expect("scopes"),
        prefix: None,
        valid_for: Duration::from_hours(1),
        replaces: None,
    }
}

async fn sessions(test: &TestStore) -> i64 {
    test.number("SELECT count(*) FROM console_sessions").await
}

#[tokio::test]
async fn a_session_is_found_by_its_hash_until_it_ends() {
    let test = test_store().await;
    let store = &test.store;
    let new = NewConsoleSession {
        prefix: Some(ClusterPrefix::parse("team-").expect("a prefix")),
        ..session(1)
    };
    let ends_at = store.begin_console_session(&new).await.expect("it begins");
    let found = store.console_session(&new.hash).await.expect("an answer");
    let found = found.expect("a session");
    assert_eq!((found.id, found.key_hash), (new.id, new.key_hash));
    assert_eq!((&found.scopes, &found.prefix), (&new.scopes, &new.prefix));
    assert_eq!(found.expires_at, ends_at);
    let left = found.valid_for.expect("it lasts");
    assert!(left <= new.valid_for && left > Duration::from_mins(59));
    let other = store.console_session(&[2; 32]).await.expect("an answer");
    assert_eq!(other, None);
    assert!(
        store
            .end_console_session(&new.hash)
            .await
            .expect("an answer")
    );
    assert!(
        !store
            .end_console_session(&new.hash)
            .await
            .expect("an answer")
    );
    let ended = store.console_session(&new.hash).await.expect("an answer");
    assert_eq!(ended, None);
}

#[tokio::test]
async fn an_expired_session_is_kept_for_ten_minutes() {
    let test = test_store().await;
    let store = &test.store;
    for hash in [1, 2] {
        let begun = store.begin_console_session(&session(hash)).await;
        begun.expect("it begins");
    }
    let age = |hash: u8, minutes: u8| {
        format!(
            "UPDATE console_sessions SET expires_at = service_now() - interval '{minutes} minutes'
             WHERE sha256 = decode(repeat('{hash:02x}', 32), 'hex')"
        )
    };
    test.sql(&age(1, 9)).await.expect("changed");
    test.sql(&age(2, 11)).await.expect("changed");
    let found = store.console_session(&[1; 32]).await.expect("an answer");
    assert_eq!(found.expect("a session").valid_for, None);
    let deleted = store.delete_expired_console_sessions().await;
    assert_eq!(deleted.expect("an answer"), 1);
    // Whoever signs in deletes them, too.
    test.sql(&age(1, 11)).await.expect("changed");
    let begun = store.begin_console_session(&session(3)).await;
    begun.expect("it begins");
    assert_eq!(sessions(&test).await, 1);
}

#[tokio::test]
async fn a_session_never_outlasts_its_key_and_is_deleted_with_it() {
    let test = test_store().await;
    let store = &test.store;
    let key = NewApiKey {
        id: KeyId(Uuid::now_v7()),
        name: KeyName::parse("anna").expect("a name"),
        hash: [7; 32],
        scopes: KeyScopes::parse(["read"]).expect("scopes"),
        prefix: None,
        valid_for: Some(Duration::from_mins(5)),
        identity: None,
        aws_request_ids: Vec::new(),
    };
    let key = store
        .create_api_key(&key, &caller())
        .await
        .expect("created");
    let of_key = NewConsoleSession {
        key: Some(key.id),
        key_hash: [7; 32],
        ..session(1)
    };
    let ends_at = store.begin_console_session(&of_key).await;
    assert_eq!(Some(ends_at.expect("it begins")), key.expires_at);
    let of_no_key = NewConsoleSession {
        key: Some(KeyId(Uuid::now_v7())),
        ..session(2)
    };
    let refused = store.begin_console_session(&of_no_key).await;
    assert!(matches!(refused, Err(StoreError::Query(_))), "{refused:?}");
    test.sql("DELETE FROM api_keys").await.expect("deleted");
    assert_eq!(sessions(&test).await, 0);
}

#[tokio::test]
async fn the_oldest_sessions_of_a_key_end_where_there_are_too_many() {
    let test = test_store().await;
    let store = &test.store;
    for hash in 1..=30 {
        let begun = store.begin_console_session(&session(hash)).await;
        begun.expect("it begins");
    }
    let other = NewConsoleSession {
        key_hash: [201; 32],
        ..session(99)
    };
    let begun = store.begin_console_session(&other).await;
    begun.expect("it begins");
    assert_eq!(sessions(&test).await, 21);
    for (hash, is_left) in [(10, false), (11, true), (30, true), (99, true)] {
        let found = store.console_session(&[hash; 32]).await.expect("an answer");
        assert_eq!(found.is_some(), is_left, "{hash}");
    }
}

#[tokio::test]
async fn a_session_that_is_replaced_ends_whichever_key_it_has() {
    let test = test_store().await;
    let store = &test.store;
    for hash in 1..=20 {
        let begun = store.begin_console_session(&session(hash)).await;
        begun.expect("it begins");
    }
    let found = async |hash: u8| {
        let found = store.console_session(&[hash; 32]).await;
        found.expect("an answer").is_some()
    };
    let same_key = NewConsoleSession {
        replaces: Some([20; 32]),
        ..session(21)
    };
    let begun = store.begin_console_session(&same_key).await;
    begun.expect("it begins");
    // There are twenty as before, so that no other one ends.
    assert_eq!(sessions(&test).await, 20);
    assert!(found(1).await && found(21).await && !found(20).await);
    let other_key = NewConsoleSession {
        key_hash: [201; 32],
        replaces: Some([21; 32]),
        ..session(22)
    };
    let begun = store.begin_console_session(&other_key).await;
    begun.expect("it begins");
    assert!(found(22).await && !found(21).await);
    let unknown = NewConsoleSession {
        replaces: Some([99; 32]),
        ..session(23)
    };
    let begun = store.begin_console_session(&unknown).await;
    begun.expect("it begins");
    assert!(found(22).await && found(23).await);
}

#[tokio::test]
async fn the_levels_of_the_call_budget_are_read_without_taking_from_it() {
    let test = test_store().await;
    let store = &test.store;
    let account: AccountId = "123456789012".parse().expect("an account");
    let limits = BudgetLimits {
        rate: 0.001,
        burst: 10.0,
    };
    let levels = store.budget_levels(&account, limits).await;
    assert_eq!(levels.expect("an answer"), []);
    let request = CallRequest {
        precedence: Precedence::Prompt,
        next: 4,
        waiting: 4,
        batch: 0,
        longest_wait: Duration::ZERO,
    };
    let taken = store.reserve_calls(&account, CallKind::Write, limits, request);
    taken.await.expect("tokens are taken");
    for _ in 0..2 {
        let levels = store.budget_levels(&account, limits).await;
        let levels = levels.expect("an answer");
        let [level] = &levels[..] else {
            panic!("{levels:?}");
        };
        assert_eq!((level.kind, level.throttled_at), (CallKind::Write, None));
        assert!((5.9..6.5).contains(&level.tokens), "{level:?}");
    }
    let throttled = store.calls_throttled(&account, CallKind::Write, limits, 0);
    throttled.await.expect("recorded");
    let levels = store.budget_levels(&account, limits).await;
    let level = levels.expect("an answer")[0];
    assert!(
        level.throttled_at.is_some() && level.tokens < 1.0,
        "{level:?}"
    );
}

#[tokio::test]
async fn the_replicas_are_listed_with_the_dead_ones() {
    let test = test_store().await;
    let sql = "INSERT INTO replicas (id, namespace, call_timeout, started_at, dead_at)
               SELECT gen_random_uuid(), 'test', '10 s', now() - age, dead
               FROM (VALUES (interval '2 h', now()), (interval '1 h', NULL)) AS r (age, dead);
               INSERT INTO replicas (id, namespace, call_timeout, started_at)
               VALUES (gen_random_uuid(), 'other', '10 s', now())";
    test.sql(sql).await.expect("inserted");
    let replicas = test.store.replicas().await.expect("an answer");
    let dead: Vec<_> = replicas.iter().map(|it| it.dead_at.is_some()).collect();
    assert_eq!(dead, [false, true]);
}
