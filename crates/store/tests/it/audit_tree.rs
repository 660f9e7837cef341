//! The tree over the audit log as the database keeps it: it only grows, whoever asks.

use engine_roles_store::{DatabaseUsers, StoredTile, TilePlace, TreeExtension};

use crate::test_store::{TestStore, number, test_store};

/// What the database has as the root of an empty tree.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

const FIRST_TILE: TilePlace = TilePlace { level: 0, index: 0 };

/// Adds entries whose hashes are made up: the database does not compute hashes.
fn extension(old_size: u8, entries: &[&str]) -> TreeExtension {
    let new_size = old_size + u8::try_from(entries.len()).expect("few entries");
    let root = |size: u8| if size == 0 { EMPTY } else { [size; 32] };
    let hashes = (1..=new_size).flat_map(|number| [number; 32]);
    TreeExtension {
        old_size: old_size.into(),
        old_root: root(old_size),
        entries: entries
            .iter()
            .map(|entry| entry.as_bytes().to_vec())
            .collect(),
        new_root: root(new_size),
        tiles: vec![StoredTile {
            place: FIRST_TILE,
            hashes: hashes.collect(),
        }],
    }
}

/// Returns a store whose audit log has three numbered events.
async fn with_three_events() -> TestStore {
    let test = test_store().await;
    for cluster in ["one", "two", "three"] {
        test.provision(cluster).await;
    }
    assert_eq!(number(&test.store).await, 3);
    test
}

#[tokio::test]
async fn a_tree_grows_by_entries_and_is_read_back() {
    let test = with_three_events().await;
    let store = &test.store;
    let before = store.audit_tree().await.expect("an answer");
    assert_eq!((before.size, before.root, before.head), (0, None, 3));
    let extended = store.extend_audit_tree(&extension(0, &["a"])).await;
    assert!(extended.expect("an answer"));
    let extended = store.extend_audit_tree(&extension(1, &["b", "c"])).await;
    assert!(extended.expect("an answer"));
    let tree = store.audit_tree().await.expect("an answer");
    assert_eq!((tree.size, tree.root, tree.head), (3, Some([3; 32]), 3));
    let entries = store.audit_entries(2, 9).await.expect("an answer");
    assert_eq!(entries, [(2, b"b".to_vec()), (3, b"c".to_vec())]);
    let other = TilePlace { level: 1, index: 0 };
    let tiles = store.audit_tiles(&[other, FIRST_TILE]).await;
    let tiles = tiles.expect("an answer");
    assert_eq!(tiles, extension(0, &["a", "b", "c"]).tiles);
    // Another installation in the same database has a tree of its own.
    let other = test.other("other").audit_tree().await.expect("an answer");
    assert_eq!((other.size, other.root, other.head), (0, None, 0));
}

#[tokio::test]
async fn of_two_replicas_that_extend_the_same_tree_one_succeeds() {
    let test = with_three_events().await;
    let other = test.other("test");
    let (one, two) = (extension(0, &["a"]), extension(0, &["a", "b"]));
    let (one, two) = tokio::join!(
        test.store.extend_audit_tree(&one),
        other.extend_audit_tree(&two)
    );
    assert!(one.expect("an answer") != two.expect("an answer"));
}

#[tokio::test]
async fn a_tree_has_no_more_entries_than_the_log_has_events() {
    let test = with_three_events().await;
    let refused = test
        .store
        .extend_audit_tree(&extension(0, &["a", "b", "c", "d"]))
        .await;
    assert!(refused.is_err());
    assert_eq!(test.store.audit_tree().await.expect("an answer").size, 0);
}

#[tokio::test]
async fn a_tile_that_does_not_continue_the_stored_one_changes_nothing() {
    let test = with_three_events().await;
    let store = &test.store;
    assert!(
        store
            .extend_audit_tree(&extension(0, &["a"]))
            .await
            .expect("an answer")
    );
    let mut changed = extension(1, &["b"]);
    changed.tiles[0].hashes[0] ^= 1;
    assert!(store.extend_audit_tree(&changed).await.is_err());
    assert_eq!(store.audit_tree().await.expect("an answer").size, 1);
    assert_eq!(store.audit_entries(1, 9).await.expect("an answer").len(), 1);
}

