//! The connection to AWS.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use tracing::debug;

use crate::error::{CallKind, IamError};

/// How AWS is called.
#[derive(Clone, Debug)]
pub struct IamConfig {
    /// The region whose partition is meant, where the SDK's own settings name none. IAM itself
    /// is global: its calls are signed for the partition's own region.
    pub region: Option<String>,
    /// How long one call may take in all. Must lie inside a lease.
    pub call_timeout: Duration,
}

/// IAM and STS, by the credentials that the SDK finds.
#[derive(Clone, Debug)]
pub struct Iam {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    region: Option<String>,
    call_timeout: Duration,
}

impl Iam {
    /// Reads the SDK's configuration (`AWS_*` variables, profile, container or instance
    /// credentials). No call is made.
    pub async fn connect(config: &IamConfig) -> Self {
        // The provisioner decides what is sent again: it alone knows whether a write that was
        // not answered may be.
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(config.call_timeout.min(Duration::from_secs(3)))
                    .operation_timeout(config.call_timeout)
                    .build(),
            );
        let found = loader.load().await;
        let region = found.region().map(ToString::to_string);
        let signed_for = region.clone().or_else(|| config.region.clone());
        let signed_for = signed_for.unwrap_or_else(|| "us-east-1".to_owned());
        let sdk: SdkConfig = found.into_builder().region(Region::new(signed_for)).build();
        Self {
            iam: aws_sdk_iam::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            region,
            call_timeout: config.call_timeout,
        }
    }

    /// The region that the SDK's own settings name, if any.
    pub fn sdk_region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// How long one call may take in all.
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }
}

/// Runs one call, counts it, and sorts its error.
pub(crate) async fn call<T, E, R>(
    action: &'static str,
    kind: CallKind,
    target: &str,
    future: impl Future<Output = Result<T, SdkError<E, R>>>,
) -> Result<T, IamError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let started = Instant::now();
    let result = future
        .await
        .map_err(|error| IamError::sort(action, kind, target, error));
    let elapsed = started.elapsed();
    let outcome = result
        .as_ref()
        .map_or_else(|error| error.kind.as_str(), |_| "ok");
    metrics::counter!("engine_roles_iam_calls_total", "operation" => action, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("engine_roles_iam_call_seconds", "operation" => action)
        .record(elapsed.as_secs_f64());
    debug!(
        action,
        outcome,
        target,
        elapsed_ms = elapsed.as_millis(),
        "called IAM"
    );
    result
}
