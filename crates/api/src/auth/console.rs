//! Sessions of the console: an API key is exchanged for a random token, which only the console accepts.
//!
//! The key is checked again at each request of the session, exactly as a request to the interface is, so
//! that a session ends with its key on all replicas.

use std::time::Duration;

use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use engine_roles_contract::Code;
use engine_roles_domain::audit::{Cause, DenialReason};
use engine_roles_domain::caller::{Caller, KeyScope, KeyScopes};
use engine_roles_provisioner::Permit;
use engine_roles_store::{ConsoleSession, KeyHash, NewConsoleSession, StoreError};
use secrecy::SecretString;
use tokio::time::timeout;
use tracing::{Span, info, warn};
use uuid::Uuid;

use super::{ApiKey, Authentication, Denial};
use crate::problem::Problem;
use crate::request_context::{OverTls, Peer, Source};
use crate::sender;

/// How long a session lasts.
const LASTS: Duration = Duration::from_hours(1);
/// How long the look-up of a session may take, with the wait for other look-ups.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);
/// The scopes that a session can have: the console only reads.
const SCOPES: [KeyScope; 2] = [KeyScope::Read, KeyScope::Audit];

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Who signed in, with the rights of the session.
    pub(crate) caller: Caller,
    /// How long the key is valid.
    pub(crate) permit: Permit,
    /// When the session ends; none where the service needs no key.
    pub(crate) ends_at: Option<DateTime<Utc>>,
    /// How long the session still lasts.
    pub(crate) lasts: Duration,
}

/// Why a request has no session.
#[derive(Debug)]
pub(crate) enum NoVisit {
    /// Nobody has signed in.
    SignedOut,
    /// The session has ended.
    Ended,
    /// The request can't be answered now.
    Problem(Problem),
}

/// A session that has begun.
pub(crate) struct SignedIn {
    /// The text of the session's token.
    pub(crate) token: SecretString,
    /// When the session ends.
    pub(crate) ends_at: DateTime<Utc>,
}

impl Authentication {
    /// Exchanges an API key for a session. `earlier` is the token of the session that the same browser has,
    /// which ends; none where the browser has none.
    ///
    /// # Errors
    /// When the key is not valid or permits nothing that the console shows, when too many requests failed or
    /// came, or when the database does not answer.
    pub(crate) async fn sign_in(
        &self,
        request: &Parts,
        key: &str,
        earlier: Option<&str>,
    ) -> Result<SignedIn, Problem> {
        let key = ApiKey::new(key);
        let found = match &key {
            Ok(key) => self.holder_of(key.hash()).await,
            Err(_) => Err(Denial::UnknownKey),
        };
        let (caller, _) = found.map_err(|denial| self.rejected_key(request, &denial))?;
        let key_hash = *key.map_err(|_| Problem::internal())?.hash();
        Span::current().record("actor", &caller.actor.0);
        self.count_use(request, &caller)?;
        let Some(scopes) = cut(&caller.scopes) else {
            self.note_denial(DenialReason::Scope, self.source(request), Some(&caller));
            let detail = "this API key may neither read roles nor the audit log, so the console has \
                          nothing to show; use a key with the scope read or audit";
            return Err(Problem::new(Code::Forbidden, detail));
        };
        let (token, hashed) = ApiKey::generate();
        let session = NewConsoleSession {
            id: Uuid::now_v7(),
            hash: *hashed.hash(),
            key: caller.key,
            key_hash,
            scopes,
            prefix: caller.prefix.clone(),
            valid_for: LASTS,
            replaces: earlier.and_then(|token| ApiKey::new(token).ok().map(|it| *it.hash())),
        };
        let ends_at = self.store.begin_console_session(&session).await?;
        info!(session = %session.id, "session of the console began");
        let cause = sender::cause(&caller, &request.extensions);
        let source = self.source(request);
        self.notes.signed_in(&caller, Cause { source, ..cause });
        Ok(SignedIn { token, ends_at })
    }

    /// Ends a session. A session that has ended already is no error, but counts as a wrong token where the
    /// service needs a key.
    ///
    /// # Errors
    /// When too many requests failed, or when the database does not answer.
    pub(crate) async fn sign_out(&self, request: &Parts, token: &str) -> Result<(), Problem> {
        let has_ended = match ApiKey::new(token) {
            Ok(token) => {
                let ending = self.store.end_console_session(token.hash());
                self.as_look_up(ending).await?
            }
            Err(_) => false,
        };
        if has_ended {
            info!("session of the console ended by its holder");
            return Ok(());
        }
        if self.needs_no_key {
            return Ok(());
        }
        match self.denied(request, &Denial::UnknownKey) {
            problem if problem.has(Code::Unauthenticated) => Ok(()),
            problem => Err(problem),
        }
    }

    /// Returns who has signed in. `token` is the token of the session; none where the request has none.
    pub(crate) async fn visit(
        &self,
        request: &Parts,
        token: Option<&str>,
    ) -> Result<Visit, NoVisit> {
        if let Some(caller) = self.without_key() {
            return Ok(Visit {
                caller: Caller {
                    scopes: cut(&caller.scopes).ok_or(NoVisit::SignedOut)?,
                    ..caller
                },
                permit: Permit::default(),
                ends_at: None,
                lasts: LASTS,
            });
        }
        let token = token.ok_or(NoVisit::SignedOut)?;
        let found = match ApiKey::new(token) {
            Ok(token) => self.session(*token.hash()).await,
            Err(_) => Ok(None),
        };
        let found = found.map_err(NoVisit::Problem)?;
        let Some(session) = found else {
            return Err(self.ended(request, &Denial::UnknownKey));
        };
        let lasts = session.valid_for.ok_or(NoVisit::Ended)?;
        let (caller, permit) = match self.holder_of(&session.key_hash).await {
            Ok(found) => found,
            Err(denial) => return Err(self.ended(request, &denial)),
        };
        let caller = Caller {
            scopes: session.scopes,
            prefix: session.prefix,
            ..caller
        };
        self.count_use(request, &caller).map_err(NoVisit::Problem)?;
        Ok(Visit {
            caller,
            permit,
            ends_at: Some(session.expires_at),
            lasts,
        })
    }

