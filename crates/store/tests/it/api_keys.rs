//! API keys in the database.

use std::time::Duration;

use engine_roles_domain::caller::{AwsIdentity, ClusterPrefix, KeyId, KeyName, KeyScopes};
use engine_roles_store::{NewApiKey, StoreError, Tick};
use uuid::Uuid;

use crate::test_store::{caller, test_store};

fn key(name: &str, hash: u8) -> NewApiKey {
    NewApiKey {
        id: KeyId(Uuid::now_v7()),
        name: KeyName::parse(name).expect("a name"),
        hash: [hash; 32],
        scopes: KeyScopes::parse(["read"]).expect("scopes"),
        prefix: None,
        valid_for: None,
        identity: None,
        aws_request_ids: Vec::new(),
    }
}

#[tokio::test]
async fn a_reader_of_changes_gets_each_new_and_each_revoked_key_once() {
    let test = test_store().await;
    let store = &test.store;
    assert_eq!(store.api_key_changes(0).await.expect("none").version, 0);
    let limited = NewApiKey {
        prefix: Some(ClusterPrefix::parse("team-").expect("a prefix")),
        valid_for: Some(Duration::from_secs(90)),
        ..key("manager", 1)
    };
    let first = store
        .create_api_key(&limited, &caller())
        .await
        .expect("created");
    let second = store.create_api_key(&key("manager", 2), &caller()).await;
    let second = second.expect("two keys can have one name");
    let all = store.api_key_changes(0).await.expect("changes");
    let found: Vec<_> = all
        .changes
        .iter()
        .map(|it| (it.hash[0], it.key.id))
        .collect();
    assert_eq!(found, [(1, first.id), (2, second.id)]);
    let [limited, unlimited] = &all.changes[..] else {
        panic!("{all:?}");
    };
    assert_eq!(limited.key, first);
    let left = limited.valid_for.expect("it expires");
    assert!(left <= Duration::from_secs(90) && left > Duration::from_mins(1));
    assert_eq!(unlimited.valid_for, None);
    assert!(
        store
            .api_key_changes(all.version)
            .await
            .expect("none")
            .changes
            .is_empty()
    );

    let revoked = store
        .revoke_api_key(&first, &caller())
        .await
        .expect("revoked");
    assert!(revoked.is_some_and(|key| key.revoked_at.is_some()));
    let changes = store
        .api_key_changes(all.version)
        .await
        .expect("one change");
    assert_eq!(changes.changes.len(), 1);
    assert_eq!(changes.changes[0].key.id, first.id);
    assert!(changes.changes[0].key.revoked_at.is_some());
    assert_eq!(
        store
            .revoke_api_key(&first, &caller())
            .await
            .expect("answered"),
        None
    );
    // Another installation sees neither and revokes neither.
    let other = test.other("other");
    assert!(other.api_keys().await.expect("none").is_empty());
    assert_eq!(
        other
            .revoke_api_key(&second, &caller())
            .await
            .expect("answered"),
        None
    );
    let names: Vec<_> = store
        .api_keys()
        .await
        .expect("keys")
        .into_iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(names, [first.id, second.id]);
}

#[tokio::test]
async fn the_heartbeat_reads_that_keys_have_changed() {
    let test = test_store().await;
    let mut ticker = test.store.ticker(Duration::from_secs(1));
    for (created, version) in [(false, 0), (true, 1)] {
        if created {
            let created = test.store.create_api_key(&key("k", 7), &caller()).await;
            created.expect("created");
        }
        let Tick::Acknowledged(seen) = ticker.tick().await.expect("a heartbeat") else {
            panic!("declared dead");
        };
        assert_eq!(seen.keys_version, version);
    }
    let changes = test.store.api_key_changes(0).await;
    assert_eq!(changes.expect("changes").version, 1);
}

#[tokio::test]
async fn a_use_is_recorded_once_an_hour_and_the_same_text_makes_no_second_key() {
    let test = test_store().await;
    let store = &test.store;
    let created = store
        .create_api_key(&key("k", 3), &caller())
        .await
        .expect("created");
    assert_eq!(created.last_used_at, None);
    let used = async || {
        store
            .note_api_keys_used(&[(created.id, Duration::ZERO)])
            .await
            .expect("noted");
        store.api_keys().await.expect("keys")[0].last_used_at
    };
    let first = used().await;
    assert!(first.is_some());
    assert_eq!(used().await, first);
    test.clock(3700).await;
    assert!(used().await > first);
    let again = store.create_api_key(&key("k", 3), &caller()).await;
    assert!(matches!(again, Err(StoreError::Query(_))), "{again:?}");
}

#[tokio::test]
async fn a_token_has_its_identity_and_is_deleted_when_it_has_expired() {
    let test = test_store().await;
    let store = &test.store;
    test.clock(0).await;
    let arn = "arn:aws:sts::123456789012:assumed-role/manager/session";
    let token = |hash, seconds| NewApiKey {
        valid_for: Some(Duration::from_secs(seconds)),
        identity: AwsIdentity::of_arn(arn),
        ..key("aws-identity", hash)
    };
    let short = store
        .create_api_key(&token(1, 60), &caller())
        .await
        .expect("created");
    let long = store
        .create_api_key(&token(2, 900), &caller())
        .await
        .expect("created");
    let expiring = NewApiKey {
        valid_for: Some(Duration::from_mins(1)),
        ..key("key", 3)
    };
    let expiring = store
        .create_api_key(&expiring, &caller())
        .await
        .expect("created");
    let identity = short.identity.expect("a token has an identity");
    assert_eq!(identity.arn(), arn);
    assert_eq!(expiring.identity, None);
    let other = test.other("other");
    let delete = async || {
        let ago = Duration::from_secs(30);
        let others = other.delete_expired_tokens(ago).await;
        assert_eq!(others.expect("deleted"), 0, "another installation's tokens");
        store.delete_expired_tokens(ago).await.expect("deleted")
    };
    test.clock(80).await;
    assert_eq!(delete().await, 0);
    test.clock(91).await;
    assert_eq!(delete().await, 1);
    assert_eq!(delete().await, 0);
    let left = store.api_keys().await.expect("keys");
    let left: Vec<_> = left.into_iter().map(|it| it.id).collect();
    assert_eq!(left, [long.id, expiring.id]);
    // A token that never expires would never be deleted.
    let endless = NewApiKey {
        valid_for: None,
        ..token(4, 0)
    };
    let endless = store.create_api_key(&endless, &caller()).await;
    assert!(matches!(endless, Err(StoreError::Query(_))), "{endless:?}");
}
