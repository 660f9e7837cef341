//! How bodies, queries and conditions of requests are read.

use super::*;

#[tokio::test]
async fn another_form_of_json_is_not_read_as_an_object_a_word_or_a_list() {
    for (body, field) in [
        (r#"["create", null, ["x"], true]"#, "body"),
        (r#""create""#, "body"),
        (r#"{"mode": {"create": null}}"#, "mode"),
        (r#"{"mode": ["create"]}"#, "mode"),
        (r#"{"tags": [["a", "b"]]}"#, "tags"),
        (r#"{"tags": {"a": ["1"]}}"#, "tags.a"),
        (r#"{"secrets": {"0": "a"}}"#, "secrets"),
        (r#"{"secrets": [["a"]]}"#, "secrets[0]"),
        (r#"{"session_manager": [true]}"#, "session_manager"),
    ] {
        let answer = put(body).await;
        let (status, code) = answer.problem();
        assert_eq!((status, code.as_str()), (400, "invalid_request"), "{body}");
        assert_eq!(answer.field(), field, "{body}");
    }
}

#[tokio::test]
async fn request_bodies_are_parsed_strictly() {
    for (body, status, code, field) in [
        ("", 503, "database_unavailable", ""),
        ("{}", 503, "database_unavailable", ""),
        (r#"{"tags": null}"#, 503, "database_unavailable", ""),
        ("[]", 400, "invalid_request", "body"),
        ("null", 400, "invalid_request", "body"),
        ("{", 400, "invalid_request", "body"),
        ("{} {}", 400, "invalid_request", "body"),
        (r#"{"secret": []}"#, 400, "invalid_request", "secret"),
        (r#"{"Mode": "create"}"#, 400, "invalid_request", "Mode"),
        (r#"{"mode": "Create"}"#, 400, "invalid_request", "mode"),
        (r#"{"region": 1}"#, 400, "invalid_request", "region"),
        (
            r#"{"region": "us-west-2", "region": "us-west-2"}"#,
            400,
            "invalid_request",
            "region",
        ),
        (
            r#"{"session_manager": "yes"}"#,
            400,
            "invalid_request",
            "session_manager",
        ),
        (r#"{"tags": {"a": 1}}"#, 400, "invalid_request", "tags.a"),
        (
            r#"{"tags": {"a": "1", "a": "2"}}"#,
            422,
            "invalid_tag",
            "tags",
        ),
        (
            r#"{"tags": {"a": "1", "A": "2"}}"#,
            422,
            "invalid_tag",
            "tags",
        ),
        (
            r#"{"tags": {"aws:x": "1"}}"#,
            422,
            "invalid_tag",
            "tags.aws:x",
        ),
        (r#"{"secrets": 1}"#, 400, "invalid_request", "secrets"),
        (
            r#"{"secrets": "some"}"#,
            422,
            "invalid_secret_name",
            "secrets",
        ),
        (r#"{"secrets": []}"#, 422, "invalid_secret_name", "secrets"),
        (
            r#"{"secrets": ["a", "*"]}"#,
            422,
            "invalid_secret_name",
            "secrets[1]",
        ),
        (r#"{"region": "us-*"}"#, 422, "invalid_region", "region"),
        (
            r#"{"role_prefix": "a/"}"#,
            422,
            "invalid_role_prefix",
            "role_prefix",
        ),
        (
            r#"{"iam_role": "a/b"}"#,
            422,
            "pass_through_role_not_allowed",
            "iam_role",
        ),
        (
            r#"{"permissions_boundary": "x"}"#,
            422,
            "boundary_not_allowed",
            "permissions_boundary",
        ),
    ] {
        let answer = put(body).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{body}");
        assert_eq!(answer.field(), field, "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_body_must_be_declared_as_json_and_must_not_be_too_large() {
    for (content_type, status) in [
        ("application/json; charset=utf-8", 503),
        ("Application/JSON", 503),
        ("text/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ] {
        let answer = put_as(content_type, "{}").await;
        assert_eq!(answer.problem().0, status, "{content_type}");
    }
    let api = api(without_key()).await;
    let without_type = request(Method::PUT, ROLE).body(Body::from("{}"));
    let answer = send(&api, without_type.expect("a request")).await;
    assert_eq!(answer.problem(), (415, "unsupported_media_type".to_owned()));

    let padded = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    assert_eq!(put(padded(256 * 1024)).await.problem().0, 503);
    let answer = put(padded(256 * 1024 + 1)).await;
    assert_eq!(answer.problem(), (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn query_strings_are_parsed_strictly() {
    for path in [
        "/v1/clusters?limit=0",
        "/v1/clusters?limit=501",
        "/v1/clusters?limit=x",
        "/v1/clusters?state=gone",
        "/v1/clusters?mode=pass-through",
        "/v1/clusters?state=active,gone",
        "/v1/clusters?live=yes",
        "/v1/clusters?drifted=1",
        "/v1/clusters?prefix=-",
        "/v1/clusters?updated_since=2026",
        "/v1/clusters?role=a*",
        "/v1/clusters?limit=1&limit=2",
        "/v1/clusters/one/incarnations?cursor=x",
        "/v1/audit?after=x",
        "/v1/clusters?cursor=x",
        "/v1/clusters?colour=red",
        "/v1/audit?limit=1001",
        "/v1/audit?action=slept",
        "/v1/audit?since=yesterday",
        "/v1/audit?seq=1",
        "/v1/policies/engine-trust?name=x",
    ] {
        let answer = call(Method::GET, path).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_request".to_owned()),
            "{path}"
        );
    }
    let answer = call(Method::GET, "/v1/audit?cluster=a*").await;
    assert_eq!(answer.problem(), (422, "invalid_cluster_name".to_owned()));
    for path in [
        "/v1/clusters",
        "/v1/clusters?state=active,failed&mode=create&limit=500",
        "/v1/clusters?live=true&drifted=false&prefix=a&updated_since=2026-01-01T00:00:00Z",
        "/v1/clusters?role=arn:aws:iam::123456789012:role/a/b",
        "/v1/clusters/one/incarnations?limit=3",
        "/v1/audit",
    ] {
        assert_eq!(call(Method::GET, path).await.problem().0, 503, "{path}");
    }
}

#[tokio::test]
async fn every_wrong_field_of_a_body_is_named_at_once() {
    let answer = put(
        r#"{"mode": 1, "region": "*", "tags": {"team": 1, "aws:x": "y"}, "secrets": ["a", "."], "dry_run": true}"#,
    )
    .await;
    assert_eq!(answer.problem(), (400, "invalid_request".to_owned()));
    let errors = answer.body["errors"].as_array().expect("a list");
    let fields: Vec<&str> = errors
        .iter()
        .filter_map(|error| error["field"].as_str())
        .collect();
    let expected = [
        "mode",
        "region",
        "tags.team",
        "tags.aws:x",
        "secrets[1]",
        "dry_run",
    ];
    assert_eq!(fields, expected);
    // Fields that each break the rule of their value have a code of their own.
    let answer = put(r#"{"region": "*", "secrets": ["."]}"#).await;
    assert_eq!(answer.problem(), (422, "invalid_region".to_owned()));
    let errors = answer.body["errors"].as_array().map(Vec::len);
    assert_eq!(errors, Some(2));
    for words in ["struct", "RoleRequest", "line 1 column"] {
        assert!(!answer.body.to_string().contains(words), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_path_without_parameters_rejects_a_query() {
    for (method, path) in [
        (Method::PUT, ROLE.to_owned()),
        (Method::GET, ROLE.to_owned()),
        (Method::DELETE, ROLE.to_owned()),
        (Method::POST, format!("{ROLE}/plan")),
        (Method::GET, format!("{ROLE}/access")),
        (Method::GET, "/v1/capabilities".to_owned()),
        (Method::GET, "/v1/pass-through-roles".to_owned()),
        (Method::GET, "/v1/policies".to_owned()),
        (Method::GET, "/livez".to_owned()),
        (Method::GET, "/readyz".to_owned()),
        (Method::GET, "/metrics".to_owned()),
        (Method::GET, "/openapi.json".to_owned()),
    ] {
        let answer = call(method.clone(), &format!("{path}?dry_run=true&x")).await;
        let problem = answer.problem();
        assert_eq!(problem, (400, "invalid_request".to_owned()), "{path}");
        let errors = answer.body["errors"].as_array().map(Vec::len);
        assert_eq!(errors, Some(2), "{path}");
    }
}

#[tokio::test]
async fn a_body_with_a_content_coding_is_rejected() {
    let api = api(without_key()).await;
    for (coding, status) in [("gzip", 415), ("identity", 503)] {
        let request = request(Method::PUT, ROLE)
            .header("content-type", "application/json")
            .header("content-encoding", coding)
            .body(Body::from("{}"));
        let answer = send(&api, request.expect("a request")).await;
        assert_eq!(answer.problem().0, status, "{coding}");
    }
}

#[tokio::test]
async fn conditions_are_read_as_rfc_9110_says() {
    let api = api(without_key()).await;
    for (value, status) in [
        ("*", 503),
        ("\"3-17\"", 503),
        ("\"3\"", 503),
        ("W/\"3-17\"", 503),
        ("\"1-1\", W/\"x\"", 503),
        ("3", 400),
        ("\"1-1\" \"2-1\"", 400),
        ("*, \"1-1\"", 400),
        ("", 400),
    ] {
        for method in [Method::PUT, Method::DELETE, Method::GET] {
            for name in ["if-match", "if-none-match"] {
                let request = request(method.clone(), ROLE).header(name, value);
                let answer = send(&api, request.body(Body::empty()).expect("a request")).await;
                assert_eq!(answer.problem().0, status, "{name}: {value}");
            }
        }
    }
    let twice = request(Method::PUT, ROLE)
        .header("if-match", "\"1-1\"")
        .header("if-match", "2");
    let answer = send(&api, twice.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.problem().0, 400);
    assert_eq!(answer.field(), "If-Match");
}
