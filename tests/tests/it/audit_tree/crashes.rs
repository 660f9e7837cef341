//! Restarts and replicas that are killed while events are added to the tree.

use engine_roles_e2e::{Installation, eventually};
use serde_json::Value;

use super::fixture::{Files, read, signed};

#[tokio::test]
async fn a_replica_that_is_killed_again_and_again_loses_no_event() {
    let files = Files::new();
    let mut installation = files
        .signing(Installation::build().rarely_checked())
        .start()
        .await;
    installation.database.without_log_reads().await;
    installation.client().provision("one").await.expect(201);
    let mut checkpoints = vec![signed(&installation).await];
    // Before, while and after the events are numbered and added to the tree.
    for moment in [
        "true",
        "(SELECT seq FROM audit_heads) > {before}",
        "(SELECT size FROM audit_trees) > {before}",
        "(SELECT size FROM audit_trees) > {before} + 1500",
    ] {
        let before = read(checkpoints.last().expect("checkpoints")).size;
        let events =
            "INSERT INTO audit_pending (id, at, namespace, cluster, binding_id, generation,
                                                 action, actor, from_state, to_state, detail)
                      SELECT gen_random_uuid(), service_now(), namespace, cluster, id, generation,
                             'updated', 'a writer', state, state, '{}'
                      FROM bindings, generate_series(1, 3000)";
        installation.database.execute(events).await;
        let moment = moment.replace("{before}", &before.to_string());
        eventually(&moment, async || {
            let query = format!("SELECT WHERE {moment}");
            let rows: Vec<Value> = installation.database.rows(&query).await;
            (!rows.is_empty()).then_some(())
        })
        .await;
        installation.replicas[0].kill().await;
        installation.restart(0).await;
        checkpoints.push(signed(&installation).await);
    }
    files.write_public_key(&installation);
    files.export(&installation, "export.ndjson", &[]);
    let mut names = Vec::new();
    for (note, round) in checkpoints.iter().zip(0..) {
        let name = format!("checkpoint-{round}");
        std::fs::write(files.path(&name), note).expect("written");
        names.push(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (code, text) = files.verify(&installation, "export.ndjson", &names);
    assert_eq!(code, 0, "{text}");
    assert_eq!(read(checkpoints.last().expect("checkpoints")).size, 12_002);
}