#[tokio::test]
async fn nobody_changes_or_deletes_what_is_in_the_tree() {
    let test = with_three_events().await;
    let three = extension(0, &["a", "b", "c"]);
    let extended = test.store.extend_audit_tree(&three).await;
    assert!(extended.expect("an answer"));
    let recorded = test
        .store
        .record_audit_checkpoint("example.com/log", 3, "example.com/log\n3\n");
    recorded.await.expect("recorded");
    // Nor does anybody record what is no checkpoint of this tree.
    for (size, note) in [
        (4, "example.com/log\n4\n"),
        (3, "a note"),
        (3, "other\n3\n"),
    ] {
        let refused = test
            .store
            .record_audit_checkpoint("example.com/log", size, note);
        refused.await.expect_err(note);
    }
    for sql in [
        "UPDATE audit_entries SET canonical = 'x' WHERE seq = 2",
        "UPDATE audit_tiles SET hashes = sha256('x')",
        "UPDATE audit_tiles SET hashes = substr(hashes, 1, 32)",
        "UPDATE audit_tiles SET place = 5",
        "UPDATE audit_trees SET size = 2",
        "UPDATE audit_trees SET root = sha256('x')",
        "UPDATE audit_checkpoints SET size = 2",
        "UPDATE audit_checkpoints SET origin = 'x'",
        "DELETE FROM audit_entries WHERE seq = 3",
        "DELETE FROM audit_tiles",
        "DELETE FROM audit_trees",
        "DELETE FROM audit_checkpoints",
        "TRUNCATE audit_entries",
        "TRUNCATE audit_tiles",
        "TRUNCATE audit_trees",
        "TRUNCATE audit_checkpoints",
    ] {
        let refused = test.sql(sql).await.expect_err(sql).to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn the_user_that_serves_writes_the_tree_only_through_the_functions() {
    let test = with_three_events().await;
    let user = format!("serving_{}", uuid::Uuid::new_v4().simple());
    test.sql(&format!("CREATE ROLE {user}"))
        .await
        .expect("created");
    let granted = test
        .store
        .migrate_and_grant(DatabaseUsers {
            serving: Some(&user),
            ..DatabaseUsers::default()
        })
        .await;
    granted.expect("granted");
    let refused = [
        "INSERT INTO audit_entries (namespace, seq, canonical) VALUES ('test', 1, 'x')",
        "INSERT INTO audit_tiles (namespace, level, place, hashes) VALUES ('test', 0, 0, sha256('x'))",
        "INSERT INTO audit_trees (namespace, extended_at) VALUES ('test', now())",
        "UPDATE audit_trees SET size = size + 1",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_checkpoints",
        "TRUNCATE audit_tiles",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_entries_no_update ON audit_entries",
        "CREATE OR REPLACE FUNCTION audit_tree_is_append_only() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN RETURN NULL; END'",
    ];
    for sql in refused {
        let refused = test.sql(&format!("SET ROLE {user}; {sql}")).await;
        assert!(refused.is_err(), "{sql}");
    }
    let permitted = [
        "SELECT audit_extend_tree('test', 0, sha256(''), ARRAY['a'::bytea], sha256('a'), ARRAY[0],
                                  ARRAY[0::bigint], ARRAY[sha256('a')])",
        "SELECT audit_record_checkpoint('test', 'a.example', 1, E'a.example\\n1\\n')",
        "SELECT audit_expire_entries('test', 10)",
    ];
    for sql in permitted {
        let permitted = test.sql(&format!("SET ROLE {user}; {sql}")).await;
        permitted.expect(sql);
    }
    let others = "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) acl
                  WHERE p.proname IN ('audit_extend_tree', 'audit_record_checkpoint',
                                      'audit_expire_entries') AND acl.grantee = 0";
    assert_eq!(test.number(others).await, 0);
    let drop = format!("DROP OWNED BY {user}; DROP ROLE {user}");
    test.sql(&drop).await.expect("dropped");
}

#[tokio::test]
async fn the_largest_checkpoint_of_each_hour_is_kept() {
    let test = with_three_events().await;
    let store = &test.store;
    let origin = "example.com/log";
    let three = store
        .extend_audit_tree(&extension(0, &["a", "b", "c"]))
        .await;
    assert!(three.expect("an answer"));
    assert_eq!(
        store.audit_checkpoint(origin).await.expect("an answer"),
        None
    );
    for (seconds, size, note) in [(0, 1, "a"), (10, 2, "b"), (20, 1, "c"), (4000, 3, "d")] {
        test.clock(seconds).await;
        let note = format!("{origin}\n{size}\n{note}");
        let recorded = store.record_audit_checkpoint(origin, size, &note).await;
        recorded.expect("recorded");
    }
    let largest = store.audit_checkpoint(origin).await.expect("an answer");
    assert_eq!(largest.as_deref(), Some("example.com/log\n3\nd"));
    assert_eq!(
        store.audit_checkpoint("other").await.expect("an answer"),
        None
    );
    let kept = "SELECT count(*) FROM audit_checkpoints WHERE note ~ '[bd]$'";
    assert_eq!(test.number(kept).await, 2);
    assert_eq!(
        test.number("SELECT count(*) FROM audit_checkpoints").await,
        2
    );
}

#[tokio::test]
async fn entries_expire_with_their_partition_and_tiles_stay() {
    let test = with_three_events().await;
    let store = &test.store;
    assert!(
        store
            .extend_audit_tree(&extension(0, &["a", "b", "c"]))
            .await
            .expect("an answer")
    );
    assert_eq!(store.expire_audit_entries().await.expect("an answer"), 0);
    assert_eq!(store.audit_first_kept(2).await.expect("an answer"), Some(2));
    // The numbers of the first partition end before event 3.
    let split = "
        ALTER TABLE audit_events DETACH PARTITION audit_events_from_1;
        DROP TABLE audit_events_from_1;
        SELECT audit_make_partition(3, 1000)";
    test.sql(split).await.expect("another partition");
    assert_eq!(store.audit_first_kept(1).await.expect("an answer"), Some(3));
    assert_eq!(store.expire_audit_entries().await.expect("an answer"), 2);
    let entries = store.audit_entries(1, 9).await.expect("an answer");
    assert_eq!(entries, [(3, b"c".to_vec())]);
    let tiles = store.audit_tiles(&[FIRST_TILE]).await.expect("an answer");
    assert_eq!(tiles[0].hashes.len(), 3 * 32);
    test.sql("DROP TABLE audit_events_from_3")
        .await
        .expect("dropped");
    assert_eq!(
        store
            .audit_first_kept(2_000_000_000)
            .await
            .expect("an answer"),
        None
    );
}
