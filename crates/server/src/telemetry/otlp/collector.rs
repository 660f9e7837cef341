//! The collector, to which spans are sent over HTTP.

use std::ffi::OsString;
use std::future::Future;
use std::io::Read;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_roles_files::{Contents, read_once};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::blocking::{Client, Response as Answer};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};
use tracing::{info, warn};

/// How long the collector may take for an answer, where no variable says it.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The size of the longest answer that is read. A collector answers with a few bytes, or with the reason
/// why it rejected spans.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// The variables that name a file with the authorities of the collector's certificate, in PEM; the more
/// specific one first.
const CERTIFICATES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
/// The pause between two lines of the log about a collector that takes no spans.
const COMPLAINT_PAUSE: Duration = Duration::from_mins(1);

/// Sends requests to the collector, and logs its failures: one line a minute.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    failures: Mutex<Failures>,
    last: LastProblem,
}

/// A variable that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InvalidVariable {
    /// The name of the variable.
    pub(super) variable: &'static str,
    /// What its value must be, and why it is not.
    pub(super) rule: String,
}

impl InvalidVariable {
    /// Returns the error where it is not known which variable breaks a rule.
    pub(super) fn any(rule: String) -> Self {
        let variable = "OTEL_EXPORTER_OTLP_*";
        Self { variable, rule }
    }
}

impl std::fmt::Display for InvalidVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.variable, self.rule)
    }
}

/// The authorities with which the collector's certificate is checked, in place of those of the operating
/// system.
#[derive(Debug)]
struct Authorities {
    variable: &'static str,
    certificates: Vec<Certificate>,
}

impl Authorities {
    /// Reads the file that a variable names; none where no variable is set.
    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Self>, InvalidVariable> {
        let mut named = CERTIFICATES.into_iter().filter_map(|name| {
            let path = variable(name).filter(|path| !path.is_empty())?;
            Some((name, PathBuf::from(path)))
        });
        let Some((variable, path)) = named.next() else {
            return Ok(None);
        };
        let pem = read_once(&path).and_then(Contents::into_text);
        let pem = pem.map_err(|error| InvalidVariable {
            variable,
            rule: format!("must name a file with certificates in PEM: {error}"),
        })?;
        let mut found = Self {
            variable,
            certificates: Vec::new(),
        };
        match Certificate::from_pem_bundle(pem.as_bytes()) {
            Ok(certificates) if !certificates.is_empty() => {
                found.certificates = certificates;
                Ok(Some(found))
            }
            Ok(_) => Err(found.broken("it has none")),
            Err(error) => Err(found.broken(error)),
        }
    }

    /// Returns the error where the file has something else than certificates.
    fn broken(&self, reason: impl std::fmt::Display) -> InvalidVariable {
        let rule = format!("must name a file with certificates in PEM: {reason}");
        let variable = self.variable;
        InvalidVariable { variable, rule }
    }
}

/// Why the collector did not take the last request. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct LastProblem(Arc<Mutex<Option<String>>>);

impl LastProblem {
    /// Returns the reason.
    pub(super) fn text(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
            .unwrap_or_else(|| "the reason is not known".to_owned())
    }

    fn set(&self, problem: &str) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *text = Some(problem.to_owned());
    }
}

/// The requests that failed since the last one that succeeded.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    logged_at: Option<Instant>,
}

impl Collector {
    /// Returns what sends requests, as the variables of this process say.
    ///
    /// # Errors
    /// When a variable breaks its rule.
    pub(super) fn new() -> Result<Self, InvalidVariable> {
        let authorities = Authorities::of(|name| std::env::var_os(name))?;
        // The spans and the headers, which may have a key, are for this collector alone.
        let client = Client::builder()
            .timeout(answer_limit())
            .redirect(Policy::none());
        let client = match &authorities {
            Some(authorities) => client.tls_certs_only(authorities.certificates.clone()),
            None => client,
        };
        let client = client.build().map_err(|error| match authorities {
            Some(authorities) => authorities.broken(error),
            None => InvalidVariable::any(error.to_string()),
        })?;
        Ok(Self {
            client,
            failures: Mutex::default(),
            last: LastProblem::default(),
        })
    }

    /// Returns what will say why the collector did not take a request.
    pub(super) fn last_problem(&self) -> LastProblem {
        self.last.clone()
    }

