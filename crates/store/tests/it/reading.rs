//! Lists, and what one installation sees of another.

use engine_roles_domain::binding::{BindingId, State};
use engine_roles_domain::cluster::Mode;
use engine_roles_store::{BindingFilter, Store};

use crate::test_store::{activate, bury, provision, spec, tear_down, test_store};

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
    let world = test_store().await;
    assert_eq!(
        names(&world.store, &BindingFilter::default(), 2).await,
        [[""; 0]]
    );
    for (seconds, cluster) in [(0, "a"), (1, "b"), (1, "c"), (2, "d")] {
        world.clock(seconds).await;
        world.provision(cluster).await;
    }
    let all = BindingFilter::default();
    assert_eq!(names(&world.store, &all, 9).await, [["d", "c", "b", "a"]]);
    assert_eq!(names(&world.store, &all, 4).await, [["d", "c", "b", "a"]]);
    // The page ends between two of the same time.
    assert_eq!(names(&world.store, &all, 2).await, [["d", "c"], ["b", "a"]]);
    assert_eq!(
        names(&world.store, &all, 1).await,
        [["d"], ["c"], ["b"], ["a"]]
    );
}

#[tokio::test]
async fn a_list_shows_each_clusters_newest_life() {
    let world = test_store().await;
    let mut claim = world.provision("one").await.claim.expect("a claim");
    activate(&world.store, &mut claim).await;
    let mut claim = tear_down(&world.store, "one").await.claim.expect("a claim");
    bury(&world.store, &mut claim).await;
    let again = world.provision("one").await;
    let page = world.store.list(&BindingFilter::default(), None, 9).await;
    let ids: Vec<_> = page
        .expect("a page")
        .expect("no cursor")
        .items
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(ids, [again.binding.id]);
    let mut counts = world.store.count_by_state().await.expect("counts");
    counts.sort_by_key(|(state, _)| state.as_str());
    assert_eq!(counts, [(State::Deleted, 1), (State::Provisioning, 1)]);
}

#[tokio::test]
async fn filters_narrow() {
    let world = test_store().await;
    for cluster in ["a-1", "a-2", "b_1"] {
        world.provision(cluster).await;
    }
    let mut claim = world.provision("active").await.claim.expect("a claim");
    activate(&world.store, &mut claim).await;
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
        (
            BindingFilter {
                cluster_prefix: Some("a-".to_owned()),
                ..all()
            },
            2,
        ),
        (
            BindingFilter {
                cluster_prefix: Some("a_".to_owned()),
                ..all()
            },
            0,
        ),
        (
            BindingFilter {
                cluster_prefix: Some(String::new()),
                ..all()
            },
            4,
        ),
    ] {
        let found = names(&world.store, &filter, 9).await.concat();
        assert_eq!(found.len(), count, "{filter:?}");
    }
}

#[tokio::test]
async fn installations_in_one_database_do_not_see_each_other() {
    let world = test_store().await;
    world.clock(0).await;
    let other = world.other("other");
    let ours = world.provision("one").await.binding;
    let cluster = "one".parse().expect("a cluster");
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
    world.clock(31).await;
    let due = other.claim_due(9).await.expect("an answer");
    let due: Vec<_> = due.iter().map(|claim| claim.binding.id).collect();
    assert_eq!(due, [theirs.id]);
}
