//! The metrics of the code, of their catalogue, of the documentation and of the alert rules are the same.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::sources::{root, rust_sources};

const CATALOGUE: &str = "crates/api/src/metrics/catalogue.rs";

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect(path)
}

fn matches<'t>(pattern: &str, text: &'t str) -> Vec<[&'t str; 2]> {
    let pattern = Regex::new(pattern).expect("a regular expression");
    let found = pattern.captures_iter(text);
    found
        .map(|captures| [1, 2].map(|place| captures.get(place).map_or("", |it| it.as_str())))
        .collect()
}

/// Returns the type of each metric in the catalogue, by its name.
fn catalogue() -> BTreeMap<String, String> {
    let text = read(CATALOGUE);
    let found = matches(
        r#"(?s)\b(counter|gauge|histogram)\(\s*"(engine_roles_\w+)""#,
        &text,
    );
    found
        .into_iter()
        .map(|[kind, name]| (name.to_owned(), kind.to_owned()))
        .collect()
}

#[test]
fn the_catalogue_has_every_metric_that_the_code_records() {
    let mut recorded = BTreeMap::new();
    for (path, text) in rust_sources(&root().join("crates")) {
        if path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let pattern = r#"(?s)\b(counter|gauge|histogram)!\(\s*"(engine_roles_\w+)""#;
        for [kind, name] in matches(pattern, &text) {
            let before = recorded.insert(name.to_owned(), kind.to_owned());
            assert!(
                before.is_none_or(|before| before == kind),
                "{name} has two types"
            );
        }
    }
    assert_eq!(recorded, catalogue());
}

#[test]
fn the_documentation_has_every_metric_with_its_type() {
    let page = read("docs/operations.md");
    let (_, page) = page.split_once("\n## Metrics\n").expect("the section");
    let (page, _) = page.split_once("\n## ").expect("its end");
    let mut documented = BTreeMap::new();
    for [names, kind] in matches(r"(?m)^\| (`engine_roles_[^|]*) \| (\w+) \|", page) {
        for [name, _] in matches(r"`(engine_roles_\w+)", names) {
            documented.insert(name.to_owned(), kind.to_owned());
        }
    }
    assert_eq!(documented, catalogue());
}

/// Returns the names of the alerts, and the metrics that their rules read.
fn alerts() -> (BTreeSet<String>, BTreeSet<String>) {
    let rules = read("docker/observability/alerts.yaml");
    let names = matches(r"(?m)^ +- alert: (\w+)$", &rules);
    let names = names.into_iter().map(|[name, _]| name.to_owned());
    let metrics = matches(r"\b(engine_roles_\w+)", &rules);
    let metrics = metrics.into_iter().map(|[name, _]| name.to_owned());
    (names.collect(), metrics.collect())
}

/// Returns a name without the suffix that a histogram's series have.
fn family(name: &str) -> &str {
    let suffixes = ["_bucket", "_sum", "_count"];
    let mut stripped = suffixes
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix));
    stripped.next().unwrap_or(name)
}

#[test]
fn alerts_and_dashboard_read_metrics_that_exist() {
    let known = catalogue();
    let (_, read_by_alerts) = alerts();
    let dashboard = read("docker/observability/dashboard.json");
    let read_by_dashboard = matches(r"\b(engine_roles_\w+)", &dashboard);
    let read_by_dashboard = read_by_dashboard
        .into_iter()
        .map(|[name, _]| name.to_owned());
    for name in read_by_alerts.into_iter().chain(read_by_dashboard) {
        assert!(known.contains_key(family(&name)), "{name}");
    }
}

#[test]
fn every_alert_has_a_test_and_says_what_to_do() {
    let (names, _) = alerts();
    assert!(names.len() > 20);
    let page = read("docs/runbook.md");
    let documented = matches(r"(?m)^\| `(EngineRoles\w+)` \|", &page);
    let documented: BTreeSet<String> = documented
        .into_iter()
        .map(|[it, _]| it.to_owned())
        .collect();
    assert_eq!(documented, names);
    let tests = read("docker/observability/alerts.test.yaml");
    let rules = read("docker/observability/alerts.yaml");
    for name in names {
        let (_, rule) = rules
            .split_once(&format!("- alert: {name}\n"))
            .expect("a rule");
        let (rule, _) = rule.split_once("- alert: ").unwrap_or((rule, ""));
        // A series begins with its first event, or counts it from 0.
        let fires = 1 + usize::from(rule.contains("increase("));
        let tested = tests.matches(&format!("alertname: {name}\n")).count();
        assert_eq!(tested, fires + 1, "{name} fires and does not fire");
        assert_eq!(
            rule.contains("increase("),
            rule.contains(" offset "),
            "{name}"
        );
    }
}
