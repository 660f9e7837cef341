//! Authentication by bearer keys, and what each key permits.

mod api_key;
mod audit_notes;
mod aws_login;
mod console;
mod key_ring;
mod login_slots;
mod rate_limits;
mod source;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use engine_roles_contract::Code;
use engine_roles_domain::audit::{Actor, Cause, DenialReason};
use engine_roles_domain::caller::{Caller, ClusterPrefix, KeyScope, KeyScopes};
use engine_roles_provisioner::{KeysSeen, Permit};
use engine_roles_store::{KeyHash, Store};
use ipnet::IpNet;
use metrics::counter;
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::Span;

pub use api_key::{ApiKey, InvalidKey};
pub use aws_login::{AwsLoginSettings, AwsRule};
pub(crate) use console::{NoVisit, SignedIn, Visit};

use crate::problem::Problem;
use crate::request_context::{Peer, Source};
use crate::sender;
use crate::tls::ClientCertificate;
use audit_notes::AuditNotes;
use key_ring::{Found, KeyRing};
use login_slots::{LoginSlot, LoginSlots};
use rate_limits::{RateLimits, TooSoon};
use source::TrustedProxies;

/// How many sessions of the console are looked up at the same time: strangers can cause look-ups, and must not
/// use up the connections to the database.
const SESSION_LOOK_UPS: usize = 4;
/// How often expired sessions of the console are deleted, the first time when the service starts.
const FORGET_SESSIONS_EVERY: Duration = Duration::from_mins(10);

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
    /// How AWS identities log in; none where they can't.
    pub aws_login: Option<AwsLoginSettings>,
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
            aws_login: None,
            trusted_proxies: Vec::new(),
            failure_rate: NonZeroU32::MIN,
            key_rate: NonZeroU32::MIN,
            key_burst: NonZeroU32::MIN,
        }
    }

    /// Returns whether only the keys in the database are accepted.
    pub fn is_by_stored_keys_only(&self) -> bool {
        self.initial_key.is_none()
            && !self.needs_no_key
            && self.certificate_rules.is_empty()
            && self.aws_login.is_none()
    }
}

/// Decides which callers are accepted.
pub struct Authentication {
    initial_key: Option<ApiKey>,
    needs_no_key: bool,
    certificate_rules: Vec<CertificateRule>,
    aws_login: Option<AwsLoginSettings>,
    proxies: TrustedProxies,
    store: Store,
    ring: KeyRing,
    limits: RateLimits,
    login_slots: LoginSlots,
    /// How many sessions of the console may be looked up at the same time.
    session_look_ups: Semaphore,
    notes: AuditNotes,
}

/// Why a request is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Denial {
    NoKey,
    UnknownKey,
    /// The key, whose owner is known, has expired.
    ExpiredKey(Box<Caller>),
    /// The key, whose owner is known, was revoked.
    RevokedKey(Box<Caller>),
    /// The database did not answer.
    NotChecked,
}

impl Denial {
    /// Returns the reason in the audit log, and the owner of the key; none where the key was not checked.
    fn reason(&self) -> Option<(DenialReason, Option<&Caller>)> {
        match self {
            Self::NoKey => Some((DenialReason::NoKey, None)),
            Self::UnknownKey => Some((DenialReason::UnknownKey, None)),
            Self::ExpiredKey(caller) => Some((DenialReason::ExpiredKey, Some(caller))),
            Self::RevokedKey(caller) => Some((DenialReason::RevokedKey, Some(caller))),
            Self::NotChecked => None,
        }
    }

    fn problem(&self) -> Problem {
        let detail = match self {
            Self::NoKey | Self::UnknownKey => "send a valid API key as Authorization: Bearer KEY",
            Self::ExpiredKey(_) => "the API key has expired; use another one",
            Self::RevokedKey(_) => "the API key was revoked; use another one",
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
            aws_login: settings.aws_login,
            proxies: TrustedProxies(settings.trusted_proxies),
            ring: KeyRing::new(store.clone(), seen),
            notes: AuditNotes::new(store.clone()),
            store,
            limits: RateLimits::new(settings.failure_rate, settings.key_rate, settings.key_burst),
            login_slots: LoginSlots::default(),
            session_look_ups: Semaphore::new(SESSION_LOOK_UPS),
        }
    }

