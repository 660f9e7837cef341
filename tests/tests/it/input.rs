//! Invalid input is rejected with a specific code, and nothing is written.

use engine_roles_e2e::client::role;
use engine_roles_e2e::{Answer, Client, Installation};
use reqwest::Method;
use serde_json::{Map, Value, json};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/allowed";

async fn installation() -> Installation {
    Installation::build()
        .env("ENGINE_ROLES_ALLOWED_BOUNDARIES", BOUNDARY)
        .env("ENGINE_ROLES_PASS_THROUGH_ROLES", "prepared")
        .start()
        .await
}

/// Checks that the database is empty and that IAM was not called.
async fn assert_untouched(installation: &Installation) {
    for table in ["bindings", "clusters", "audit_pending", "audit_events"] {
        // The verdict about the prepared role is an event about no cluster.
        let rows: Vec<Value> = installation
            .database
            .rows(&format!(
                "SELECT * FROM {table} AS r WHERE to_jsonb(r) ->> 'cluster' IS NOT NULL"
            ))
            .await;
        assert!(rows.is_empty(), "{table} has {rows:?}");
    }
    assert_eq!(installation.iam_calls(0).len(), 0);
    installation.assert_sound().await;
}

fn at(cluster_in_path: &str) -> String {
    role(cluster_in_path)
}

async fn put_raw(client: &Client, kind: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let mut request = client.request(Method::PUT, &at("one")).body(body);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    client.send(request).await
}

