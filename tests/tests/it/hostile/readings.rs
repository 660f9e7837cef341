//! Answers without a key do not depend on the database.

use engine_roles_e2e::{Installation, eventually};

#[tokio::test]
async fn while_the_database_hangs_readiness_and_metrics_are_answered_and_a_stream_gets_503() {
    let installation = Installation::build().proxied().start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let counted = "engine_roles_bindings{state=\"active\"} 1";
    eventually("the binding is counted", async || {
        let metrics = client.fetch("/metrics").await;
        metrics.text.contains(counted).then_some(())
    })
    .await;
    installation.proxy().freeze();
    let unready = eventually("the reading is stale", async || {
        let answer = client.fetch("/readyz").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    let database = &unready.body["database"];
    assert!(
        database == "stale" || database == "unreachable",
        "{database}"
    );
    // Many callers at once: each gets an answer without a statement.
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let client = client.anonymous();
        callers.spawn(async move {
            let ready = client.fetch("/readyz").await;
            (ready.status, client.fetch("/metrics").await)
        });
    }
    while let Some(answered) = callers.join_next().await {
        let (ready, metrics) = answered.expect("the task does not panic");
        assert_eq!((ready, metrics.status), (503, 200));
        assert!(metrics.text.contains(counted), "{}", metrics.text);
    }
    let streams = client.with("accept", "application/x-ndjson");
    let answer = streams.fetch("/v1/audit").await;
    answer.expect_problem(503, "database_unavailable");
    installation.proxy().thaw();
    installation.ready().await;
    let answer = streams.fetch("/v1/audit").await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text.is_empty());
}
