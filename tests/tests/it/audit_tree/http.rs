//! Proofs and tiles over HTTP.

use engine_roles_e2e::{Installation, eventually};
use engine_roles_transparency::{
    ConsistencyProof, HASH_BYTES, InclusionProof, LogProof, Note, TreeHash, decode_bundle,
};
use serde_json::Value;

use super::fixture::{Files, read, readiness, signed};

fn hashes(list: &Value) -> Vec<TreeHash> {
    let list = list.as_array().expect("a list");
    list.iter().map(hash).collect()
}

fn hash(text: &Value) -> TreeHash {
    text.as_str().expect("a text").parse().expect("a hash")
}

#[tokio::test]
async fn every_event_is_proved_by_the_signed_checkpoint() {
    let files = Files::new();
    let installation = files.start().await;
    let client = installation.client();
    for cluster in ["one", "two", "three"] {
        client.provision(cluster).await.expect(201);
    }
    let note = signed(&installation).await;
    let keys = files.write_public_key(&installation);
    let parsed: Note = note.parse().expect("a note");
    keys.verify(&parsed).expect("the log has signed");
    let checkpoint = read(&note);
    assert_eq!(checkpoint.origin.as_str(), "engine-roles/default");
    for seq in 1..=checkpoint.size {
        let proof = client.fetch(&format!("/v1/audit/{seq}/proof")).await;
        let body = proof.expect(200);
        let entry = body["entry"].as_str().expect("an entry");
        let event: Value = serde_json::from_str(entry).expect("JSON");
        assert_eq!(event["seq"], seq);
        assert_eq!(hash(&body["leaf"]), TreeHash::of_leaf(entry.as_bytes()));
        let inclusion = InclusionProof {
            index: seq - 1,
            size: checkpoint.size,
            hashes: hashes(&body["hashes"]),
        };
        let leaf = TreeHash::of_leaf(entry.as_bytes());
        inclusion.verify(&leaf, &checkpoint.root).expect("proved");
        let text: LogProof = body["proof"]
            .as_str()
            .expect("a text")
            .parse()
            .expect("a proof");
        text.verify(&keys, entry.as_bytes()).expect("proved");
        // What the log shows is what was hashed.
        let shown = client.audit(&format!("after={}&limit=1", seq - 1)).await;
        assert_eq!(shown.body["items"][0], event);
    }
    assert_eq!(readiness(&installation).await["audit"], "ok");
    installation.assert_sound().await;
}

#[tokio::test]
async fn an_older_checkpoint_is_proved_to_be_the_beginning_of_a_newer_one() {
    let files = Files::new();
    let installation = files.start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let old = read(&signed(&installation).await);
    client.delete("one").await.expect(200);
    let new = read(&signed(&installation).await);
    let path = format!("/v1/audit/consistency?from={}&to={}", old.size, new.size);
    let answer = client.fetch(&path).await;
    let body = answer.expect(200);
    let proof = ConsistencyProof {
        old_size: old.size,
        new_size: new.size,
        hashes: hashes(&body["hashes"]),
    };
    proof.verify(&old.root, &new.root).expect("proved");
    assert_eq!(hash(&body["from_root"]), old.root);
    assert_eq!(hash(&body["to_root"]), new.root);
    let written = files.checkpoint().expect("a file");
    assert_eq!(read(&written).size, new.size);
    installation.assert_sound().await;
}

