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
use crate::credentials::Credentials;
use crate::faults::{Fault, Faults};
use crate::layers::PolicyLayer;
use crate::shared::Shared;
use crate::simulated_aws::SimulatedAws;

/// The reason why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum SandboxError {
    /// The sandbox can't listen on its address.
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// A policy is not one that AWS would accept.
    #[error("the {layer} is not valid")]
    Policy {
        layer: PolicyLayer,
        #[source]
        source: PolicyError,
    },
}

/// A running sandbox. Dropping this value stops the sandbox.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox, which answers calls as soon as this function returns.
    ///
    /// # Errors
    /// Returns an error if the sandbox can't listen on the address or a policy is not valid.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let listen = |source| SandboxError::Listen {
            address: config.listen,
            source,
        };
        let tcp = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = tcp.local_addr().map_err(listen)?;
        let clock = Clock::start();
        let aws = SimulatedAws::new(&config, &clock)
            .map_err(|(layer, source)| SandboxError::Policy { layer, source })?;
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
            // The server ends only by the token, because accepting never fails.
            let _never_fails = server.await;
        });
        info!(%address, account = config.account_id, "sandbox started");
        Ok(Self {
            shared,
            address,
            server,
            stop: stop.drop_guard(),
        })
    }

    /// Returns the address that the sandbox listens on; if the configured port was 0, with the
    /// actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint URL for an AWS SDK, for both IAM and STS.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the same as `GET /_sandbox/state`.
    pub fn state(&self) -> Value {
        self.shared.aws().account().state()
    }

    /// Adds the resources of an earlier [`Sandbox::state`] to the account, with their unique ids.
    /// Resources with the same names are replaced.
    pub fn restore(&self, state: &Value) {
        self.shared.aws().restore(state, &self.shared.clock);
    }

    /// Returns the same as `GET /_sandbox/calls?since=N`.
    pub fn calls(&self, since: u64) -> Vec<Call> {
        self.shared.calls.since(since)
    }

    /// Advances the sandbox's clock, as `POST /_sandbox/clock` does.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Freezes the sandbox's clock, or lets it run again.
    pub fn freeze(&self, frozen: bool) {
        self.shared.clock.freeze(frozen);
    }

    /// Replaces the faults that are set, as `POST /_sandbox/faults` does.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.aws().faults = Faults::new(faults);
    }

    /// Replaces the access keys that AWS accepts, as `POST /_sandbox/credentials` does.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.shared.aws().credentials = credentials;
    }

    /// Sets the policy of a layer; without one, the layer allows everything.
    ///
    /// # Errors
    /// Returns an error if the policy is not valid.
    pub fn set_policy(
        &self,
        layer: PolicyLayer,
        policy: Option<&Value>,
    ) -> Result<(), PolicyError> {
        self.shared.aws().set_policy(layer, policy)
    }

    /// Stops the sandbox and resets all open connections.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