    /// Sends a request, and blocks the thread that sends spans until the answer. An error contains
    /// neither the URL, which may have a password, nor a header.
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, &'static str> {
        let answered = self.exchange(request);
        match &answered {
            Ok(response) if response.status().is_success() => self.note_success(),
            Ok(response) => self.note_failure(&format!("it answered with {}", response.status())),
            Err(reason) => self.note_failure(reason),
        }
        answered
    }

    fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, &'static str> {
        let (head, body) = request.into_parts();
        // Made from its parts, so that a password in the URL becomes a header: the libraries below
        // would log the URL.
        let request = self.client.request(head.method, head.uri.to_string());
        let answer = request.headers(head.headers).body(body).send();
        let mut answer = answer.map_err(|error| reason(&error))?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        // Source: OpenTelemetry Protocol, "OTLP/HTTP Response".
        let is_page = headers
            .get(CONTENT_TYPE)
            .is_some_and(|found| found.as_bytes().starts_with(b"text/html"));
        if status.is_success() && is_page {
            return Err("it answered with a web page, so it is no collector");
        }
        let mut response = Response::new(read(answer)?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn note_success(&self) {
        let failures = std::mem::take(&mut *self.failures());
        if failures.count > 0 {
            info!(failed = failures.count, "collector takes traces again");
        }
    }

    fn note_failure(&self, problem: &str) {
        self.last.set(problem);
        let mut failures = self.failures();
        failures.count += 1;
        let last = failures.logged_at;
        if last.is_none_or(|at| at.elapsed() >= COMPLAINT_PAUSE) {
            failures.logged_at = Some(Instant::now());
            warn!(
                problem,
                failed = failures.count,
                "collector does not take traces; requests are served without them"
            );
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Collector {
    fn send_bytes<'client, 'answer>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'client: 'answer,
        Self: 'answer,
    {
        Box::pin(async move { self.send(request).map_err(HttpError::from) })
    }
}

/// Returns the body of an answer.
fn read(answer: Answer) -> Result<Bytes, &'static str> {
    let mut body = Vec::new();
    let read = answer.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut body);
    match read {
        Ok(length) if length as u64 <= MAX_ANSWER_BYTES => Ok(body.into()),
        Ok(_) => Err("its answer is longer than 64 KiB"),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Err("it did not answer in time")
        }
        Err(_) => Err("the connection to it broke"),
    }
}

/// Returns why there is no answer, without the URL.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it can't be reached"
    } else {
        "the connection to it broke"
    }
}

/// Returns the host and the port of the URL of a collector; none where it is no such URL.
pub(super) fn host(endpoint: &str) -> Option<String> {
    let url = Url::parse(endpoint).ok()?;
    let is_http = matches!(url.scheme(), "http" | "https");
    let host = url.host_str().filter(|_| is_http)?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Returns the limit in the variables, which is in milliseconds.
fn answer_limit() -> Duration {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ];
    let mut limits = names.into_iter().filter_map(|name| {
        let text = std::env::var(name).ok()?;
        text.parse().ok().map(Duration::from_millis)
    });
    limits.next().unwrap_or(ANSWER_LIMIT)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn authorities_of(variables: &[(&str, &Path)]) -> Result<Option<Authorities>, InvalidVariable> {
        Authorities::of(|name| {
            let mut found = variables.iter().filter(|(variable, _)| *variable == name);
            found.next().map(|(_, path)| path.into())
        })
    }

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_rejected_by_the_name_of_its_variable() {
        let folder = tempfile::tempdir().expect("a directory");
        let [traces, general] = CERTIFICATES;
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let empty = file("empty.pem", "");
        let key = file(
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        );
        let cut = file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA");
        let missing = folder.path().join("missing.pem");
        for path in [&empty, &key, &cut, &missing, &folder.path().to_owned()] {
            for variable in [traces, general] {
                let invalid = authorities_of(&[(variable, path)]).expect_err("no authorities");
                assert_eq!(invalid.variable, variable, "{path:?}");
                let rule = "must name a file with certificates in PEM";
                assert!(invalid.rule.starts_with(rule), "{}", invalid.rule);
            }
        }
        // The variable for traces takes the place of the general one, whatever that one has.
        let both = authorities_of(&[(general, &empty), (traces, &missing)]);
        assert_eq!(both.expect_err("no authorities").variable, traces);
        let unset = Path::new("");
        assert!(authorities_of(&[(traces, unset), (general, unset)]).is_ok_and(|it| it.is_none()));
    }

    #[test]
    fn the_host_of_a_collector_is_shown_without_its_password() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", Some("127.0.0.1:4318")),
            (
                "https://user:hidden@collector.example/v1",
                Some("collector.example"),
            ),
            ("collector:4318", None),
            ("ftp://collector", None),
            ("", None),
        ] {
            assert_eq!(host(endpoint).as_deref(), expected, "{endpoint}");
        }
    }
}