    /// Keeps up with the keys in the database, and writes events to the audit log, until `stop` is
    /// cancelled.
    pub async fn keep_up(self: Arc<Self>, stop: CancellationToken) {
        let sessions = async {
            let mut due = tokio::time::interval(FORGET_SESSIONS_EVERY);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                due.tick().await;
                self.forget_sessions().await;
            }
        };
        futures::join!(
            self.ring.keep_up(stop.clone()),
            self.notes.keep_up(stop.clone()),
            stop.run_until_cancelled(sessions)
        );
    }

    /// Adds to the audit log what is only in memory, before the process ends.
    pub async fn write_notes(&self) {
        self.notes.write_all().await;
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
                Found::Expired(_) | Found::Revoked(_) | Found::Unknown => None,
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
        self.holder(hash).await
    }

    /// Returns the holder of a key that is in the database.
    async fn holder(&self, hash: &KeyHash) -> Result<(Caller, Permit), Denial> {
        match self.ring.find(hash).await {
            Ok(Found::Valid(caller, permit)) => Ok((*caller, permit)),
            Ok(Found::Expired(caller)) => Err(Denial::ExpiredKey(caller)),
            Ok(Found::Revoked(caller)) => Err(Denial::RevokedKey(caller)),
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
            principal: None,
            scopes: rule.scopes.clone(),
            prefix: rule.prefix.clone(),
        };
        Some((caller, certificate.permit(Utc::now())))
    }

    /// Returns the caller where no key is needed.
    fn without_key(&self) -> Option<Caller> {
        let anybody = || Caller::unlimited(Actor("anonymous".to_owned()));
        self.needs_no_key.then(anybody)
    }

    /// Returns the caller where the configuration alone decides it.
    fn without_database(&self, hash: Option<&KeyHash>) -> Option<Caller> {
        if let Some(anybody) = self.without_key() {
            return Some(anybody);
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
        let admitted = self.caller(request).await;
        let (caller, permit) = admitted.map_err(|denial| self.denied(request, &denial))?;
        self.count_use(request, &caller)?;
        let scope = needed_scope(&request.method, request.uri.path());
        self.check_scope(request, &caller, scope)?;
        Ok((caller, permit))
    }

    /// Counts and notes a request without a valid key. Returns the answer.
    fn denied(&self, request: &Parts, denial: &Denial) -> Problem {
        let Some((reason, caller)) = denial.reason() else {
            count_denial("not_checked");
            return denial.problem();
        };
        // The key is checked first: whoever has one is not concerned by what others send from the same
        // address.
        let source = self.source(request);
        self.note_denial(reason, source, caller);
        let counted = source.map_or(Ok(()), |source| self.limits.count_failure(source));
        match counted {
            Ok(()) => denial.problem(),
            Err(too_soon) => too_many("too many requests without a valid API key", &too_soon),
        }
    }

    /// Counts a request with a valid key.
    fn count_use(&self, request: &Parts, caller: &Caller) -> Result<(), Problem> {
        let counted = self.limits.count_use(&caller.identity());
        counted.map_err(|too_soon| {
            self.note_denial(DenialReason::Rate, self.source(request), Some(caller));
            too_many("too many requests with this API key", &too_soon)
        })
    }

    /// Checks that a caller has the scope that a request needs.
    pub(crate) fn check_scope(
        &self,
        request: &Parts,
        caller: &Caller,
        scope: KeyScope,
    ) -> Result<(), Problem> {
        if caller.may(scope) {
            return Ok(());
        }
        self.note_denial(DenialReason::Scope, self.source(request), Some(caller));
        let detail = format!(
            "the API key does not have the scope {}, which this request needs",
            scope.as_str()
        );
        Err(Problem::new(Code::Forbidden, detail))
    }

    /// Returns how AWS identities log in; none where they can't.
    pub(crate) fn aws_login(&self) -> Option<&AwsLoginSettings> {
        self.aws_login.as_ref()
    }

    /// Returns the store, which has the keys and the tokens.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Counts a login that STS will be asked about, whoever it turns out to be, and gives it a place until
    /// the slot is dropped; none where the source is not known.
    pub(crate) fn count_login(&self, request: &Parts) -> Result<Option<LoginSlot<'_>>, Problem> {
        let Some(source) = self.source(request) else {
            return Ok(None);
        };
        let refused = |what, too_soon: &TooSoon| {
            self.note_denial(DenialReason::Rate, Some(source), None);
            too_many(what, too_soon)
        };
        let counted = self.limits.count_login(source);
        counted.map_err(|it| refused("too many logins from this address", &it))?;
        let slot = self.login_slots.take(source).ok_or_else(|| {
            let what = "too many logins from this address wait for AWS at the same time";
            refused(what, &TooSoon { retry_after: 1 })
        })?;
        Ok(Some(slot))
    }

    /// Counts a login that is denied, like a request without a valid key. `arn` is the identity that STS
    /// has confirmed; none where it was not asked or rejected the signature. Returns the answer.
    pub(crate) fn denied_login(
        &self,
        request: &Parts,
        arn: Option<&str>,
        problem: Problem,
    ) -> Problem {
        let source = self.source(request);
        let caller = arn.map(|arn| Caller::unlimited(Actor(arn.to_owned())));
        self.note_denial(DenialReason::AwsLogin, source, caller.as_ref());
        let counted = source.map_or(Ok(()), |source| self.limits.count_failure(source));
        match counted {
            Ok(()) => problem,
            Err(too_soon) => too_many("too many logins that were denied", &too_soon),
        }
    }

    /// Returns a login of an AWS identity as the cause of its token.
    pub(crate) fn cause_of_login(&self, request: &Parts, arn: &str) -> Cause {
        let caller = Caller::unlimited(Actor(arn.to_owned()));
        Cause {
            source: self.source(request),
            ..sender::cause(&caller, &request.extensions)
        }
    }

    /// Adds the client's address behind a trusted proxy to the log's lines about a request.
    pub(crate) fn record_source(&self, request: &Parts) {
        if let (Some(source), Some(peer)) = (self.source(request), request.extensions.get::<Peer>())
            && source != peer.0.ip().to_canonical()
        {
            Span::current().record("source", source.to_string());
        }
    }

    fn source(&self, request: &Parts) -> Option<IpAddr> {
        let peer = request.extensions.get::<Peer>()?;
        Some(self.proxies.source(peer.0.ip(), &request.headers))
    }

    fn note_denial(&self, reason: DenialReason, source: Option<IpAddr>, caller: Option<&Caller>) {
        count_denial(reason.as_str());
        self.notes.denied(reason, source, caller);
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
    let source = authentication.source(&parts);
    authentication.record_source(&parts);
    let (caller, permit) = match Box::pin(authentication.admit(&parts)).await {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_response(),
    };
    Span::current().record("actor", &caller.actor.0);
    let scope = needed_scope(&parts.method, parts.uri.path());
    if let Some(source) = source {
        parts.extensions.insert(Source(source));
    }
    if scope == KeyScope::Audit {
        let cause = sender::cause(&caller, &parts.extensions);
        authentication.notes.log_read(&caller, cause);
    }
    parts.extensions.insert(caller.clone());
    parts.extensions.insert(permit.clone());
    let answer = next.run(Request::from_parts(parts, body));
    // A change checks the permit itself when it records its intent: what is recorded is carried out.
    let answer = if scope == KeyScope::Provision {
        answer.await
    } else {
        tokio::select! {
            answer = answer => answer,
            () = permit.ended() => {
                let detail = "the API key, or the certificate, stopped being valid while the request waited";
                Problem::new(Code::Unauthenticated, detail).into_response()
            }
        }
    };
    // The only other reason for this status is a cluster to which the key is not limited.
    if answer.status() == StatusCode::FORBIDDEN {
        authentication.note_denial(DenialReason::Cluster, source, Some(&caller));
    }
    answer
}
