//! The gate through which every call to AWS passes.

use std::time::{Duration, Instant};

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::operation::RequestId;
use engine_roles_domain::identity::DenyingLayer;
use engine_roles_domain::resources::CallKind;
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, debug_span};

use crate::{ErrorKind, Iam, IamError, NotSent};

/// The AWS service that a call is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// IAM, whose rate limits all callers of an account share.
    Iam,
    /// STS, whose calls do not count against IAM's rate limits.
    Sts,
}

impl Service {
    /// Returns the name of the service.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iam => "IAM",
            Self::Sts => "STS",
        }
    }
}

/// A call that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The AWS service that the call is sent to.
    pub service: Service,
    /// The operation, such as `CreateRole`.
    pub action: &'static str,
    /// Whether the call can change something.
    pub kind: CallKind,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The id that AWS gave to the call; none where AWS did not answer it.
    pub request_id: Option<&'a str>,
    /// Why the call failed; none after a success.
    pub error: Option<&'a IamError>,
}

/// Decides when a call may be sent, and receives the outcome. The client can't send a call without
/// a gate, so no code can bypass the call budget.
pub trait Gate: Send + Sync {
    /// Waits until the call may be sent.
    ///
    /// # Errors
    /// When the call may not be sent, or not in time.
    fn admit(&self, call: Call) -> impl Future<Output = Result<(), NotSent>> + Send;

    /// Receives the outcome of an admitted call.
    fn answered(&self, call: Call, outcome: Outcome<'_>) -> impl Future<Output = ()> + Send;
}

/// A gate that admits every call at once, for tests of the client.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    async fn admit(&self, _call: Call) -> Result<(), NotSent> {
        Ok(())
    }

    async fn answered(&self, _call: Call, _outcome: Outcome<'_>) {}
}

/// IAM and STS behind a gate.
#[derive(Clone, Debug)]
pub struct GatedIam<'a, G> {
    pub(crate) iam: &'a Iam,
    pub(crate) gate: G,
}

impl Iam {
    /// Returns this client behind a gate, which every call has to pass.
    pub fn through<G: Gate>(&self, gate: G) -> GatedIam<'_, G> {
        GatedIam { iam: self, gate }
    }
}

impl<G: Gate> GatedIam<'_, G> {
    /// Sends one call to IAM once the gate admits it.
    pub(crate) fn call<T, E>(
        &self,
        action: &'static str,
        kind: CallKind,
        target: &str,
        answer: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<T, IamError>> + Send
    where
        T: RequestId + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let call = Call {
            service: Service::Iam,
            action,
            kind,
        };
        self.send(call, target, answer)
    }

    /// Sends one call once the gate admits it, records its duration, and classifies its error.
    pub(crate) fn send<T, E>(
        &self,
        call: Call,
        target: &str,
        answer: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<T, IamError>> + Send
    where
        T: RequestId + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // The SDK's future is larger than 10 kB. Boxing it keeps the callers' futures small.
        let answer = Box::pin(answer);
        async move {
            let Call { action, kind, .. } = call;
            if let Err(reason) = self.gate.admit(call).await {
                return Err(IamError::not_sent(action, target, reason));
            }
            let span = call_span(call);
            let started = Instant::now();
            let result = answer.instrument(span.clone()).await;
            let request_id = match &result {
                Ok(answer) => answer.request_id(),
                Err(error) => error.request_id(),
            };
            let request_id = request_id.map(str::to_owned);
            span.record("aws_request_id", request_id.as_deref());
            let result = result.map_err(|error| IamError::classify(action, kind, target, error));
            let elapsed = started.elapsed();
            span.in_scope(|| record_outcome(call, target, elapsed, &result));
            let outcome = Outcome {
                request_id: request_id.as_deref(),
                error: result.as_ref().err(),
            };
            self.gate.answered(call, outcome).await;
            result
        }
    }
}

/// Returns the span of one call, for traces.
pub(crate) fn call_span(call: Call) -> Span {
    debug_span!(
        "aws_call",
        service = call.service.as_str(),
        action = call.action,
        aws_request_id = Empty,
        outcome = Empty,
    )
}

fn record_outcome<T>(call: Call, target: &str, elapsed: Duration, result: &Result<T, IamError>) {
    let outcome = result
        .as_ref()
        .map_or_else(|error| error.kind.as_str(), |_| "ok");
    count_call(call, target, elapsed, outcome);
    if let Err(error) = result
        && error.kind == ErrorKind::Denied
    {
        let layer = error.denied_by.as_ref().map(|denied| denied.layer);
        let layer = layer.unwrap_or(DenyingLayer::Unknown).as_str();
        metrics::counter!(
            "engine_roles_iam_denied_total", "operation" => call.action, "layer" => layer
        )
        .increment(1);
    }
}

/// Counts a call by its outcome, and logs it. Called in the [span][`call_span`] of the call.
pub(crate) fn count_call(call: Call, target: &str, elapsed: Duration, outcome: &'static str) {
    let action = call.action;
    Span::current().record("outcome", outcome);
    metrics::counter!("engine_roles_iam_calls_total", "operation" => action, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("engine_roles_iam_call_seconds", "operation" => action)
        .record(elapsed.as_secs_f64());
    debug!(
        action,
        outcome,
        resource = target,
        elapsed_ms = elapsed.as_millis(),
        "AWS call finished"
    );
}
