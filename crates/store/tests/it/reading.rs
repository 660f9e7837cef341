//! Lists of bindings, and the separation of installations in one database.

use engine_roles_domain::binding::{BindingId, State};
use engine_roles_domain::cluster::Mode;
use engine_roles_store::{BindingFilter, Store};

use crate::test_store::{activate, cluster, provision, remove, spec, tear_down, test_store};

async fn names(store: &Store, filter: &BindingFilter, limit: i64) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(filter, after, limit).await.expect("a page");
        let page = page.expect("a cursor of this list");
        let items = page.items.iter();
        pages.push(items.map(|binding| binding.cluster.to_string()).collect());
        match page.next {
            Some(next) => after = Some(BindingId(next)),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_list_is_newest_first_page_by_page() {
    let test = test_store().await;
    assert_eq!(
        names(&test.store, &BindingFilter::default(), 2).await,
        [[""; 0]]
    );
    for (seconds, cluster) in [(0, "a"), (1, "b"), (1, "c"), (2, "d")] {
        test.clock(seconds).await;
        test.provision(cluster).await;
    }
    let all = BindingFilter::default();
    assert_eq!(names(&test.store, &all, 9).await, [["d", "c", "b", "a"]]);
    assert_eq!(names(&test.store, &all, 4).await, [["d", "c", "b", "a"]]);
    // The first page ends between two bindings that were created at the same time.
    assert_eq!(names(&test.store, &all, 2).await, [["d", "c"], ["b", "a"]]);
    assert_eq!(
        names(&test.store, &all, 1).await,
        [["d"], ["c"], ["b"], ["a"]]
    );
}

#[tokio::test]
async fn a_list_contains_each_clusters_newest_incarnation() {
    let test = test_store().await;
    let mut lease = test.provision("one").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let mut lease = tear_down(&test.store, "one").await.lease.expect("a lease");
    remove(&test.store, &mut lease).await;
    let again = test.provision("one").await;
    let page = test.store.list(&BindingFilter::default(), None, 9).await;
    let ids: Vec<_> = page
        .expect("a page")
        .expect("no cursor")
        .items
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(ids, [again.binding.id]);
    let mut counts = test.store.count_by_state().await.expect("counts");
    counts.sort_by_key(|(state, _)| state.as_str());
    assert_eq!(counts, [(State::Deleted, 1), (State::Provisioning, 1)]);
}

#[tokio::test]
async fn a_list_is_filtered_by_state_and_mode() {
    let test = test_store().await;
    for cluster in ["a-1", "a-2", "b_1"] {
        test.provision(cluster).await;
    }
    let mut lease = test.provision("active").await.lease.expect("a lease");
    activate(&test.store, &mut lease).await;
    let all = BindingFilter::default;
    for (filter, count) in [
        (
            BindingFilter {
                state: Some(State::Active),
                ..all()
            },
            1,
        ),
        (
            BindingFilter {
                state: Some(State::Provisioning),
                ..all()
            },
            3,
        ),
        (
            BindingFilter {
                mode: Some(Mode::PassThrough),
                ..all()
            },
            4,
        ),
        (
            BindingFilter {
                mode: Some(Mode::Create),
                ..all()
            },
            0,
        ),
    ] {
        let found = names(&test.store, &filter, 9).await.concat();
        assert_eq!(found.len(), count, "{filter:?}");
    }
}

#[tokio::test]
async fn installations_in_one_database_read_only_their_own_bindings() {
    let test = test_store().await;
    test.clock(0).await;
    let other = test.other("other");
    let ours = test.provision("one").await.binding;
    let cluster = cluster("one");
    assert!(other.latest(&cluster).await.expect("an answer").is_none());
    assert!(other.binding(ours.id).await.expect("an answer").is_none());
    assert!(
        names(&other, &BindingFilter::default(), 9)
            .await
            .concat()
            .is_empty()
    );
    assert!(other.count_by_state().await.expect("counts").is_empty());
    let theirs = provision(&other, "one", spec()).await.binding;
    assert_ne!(theirs.id, ours.id);
    assert_eq!(theirs.generation, 1);
    test.clock(31).await;
    let due = other.lease_due(9).await.expect("an answer");
    let due: Vec<_> = due.iter().map(|lease| lease.binding.id).collect();
    assert_eq!(due, [theirs.id]);
}
