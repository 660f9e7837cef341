//! Rules about the repository itself: which crate may use which, and how code and texts are
//! written.

mod boundaries;
mod commands;
mod compatibility;
mod dependencies;
mod documents;
mod import_cycles;
mod log_messages;
mod metrics;
mod modules;
mod recipes;
mod sources;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The crates of this workspace that each crate may depend on. Only what a build links is limited:
/// tests need a real database and the sandbox, so `dev-dependencies` may name any crate.
const MAY_USE: &[(&str, &[&str])] = &[
    ("engine-roles-policy", &[]),
    ("engine-roles-transparency", &[]),
    ("engine-roles-files", &[]),
    ("engine-roles-domain", &["engine-roles-policy"]),
    (
        "engine-roles-iam",
        &["engine-roles-domain", "engine-roles-policy"],
    ),
    (
        "engine-roles-store",
        &["engine-roles-domain", "engine-roles-files"],
    ),
    (
        "engine-roles-provisioner",
        &[
            "engine-roles-domain",
            "engine-roles-files",
            "engine-roles-policy",
            "engine-roles-iam",
            "engine-roles-store",
            "engine-roles-transparency",
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
            "engine-roles-files",
            "engine-roles-iam",
            "engine-roles-store",
            "engine-roles-provisioner",
            "engine-roles-contract",
            "engine-roles-api",
            "engine-roles-client",
            "engine-roles-transparency",
        ],
    ),
    ("engine-roles-iam-sandbox", &["engine-roles-policy"]),
    ("engine-roles-embedded-postgres", &[]),
    ("engine-roles-dev", &["*"]),
    ("engine-roles-e2e", &["*"]),
    ("engine-roles-benches", &["*"]),
    ("engine-roles-aws-tests", &["*"]),
];

/// Prefixes of external dependencies, and the only crates that may name them, in tests too. Of two
/// prefixes, the longer one decides.
const RESTRICTED: [(&str, &[&str]); 4] = [
    // The measurements compare the service with the SDK alone, and the suite for AWS signs calls that the
    // SDK's clients would not send.
    (
        "aws-",
        &[
            "engine-roles-iam",
            "engine-roles-benches",
            "engine-roles-aws-tests",
        ],
    ),
    // Cryptography, which is no part of the AWS SDK.
    ("aws-lc-rs", &["engine-roles-transparency"]),
    ("sqlx", &["engine-roles-store"]),
    ("axum", &["engine-roles-api", "engine-roles-iam-sandbox"]),
];

/// Dependencies for input, output and side effects, which a pure crate may not have.
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
fn the_table_names_exactly_the_crates_of_the_workspace() {
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
fn a_crate_depends_only_on_the_crates_that_the_table_allows() {
    let metadata = metadata();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = MAY_USE.iter().find(|(crate_name, _)| *crate_name == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is not in the table"));
        for used in normal(package) {
            let ours = used == "engine-roles" || used.starts_with("engine-roles-");
            assert!(
                !ours || allowed.contains(&"*") || allowed.contains(&used),
                "{name} may not depend on {used}"
            );
        }
    }
}

#[test]
fn only_the_listed_crates_depend_on_aws_the_database_driver_and_the_http_server() {
    let metadata = metadata();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let restricted = RESTRICTED
                .iter()
                .filter(|(prefix, _)| name.starts_with(prefix));
            if let Some((_, allowed)) = restricted.max_by_key(|(prefix, _)| prefix.len()) {
                assert!(
                    allowed.contains(&package.name.as_str()),
                    "{} may not depend on {name}",
                    package.name
                );
            }
        }
    }
}

#[test]
fn pure_crates_depend_on_nothing_that_does_input_or_output() {
    let metadata = metadata();
    for package in &metadata.packages {
        let pure = [
            "engine-roles-policy",
            "engine-roles-domain",
            "engine-roles-contract",
            "engine-roles-transparency",
        ]
        .contains(&package.name.as_str());
        for used in normal(package).into_iter().filter(|_| pure) {
            assert!(
                !IMPURE.contains(&used),
                "{} is pure and may not depend on {used}",
                package.name
            );
        }
    }
}

/// Returns the packages of this workspace that the product links, by name.
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

/// Returns the directories of the packages of this workspace that the product links.
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
fn every_crate_inherits_lints_licence_and_edition_from_the_workspace() {
    let metadata = metadata();
    for package in &metadata.packages {
        let text = std::fs::read_to_string(&package.manifest_path).expect("the file can be read");
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
fn a_library_warns_of_missing_docs_exactly_when_other_crates_use_it() {
    let metadata = metadata();
    let users = metadata.packages.iter();
    // `cargo dev` only starts the server; the measurements and the suite for AWS are programs like those
    // of the end-to-end tests. So their dependencies do not make a library public.
    let programs = [
        "engine-roles-dev",
        "engine-roles-benches",
        "engine-roles-aws-tests",
    ];
    let users = users.filter(|package| !programs.contains(&package.name.as_str()));
    let used: BTreeSet<&str> = users
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    for package in &metadata.packages {
        let libraries = package.targets.iter().filter(|target| target.is_lib());
        for library in libraries {
            let text = std::fs::read_to_string(&library.src_path).expect("the file can be read");
            assert_eq!(
                text.contains("#![warn(missing_docs)]"),
                used.contains(package.name.as_str()),
                "{}",
                package.name
            );
        }
    }
}