#[tokio::test]
async fn tiles_have_one_path_each() {
    let files = Files::new();
    let installation = files.start().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    let size = read(&signed(&installation).await).size;
    assert_eq!(size, 2);
    let get = async |path: &str| {
        let request = client
            .typed()
            .request("GET".parse().expect("a method"), path);
        let request = request.build().expect("a request");
        client.typed().send(request).await.expect("an answer")
    };
    let tile = get("/v1/audit/tile/0/000.p/2").await;
    assert_eq!(tile.body.len(), 2 * HASH_BYTES);
    let entries = get("/v1/audit/tile/entries/000.p/2").await;
    let entries = decode_bundle(&entries.body).expect("a bundle");
    let leaves = entries
        .iter()
        .flat_map(|entry| *TreeHash::of_leaf(entry).as_bytes());
    assert_eq!(leaves.collect::<Vec<u8>>(), tile.body);
    assert_eq!(
        get("/v1/audit/tile/0/000.p/1").await.body,
        tile.body[..HASH_BYTES]
    );
    for path in [
        "0/000",
        "0/000.p/3",
        "0/000.p/0",
        "0/000.p/02",
        "0/00.p/2",
        "0/001.p/1",
        "1/000.p/1",
        "00/000.p/2",
        "8/000.p/1",
        "entries/000",
        "entries/000.p/3",
        "entries/x000/000.p/2",
        "0",
        "0/000.p/2/",
        "data/000.p/2",
        "%30/000.p%2F2",
    ] {
        let answer = get(&format!("/v1/audit/tile/{path}")).await;
        // One spelling of a byte in a URL is as good as another.
        let expected = if path.starts_with('%') { 200 } else { 404 };
        assert_eq!(answer.status.as_u16(), expected, "{path}");
    }
    for (path, status) in [
        ("/v1/audit/3/proof", 404),
        ("/v1/audit/0/proof", 400),
        ("/v1/audit/1/proof?size=3", 404),
        ("/v1/audit/2/proof?size=1", 404),
        ("/v1/audit/01/proof", 400),
        ("/v1/audit/x/proof", 400),
        ("/v1/audit/-1/proof", 400),
        ("/v1/audit/1/proof?sizes=1", 400),
        ("/v1/audit/consistency", 400),
        ("/v1/audit/consistency?from=2&to=1", 400),
        ("/v1/audit/consistency?from=1&to=3", 404),
        ("/v1/audit/checkpoint?x=1", 400),
        ("/v1/audit/tile/0/000.p/2?x=1", 400),
    ] {
        assert_eq!(client.fetch(path).await.status, status, "{path}");
    }
    let detail = async |path: &str| client.fetch(path).await.body["detail"].clone();
    for (path, expected) in [
        (
            "1/proof?size=3",
            "the tree of the audit log, which has 2 entries, does not have 3 entries",
        ),
        (
            "3/proof",
            "the tree of the audit log, which has 2 entries, does not have event 3",
        ),
        (
            "2/proof?size=1",
            "the tree of the audit log, which has 2 entries, does not have event 2 among its first 1 entries",
        ),
        (
            "0/proof",
            "seq: must be a number from 1 to 9007199254740991, without leading zeros",
        ),
        ("consistency?from=1", "to: is missing"),
    ] {
        assert_eq!(
            detail(&format!("/v1/audit/{path}")).await,
            expected,
            "{path}"
        );
    }
    for path in [
        "/v1/audit/checkpoint",
        "/v1/audit/1/proof",
        "/v1/audit/tile/0/000.p/2",
    ] {
        assert_eq!(client.anonymous().fetch(path).await.status, 401, "{path}");
    }
    installation.assert_sound().await;
}

#[tokio::test]
async fn without_a_key_events_are_provable_but_nothing_is_signed() {
    let installation = Installation::start().await;
    installation.database.without_log_reads().await;
    let client = installation.client();
    client.provision("one").await.expect(201);
    installation.events_are_numbered().await;
    let proof = eventually("the event is in the tree", async || {
        let answer = client.fetch("/v1/audit/2/proof").await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(proof.body["proof"], Value::Null);
    let answer = client.fetch("/v1/audit/checkpoint").await;
    answer.expect_problem(404, "not_found");
    assert!(
        answer.text.contains("ENGINE_ROLES_AUDIT_KEY_FILE"),
        "{}",
        answer.text
    );
    let files = Files::new();
    let export = files.export(&installation, "export.ndjson", &[]);
    assert_eq!(export.lines().count(), 3);
    installation.assert_sound().await;
}
