//! The names of created resources.

use std::collections::BTreeSet;

use engine_roles_domain::binding::BindingId;
use engine_roles_domain::cluster::ClusterName;
use engine_roles_domain::resources::{
    MAX_ROLE_NAME, Namespace, ProfileName, RoleName, RolePrefix, resource_name,
};
use proptest::prelude::*;
use uuid::Uuid;

fn name(prefix: &str, cluster: &str, namespace: &str, id: u128) -> RoleName {
    resource_name(
        &RolePrefix::parse(prefix).expect("a prefix"),
        &ClusterName::parse(cluster).expect("a cluster"),
        &Namespace::parse(namespace).expect("a namespace"),
        BindingId(Uuid::from_u128(id)),
    )
}

#[test]
fn a_name_is_prefix_cluster_and_hash() {
    // SHA-256 of "test/00000000-0000-0000-0000-000000000001", 80 bits of it in base32.
    assert_eq!(
        name("td-", "one", "test", 1).as_str(),
        "td-one-m43ctsvbtif2hjax"
    );
}

#[test]
fn the_longest_parts_fit() {
    let long = name(&"p".repeat(30), &"c".repeat(63), &"n".repeat(32), u128::MAX);
    assert_eq!(long.as_str().len(), MAX_ROLE_NAME);
    assert!(
        long.as_str()
            .starts_with(&format!("{}{}-", "p".repeat(30), "c".repeat(17)))
    );
    let whole = name("", &"c".repeat(47), "n", 1);
    assert!(whole.as_str().starts_with(&format!("{}-", "c".repeat(47))));
}

proptest! {
    #[test]
    fn every_name_is_valid(
        prefix in "[A-Za-z0-9_+=,.@-]{0,30}",
        cluster in "[A-Za-z0-9][A-Za-z0-9_-]{0,62}",
        namespace in "[a-z0-9-]{1,32}",
        id in any::<u128>(),
    ) {
        let name = name(&prefix, &cluster, &namespace, id);
        prop_assert!(name.as_str().len() <= MAX_ROLE_NAME);
        prop_assert_eq!(RoleName::parse(name.as_str()).expect("valid"), name.clone());
        let profile = ProfileName::from(name.clone());
        prop_assert_eq!(ProfileName::parse(name.as_str()).expect("valid"), profile);
        let (_, hash) = name.as_str().rsplit_once('-').expect("a hash");
        prop_assert_eq!(hash.len(), 16);
        prop_assert!(hash.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }

    #[test]
    fn names_differ_between_incarnations_and_installations_even_ignoring_case(
        cluster in "[A-Za-z0-9][A-Za-z0-9_-]{0,62}",
        one in any::<u128>(),
        two in any::<u128>(),
    ) {
        prop_assume!(one != two);
        let names: BTreeSet<String> = [
            name("td-", &cluster, "a", one),
            name("td-", &cluster, "b", one),
            name("td-", &cluster, "a", two),
            name("td-", &cluster, "b", two),
        ]
        .map(|name| name.as_str().to_ascii_lowercase())
        .into();
        prop_assert_eq!(names.len(), 4);
    }
}