#[tokio::test]
async fn cluster_names_with_special_meaning_in_iam_or_urls_are_rejected() {
    let installation = installation().await;
    let client = installation.client();
    let long = "x".repeat(64);
    let names = [
        "*",
        "one*",
        "%2A",
        "pro%3F",
        "%3F",
        "$x",
        "$%7Baws:PrincipalAccount%7D",
        "a%2Fb",
        "..%2Fother",
        "%2E%2E%2Fother",
        "a..b",
        "a.b",
        ".a",
        "a%20b",
        "a%00b",
        "a%0Ab",
        "a:b",
        "-a",
        "_a",
        "%C3%A9t%C3%A9",
        "%D0%B0bc",
        "a%FF",
        "a%25",
        "a,b",
        long.as_str(),
    ];
    for name in names {
        let answers = [
            client.put(name, json!({})).await,
            client.plan(name, json!({})).await,
            client.get(name).await,
            client.delete(name).await,
        ];
        for answer in answers {
            let problem = answer.expect_problem(422, "invalid_cluster_name");
            assert_eq!(problem["errors"][0]["field"], "cluster");
        }
    }
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn a_path_with_dots_or_additional_slashes_is_not_found() {
    let installation = installation().await;
    let client = installation.client();
    for path in ["/v1/clusters/a/b/role", "/v1/clusters//role"] {
        let request = client.request(Method::PUT, path).json(&json!({}));
        let answer = client.send(request).await;
        assert!(
            [404, 422].contains(&answer.status),
            "{path}: {}",
            answer.text
        );
    }
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn the_longest_and_the_shortest_cluster_name_are_accepted() {
    let installation = installation().await;
    let client = installation.client();
    client.provision(&"x".repeat(63)).await.expect(201);
    client.provision("0").await.expect(201);
    installation.assert_sound().await;
}

/// Checks that PUT and plan reject each body with this code and name the field, and that nothing is
/// written.
async fn assert_rejected(cases: Vec<(Value, &str)>) {
    let installation = installation().await;
    let client = installation.client();
    for (body, code) in cases {
        let answer = client.put("one", body.clone()).await;
        assert_eq!(answer.code(), Some(code), "{body}: {}", answer.text);
        let problem = answer.expect_problem(422, code);
        let field = problem["errors"][0]["field"].as_str().unwrap_or_default();
        let named = body
            .as_object()
            .is_some_and(|body| body.keys().any(|key| field.starts_with(key.as_str())));
        assert!(named, "{body}: the field named is {field}");
        let plan = client.plan("one", body).await;
        plan.expect_problem(422, code);
    }
    assert_untouched(&installation).await;
}

fn cases(field: &str, values: Vec<Value>, code: &'static str) -> Vec<(Value, &'static str)> {
    let body = |value| {
        let mut body = json!({});
        body[field] = value;
        (body, code)
    };
    values.into_iter().map(body).collect()
}

#[tokio::test]
async fn an_invalid_region_or_one_of_another_partition_is_rejected() {
    let regions = [
        "*",
        "us-west-?",
        "${aws:RequestedRegion}",
        "",
        "US-WEST-2",
        "us-west-2:1",
        "us-west-2/x",
        "us",
        "cn-north-1",
        "us-gov-west-1",
        "eusc-de-east-1",
    ];
    let regions = regions.map(|region| json!(region)).into();
    assert_rejected(cases("region", regions, "invalid_region")).await;
}

#[tokio::test]
async fn a_role_prefix_that_iam_would_reject_is_rejected() {
    let long = "x".repeat(31);
    let prefixes = ["a*", "a/b", "a b", "ä", "a${b}", long.as_str()];
    let prefixes = prefixes.map(|prefix| json!(prefix)).into();
    assert_rejected(cases("role_prefix", prefixes, "invalid_role_prefix")).await;
}

#[tokio::test]
async fn a_secret_name_that_could_grant_more_than_one_secret_is_rejected() {
    let long = "x".repeat(513);
    let names = [
        "",
        "*",
        "a?",
        "${aws:username}",
        "../other/password",
        "..",
        "a/../b",
        "a/./b",
        "a//b",
        "/a",
        "a/",
        "a b",
        "a:b",
        "ключ",
        long.as_str(),
    ];
    let mut lists: Vec<Value> = names.iter().map(|name| json!([name])).collect();
    lists.extend([json!([]), json!("ALL"), json!("*"), json!(["fine", "a*"])]);
    assert_rejected(cases("secrets", lists, "invalid_secret_name")).await;
}

#[tokio::test]
async fn reserved_tags_and_tags_that_iam_would_reject_are_rejected() {
    let numbered = |count: usize| -> Value {
        let tags = (0..count).map(|n| (format!("k{n}"), json!("v")));
        Value::Object(tags.collect())
    };
    let mut long_key = json!({});
    long_key["x".repeat(129)] = json!("x");
    let tags = vec![
        json!({"ai-unlimited:cluster": "x"}),
        json!({"AI-Unlimited:Owner": "x"}),
        json!({"aws:x": "x"}),
        json!({"AWS:x": "x"}),
        json!({"Aws:x": "x"}),
        json!({"": "x"}),
        json!({"a": "x<y"}),
        json!({"a*": "x"}),
        json!({"a\n": "x"}),
        json!({"Team": "x", "team": "y"}),
        json!({"a": "x".repeat(257)}),
        long_key,
        numbered(47),
        numbered(51),
    ];
    assert_rejected(cases("tags", tags, "invalid_tag")).await;
}

#[tokio::test]
async fn a_boundary_that_is_not_on_the_list_is_rejected() {
    let boundaries = [
        "arn:aws:iam::123456789012:policy/other",
        "arn:aws:iam::999999999999:policy/allowed",
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "allowed",
        "*",
        "",
    ];
    let boundaries = boundaries.map(|arn| json!(arn)).into();
    let cases = cases("permissions_boundary", boundaries, "boundary_not_allowed");
    assert_rejected(cases).await;
}

#[tokio::test]
async fn a_pass_through_role_that_is_not_on_the_list_is_rejected() {
    let roles = [
        "Admin",
        "arn:aws:iam::999999999999:role/prepared",
        "arn:aws:iam::123456789012:role/other/prepared2",
        "*",
        "prepared*",
        "",
    ];
    let code = "pass_through_role_not_allowed";
    let mut cases = cases("iam_role", roles.map(|role| json!(role)).into(), code);
    let named = json!({"mode": "pass_through", "iam_role": "other"});
    cases.push((named, code));
    assert_rejected(cases).await;
}

#[tokio::test]
async fn a_body_of_the_wrong_shape_is_rejected() {
    let installation = installation().await;
    let client = installation.client();
    let cases = [
        json!({"unknown": 1}),
        json!({"Mode": "create"}),
        json!({"mode": "both"}),
        json!({"mode": 1}),
        json!({"secrets": 1}),
        json!({"secrets": [1]}),
        json!({"secrets": {"a": "b"}}),
        json!({"session_manager": "yes"}),
        json!({"session_manager": 1}),
        json!({"region": 7}),
        json!({"region": ["us-west-2"]}),
        json!({"role_prefix": {}}),
        json!({"tags": []}),
        json!({"tags": "a=b"}),
        json!({"tags": {"a": 1}}),
        json!({"tags": {"a": null}}),
        json!({"permissions_boundary": true}),
        json!({"iam_role": 1}),
        json!([]),
        json!("create"),
        json!(null),
        json!(1),
    ];
    for body in cases {
        let answer = client.put("one", body.clone()).await;
        assert_eq!(
            answer.code(),
            Some("invalid_request"),
            "{body}: {}",
            answer.text
        );
        answer.expect_problem(400, "invalid_request");
    }
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn fields_that_contradict_each_other_are_rejected() {
    let installation = installation().await;
    let client = installation.client();
    let cases = [
        json!({"mode": "create", "iam_role": "prepared"}),
        json!({"mode": "pass_through"}),
        json!({"mode": "pass_through", "iam_role": "prepared", "permissions_boundary": BOUNDARY}),
    ];
    for body in cases {
        let answer = client.put("one", body).await;
        answer.expect_problem(400, "invalid_request");
    }
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn malformed_json_is_rejected() {
    let installation = installation().await;
    let client = installation.client();
    for body in [
        "{",
        "{}}",
        "{} {}",
        "{'mode': 'create'}",
        "{\"mode\": \"create\",}",
        "nonsense",
        "\u{feff}{}",
        "{\"tags\": {\"a\": \"\\ud800\"}}",
    ] {
        let answer = put_raw(&client, Some("application/json"), body).await;
        assert_eq!(
            answer.code(),
            Some("invalid_request"),
            "{body}: {}",
            answer.text
        );
        answer.expect_problem(400, "invalid_request");
    }
    let not_text = vec![b'{', b'"', 0xff, b'"', b'}'];
    let answer = put_raw(&client, Some("application/json"), not_text).await;
    answer.expect_problem(400, "invalid_request");
    let deep = "[".repeat(100_000);
    let answer = put_raw(&client, Some("application/json"), deep).await;
    answer.expect_problem(400, "invalid_request");
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn a_duplicate_field_is_rejected() {
    let installation = installation().await;
    let client = installation.client();
    let twice = "{\"region\": \"us-west-2\", \"region\": \"us-east-1\"}";
    let answer = put_raw(&client, Some("application/json"), twice).await;
    answer.expect_problem(400, "invalid_request");
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn a_body_of_two_megabytes_is_rejected_as_too_large() {
    let installation = installation().await;
    let client = installation.client();
    let body = format!("{{\"region\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let answer = put_raw(&client, Some("application/json"), body).await;
    answer.expect_problem(413, "body_too_large");
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn a_body_of_another_content_type_is_rejected() {
    let installation = installation().await;
    let client = installation.client();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/xml"),
        Some("application/jsonx"),
        Some(""),
    ] {
        let answer = put_raw(&client, kind, "{}").await;
        assert_eq!(answer.status, 415, "{kind:?}: {}", answer.text);
        answer.expect_problem(415, "unsupported_media_type");
    }
    assert_untouched(&installation).await;
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        put_raw(&client, Some(kind), "{}").await;
    }
    client.get("one").await.expect(200);
    // A PUT without a body requests a role with the defaults.
    let request = client.request(Method::PUT, &at("two"));
    client.send(request).await.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_request_at_all_limits_is_accepted() {
    let installation = installation().await;
    installation.administrator.prepare_policy("allowed").await;
    let tags: Map<String, Value> = (0..46)
        .map(|n| (format!("{n:0>128}"), json!("v".repeat(256))))
        .collect();
    let body = json!({
        "tags": tags,
        "role_prefix": "p".repeat(30),
        "permissions_boundary": BOUNDARY,
        "secrets": ["x".repeat(433), "a/b_c+d=e.f@g-h"],
        "session_manager": true,
    });
    let answer = installation.client().put(&"x".repeat(63), body).await;
    answer.expect(201);
    installation.assert_sound().await;
}

#[tokio::test]
async fn more_secrets_than_a_policy_can_hold_are_rejected() {
    let installation = installation().await;
    let client = installation.client();
    let secrets: Vec<String> = (0..120)
        .map(|n| format!("secret-number-{n:0>40}"))
        .collect();
    let answer = client.put("one", json!({"secrets": secrets})).await;
    answer.expect_problem(422, "policy_too_large");
    assert_untouched(&installation).await;
    // The same list as a change of an existing role leaves that role as it is.
    client.provision("one").await.expect(201);
    let answer = client.put("one", json!({"secrets": secrets})).await;
    answer.expect_problem(422, "policy_too_large");
    assert_eq!(client.get("one").await.body["generation"], 1);
    installation.assert_sound().await;
}

#[tokio::test]
async fn unknown_or_invalid_query_parameters_of_lists_are_rejected() {
    let installation = installation().await;
    let client = installation.client();
    for query in [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=x",
        "state=nonsense",
        "mode=nonsense",
        "cursor=nonsense",
        "unknown=1",
    ] {
        let answer = client.list(query).await;
        answer.expect_problem(400, "invalid_request");
    }
    client.list("limit=500").await.expect(200);
    assert_untouched(&installation).await;
}

#[tokio::test]
async fn an_if_match_that_is_not_an_etag_is_rejected() {
    let installation = installation().await;
    let client = installation.client();
    for tag in ["1", "\"1-1", "\"1-1\" \"2-1\""] {
        let answer = client.if_match(tag).put("one", json!({})).await;
        answer.expect_problem(400, "invalid_request");
    }
    assert_untouched(&installation).await;
}
