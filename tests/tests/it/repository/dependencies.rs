//! The packages that the workspace depends on are as `deny.toml` allows: their licences, one TLS
//! stack, and no second version of a package without a reason.
//!
//! `cargo deny check` reads the same file and checks more, but takes minutes to install. This test
//! reads `cargo metadata`, so it runs with every other test.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, MetadataCommand, Node, Package, PackageId};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

/// The parts of `deny.toml` that these tests read.
#[derive(Debug, Deserialize)]
struct Rules {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Entry>,
    skip: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    /// `name`, or `name@version`.
    #[serde(rename = "crate")]
    package: String,
    #[serde(default)]
    reason: String,
}

impl Entry {
    fn new(package: &str, reason: &str) -> Self {
        Self {
            package: package.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// One package that a build of the workspace uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    name: String,
    version: String,
    license: Option<String>,
}

fn rules() -> Rules {
    let path = format!("{}/../deny.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("deny.toml can be read");
    toml::from_str(&text).expect("deny.toml has the parts that are checked here")
}

fn metadata(targets: &[String]) -> Metadata {
    let manifest = format!("{}/../Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let mut options = vec!["--locked".to_owned()];
    for target in targets {
        options.extend(["--filter-platform".to_owned(), target.clone()]);
    }
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).other_options(options);
    command.exec().expect("cargo describes the workspace")
}

/// Returns the packages that are reached from the members of the workspace, tests included.
///
/// `cargo metadata` also lists optional dependencies that no enabled feature turns on, for example
/// `ring`, which `rustls-webpki` names in `std = ["ring?/std"]`. Such packages are not built
/// and not returned.
fn used(metadata: &Metadata) -> BTreeSet<Used> {
    let resolve = metadata
        .resolve
        .as_ref()
        .expect("the metadata has the dependency graph");
    let nodes: BTreeMap<&PackageId, &Node> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut reached = BTreeSet::new();
    let mut next: Vec<&PackageId> = metadata.workspace_members.iter().collect();
    while let Some(id) = next.pop() {
        if !reached.insert(id) {
            continue;
        }
        let (package, node) = (&metadata[id], nodes[id]);
        let dependencies = node.deps.iter().map(|dependency| &dependency.pkg);
        next.extend(dependencies.filter(|pkg| is_enabled(package, node, &metadata[*pkg].name)));
    }
    let packages = reached.into_iter().map(|id| &metadata[id]);
    packages
        .map(|package| Used {
            name: package.name.to_string(),
            version: package.version.to_string(),
            license: package.license.clone(),
        })
        .collect()
}

/// Returns whether a package is built with this dependency: it is not optional, or a feature that
/// is on turns it on.
fn is_enabled(package: &Package, node: &Node, dependency: &str) -> bool {
    let mut declared = package.dependencies.iter().filter(|d| d.name == dependency);
    declared.any(|declared| {
        let key = declared.rename.as_deref().unwrap_or(&declared.name);
        let turns_on = |text: &str| {
            text.strip_prefix("dep:") == Some(key)
                || text.split_once('/').is_some_and(|(name, _)| name == key)
        };
        !declared.optional
            || node.features.iter().any(|feature| {
                let values = package.features.get(feature.as_str());
                values.into_iter().flatten().any(|text| turns_on(text))
            })
    })
}

/// Returns the packages without a licence that is allowed.
fn licence_findings(used: &BTreeSet<Used>, allowed: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    for Used {
        name,
        version,
        license,
    } in used
    {
        let Some(license) = license else {
            findings.push(format!("{name} {version} names no licence"));
            continue;
        };
        // Lax: `MIT/Apache-2.0` was valid once, and old packages still have it.
        match Expression::parse_mode(license, ParseMode::LAX) {
            Ok(expression) => {
                if !expression.evaluate(|needed| allowed.contains(&needed.to_string())) {
                    findings.push(format!("{name} {version} has the licence {license}"));
                }
            }
            Err(error) => findings.push(format!("{name} {version}, {license}: {error}")),
        }
    }
    findings
}

/// Returns the packages that are banned.
fn ban_findings(used: &BTreeSet<Used>, banned: &[Entry]) -> Vec<String> {
    let mut findings = Vec::new();
    for Entry { package, reason } in banned {
        let found = used.iter().filter(|used| used.name == *package);
        findings.extend(found.map(|used| format!("{package} {}: {reason}", used.version)));
    }
    findings
}

/// Returns the packages of which more than one version is used without an entry for all but one,
/// and the entries that are wrong.
fn duplicate_findings(used: &BTreeSet<Used>, skipped: &[Entry]) -> Vec<String> {
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    for Used { name, version, .. } in used {
        versions.entry(name).or_default().insert(version);
    }
    let mut findings = Vec::new();
    for Entry { package, reason } in skipped {
        if reason.trim().is_empty() {
            findings.push(format!("the entry for {package} has no reason"));
        }
        let found = package.split_once('@').is_some_and(|(name, version)| {
            let all = versions.get(name);
            all.is_some_and(|all| all.len() > 1 && all.contains(version))
        });
        if !found {
            findings.push(format!("the entry for {package} is not needed"));
        }
    }
    for (name, versions) in versions {
        let is_skipped = |version: &str| {
            let package = format!("{name}@{version}");
            skipped.iter().any(|entry| entry.package == package)
        };
        let kept: Vec<&str> = versions.into_iter().filter(|v| !is_skipped(v)).collect();
        if kept.len() > 1 {
            findings.push(format!(
                "{name} is used in the versions {}",
                kept.join(", ")
            ));
        }
    }
    findings
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let rules = rules();
    let used = used(&metadata(&rules.graph.targets));
    assert_eq!(licence_findings(&used, &rules.licenses.allow), [""; 0]);
}

#[test]
fn there_is_one_tls_stack_and_it_is_rustls_with_aws_lc_rs() {
    let rules = rules();
    let used = used(&metadata(&rules.graph.targets));
    assert_eq!(ban_findings(&used, &rules.bans.deny), [""; 0]);
    for name in ["native-tls", "openssl-sys", "ring"] {
        let is_banned = rules.bans.deny.iter().any(|entry| entry.package == name);
        assert!(is_banned, "deny.toml does not ban {name}");
    }
    for name in ["rustls", "aws-lc-rs"] {
        let count = used.iter().filter(|used| used.name == name).count();
        assert_eq!(count, 1, "versions of {name}");
    }
}

#[test]
fn a_second_version_of_a_package_has_a_reason() {
    let rules = rules();
    let used = used(&metadata(&rules.graph.targets));
    assert_eq!(duplicate_findings(&used, &rules.bans.skip), [""; 0]);
}

mod on_made_up_metadata {
    use super::*;
    use serde_json::{Value, json};

    fn id(name: &str) -> String {
        format!("registry+https://example.com#{name}@1.0.0")
    }

    fn package(name: &str, features: &Value, dependencies: &[(&str, bool)]) -> Value {
        let dependencies = dependencies.iter().map(|(name, optional)| {
            json!({
                "name": name, "req": "^1", "kind": null, "rename": null, "optional": optional,
                "uses_default_features": true, "features": [], "target": null, "registry": null,
                "source": null,
            })
        });
        json!({
            "name": name, "version": "1.0.0", "id": id(name), "license": "MIT",
            "dependencies": dependencies.collect::<Vec<_>>(), "targets": [], "features": features,
            "manifest_path": "/Cargo.toml", "edition": "2024", "metadata": null, "source": null,
            "description": null, "license_file": null, "authors": [], "categories": [],
            "keywords": [], "readme": null, "repository": null, "homepage": null,
            "documentation": null, "links": null, "publish": null, "default_run": null,
        })
    }

    fn node(name: &str, features: &[&str], dependencies: &[&str]) -> Value {
        let deps = dependencies.iter().map(|name| {
            let kinds = [json!({"kind": null, "target": null})];
            json!({"name": name, "pkg": id(name), "dep_kinds": kinds})
        });
        let ids: Vec<String> = dependencies.iter().map(|name| id(name)).collect();
        json!({
            "id": id(name), "dependencies": ids, "deps": deps.collect::<Vec<_>>(),
            "features": features,
        })
    }

    /// A workspace whose one member uses `web`, which has an optional dependency on `ring`.
    fn names_used(features: &Value, enabled: &[&str]) -> Vec<String> {
        let packages = [
            package("member", &json!({}), &[("web", false)]),
            package("web", features, &[("ring", true)]),
            package("ring", &json!({}), &[]),
        ];
        let nodes = [
            node("member", &[], &["web"]),
            node("web", enabled, &["ring"]),
            node("ring", &[], &[]),
        ];
        let text = json!({
            "packages": packages, "workspace_members": [id("member")],
            "resolve": {"nodes": nodes, "root": null}, "workspace_root": "/",
            "target_directory": "/target", "version": 1, "metadata": null,
        });
        let metadata = MetadataCommand::parse(text.to_string()).expect("the text is metadata");
        used(&metadata).into_iter().map(|used| used.name).collect()
    }

    fn package_used(name: &str, version: &str, license: Option<&str>) -> Used {
        Used {
            name: name.to_owned(),
            version: version.to_owned(),
            license: license.map(str::to_owned),
        }
    }

    #[test]
    fn an_optional_dependency_counts_where_a_feature_turns_it_on() {
        let features = json!({
            "ring": ["dep:ring"], "fast": ["ring/asm"], "weak": ["ring?/std"], "other": [],
        });
        for (enabled, is_used) in [
            ("ring", true),
            ("fast", true),
            ("weak", false),
            ("other", false),
        ] {
            let names = names_used(&features, &[enabled]);
            assert_eq!(names.contains(&"ring".to_owned()), is_used, "{enabled}");
            assert!(names.contains(&"web".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn a_licence_that_is_not_on_the_list_is_found() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
        for (license, is_found) in [
            (Some("MIT"), false),
            (Some("MIT/GPL-3.0"), false),
            (Some("GPL-3.0-only OR Apache-2.0"), false),
            (Some("MIT AND Apache-2.0"), false),
            (Some("MIT AND ISC"), true),
            (Some("GPL-3.0-only"), true),
            (Some("Apache-2.0 WITH LLVM-exception"), true),
            (Some("whatever the author likes"), true),
            (None, true),
        ] {
            let used = BTreeSet::from([package_used("one", "1.0.0", license)]);
            let findings = licence_findings(&used, &allowed);
            assert_eq!(!findings.is_empty(), is_found, "{license:?}: {findings:?}");
        }
    }

    #[test]
    fn a_banned_package_is_found_by_its_whole_name() {
        let used = BTreeSet::from([
            package_used("openssl-sys", "0.9.1", None),
            package_used("openssl-probe", "0.2.0", None),
        ]);
        let banned = [Entry::new("openssl-sys", "a second TLS stack")];
        let findings = ban_findings(&used, &banned);
        assert_eq!(findings, ["openssl-sys 0.9.1: a second TLS stack"]);
        assert_eq!(ban_findings(&used, &[Entry::new("openssl", "")]), [""; 0]);
    }

    #[test]
    fn a_second_version_needs_an_entry_with_a_reason() {
        let used = BTreeSet::from([
            package_used("rand", "0.8.0", None),
            package_used("rand", "0.9.0", None),
            package_used("syn", "2.0.0", None),
        ]);
        let with = |entries: &[Entry]| duplicate_findings(&used, entries);
        let reason = "another crate needs it";
        assert_eq!(with(&[]), ["rand is used in the versions 0.8.0, 0.9.0"]);
        assert_eq!(with(&[Entry::new("rand@0.8.0", reason)]), [""; 0]);
        let findings = with(&[Entry::new("rand@0.8.0", " ")]);
        assert_eq!(findings, ["the entry for rand@0.8.0 has no reason"]);
    }

    #[test]
    fn an_entry_that_is_not_needed_is_found() {
        let used = BTreeSet::from([
            package_used("rand", "0.9.0", None),
            package_used("syn", "1.0.0", None),
            package_used("syn", "2.0.0", None),
        ]);
        for package in ["rand@0.9.0", "rand@0.8.0", "absent@1.0.0", "rand"] {
            let entries = [Entry::new("syn@1.0.0", "old"), Entry::new(package, "old")];
            let expected = format!("the entry for {package} is not needed");
            assert_eq!(duplicate_findings(&used, &entries), [expected]);
        }
    }
}
