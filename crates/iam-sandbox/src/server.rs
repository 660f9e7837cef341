use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use engine_roles_policy::PolicyError;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use crate::admin;
use crate::call;
use crate::call_log::Call;
use crate::clock::Clock;
use crate::config::SandboxConfig;
use crate::connection::{BreakableListener, Breaker};
use crate::faults::{Fault, Faults};
use crate::shared::Shared;
use crate::simulated_aws::SimulatedAws;

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum SandboxError {
    /// Its address can't be had.
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The identity's policy is none that IAM would take.
    #[error("the identity policy is not valid")]
    IdentityPolicy(#[source] PolicyError),
}

/// A running sandbox. It stops when it is dropped.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox, which answers as soon as this returns.
    ///
    /// # Errors
    /// Where the address can't be had or the identity's policy is not valid.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let listen = |source| SandboxError::Listen {
            address: config.listen,
            source,
        };
        let tcp = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = tcp.local_addr().map_err(listen)?;
        let clock = Clock::start();
        let aws = SimulatedAws::new(&config, &clock).map_err(SandboxError::IdentityPolicy)?;
        let shared = Arc::new(Shared::new(aws, clock));
        let stop = CancellationToken::new();
        let listener = BreakableListener {
            tcp,
            all: stop.child_token(),
        };
        let app = Router::new()
            .merge(admin::routes())
            .fallback(call::answer)
            .with_state(shared.clone())
            .into_make_service_with_connect_info::<Breaker>();
        let server =
            axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
        let server = tokio::spawn(async move {
            // It ends by the token only: accepting does not fail.
            let _never_fails = server.await;
        });
        info!(%address, account = config.account_id, "sandbox is up");
        Ok(Self {
            shared,
            address,
            server,
            stop: stop.drop_guard(),
        })
    }

    /// The address that it listens on, with the port that was free where the configuration said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an AWS SDK takes as its endpoint, for IAM and for STS.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What `GET /_sandbox/state` answers.
    pub fn state(&self) -> Value {
        self.shared.aws().account().state()
    }

    /// What `GET /_sandbox/calls?since=N` answers.
    pub fn calls(&self, since: u64) -> Vec<Call> {
        self.shared.calls.since(since)
    }

    /// Moves the sandbox's clock, as `POST /_sandbox/clock` does.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Stops the sandbox's clock, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.shared.clock.freeze(frozen);
    }

    /// Sets faults in place of those that were set, as `POST /_sandbox/faults` does.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.aws().faults = Faults::new(faults);
    }

    /// Stops it; connections that are open break off.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
