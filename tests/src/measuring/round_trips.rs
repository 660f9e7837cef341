//! The statements that Postgres executes for a request.

use std::path::Path;

use serde::Serialize;

use super::installation_of;
use crate::statements::{StatementLog, Statements};
use crate::{Answer, Client, Installation};

/// The statements for one request of each kind.
#[derive(Debug)]
pub struct RoundTrips {
    /// A PUT that creates a role.
    pub put: Statements,
    /// The same PUT again.
    pub repeated_put: Statements,
    pub get: Statements,
    /// A DELETE of the role.
    pub delete: Statements,
}

/// The numbers of statements for one request of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub put: usize,
    pub repeated_put: usize,
    pub get: usize,
    pub delete: usize,
}

impl RoundTrips {
    /// Counts the statements that serve the requests, without background work.
    pub fn of_requests(&self) -> Counts {
        self.count(|statements| statements.of_requests.len())
    }

    /// Counts the pings, those of background work included.
    pub fn pings(&self) -> Counts {
        self.count(|statements| statements.pings)
    }

    fn count(&self, number: impl Fn(&Statements) -> usize) -> Counts {
        Counts {
            put: number(&self.put),
            repeated_put: number(&self.repeated_put),
            get: number(&self.get),
            delete: number(&self.delete),
        }
    }
}

/// Provisions a cluster, repeats the request, reads the binding, and tears it down. Each request
/// waits until its work is done.
///
/// # Panics
/// When a request fails.
pub async fn round_trips(binary: &Path) -> RoundTrips {
    let mut installation = installation_of(binary).proxied().start().await;
    // The first request of a kind may open a connection and prepare what later ones use.
    let client = installation.client();
    client.provision("first").await.expect(201);
    client.delete("first").await.expect(200);
    let log = StatementLog::start(&mut installation).await;
    let measured = Measured {
        installation: &installation,
        log: &log,
    };
    RoundTrips {
        put: measured
            .statements_of(201, async |client| client.provision("one").await)
            .await,
        repeated_put: measured
            .statements_of(200, async |client| client.provision("one").await)
            .await,
        get: measured
            .statements_of(200, async |client| client.get("one").await)
            .await,
        delete: measured
            .statements_of(200, async |client| client.delete("one").await)
            .await,
    }
}

struct Measured<'a> {
    installation: &'a Installation,
    log: &'a StatementLog,
}

impl Measured<'_> {
    async fn statements_of(
        &self,
        status: u16,
        request: impl AsyncFnOnce(Client) -> Answer,
    ) -> Statements {
        let client = self.installation.client();
        let before = self.log.mark(self.installation).await;
        request(client).await.expect(status);
        let answered = self.log.mark(self.installation).await;
        self.log.settles(answered).await;
        let after = self.log.mark(self.installation).await;
        self.log.between(before, after)
    }
}
