//! The clients of IAM and STS, and the credentials that they share.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::Credentials;
use aws_types::service_config::ServiceConfigKey;
use engine_roles_domain::account;
use tracing::info;

use crate::access_keys::AccessKeys;
use crate::clock::ClockDifference;
use crate::genuine::OnlyGenuine;
use crate::login_connector::LoginConnector;

/// The region that STS calls are signed for where no region is configured.
const DEFAULT_REGION: &str = "us-east-1";
/// The shortest time between two renewals of the credentials.
const RENEWAL_PAUSE: Duration = Duration::from_secs(3);

/// The configuration of the client.
#[derive(Clone, Debug)]
pub struct IamConfig {
    /// A region of the partition to work in, used where the SDK's own settings name no region. IAM
    /// is global: its calls are signed for the partition's main region.
    pub region: Option<String>,
    /// The longest time that one call may take in all. Must be shorter than a lease.
    pub call_timeout: Duration,
}

impl Default for IamConfig {
    fn default() -> Self {
        Self {
            region: None,
            call_timeout: Duration::from_secs(10),
        }
    }
}

/// An endpoint that speaks AWS's protocol, with its credentials.
#[derive(Clone)]
pub struct Endpoint {
    /// The URL for both IAM and STS, such as `http://127.0.0.1:4566`.
    pub url: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret of the access key. Because of the secret this type has no `Debug`.
    pub secret_access_key: String,
}

/// Clients of IAM and STS. Clones share the credentials.
#[derive(Clone, Debug)]
pub struct Iam {
    clients: Arc<RwLock<Clients>>,
    /// The region of the SDK's own settings, or the given one.
    region: Option<String>,
    /// The region that calls are signed for where the service is not global.
    signed_for: String,
    call_timeout: Duration,
    /// Whether the credentials come from the SDK's settings, which may change.
    is_renewable: bool,
    keys: Arc<AccessKeys>,
    clock: ClockDifference,
    login_connector: Arc<LoginConnector>,
}

/// Clients with one state of the credentials.
#[derive(Clone, Debug)]
struct Clients {
    iam: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    /// The endpoint of STS in the settings; none for that of AWS.
    sts_endpoint: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    since: Instant,
}

impl Clients {
    fn new(sdk: &SdkConfig, clock: &ClockDifference) -> Self {
        // IAM is global: each partition has one region that its IAM accepts signatures for. With the
        // default endpoint the SDK knows that region; with another endpoint it does not.
        let region = sdk
            .region()
            .map_or(DEFAULT_REGION.to_owned(), ToString::to_string);
        let partition = account::Region::parse(&region).ok();
        let partition = partition.and_then(|region| region.partition());
        let home = partition.map_or(region, |partition| partition.iam_region().to_owned());
        let of_iam = aws_sdk_iam::config::Builder::from(sdk).region(Region::new(home));
        let of_iam = of_iam.interceptor(OnlyGenuine).interceptor(clock.clone());
        let of_sts = aws_sdk_sts::config::Builder::from(sdk)
            .interceptor(OnlyGenuine)
            .interceptor(clock.clone());
        Self {
            iam: aws_sdk_iam::Client::from_conf(of_iam.build()),
            sts: aws_sdk_sts::Client::from_conf(of_sts.build()),
            sts_endpoint: sts_endpoint(sdk),
            credentials: sdk.credentials_provider(),
            since: Instant::now(),
        }
    }
}

impl Iam {
    /// Reads the SDK's configuration (`AWS_*` variables, profile, container or instance
    /// credentials). No call is made.
    pub async fn connect(config: &IamConfig) -> Self {
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        Self::load(loader, config, true).await
    }

