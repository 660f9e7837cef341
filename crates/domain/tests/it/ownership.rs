//! The proof that something is ours.

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
fn path_tags_and_id_prove() {
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
fn a_missing_tag_is_drift_where_the_id_is_known_and_no_proof_where_it_is_not() {
    for key in OWNERSHIP_TAGS {
        assert!(!proves(PATH, &without(key), "AROA1", None), "{key}");
        assert!(proves(PATH, &without(key), "AROA1", Some("AROA1")), "{key}");
    }
    assert!(proves(PATH, &without("team"), "AROA1", None));
}

#[test]
fn a_tag_with_another_value_is_somebody_elses_claim() {
    for key in OWNERSHIP_TAGS {
        for recorded in [None, Some("AROA1")] {
            assert!(!proves(PATH, &with(key, "x"), "AROA1", recorded), "{key}");
        }
    }
}

#[test]
fn nobody_else_is_us() {
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
        proof.expect_err("it is ours, not theirs");
    }
}
