use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tracing::debug;

use crate::call_log::End;
use crate::connection::Breaker;
use crate::errors::ApiError;
use crate::faults::{Effect, When};
use crate::json;
use crate::operations;
use crate::service::Service;
use crate::shared::Shared;
use crate::signature::Signature;
use crate::wire::Params;
use crate::xml::{self, Xml};

/// Answers a request in the query protocol.
pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let params = Params::parse(uri.query(), &body);
    let signature = Signature::of(&method, &uri, &headers, &body);
    let format = Format::of(&headers);
    // In a separate task, so that the call completes even if the caller closes the connection.
    let call =
        tokio::spawn(async move { Call::new(shared, params, signature, format).run().await });
    let Some(answer) = call.await.expect("a call does not panic") else {
        breaker.reset();
        return StatusCode::OK.into_response();
    };
    answer.into_response()
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Xml,
    Json,
}

impl Format {
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT);
        match accept.map(header::HeaderValue::as_bytes) {
            Some(b"application/json") => Self::Json,
            _ => Self::Xml,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }
}

struct Call {
    shared: Arc<Shared>,
    action: String,
    params: Params,
    signature: Signature,
    request_id: String,
    service: Service,
    format: Format,
}

struct Answer {
    status: StatusCode,
    format: Format,
    body: String,
    request_id: String,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let headers = [
            (
                header::CONTENT_TYPE.as_str(),
                self.format.content_type().to_owned(),
            ),
            ("x-amzn-requestid", self.request_id),
        ];
        (self.status, headers, self.body).into_response()
    }
}

impl Call {
    fn new(shared: Arc<Shared>, params: Params, signature: Signature, format: Format) -> Self {
        let action = params.get("Action").cloned().unwrap_or_default();
        let service = match operations::find(&action) {
            Some(action) => action.service,
            None if params
                .get("Version")
                .is_some_and(|v| v == Service::Sts.version()) =>
            {
                Service::Sts
            }
            None => Service::Iam,
        };
        let request_id = shared.aws().request_id();
        Self {
            shared,
            action,
            params,
            signature,
            request_id,
            service,
            // IAM answers in XML whatever a caller accepts.
            format: match service {
                Service::Sts => format,
                Service::Iam => Format::Xml,
            },
        }
    }

    /// Runs the call; returns `None` if the connection is to be reset without an answer.
    async fn run(self) -> Option<Answer> {
        let log = &self.shared.calls;
        let (action, id) = (&self.action, &self.request_id);
        let n = log.begin(action, id, &self.params, &self.signature);
        let outcome = self.outcome().await;
        let Some(result) = outcome else {
            log.end(n, &End::Reset);
            debug!(n, action = self.action, "connection reset by a fault");
            return None;
        };
        let namespace = self.service.namespace();
        let (status, body, code) = match &result {
            Ok(result) => {
                let (id, result) = (&self.request_id, result.as_ref());
                let body = match self.format {
                    Format::Xml => xml::answer(&self.action, namespace, id, result),
                    Format::Json => json::answer(&self.action, id, result),
                };
                (200, body, None)
            }
            Err(error) => {
                let body = match self.format {
                    Format::Xml => xml::error(error, namespace, &self.request_id),
                    Format::Json => json::error(error, &self.request_id),
                };
                (error.status(), body, Some(error.code.as_str()))
            }
        };
        let end = End::Answered {
            status,
            error: code,
        };
        log.end(n, &end);
        debug!(
            n,
            action = self.action,
            status,
            error = code,
            "call answered"
        );
        Some(Answer {
            status: StatusCode::from_u16(status).expect("statuses are constants"),
            format: self.format,
            body,
            request_id: self.request_id,
        })
    }

    /// Performs the call, with the fault that applies to it; `None` means that the connection is
    /// reset.
    async fn outcome(&self) -> Option<Result<Option<Xml>, ApiError>> {
        let (fault, latency) = {
            let mut aws = self.shared.aws();
            let now = self.shared.clock.now();
            match aws.admit(&self.action, self.service, &self.params, now) {
                Ok(fault) => (fault, aws.latency),
                Err(throttled) => return Some(Err(throttled)),
            }
        };
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let Some((when, effect)) = fault else {
            return Some(self.perform());
        };
        match (when, effect) {
            (When::Before, Effect::HangMs(ms)) => {
                self.hang(ms).await;
                Some(self.perform())
            }
            (When::After, Effect::HangMs(ms)) => {
                let result = self.perform();
                self.hang(ms).await;
                Some(result)
            }
            (when, effect) => {
                if when == When::After {
                    // The effect happens, but the caller does not get this answer.
                    let _discarded = self.perform();
                }
                match effect {
                    Effect::Error(code) => {
                        let (action, key) = (&self.action, self.signature.access_key.as_deref());
                        let aws = self.shared.aws();
                        Some(Err(aws.injected(&code, action, self.service, key)))
                    }
                    Effect::Reset | Effect::HangMs(_) => None,
                }
            }
        }
    }

    async fn hang(&self, ms: u64) {
        let duration = std::time::Duration::from_millis(ms);
        self.shared.clock.sleep(duration).await;
    }

    fn perform(&self) -> Result<Option<Xml>, ApiError> {
        let version = self.params.get("Version");
        let version = version.map_or("NO_VERSION_SPECIFIED", String::as_str);
        let action = operations::find(&self.action);
        let action = action.filter(|action| action.service.version() == version);
        let Some(action) = action else {
            return Err(ApiError::new(
                "InvalidAction",
                format!(
                    "Could not find operation {} for version {version}",
                    if self.action.is_empty() {
                        "NO_ACTION_SPECIFIED"
                    } else {
                        &self.action
                    }
                ),
            ));
        };
        let (params, signature) = (&self.params, &self.signature);
        let clock = &self.shared.clock;
        self.shared.aws().perform(action, params, signature, clock)
    }
}