    /// Like [`Iam::connect`], but with the given endpoint and credentials. For sandboxes, of which
    /// a process may use several. No call is made.
    pub async fn connect_to(endpoint: &Endpoint, config: &IamConfig) -> Self {
        let keys = (&endpoint.access_key_id, &endpoint.secret_access_key);
        let keys = Credentials::new(keys.0, keys.1, None, None, "given");
        // Set explicitly, because the SDK would search files and the network for a region.
        let region = config.region.as_deref().unwrap_or(DEFAULT_REGION);
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&endpoint.url)
            .credentials_provider(keys);
        Self::load(loader, config, false).await
    }

    async fn load(loader: ConfigLoader, config: &IamConfig, is_renewable: bool) -> Self {
        let found = loader.load().await;
        let region = found.region().map(ToString::to_string);
        let signed_for = region.clone().or_else(|| config.region.clone());
        let signed_for = signed_for.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let keys = Arc::default();
        let sdk = completed(found, &signed_for, config.call_timeout, &keys);
        let clock = ClockDifference::default();
        Self {
            clients: Arc::new(RwLock::new(Clients::new(&sdk, &clock))),
            clock,
            region,
            signed_for,
            call_timeout: config.call_timeout,
            is_renewable,
            keys,
            login_connector: Arc::default(),
        }
    }

    /// Reads the SDK's settings again, environment and files included, and asks for new credentials at
    /// the next call. Does nothing, and returns false, within three seconds of the last renewal or
    /// where the credentials were given explicitly. Makes no call.
    pub async fn renew_credentials(&self) -> bool {
        if !self.is_renewable || self.clients().since.elapsed() < RENEWAL_PAUSE {
            return false;
        }
        // With the region, the SDK does not search the network for one.
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.signed_for.clone()));
        // The future is large, and every caller of AWS contains it.
        let found = Box::pin(loader.load()).await;
        let (region, limit) = (&self.signed_for, self.call_timeout);
        let renewed = Clients::new(&completed(found, region, limit, &self.keys), &self.clock);
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if clients.since.elapsed() < RENEWAL_PAUSE {
            return false;
        }
        *clients = renewed;
        drop(clients);
        info!("settings and credentials of the AWS SDK were read again");
        true
    }

    /// Returns how often the access key that calls are signed with has changed. A change is counted
    /// before the first call with the new key is sent, also where the SDK renewed the credentials by
    /// itself.
    pub fn key_changes(&self) -> u64 {
        self.keys.changes()
    }

    pub(crate) fn client(&self) -> aws_sdk_iam::Client {
        self.clients().iam
    }

    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        self.clients().sts
    }

    pub(crate) fn sts_endpoint(&self) -> Option<String> {
        self.clients().sts_endpoint
    }

    pub(crate) fn login_connector(&self) -> &LoginConnector {
        &self.login_connector
    }

    pub(crate) fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.clients().credentials
    }

    fn clients(&self) -> Clients {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        clients.clone()
    }

    /// Returns the region of the SDK's own settings, or the one used by [`Iam::connect_to`]; none
    /// where the settings name none.
    pub fn sdk_region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the region to whose STS this service sends its own calls.
    pub fn sts_region(&self) -> &str {
        &self.signed_for
    }

    /// Returns how many seconds this machine's clock was ahead of AWS's at the last answer; negative where
    /// it was behind, none before the first answer.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.clock.last()
    }

    /// Returns the longest time that one call may take in all.
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }
}

/// Returns the endpoint of STS in the settings, by the rules of the SDK: `AWS_ENDPOINT_URL_STS` counts more
/// than `AWS_ENDPOINT_URL`.
fn sts_endpoint(sdk: &SdkConfig) -> Option<String> {
    let general = sdk.endpoint_url().map(str::to_owned);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return general;
    }
    let key = ServiceConfigKey::builder()
        .service_id("STS")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let own = sdk.service_config();
    let own = own.and_then(|settings| settings.load_config(key));
    own.or(general)
}

/// Adds to the SDK's settings what this service decides: the region, no retries, time limits, and that
/// changes of the access key are noticed.
fn completed(
    found: SdkConfig,
    region: &str,
    call_timeout: Duration,
    keys: &Arc<AccessKeys>,
) -> SdkConfig {
    let limits = TimeoutConfig::builder()
        .connect_timeout(call_timeout.min(Duration::from_secs(3)))
        .operation_timeout(call_timeout)
        .build();
    let provider = found.credentials_provider();
    let provider = provider.map(|found| SharedCredentialsProvider::new(keys.watched(found)));
    let mut settings = found.into_builder().region(Region::new(region.to_owned()));
    settings.set_credentials_provider(provider);
    // The SDK must not retry. The provisioner retries, because only the provisioner knows whether an
    // unanswered write may be sent again.
    let settings = settings.retry_config(RetryConfig::disabled());
    settings.timeout_config(limits).build()
}
