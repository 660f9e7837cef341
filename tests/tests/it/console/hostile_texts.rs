//! Texts that others choose are shown as they are: no browser takes them for markup.

use engine_roles_e2e::Installation;
use serde_json::json;

use super::browser::Browser;

const MARKUP: &str = "<script>alert('x')</script><img src=x onerror=\"alert(1)\">";

/// Checks that a page has the text, and not as markup.
#[track_caller]
fn is_harmless(path: &str, page: &str) {
    assert!(page.contains("&lt;script&gt;alert("), "{path}: {page}");
    for markup in ["<script>alert", "<img src=x"] {
        assert!(!page.contains(markup), "{path}: {page}");
    }
}

#[tokio::test]
async fn errors_of_iam_drift_tags_and_details_of_events_are_escaped() {
    let installation = Installation::build().rarely_checked().start().await;
    let body = json!({"tags": {"team": "a.b"}, "secrets": ["db-password"]});
    installation.client().put("one", body).await.expect(201);
    installation.events_are_numbered().await;
    // IAM limits what its names can be. What the database has could be anything.
    let quoted = MARKUP.replace('\'', "''");
    let failure = json!({
        "code": "missing_permission", "detail": MARKUP, "missing_permissions": [MARKUP],
        "blockers": [MARKUP], "generation": 1, "at": "2026-11-26T10:00:00Z", "attempts": 3,
        "next_attempt_at": null,
    });
    let drift =
        json!([{"kind": "foreign_inline_policy", "detail": MARKUP, "missing_permission": MARKUP}]);
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": MARKUP, "Effect": "Allow", "Action": MARKUP, "Resource": [MARKUP],
        "Condition": {"StringEquals": {MARKUP: MARKUP}},
    }]});
    let [failure, drift, policy] =
        [failure, drift, policy].map(|value| value.to_string().replace('\'', "''"));
    let change = format!(
        "UPDATE bindings SET state = 'failed', last_error = '{failure}', drift = '{drift}', \
         policy = '{policy}', receipt = NULL WHERE cluster = 'one'; \
         UPDATE api_keys SET name = name; \
         INSERT INTO orphans (namespace, kind, name, arn, found_at) \
         SELECT namespace, 'role', '{quoted}', '{quoted}', now() FROM bindings WHERE cluster = 'one'; \
         SELECT audit_append('{event}'::jsonb, now(), namespace, NULL, NULL, NULL, NULL, NULL) \
         FROM bindings WHERE cluster = 'one'",
        event = json!({
            "id": "0198c7a4-5b1e-7c3f-9a55-0c8a3d1f2b4e", "action": "denied", "actor": MARKUP,
            "detail": {"reason": MARKUP}, "aws_request_ids": [MARKUP], "request_id": MARKUP,
            "source": "192.0.2.1",
        })
        .to_string()
        .replace('\'', "''"),
    );
    installation.database.execute(&change).await;
    installation.events_are_numbered().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    for path in ["/console", "/console/clusters/one", "/console/audit"] {
        let page = browser.get(path).await;
        is_harmless(path, page.expect(200));
    }
    let part = browser.refresh("/console").await;
    is_harmless("the refreshed part", part.expect(200));
}

#[tokio::test]
async fn what_a_link_says_is_escaped() {
    let installation = Installation::build().rarely_checked().start().await;
    let browser = Browser::of(&installation, 0);
    browser.sign_in(installation.key()).await;
    let encoded = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        format!("/console/audit?actor={encoded}"),
        format!("/console/clusters?role={encoded}"),
        format!("/console/clusters?state={encoded}"),
        format!("/console/clusters?{encoded}=1"),
        format!("/console/clusters/{encoded}"),
        format!("/console/{encoded}"),
        format!("/console/sign-in?ended={encoded}"),
        format!("/console/assets/{encoded}"),
    ] {
        let page = browser.get(&path).await;
        assert!(
            !page.text.contains("<script>alert"),
            "{path}: {}",
            page.text
        );
        assert!(
            page.text.starts_with("<!DOCTYPE html>"),
            "{path}: {}",
            page.text
        );
    }
}
