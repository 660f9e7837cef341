//! Authentication by bearer keys, and what each key permits.

mod api_key;
mod key_ring;
mod rate_limits;
mod source;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use engine_roles_contract::Code;
use engine_roles_domain::binding::Actor;
use engine_roles_domain::caller::{Caller, ClusterPrefix, KeyScope, KeyScopes};
use engine_roles_provisioner::{KeysSeen, Permit};
use engine_roles_store::{KeyHash, Store};
use ipnet::IpNet;
use metrics::counter;
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Span;

pub use api_key::{ApiKey, InvalidKey};

use crate::problem::Problem;
use crate::request_context::Peer;
use crate::tls::ClientCertificate;
use key_ring::{Found, KeyRing};
use rate_limits::{RateLimits, TooSoon};
use source::TrustedProxies;

/// What the subject of a client's certificate permits, without an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRule {
    /// The subject, as [`crate::ClientCertificate`] has it.
    pub subject: String,
    /// The kinds of requests that the client may make.
    pub scopes: KeyScopes,
    /// The clusters that the client may see and change; none for all.
    pub prefix: Option<ClusterPrefix>,
}

/// How callers authenticate.
#[derive(Clone, Debug)]
pub struct AuthenticationSettings {
    /// The key in the configuration, which permits everything; none where all keys are in the database.
    pub initial_key: Option<ApiKey>,
    /// Whether every caller is accepted: for a service that listens on loopback only.
    pub needs_no_key: bool,
    /// What clients with a certificate may do without an API key.
    pub certificate_rules: Vec<CertificateRule>,
    /// The proxies whose word about the address of a client is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How many requests without a valid key one address may send per minute on average; a third of them
    /// at once.
    pub failure_rate: NonZeroU32,
    /// How many requests one key may send per second on average.
    pub key_rate: NonZeroU32,
    /// How many requests one key may send at once.
    pub key_burst: NonZeroU32,
}

impl AuthenticationSettings {
    /// Returns the settings of a process that answers no requests.
    pub fn for_no_requests() -> Self {
        Self {
            initial_key: None,
            needs_no_key: false,
            certificate_rules: Vec::new(),
            trusted_proxies: Vec::new(),
            failure_rate: NonZeroU32::MIN,
            key_rate: NonZeroU32::MIN,
            key_burst: NonZeroU32::MIN,
        }
    }

    /// Returns whether only the keys in the database are accepted.
    pub fn is_by_stored_keys_only(&self) -> bool {
        self.initial_key.is_none() && !self.needs_no_key && self.certificate_rules.is_empty()
    }
}

/// Decides which callers are accepted.
pub struct Authentication {
    initial_key: Option<ApiKey>,
    needs_no_key: bool,
    certificate_rules: Vec<CertificateRule>,
    proxies: TrustedProxies,
    ring: KeyRing,
    limits: RateLimits,
}

/// Why a request is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denial {
    NoKey,
    UnknownKey,
    ExpiredKey,
    RevokedKey,
    NotChecked,
}

impl Denial {
    /// Returns the word in metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::UnknownKey => "unknown_key",
            Self::ExpiredKey => "expired_key",
            Self::RevokedKey => "revoked_key",
            Self::NotChecked => "not_checked",
        }
    }

    fn problem(self) -> Problem {
        let detail = match self {
            Self::NoKey | Self::UnknownKey => "send a valid API key as Authorization: Bearer KEY",
            Self::ExpiredKey => "the API key has expired; use another one",
            Self::RevokedKey => "the API key was revoked; use another one",
            Self::NotChecked => {
                let detail = "the API key can't be checked, because the database did not answer; send \
                              the same request again";
                return Problem::new(Code::DatabaseUnavailable, detail);
            }
        };
        Problem::new(Code::Unauthenticated, detail)
    }
}

impl Authentication {
    /// Returns what decides about callers. `seen` is what each heartbeat reads about the keys.
    pub fn new(
        settings: AuthenticationSettings,
        store: Store,
        seen: watch::Receiver<Option<KeysSeen>>,
    ) -> Self {
        Self {
            initial_key: settings.initial_key,
            needs_no_key: settings.needs_no_key,
            certificate_rules: settings.certificate_rules,
            proxies: TrustedProxies(settings.trusted_proxies),
            ring: KeyRing::new(store, seen),
            limits: RateLimits::new(settings.failure_rate, settings.key_rate, settings.key_burst),
        }
    }

    /// Keeps up with the keys in the database until `stop` is cancelled.
    pub async fn keep_up(self: Arc<Self>, stop: CancellationToken) {
        self.ring.keep_up(stop).await;
    }

