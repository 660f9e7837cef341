//! The client of IAM and STS, and its configuration.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::Credentials;

use crate::database_token::DatabaseTokens;

/// The region that IAM calls are signed for in the partition `aws`.
const DEFAULT_REGION: &str = "us-east-1";

/// The configuration of the client.
#[derive(Clone, Debug)]
pub struct IamConfig {
    /// A region of the partition to work in, used where the SDK's own settings name no region. IAM
    /// is global: its calls are signed for the partition's main region.
    pub region: Option<String>,
    /// The longest time that one call may take in all. Must be shorter than a lease.
    pub call_timeout: Duration,
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

/// Clients of IAM and STS.
#[derive(Clone, Debug)]
pub struct Iam {
    pub(crate) client: aws_sdk_iam::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    region: Option<String>,
    call_timeout: Duration,
    credentials: Option<SharedCredentialsProvider>,
}

impl Iam {
    /// Reads the SDK's configuration (`AWS_*` variables, profile, container or instance
    /// credentials). No call is made.
    pub async fn connect(config: &IamConfig) -> Self {
        Self::load(aws_config::defaults(BehaviorVersion::v2026_01_12()), config).await
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
        Self::load(loader, config).await
    }

    async fn load(loader: ConfigLoader, config: &IamConfig) -> Self {
        // The SDK must not retry. The provisioner retries, because only the provisioner knows
        // whether an unanswered write may be sent again.
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
            credentials: sdk.credentials_provider(),
        }
    }

    /// Returns what makes tokens for the login to an RDS database.
    pub fn database_tokens(&self) -> DatabaseTokens {
        DatabaseTokens::new(self.credentials.clone(), self.region.clone())
    }

    /// Returns the region of the SDK's own settings, or the one used by [`Iam::connect_to`]; none
    /// where the settings name none.
    pub fn sdk_region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the longest time that one call may take in all.
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }
}
