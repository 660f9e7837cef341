//! The command `serve`: starts and stops the service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine_roles_api::{Api, Authentication, ConnectionLimits, MetricsHandle, Tls, serve};
use engine_roles_domain::account::{Partition, Region, Scope};
use engine_roles_iam::{DatabaseTokens, Iam, IamConfig};
use engine_roles_provisioner::{Provisioner, Settings};
use engine_roles_store::{Schema, Store, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Config, Migrate, ServeArgs};
use crate::config_error::ConfigError;
use crate::setting_names::Named;
use crate::tls::{Reload, TlsFilesError, TlsPaths};
use crate::without_effect::without_effect;
use crate::{audit_signing, database, file_limit, limits, process, telemetry, tokens};

/// How many bindings the reconciler of one replica converges at once.
const RECONCILE_SLOTS: usize = 32;

/// Why the service can't start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another process listens on the address, or the address is not of this machine.
    #[error("can't listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The URL of the database can't be used, or the AWS SDK's region, which is the default region, is not
    /// permitted.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No key is configured, and the database has no valid one.
    #[error(
        "{}",
        Named(
            "there is no valid API key: make one with `engine-roles keys create`, or set --init-api-key; \
             to accept requests without a key on a loopback address, set --insecure-no-auth"
        )
    )]
    NoKey,
    /// The files of TLS can't be read or used.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// The schema can't be migrated, or the service can't work on it.
    #[error("the database can't be used")]
    Store(#[from] StoreError),
    /// The background tasks can't be started.
    #[error("the background tasks can't be started")]
    Tasks(#[source] std::io::Error),
    /// The HTTP server stopped by itself.
    #[error("the HTTP server stopped by itself")]
    Serve(#[source] tokio::task::JoinError),
}

/// The service, which listens but does not answer requests yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    api: Api,
    tls: Option<(Tls, Reload)>,
    connections: ConnectionLimits,
    store: Store,
    migrate: Migrate,
    /// Whether no request is accepted unless the database has a valid API key.
    needs_stored_key: bool,
    drain_delay: Duration,
    shutdown_limit: Duration,
}

impl Server {
    /// Listens on the address and assembles the service, without contacting the database or AWS.
    ///
    /// # Errors
    /// When the service can't listen on the address, the files of TLS can't be used, or the database URL is
    /// invalid.
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        let listen_on = config.listen;
        let (migrate, drain_delay) = (config.migrate, config.drain_delay);
        let shutdown_limit = config.shutdown_limit;
        let mut connections = config.connections;
        connections.most =
            file_limit::most_connections(connections.most, config.database.max_connections);
        if let Some(signing) = &config.audit_signing {
            audit_signing::announce(signing);
        }
        let authentication = config.authentication.clone();
        let needs_stored_key = authentication.is_by_stored_keys_only();
        let metrics = MetricsHandle::install();
        let tls = config.tls.clone().map(TlsPaths::load).transpose()?;
        let (store, provisioner) = Box::pin(assemble(config)).await?;
        let seen = provisioner.keys_seen();
        let authentication = Authentication::new(authentication, store.clone(), seen);
        let api = Api {
            provisioner,
            authentication: Arc::new(authentication),
            metrics,
            traces: telemetry::traces_of_requests(scheme(tls.as_ref())),
            log_levels: telemetry::log_control(),
        };
        let listen = |source| ServerError::Listen {
            address: listen_on,
            source,
        };
        let listener = engine_roles_api::listen(listen_on).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self {
            listener,
            address,
            api,
            tls,
            connections,
            store,
            migrate,
            needs_stored_key,
            drain_delay,
            shutdown_limit,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` is cancelled. Then `/readyz` is unready at once; after the drain
    /// delay the service accepts no more requests, gives running work until the shutdown limit to
    /// finish, and returns. Unfinished bindings are continued by another replica at once, or by the
    /// next start.
    ///
    /// # Errors
    /// When the schema can't be migrated or the HTTP server fails.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServerError> {
        let Self {
            listener,
            address,
            api,
            tls,
            connections,
            store,
            migrate,
            needs_stored_key,
            drain_delay,
            shutdown_limit,
        } = self;
        let provisioner = api.provisioner.clone();
        let authentication = Arc::clone(&api.authentication);
        provisioner.start_readings();
        tokio::spawn(api.metrics.clone().keep_up(stop.clone()));
        tokio::spawn(Arc::clone(&authentication).keep_up(stop.clone()));
        let drained = CancellationToken::new();
        let scheme = scheme(tls.as_ref());
        let tls = tls.map(|(tls, reload)| {
            tokio::spawn(reload.run(drained.clone()));
            tls
        });
        let serving = serve(listener, api, tls, connections, drained.clone());
        let mut serving = tokio::spawn(serving);
        info!(%address, url = format!("{scheme}://{address}"), "listening for requests");
        let background = async {
            start(&store, &provisioner, migrate, &stop).await?;
            if needs_stored_key && !has_valid_key(&store).await? {
                return Err(ServerError::NoKey);
            }
            std::future::pending::<Result<(), ServerError>>().await
        };
        let outcome = tokio::select! {
            () = stop.cancelled() => {
                provisioner.announce_stop();
                tokio::time::sleep(drain_delay).await;
                Ok(())
            }
            failed = background => failed,
            ended = &mut serving => ended.map_err(ServerError::Serve),
        };
        stop.cancel();
        drained.cancel();
        let finished = async {
            provisioner.shut_down(shutdown_limit).await;
            if !serving.is_finished() {
                let _ = (&mut serving).await;
            }
        };
        if tokio::time::timeout(shutdown_limit, finished)
            .await
            .is_err()
        {
            warn!("shutdown limit reached; open requests are aborted");
            serving.abort();
        }
        authentication.write_notes().await;
        provisioner.end_heartbeat().await;
        // Connections that are still in use after that are closed by the end of the process.
        let closed = tokio::time::timeout(Duration::from_secs(1), store.close());
        let _ = tokio::join!(closed, telemetry::flush_traces());
        info!("service stopped");
        outcome
    }
}

/// Returns the scheme of the service's URL.
fn scheme<T>(tls: Option<&T>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    args.start_telemetry();
    let config = Config::new(args)?;
    for setting in without_effect(args) {
        warn!(%setting, "setting has no effect");
    }
    if let Some(file) = args.audit_signing.exposed_key_file() {
        warn!(
            file = %file.display(),
            "key of the audit log can be read by every user of the machine; remove the file's \
             permissions for others"
        );
    }
    let limit = config.drain_delay + config.shutdown_limit;
    process::run(async {
        let server = Server::bind(config).await?;
        let stop = CancellationToken::new();
        process::stop_on_signal(stop.clone(), limit).map_err(ServerError::Tasks)?;
        tokio::spawn(telemetry::change_on_signal());
        server.run(stop).await?;
        Ok(())
    })?
}

/// Logs the version and the settings with which the service starts.
pub(crate) fn announce(settings: &str, unknown_variables: &[String]) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        settings, "service starts"
    );
    for variable in unknown_variables {
        warn!(variable, "no setting has this variable; it is ignored");
    }
}

/// Assembles the provisioner and its store from the configuration, without contacting the database
/// or AWS.
///
/// # Errors
/// When a URL of the database is invalid, or the administrator's limits forbid the SDK's region.
pub(crate) async fn assemble(config: Config) -> Result<(Store, Provisioner), ConfigError> {
    let mut defaults = config.defaults;
    let region = defaults.region.as_ref().map(ToString::to_string);
    let iam = Iam::connect(&IamConfig {
        region,
        call_timeout: config.call_timeout,
    })
    .await;
    if defaults.region.is_none() {
        defaults.region = iam
            .sdk_region()
            .and_then(|region| Region::parse_supported(region).ok());
    }
    limits::check_region(&defaults)?;
    let partition = defaults.region.as_ref().and_then(Region::partition);
    let partition = partition.unwrap_or(Partition::Aws);
    let mut database = config.database;
    database.tokens = config
        .database_iam_auth
        .then(|| tokens::source(DatabaseTokens::new(iam.clone())));
    let store = database::open(&database, config.namespace)?;
    let settings = Settings {
        scope: config.account.map(|account| Scope { account, partition }),
        defaults,
        drift: config.drift,
        orphans: config.orphans,
        attestation: config.attestation,
        probes: config.probes,
        call_limits: config.call_limits,
        reconcile_interval: config.reconcile_interval,
        audit_retention: config.audit_retention,
        audit_signing: config.audit_signing,
        poll_interval: config.poll_interval,
        reconcile_slots: RECONCILE_SLOTS,
    };
    Ok((store.clone(), Provisioner::new(store, iam, settings)))
}

/// Waits until the service can work on the database's schema, which it migrates where it may, then
/// starts the background tasks.
async fn start(
    store: &Store,
    provisioner: &Provisioner,
    migrate: Migrate,
    stop: &CancellationToken,
) -> Result<(), ServerError> {
    if !store.can_listen() {
        info!(
            "no notifications between replicas through a transaction pooler: due work is found by \
             the heartbeat, within a second; --database-direct-url makes it faster"
        );
    }
    let mut waits_for = None;
    while !stop.is_cancelled() {
        match schema_is_usable(store, migrate).await {
            Ok(true) => {
                warn_about_durability(store).await;
                provisioner.start().map_err(ServerError::Tasks)?;
                info!("database schema is up to date; reconciler started");
                return Ok(());
            }
            Ok(false) => {
                if waits_for.replace(Waiting::Migration) != Some(Waiting::Migration) {
                    warn!(
                        "database schema is older than this release; waiting until \
                         `engine-roles migrate` has run"
                    );
                }
            }
            Err(error @ StoreError::SchemaTooNew { .. }) => return Err(error.into()),
            Err(error) if error.is_transient() => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "database can't be used; waiting for it"
                );
                waits_for = Some(Waiting::Database);
            }
            Err(error) => return Err(error.into()),
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), stop.cancelled()).await;
    }
    Ok(())
}

/// What the start waits for, so that the log says it once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Database,
    Migration,
}

/// Returns whether the service can work on the database's schema, after migrating it where it may.
async fn schema_is_usable(store: &Store, migrate: Migrate) -> Result<bool, StoreError> {
    match store.schema().await? {
        Schema::Usable => Ok(true),
        Schema::TooNew { version } => Err(StoreError::SchemaTooNew { version }),
        Schema::Older if migrate == Migrate::Never => Ok(false),
        Schema::Older => match store.migrate().await {
            Ok(()) => Ok(true),
            // The database user may only serve: the owner of the tables migrates.
            Err(StoreError::Forbidden(_)) => Ok(false),
            Err(error) => Err(error),
        },
    }
}

/// Returns whether the database has a valid API key.
async fn has_valid_key(store: &Store) -> Result<bool, StoreError> {
    let now = store.now().await?;
    let keys = store.api_keys().await?;
    // A token is no lasting key, and whoever has one could not get another.
    let keys = keys.iter().filter(|key| key.identity.is_none());
    let mut keys = keys.filter(|key| key.revoked_at.is_none());
    Ok(keys.any(|key| key.expires_at.is_none_or(|at| at > now)))
}

/// Warns where the database may forget what it has confirmed.
async fn warn_about_durability(store: &Store) {
    match store.durability().await {
        Ok(durability) => {
            for risk in durability.risks() {
                warn!(
                    risk,
                    "database may forget committed records; see docs/database.md"
                );
            }
        }
        Err(error) => warn!(
            error = &error as &dyn std::error::Error,
            "settings of the database could not be read"
        ),
    }
}
