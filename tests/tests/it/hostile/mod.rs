//! Clients that send what no HTTP client sends, and as slowly as they like. They get no more than their
//! share, and other clients notice nothing.

mod fairness;
mod malformed;
mod many_connections;
mod readings;
mod slow_clients;
mod tls;
mod values;

use engine_roles_e2e::{Installation, RawConnection};
use serde_json::json;

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
const HALF_A_HEAD: &str = "GET /livez HTTP/1.1\r\nHost: x\r\nX-a: ";

async fn connect(installation: &Installation) -> RawConnection {
    RawConnection::open(installation.replicas[0].address()).await
}

/// Returns the head of a PUT with a valid key, up to the headers about its body.
fn put(installation: &Installation, cluster: &str) -> String {
    let key = installation.key();
    format!(
        "PUT /v1/clusters/{cluster}/role HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\n"
    )
}

/// Checks that a client with a new connection for each request is served.
async fn assert_served(installation: &Installation, cluster: &str) {
    installation.client().provision(cluster).await.expect(201);
    let client = installation.client();
    let changed = client.put(cluster, json!({"secrets": ["a"]})).await;
    changed.expect(200);
    let binding = installation.client().get(cluster).await;
    assert_eq!(binding.expect(200)["state"], "active");
}
