//! Values that Postgres can't store or compare.

use engine_roles_e2e::{Installation, RawConnection};

#[tokio::test]
async fn a_parameter_that_postgres_can_not_store_is_rejected_by_its_name() {
    let installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    let since = installation.mark();
    let long = format!("actor={}", "a".repeat(257));
    let cases = [
        ("/v1/audit", "actor=%00", "actor"),
        ("/v1/audit", "actor=a%00b", "actor"),
        ("/v1/audit", long.as_str(), "actor"),
        ("/v1/audit", "since=-4800-01-01T00:00:00Z", "since"),
        ("/v1/audit", "until=-262143-01-01T00:00:00Z", "until"),
        ("/v1/audit", "since=0000-01-01T00:00:00Z", "since"),
        ("/v1/audit", "until=%2B10000-01-01T00:00:00Z", "until"),
        ("/v1/audit", "until=%2B262142-01-01T00:00:00Z", "until"),
        ("/v1/audit", "since=yesterday", "since"),
        ("/v1/audit", "after=9223372036854775808", "after"),
        ("/v1/audit", "after=1e3", "after"),
        ("/v1/audit", "limit=99999999999999999999", "limit"),
        ("/v1/audit", "action=%00", "action"),
        ("/v1/audit", "nonsense=1", "nonsense"),
        ("/v1/clusters", "cursor=%00", "cursor"),
        ("/v1/clusters", "limit=-1", "limit"),
        ("/v1/clusters", "state=%00", "state"),
        ("/v1/clusters", "mode=%00", "mode"),
    ];
    for (path, query, parameter) in cases {
        for accept in ["application/json", "application/x-ndjson"] {
            let client = installation.client().with("accept", accept);
            let answer = client.fetch(&format!("{path}?{query}")).await;
            let problem = answer.expect_problem(400, "invalid_request");
            assert_eq!(problem["errors"][0]["field"], parameter, "{query}");
        }
    }
    let client = installation.client();
    client
        .audit("cluster=%00")
        .await
        .expect_problem(422, "invalid_cluster_name");
    // Extreme values that can be compared are accepted.
    for query in [
        "since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z",
        "after=9007199254740991",
        "actor=%F0%9F%98%80",
    ] {
        client.audit(query).await.expect(200);
    }
    // A number that JavaScript can't hold is none of the log.
    for after in ["9007199254740992", "9223372036854775807", "-1"] {
        let answer = client.audit(&format!("after={after}")).await;
        let problem = answer.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], "after", "{problem}");
    }
    assert_eq!(installation.mutations(since).len(), 0);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_forged_cursor_tag_or_path_is_never_an_error_of_the_service() {
    let installation = Installation::start().await;
    installation.client().provision("one").await.expect(201);
    // base64url of "zzz/9223372036854775807", "zzz/-9223372036854775808", "a\0/1" and
    // "zzz/9223372036854775808".
    for (cursor, status) in [
        ("enp6LzkyMjMzNzIwMzY4NTQ3NzU4MDc", 200),
        ("enp6Ly05MjIzMzcyMDM2ODU0Nzc1ODA4", 200),
        ("YQAvMQ", 400),
        ("enp6LzkyMjMzNzIwMzY4NTQ3NzU4MDg", 400),
    ] {
        let answer = installation
            .client()
            .list(&format!("cursor={cursor}"))
            .await;
        assert_eq!(answer.status, status, "{cursor}: {}", answer.text);
    }
    for tag in ["\"9223372036854775807\"", "\"-9223372036854775808\""] {
        let client = installation.client().if_match(tag);
        let answer = client
            .put("one", serde_json::json!({"secrets": ["a"]}))
            .await;
        answer.expect_problem(412, "precondition_failed");
    }
    // The path of a request, sent as it is.
    let key = installation.key();
    for (path, status) in [
        ("/v1/clusters/%00/role", 422),
        ("/v1/clusters/%FF/role", 422),
        ("/v1/clusters/a%00b/role/access", 422),
        ("/v1/policies/%00", 404),
        ("/v1/policies/%FF", 404),
    ] {
        let mut connection = RawConnection::open(installation.replicas[0].address()).await;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
        let answer = connection.exchange(request).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    installation.assert_sound().await;
}
