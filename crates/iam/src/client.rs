//! The connection to AWS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_iam::config::Credentials;

/// The region that IAM's calls are signed for in the partition `aws`.
const DEFAULT_REGION: &str = "us-east-1";

/// How AWS is called.
#[derive(Clone, Debug)]
pub struct IamConfig {
    /// The region whose partition is meant; where none is given, the SDK's own settings name
    /// it. IAM itself is global: its calls are signed for the partition's own region.
    pub region: Option<String>,
    /// How long one call may take in all. Must lie inside a lease.
    pub call_timeout: Duration,
}

/// An address that speaks AWS's protocol, and the keys that it takes.
#[derive(Clone)]
pub struct Endpoint {
    /// `http://…`, for IAM and for STS.
    pub url: String,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret; hence no `Debug`.
    pub secret_access_key: String,
}

/// IAM and STS, by the credentials that the SDK finds.
#[derive(Clone, Debug)]
pub struct Iam {
    pub(crate) client: aws_sdk_iam::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    region: Option<String>,
    call_timeout: Duration,
}

impl Iam {
    /// Reads the SDK's configuration (`AWS_*` variables, profile, container or instance
    /// credentials). No call is made.
    pub async fn connect(config: &IamConfig) -> Self {
        Self::load(aws_config::defaults(BehaviorVersion::v2026_01_12()), config).await
    }

    /// As [`Iam::connect`], but at one address and by keys that the caller has: for a sandbox,
    /// of which a process may have several. No call is made.
    pub async fn connect_to(endpoint: &Endpoint, config: &IamConfig) -> Self {
        let keys = (&endpoint.access_key_id, &endpoint.secret_access_key);
        let keys = Credentials::new(keys.0, keys.1, None, None, "given");
        // Named here, or the SDK would look for a region in files and on the network.
        let region = config.region.as_deref().unwrap_or(DEFAULT_REGION);
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&endpoint.url)
            .credentials_provider(keys);
        Self::load(loader, config).await
    }

    async fn load(loader: ConfigLoader, config: &IamConfig) -> Self {
        // The provisioner decides what is sent again: it alone knows whether a write that was
        // not answered may be.
        let loader = loader.retry_config(RetryConfig::disabled()).timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(config.call_timeout.min(Duration::from_secs(3)))
                .operation_timeout(config.call_timeout)
                .build(),
        );
        let found = loader.load().await;
        let region = found.region().map(ToString::to_string);
        let signed_for = region.clone().or_else(|| config.region.clone());
        let signed_for = signed_for.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let sdk: SdkConfig = found.into_builder().region(Region::new(signed_for)).build();
        Self {
            client: aws_sdk_iam::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            region,
            call_timeout: config.call_timeout,
        }
    }

    /// The region that is configured or that the SDK's own settings name, if any.
    pub fn sdk_region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// How long one call may take in all.
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }
}
