//! The crates keep to the table of the architecture: who may use what.

mod circles;
mod dependencies;
mod documents;
mod modules;
mod recipes;
mod walls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What of the house each crate may use. Tests may use anything of it (`dev-dependencies` stand
/// the product on a real database and the sandbox), but for what a build links this is all.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("engine-roles-policy", &[]),
    ("engine-roles-domain", &["engine-roles-policy"]),
    (
        "engine-roles-iam",
        &["engine-roles-domain", "engine-roles-policy"],
    ),
    ("engine-roles-store", &["engine-roles-domain"]),
    (
        "engine-roles-provisioner",
        &[
            "engine-roles-domain",
            "engine-roles-policy",
            "engine-roles-iam",
            "engine-roles-store",
        ],
    ),
    ("engine-roles-contract", &[]),
    (
        "engine-roles-api",
        &[
            "engine-roles-contract",
            "engine-roles-domain",
            "engine-roles-policy",
            "engine-roles-provisioner",
            "engine-roles-store",
        ],
    ),
    ("engine-roles-client", &["engine-roles-contract"]),
    (
        "engine-roles",
        &[
            "engine-roles-policy",
            "engine-roles-domain",
            "engine-roles-iam",
            "engine-roles-store",
            "engine-roles-provisioner",
            "engine-roles-contract",
            "engine-roles-api",
            "engine-roles-client",
        ],
    ),
    ("engine-roles-iam-sandbox", &["engine-roles-policy"]),
    ("engine-roles-embedded-postgres", &[]),
    ("engine-roles-dev", &["*"]),
    ("engine-roles-e2e", &["*"]),
];

/// The crates that alone may name a dependency, in tests too: a wall with a door for tests is
/// none.
const ONLY: [(&str, &[&str]); 3] = [
    ("aws-", &["engine-roles-iam"]),
    ("sqlx", &["engine-roles-store"]),
    ("axum", &["engine-roles-api", "engine-roles-iam-sandbox"]),
];

/// What a pure crate would need to be none.
const IMPURE: [&str; 5] = ["tokio", "reqwest", "tracing", "futures", "rand"];

fn metadata() -> Metadata {
    let manifest = format!("{}/../Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).no_deps();
    command.exec().expect("cargo describes the workspace")
}

fn normal(package: &Package) -> BTreeSet<&str> {
    let normal = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development);
    normal.map(|dependency| dependency.name.as_str()).collect()
}

#[test]
fn every_crate_is_in_the_table_and_the_table_has_no_other() {
    let metadata = metadata();
    let found: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let table: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, table);
}

#[test]
fn a_crate_uses_of_the_house_what_the_table_gives_it() {
    let metadata = metadata();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = MAY_USE.iter().find(|(crate_name, _)| *crate_name == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is not in the table"));
        for used in normal(package) {
            let ours = used == "engine-roles" || used.starts_with("engine-roles-");
            assert!(
                !ours || allowed.contains(&"*") || allowed.contains(&used),
                "{name} may not use {used}"
            );
        }
    }
}

#[test]
fn one_crate_alone_knows_aws_one_the_database_and_two_http() {
    let metadata = metadata();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            for (prefix, allowed) in ONLY {
                let name = dependency.name.as_str();
                assert!(
                    !name.starts_with(prefix) || allowed.contains(&package.name.as_str()),
                    "{} may not name {name}",
                    package.name
                );
            }
        }
    }
}

#[test]
fn the_pure_crates_do_no_input_and_output() {
    let metadata = metadata();
    for package in &metadata.packages {
        let pure = [
            "engine-roles-policy",
            "engine-roles-domain",
            "engine-roles-contract",
        ]
        .contains(&package.name.as_str());
        for used in normal(package).into_iter().filter(|_| pure) {
            assert!(
                !IMPURE.contains(&used),
                "{} is pure and may not use {used}",
                package.name
            );
        }
    }
}

/// The packages of the house that the product links.
fn linked(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package))
        .collect();
    let (mut linked, mut next) = (BTreeMap::new(), vec!["engine-roles"]);
    while let Some(name) = next.pop() {
        if let Some(package) = packages.get(name)
            && linked.insert(name, *package).is_none()
        {
            next.extend(normal(package));
        }
    }
    linked
}

/// The directories of the packages of the house that the product links.
fn linked_packages() -> Vec<PathBuf> {
    let metadata = metadata();
    let manifests = linked(&metadata).into_values();
    let manifests = manifests.map(|package| package.manifest_path.clone().into_std_path_buf());
    manifests
        .filter_map(|path| Some(path.parent()?.to_owned()))
        .collect()
}

#[test]
fn the_product_links_neither_the_sandbox_nor_the_embedded_database() {
    let metadata = metadata();
    let linked = linked(&metadata);
    assert!(linked.contains_key("engine-roles-iam"), "{linked:?}");
    for name in [
        "engine-roles-iam-sandbox",
        "engine-roles-embedded-postgres",
        "engine-roles-dev",
    ] {
        assert!(!linked.contains_key(name), "the product links {name}");
    }
}

#[test]
fn every_crate_has_the_workspaces_lints_licence_and_edition() {
    let metadata = metadata();
    for package in &metadata.packages {
        let text = std::fs::read_to_string(&package.manifest_path).expect("it can be read");
        for line in [
            "[lints]\nworkspace = true",
            "license.workspace = true",
            "edition.workspace = true",
        ] {
            assert!(text.contains(line), "{} lacks {line}", package.name);
        }
    }
}

#[test]
fn a_library_that_other_crates_use_documents_what_it_shows_and_no_other_must() {
    let metadata = metadata();
    let users = metadata.packages.iter();
    // `cargo dev` only starts the server.
    let users = users.filter(|package| package.name.as_str() != "engine-roles-dev");
    let used: BTreeSet<&str> = users
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    for package in &metadata.packages {
        let libraries = package.targets.iter().filter(|target| target.is_lib());
        for library in libraries {
            let text = std::fs::read_to_string(&library.src_path).expect("it can be read");
            // A doc comment of the wire types is a description in the OpenAPI document, so that
            // document decides which of them have one.
            let is_contract = package.name.as_str() == "engine-roles-contract";
            assert_eq!(
                text.contains("#![warn(missing_docs)]"),
                used.contains(package.name.as_str()) && !is_contract,
                "{}",
                package.name
            );
        }
    }
}
