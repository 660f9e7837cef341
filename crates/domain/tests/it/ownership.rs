//! The proof that a resource is ours.

use std::collections::BTreeMap;

use engine_roles_domain::binding::{Binding, BindingId};
use engine_roles_domain::resources::{Namespace, OWNERSHIP_TAGS, Ownership};

use crate::fixtures::{PATH, all_tags, binding};

fn proves(path: &str, tags: &BTreeMap<String, String>, id: &str, recorded: Option<&str>) -> bool {
    let ownership = Ownership::of(&binding());
    ownership.prove(path, tags, id, recorded).is_ok()
}

fn without(key: &str) -> BTreeMap<String, String> {
    let mut tags = all_tags(&binding());
    tags.remove(key);
    tags
}

fn with(key: &str, value: &str) -> BTreeMap<String, String> {
    let mut tags = all_tags(&binding());
    tags.insert(key.to_owned(), value.to_owned());
    tags
}

#[test]
fn path_tags_and_unique_id_prove_ownership() {
    let tags = all_tags(&binding());
    assert!(proves(PATH, &tags, "AROA1", None));
    assert!(proves(PATH, &tags, "AROA1", Some("AROA1")));
    assert!(proves(PATH, &with("others", "x"), "AROA1", None));
    assert!(!proves(PATH, &tags, "AROA2", Some("AROA1")));
    let upper = PATH.to_uppercase();
    for path in [
        "/",
        "",
        "/ai-unlimited/engine/",
        "/ai-unlimited/engine/test2/",
        &upper,
    ] {
        assert!(!proves(path, &tags, "AROA1", Some("AROA1")), "{path}");
    }
}

#[test]
fn a_resource_with_a_missing_tag_is_ours_only_if_its_unique_id_is_recorded() {
    for key in OWNERSHIP_TAGS {
        assert!(!proves(PATH, &without(key), "AROA1", None), "{key}");
        assert!(proves(PATH, &without(key), "AROA1", Some("AROA1")), "{key}");
    }
    assert!(proves(PATH, &without("team"), "AROA1", None));
}

#[test]
fn a_resource_whose_ownership_tag_has_another_value_is_not_ours() {
    for key in OWNERSHIP_TAGS {
        for recorded in [None, Some("AROA1")] {
            assert!(!proves(PATH, &with(key, "x"), "AROA1", recorded), "{key}");
        }
    }
}

#[test]
fn the_resource_of_another_cluster_incarnation_or_installation_is_not_ours() {
    let ours = all_tags(&binding());
    for other in [
        Binding {
            cluster: "two".parse().expect("a cluster"),
            ..binding()
        },
        Binding {
            namespace: Namespace::parse("test2").expect("a namespace"),
            ..binding()
        },
        Binding {
            id: BindingId(uuid::Uuid::nil()),
            ..binding()
        },
    ] {
        let path = other.namespace.path();
        let proof = Ownership::of(&other).prove(path.as_str(), &ours, "AROA1", None);
        proof.expect_err("the tags are ours, not theirs");
    }
}
