//! Concurrent requests for the same cluster.

use engine_roles_e2e::Installation;
use engine_roles_e2e::installation::fault;
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn after_two_concurrent_puts_the_role_has_the_spec_of_one_of_them() {
    let installation = Installation::build().latency(20).start().await;
    let client = installation.client();
    let waiting_client = client.waiting_longest();
    let body = |secret: &str| json!({"secrets": [secret]});
    for round in 0..5 {
        let cluster = format!("c{round}");
        let (first, second) = tokio::join!(
            waiting_client.put(&cluster, body("left")),
            waiting_client.put(&cluster, body("right")),
        );
        for answer in [&first, &second] {
            let superseded = answer.status == 409 && answer.code() == Some("superseded");
            assert!(
                superseded || [200, 201].contains(&answer.status),
                "{}",
                answer.text
            );
        }
        let binding = installation.reaches(&cluster, "active").await;
        assert!([json!(["left"]), json!(["right"])].contains(&binding["spec"]["secrets"]));
        assert!([1, 2].contains(&binding["generation"].as_i64().unwrap_or_default()));
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn a_put_during_another_put_wins() {
    let installation = Installation::start().await;
    let client = installation.client();
    installation.set_faults(fault("PutRolePolicy", "before", json!({"hang_ms": 5_000})));
    let waiting_client = client.waiting_longest();
    let first =
        tokio::spawn(async move { waiting_client.put("one", json!({"secrets": ["old"]})).await });
    installation.reached("PutRolePolicy", 0).await;
    let answer = client
        .without_waiting()
        .put("one", json!({"secrets": ["new"]}))
        .await;
    assert_eq!(answer.expect(202)["generation"], 2);
    installation
        .sandbox
        .advance(std::time::Duration::from_secs(5));
    let superseded = first.await.expect("the task does not panic");
    superseded.expect_problem(409, "superseded");
    let binding = installation.reaches("one", "active").await;
    assert_eq!(binding["spec"]["secrets"], json!(["new"]));
    assert_eq!(binding["applied_generation"], 2);
    installation.assert_sound().await;
}

#[tokio::test]
async fn a_delete_during_a_put_ends_without_a_role() {
    for held_call in [
        "CreateRole",
        "CreateInstanceProfile",
        "PutRolePolicy",
        "AddRoleToInstanceProfile",
    ] {
        let installation = Installation::start().await;
        let client = installation.client();
        installation.set_faults(fault(held_call, "before", json!({"hang_ms": 5_000})));
        let waiting_client = client.waiting_longest();
        let put = tokio::spawn(async move { waiting_client.provision("one").await });
        installation.reached(held_call, 0).await;
        let answer = client.without_waiting().delete("one").await;
        assert_eq!(answer.expect(202)["state"], "deleting", "{held_call}");
        installation
            .sandbox
            .advance(std::time::Duration::from_secs(5));
        let superseded = put.await.expect("the task does not panic");
        superseded.expect_problem(409, "superseded");
        installation.reaches_in_time("one", "deleted").await;
        assert!(installation.holds_nothing_of_ours(), "{held_call}");
        installation.assert_sound().await;
    }
}

#[tokio::test]
async fn fifty_concurrent_puts_at_three_replicas_create_one_role() {
    let installation = Installation::build().replicas(3).latency(20).start().await;
    let callers = (0..50).map(|number| {
        let client = installation.client_of(number % 3).waiting_longest();
        async move { client.provision("one").await }
    });
    let answers = join_all(callers).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let unchanged = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((created, unchanged), (1, 49));
    let ids = answers
        .iter()
        .map(|answer| answer.body["binding_id"].to_string());
    let ids: std::collections::BTreeSet<String> = ids.collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(installation.mutations(0).len(), 4);
    installation.assert_sound().await;
}

#[tokio::test]
async fn concurrent_puts_and_deletes_end_with_one_role_or_none() {
    let installation = Installation::build().replicas(2).latency(5).start().await;
    let callers = (0..30).map(|number| {
        let client = installation.client_of(number % 2).waiting_longest();
        async move {
            if number % 3 == 0 {
                client.delete("one").await
            } else {
                client
                    .put("one", json!({"session_manager": number % 2 == 0}))
                    .await
            }
        }
    });
    for answer in join_all(callers).await {
        let codes = ["superseded", "teardown_in_progress", "not_found"];
        let is_expected = answer.code().is_some_and(|code| codes.contains(&code));
        assert!(is_expected || answer.status < 300, "{}", answer.text);
    }
    engine_roles_e2e::eventually("the cluster has no work in progress", async || {
        let state = installation.client().get("one").await.body["state"].clone();
        (state == "active" || state == "deleted").then_some(())
    })
    .await;
    let is_deleted = installation.client().get("one").await.body["state"] == "deleted";
    assert_eq!(installation.holds_nothing_of_ours(), is_deleted);
    installation.assert_sound().await;
}