    /// Returns whether every caller is accepted, so that nobody has to sign in.
    pub(crate) fn needs_no_key(&self) -> bool {
        self.needs_no_key
    }

    /// Notes that the holder of a session reads the audit log.
    pub(crate) fn note_log_read(&self, request: &Parts, caller: &Caller) {
        let cause = sender::cause(caller, &request.extensions);
        self.notes.log_read(caller, cause);
    }

    /// Returns the address of the client, for the causes of events; none where it is not known.
    pub(crate) fn source_of(&self, request: &Parts) -> Option<Source> {
        self.source(request).map(Source)
    }

    /// Notes that the holder of a session asked for a cluster that the session does not show.
    pub(crate) fn note_other_cluster(&self, request: &Parts, caller: &Caller) {
        self.note_denial(DenialReason::Cluster, self.source(request), Some(caller));
    }

    /// Returns whether the browser reaches the service by HTTPS: a trusted proxy says which scheme the browser
    /// uses, or else this service has TLS.
    pub(crate) fn is_https(&self, request: &Parts) -> bool {
        match self.of_proxy(request, "x-forwarded-proto") {
            Some(proto) if proto.eq_ignore_ascii_case("https") => true,
            Some(proto) if proto.eq_ignore_ascii_case("http") => false,
            _ => request.extensions.get::<OverTls>().is_some(),
        }
    }

    /// Returns the host under which the browser reaches the service, as a trusted proxy says; none where
    /// none does.
    pub(crate) fn forwarded_host<'a>(&self, request: &'a Parts) -> Option<&'a str> {
        self.of_proxy(request, "x-forwarded-host")
    }

    /// Returns what the trusted proxy that sent a request says in a header; none where it says nothing.
    fn of_proxy<'a>(&self, request: &'a Parts, header: &str) -> Option<&'a str> {
        let peer = request.extensions.get::<Peer>()?;
        self.proxies
            .forwarded(peer.0.ip(), &request.headers, header)
    }

    /// Deletes the sessions that have expired.
    pub(super) async fn forget_sessions(&self) {
        let deleted = self.store.delete_expired_console_sessions().await;
        // At the first start, the tables are made at the same time.
        let deleted = deleted.or_else(|error| match error {
            StoreError::NoTables(_) => Ok(Default::default()),
            error => Err(error),
        });
        if let Err(error) = deleted {
            warn!(
                error = &error as &dyn std::error::Error,
                "expired sessions of the console could not be deleted"
            );
        }
    }

    /// Reads a session.
    async fn session(&self, hash: KeyHash) -> Result<Option<ConsoleSession>, Problem> {
        self.as_look_up(self.store.console_session(&hash)).await
    }

    /// Waits for an answer of the database about a session. Strangers can cause such statements, so only a
    /// few are sent at the same time.
    async fn as_look_up<T>(
        &self,
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        let look_up = async {
            // The semaphore is never closed.
            let _slot = self.session_look_ups.acquire().await;
            statement.await
        };
        let found = timeout(LOOK_UP_LIMIT, look_up).await.map_err(|_| {
            let detail = "the session can't be checked, because the database did not answer in time; \
                          load the page again";
            Problem::new(Code::DatabaseUnavailable, detail)
        })?;
        Ok(found?)
    }

    /// Returns the holder of a key, which may be the one in the configuration.
    async fn holder_of(&self, hash: &KeyHash) -> Result<(Caller, Permit), Denial> {
        match self.without_database(Some(hash)) {
            Some(caller) => Ok((caller, Permit::default())),
            None => self.holder(hash).await,
        }
    }

    /// Counts and notes a key with which nobody can sign in. Returns the answer.
    fn rejected_key(&self, request: &Parts, denial: &Denial) -> Problem {
        let counted = self.denied(request, denial);
        let detail = match denial {
            Denial::NoKey | Denial::UnknownKey => "this API key is not valid",
            Denial::ExpiredKey(_) => "this API key has expired; use another one",
            Denial::RevokedKey(_) => "this API key was revoked; use another one",
            Denial::NotChecked => return counted,
        };
        if counted.has(Code::Unauthenticated) {
            Problem::new(Code::Unauthenticated, detail)
        } else {
            counted
        }
    }

    /// Counts and notes a request whose session is not valid any more, or never was.
    fn ended(&self, request: &Parts, denial: &Denial) -> NoVisit {
        let problem = self.denied(request, denial);
        if problem.has(Code::Unauthenticated) {
            NoVisit::Ended
        } else {
            NoVisit::Problem(problem)
        }
    }
}

/// Returns the scopes that a session can have; none where there is none.
fn cut(scopes: &KeyScopes) -> Option<KeyScopes> {
    let kept = SCOPES.into_iter().filter(|scope| scopes.contains(*scope));
    KeyScopes::parse(kept.map(KeyScope::as_str)).ok()
}
