//! The commands of `docs/sandbox.md` do what the page says, and the page has each route of the sandbox.

use engine_roles_e2e::Installation;

use super::shell::{blocks, printed, run, variables};

const PAGE: &str = include_str!("../../../../docs/sandbox.md");
const FILE: &str = "documented/sandbox.rs";

/// Runs the block below a heading, and returns what it printed on both outputs.
async fn run_below(installation: &Installation, heading: &str) -> String {
    let start = format!("\n## {heading}\n");
    let (_, rest) = PAGE.split_once(&start).expect("the page has the heading");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let commands = format!("exec 2>&1\n{}", blocks(section, "sh", FILE).concat());
    let mut variables = variables(installation);
    variables.insert("SANDBOX".to_owned(), installation.sandbox.endpoint());
    let directory = tempfile::tempdir().expect("a directory");
    let output = run(&commands, directory.path(), &variables).await;
    printed(&commands, &output)
}

/// Asserts that a text has each of these, in this order.
fn assert_in_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for part in expected {
        let found = rest.split_once(part);
        rest = found
            .unwrap_or_else(|| panic!("no {part} in order: {text}"))
            .1;
    }
}

#[tokio::test]
async fn the_commands_of_the_sandboxs_page_do_what_it_says() {
    let installation = Installation::build().rarely_checked().start().await;
    let text = run_below(&installation, "What AWS would have").await;
    assert_in_order(&text, &["active", "looked-at", r#""action":"CreateRole""#]);

    let text = run_below(&installation, "Calls that fail").await;
    // All faults are used up.
    assert_in_order(&text, &["active", r#""times":0"#, r#""times":0"#]);

    let text = run_below(&installation, "Calls that are denied").await;
    let denied = [
        "iam:CreateRole",
        "service control policy",
        "exit code 1",
        "active",
    ];
    assert_in_order(&text, &denied);

    let text = run_below(&installation, "Slow, stale and limited answers").await;
    assert_in_order(&text, &["quota_exceeded", "exit code 1"]);

    let text = run_below(&installation, "Time").await;
    assert_in_order(&text, &["now_ms"]);

    let text = run_below(&installation, "Credentials that end").await;
    assert_in_order(&text, &["exit code 1", "degraded", "credentials"]);
    installation.client().provision("after").await.expect(201);
}

#[test]
fn the_page_has_each_route_of_the_sandbox() {
    let admin = include_str!("../../../../crates/iam-sandbox/src/admin.rs");
    let routes = admin.split("\"/_sandbox/").skip(1);
    let mut routes: Vec<&str> = routes.filter_map(|rest| rest.split('"').next()).collect();
    // The format of the routes of the layers.
    routes.retain(|route| !route.contains('{'));
    let layers = [
        "scp",
        "identity-policy",
        "identity-boundary",
        "session-policy",
        "endpoint-policy",
    ];
    assert!(routes.len() > 5, "{routes:?}");
    for route in routes.iter().chain(&layers) {
        let is_named =
            PAGE.contains(&format!("/_sandbox/{route}")) || PAGE.contains(&format!("`{route}`"));
        assert!(is_named, "docs/sandbox.md lacks {route}");
    }
}