    /// Returns who sends a request with these headers, as far as it is known without asking the
    /// database.
    pub(crate) fn known_caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let hash = bearer(headers).and_then(|text| ApiKey::new(text).ok());
        let hash = hash.as_ref().map(ApiKey::hash);
        match (self.without_database(hash), hash) {
            (Some(caller), _) => Some(caller),
            (None, Some(hash)) => match self.ring.known(hash)? {
                Found::Valid(caller, _) => Some(*caller),
                Found::Expired | Found::Revoked | Found::Unknown => None,
            },
            (None, None) => None,
        }
    }

    /// Returns who sends a request. An API key counts more than a certificate.
    async fn caller(&self, request: &Parts) -> Result<(Caller, Permit), Denial> {
        let text = bearer(&request.headers);
        let hash = text.and_then(|text| ApiKey::new(text).ok());
        let hash = hash.as_ref().map(ApiKey::hash);
        if let Some(caller) = self.without_database(hash) {
            return Ok((caller, Permit::default()));
        }
        let Some(hash) = hash else {
            // A certificate does not take the place of a key that was sent and can't be used.
            let is_sent = request.headers.contains_key(AUTHORIZATION);
            let certified = self.certified(request).filter(|_| !is_sent);
            return certified.ok_or(text.map_or(Denial::NoKey, |_| Denial::UnknownKey));
        };
        match self.ring.find(hash).await {
            Ok(Found::Valid(caller, permit)) => Ok((*caller, permit)),
            Ok(Found::Expired) => Err(Denial::ExpiredKey),
            Ok(Found::Revoked) => Err(Denial::RevokedKey),
            Ok(Found::Unknown) => Err(Denial::UnknownKey),
            Err(_) => Err(Denial::NotChecked),
        }
    }

    /// Returns the caller that the client's certificate names, until it expires; none where it has none, or where no rule is
    /// about it.
    fn certified(&self, request: &Parts) -> Option<(Caller, Permit)> {
        let certificate = request.extensions.get::<ClientCertificate>()?;
        let mut rules = self.certificate_rules.iter();
        let rule = rules.find(|rule| rule.subject == certificate.subject)?;
        let caller = Caller {
            actor: Actor(rule.subject.clone()),
            key: None,
            scopes: rule.scopes.clone(),
            prefix: rule.prefix.clone(),
        };
        Some((caller, certificate.permit(Utc::now())))
    }

    /// Returns the caller where the configuration alone decides it.
    fn without_database(&self, hash: Option<&KeyHash>) -> Option<Caller> {
        if self.needs_no_key {
            return Some(Caller::unlimited(Actor("anonymous".to_owned())));
        }
        let initial = self.initial_key.as_ref().zip(hash);
        let is_initial = initial.is_some_and(|(key, hash)| key.hash().ct_eq(hash).into());
        is_initial.then(|| Caller::unlimited(Actor("init".to_owned())))
    }

    /// Returns who sends a request, if the sender may send it now.
    async fn admit(&self, request: &Parts) -> Result<(Caller, Permit), Problem> {
        if request.headers.get_all(AUTHORIZATION).iter().count() > 1 {
            let rule = "occurs more than once";
            return Err(Problem::field(Code::InvalidRequest, "Authorization", rule));
        }
        let (caller, permit) = match self.caller(request).await {
            Ok(admitted) => admitted,
            Err(denial) => {
                counter!("engine_roles_denied_requests_total", "reason" => denial.as_str())
                    .increment(1);
                if denial == Denial::NotChecked {
                    return Err(denial.problem());
                }
                // The key is checked first: whoever has one is not concerned by what others send from
                // the same address.
                let source = self.source(request);
                let counted = source.map_or(Ok(()), |source| self.limits.count_failure(source));
                return Err(match counted {
                    Ok(()) => denial.problem(),
                    Err(too_soon) => {
                        too_many("too many requests without a valid API key", &too_soon)
                    }
                });
            }
        };
        if let Err(too_soon) = self.limits.count_use(&caller.identity()) {
            count_denial("rate");
            return Err(too_many("too many requests with this API key", &too_soon));
        }
        let scope = needed_scope(&request.method, request.uri.path());
        if !caller.may(scope) {
            count_denial("scope");
            let detail = format!(
                "the API key does not have the scope {}, which this request needs",
                scope.as_str()
            );
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok((caller, permit))
    }

    fn source(&self, request: &Parts) -> Option<IpAddr> {
        let peer = request.extensions.get::<Peer>()?;
        Some(self.proxies.source(peer.0.ip(), &request.headers))
    }
}

fn count_denial(reason: &'static str) {
    counter!("engine_roles_denied_requests_total", "reason" => reason).increment(1);
}

fn too_many(what: &str, too_soon: &TooSoon) -> Problem {
    let detail = format!("{what}; the next one may come after Retry-After seconds");
    Problem::new(Code::RateLimited, detail).after(too_soon.retry_after)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// Returns the scope that a request to a path under `/v1` needs.
fn needed_scope(method: &Method, path: &str) -> KeyScope {
    if path == "/v1/audit" || path.starts_with("/v1/audit/") {
        KeyScope::Audit
    } else if *method == Method::PUT || *method == Method::DELETE {
        KeyScope::Provision
    } else {
        KeyScope::Read
    }
}

/// Lets a request pass if its sender may send it, and adds the [`Caller`] to it.
pub(crate) async fn require_key(
    State(authentication): State<Arc<Authentication>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if let (Some(source), Some(peer)) = (
        authentication.source(&parts),
        parts.extensions.get::<Peer>(),
    ) && source != peer.0.ip().to_canonical()
    {
        Span::current().record("source", source.to_string());
    }
    match Box::pin(authentication.admit(&parts)).await {
        Ok((caller, permit)) => {
            Span::current().record("actor", &caller.actor.0);
            // A change checks the permit itself when it records its intent: what is recorded is carried out.
            let is_change = needed_scope(&parts.method, parts.uri.path()) == KeyScope::Provision;
            parts.extensions.insert(caller);
            parts.extensions.insert(permit.clone());
            let answer = next.run(Request::from_parts(parts, body));
            if is_change {
                return answer.await;
            }
            tokio::select! {
                answer = answer => answer,
                () = permit.ended() => {
                    let detail = "the API key, or the certificate, stopped being valid while the request waited";
                    Problem::new(Code::Unauthenticated, detail).into_response()
                }
            }
        }
        Err(problem) => problem.into_response(),
    }
}
