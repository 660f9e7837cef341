//! Logins with an AWS identity: `/v1/auth/aws`.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use engine_roles_contract::{AwsLogin, AwsToken, Code, FieldError};
use engine_roles_domain::caller::{KeyId, KeyName, KeyScope};
use engine_roles_provisioner::{
    Identified, LoginError, LoginHeaders, NotAccepted, NotIdentified, Provisioner, SignedLogin,
};
use engine_roles_store::NewApiKey;
use secrecy::ExposeSecret;
use tracing::{Span, info, warn};
use uuid::Uuid;

use crate::auth::{ApiKey, Authentication, AwsRule};
use crate::problem::Problem;
use crate::request_body::{JsonBody, RequestBody};
use crate::strict_json::Json as JsonValue;

/// The name of the record of a token. Its ARN says to whom it belongs.
const RECORD: &str = "aws-identity";

/// Log in with an AWS identity.
///
/// Exchanges a signed request for a token that is valid for some minutes. The token is used like an API
/// key, on all replicas at once. Needs no API key; the service must be configured for such logins.
#[utoipa::path(
    post, path = "/v1/auth/aws", operation_id = "loginWithAws", tag = "login", security(()),
    request_body = AwsLogin,
    responses(
        (status = 200, body = AwsToken, description = "The token, which is shown only now"),
    ),
)]
pub(crate) async fn post(
    State(provisioner): State<Provisioner>,
    State(authentication): State<Arc<Authentication>>,
    parts: Parts,
    body: Result<JsonBody, Problem>,
) -> Result<Response, Problem> {
    let headers = body.and_then(|JsonBody(body)| parse(&body));
    let Some(settings) = authentication.aws_login() else {
        return Err(headers.err().unwrap_or_else(switched_off));
    };
    authentication.record_source(&parts);
    let denied = |problem: Problem| authentication.denied_login(&parts, None, problem);
    let headers = headers.map_err(denied)?;
    let signed = headers.check(&settings.server, SystemTime::now());
    let signed = signed.map_err(|why| {
        denied(match why {
            NotAccepted::Malformed { field, rule } => {
                Problem::field(Code::InvalidRequest, field, rule)
            }
            other => Problem::new(Code::Unauthenticated, other.to_string()),
        })
    })?;
    let regions = settings.regions(provisioner.sts_region());
    if !regions.contains(&signed.region().as_str()) {
        return Err(denied(other_region(&regions)));
    }
    if !settings.has_partition(signed.region().partition()) {
        return Err(denied(forbidden()));
    }
    let _slot = authentication.count_login(&parts)?;
    let token = log_in(&provisioner, &authentication, &parts, &signed).await;
    let token = token.map_err(|problem| match problem {
        Rejected::Caller(problem) => denied(problem),
        Rejected::Identity(arn, problem) => {
            authentication.denied_login(&parts, Some(&arn), problem)
        }
        Rejected::Now(problem) => problem,
    })?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(token)).into_response())
}

/// Why there is no token.
enum Rejected {
    /// Because STS did not confirm who the caller is, or not as one of a kind that can log in.
    Caller(Problem),
    /// Because of who the caller is. The ARN is the identity that STS has confirmed.
    Identity(String, Problem),
    /// Because of something else.
    Now(Problem),
}

async fn log_in(
    provisioner: &Provisioner,
    authentication: &Authentication,
    parts: &Parts,
    signed: &SignedLogin,
) -> Result<AwsToken, Rejected> {
    let settings = authentication.aws_login();
    let settings = settings.ok_or_else(|| Rejected::Now(switched_off()))?;
    let identified = provisioner.identify(signed).await.map_err(rejected)?;
    let Identified {
        identity,
        request_id,
    } = identified;
    Span::current().record("actor", identity.arn());
    let rule = settings.rule(&identity);
    let AwsRule {
        principal,
        scopes,
        prefix,
    } = rule.ok_or_else(|| {
        info!(
            arn = identity.arn(),
            "AWS identity without a rule was denied"
        );
        Rejected::Identity(identity.arn().to_owned(), forbidden())
    })?;
    let (text, key) = ApiKey::generate();
    let key = NewApiKey {
        id: KeyId(Uuid::now_v7()),
        name: KeyName::parse(RECORD).expect("a constant name"),
        hash: *key.hash(),
        scopes: scopes.clone(),
        prefix: prefix.clone(),
        valid_for: Some(settings.lifetime),
        identity: Some(identity.clone()),
        aws_request_ids: vec![request_id],
    };
    let cause = authentication.cause_of_login(parts, identity.arn());
    let made = authentication.store().create_api_key(&key, &cause).await;
    let made = made.map_err(|error| Rejected::Now(error.into()))?;
    info!(arn = identity.arn(), token = %made.id, "AWS identity logged in");
    Ok(AwsToken {
        token: text.expose_secret().to_owned(),
        // A token always expires.
        expires_at: made.expires_at.unwrap_or(made.created_at),
        arn: identity.arn().to_owned(),
        principal: principal.to_string(),
        scopes: scopes
            .iter()
            .map(KeyScope::as_str)
            .map(str::to_owned)
            .collect(),
        cluster_prefix: prefix.as_ref().map(ToString::to_string),
    })
}

fn switched_off() -> Problem {
    let detail = "this service is not configured for logins with an AWS identity";
    Problem::new(Code::NotFound, detail)
}

fn other_region(permitted: &[&str]) -> Problem {
    let rule = format!(
        "must name a region in its scope for which this service accepts logins: {}",
        permitted.join(", ")
    );
    Problem::field(Code::InvalidRequest, "authorization", rule)
}

fn forbidden() -> Problem {
    let detail = "this AWS identity may not log in here; its role or user must be on the \
                  administrator's list";
    Problem::new(Code::Forbidden, detail)
}

fn rejected(error: LoginError) -> Rejected {
    match error {
        LoginError::TooMany { retry_after } => {
            let detail = "too many callers log in at this time; the next login may come after \
                          Retry-After seconds";
            Rejected::Now(Problem::new(Code::RateLimited, detail).after(retry_after))
        }
        LoginError::NotIdentified(why @ NotIdentified::Rejected { .. }) => {
            Rejected::Caller(Problem::new(Code::Unauthenticated, why.to_string()))
        }
        LoginError::NotIdentified(why @ NotIdentified::OtherKind) => Rejected::Caller(
            Problem::new(Code::Forbidden, format!("{why}, so it may not log in")),
        ),
        LoginError::NotIdentified(NotIdentified::Unavailable { reason }) => {
            warn!(reason, "STS did not identify a caller; login failed");
            let detail = "STS did not say who signed the request; send the same request again";
            Rejected::Now(Problem::new(Code::IamUnavailable, detail))
        }
    }
}

/// Reads the members of the body. Each wrong one is reported, all at once.
fn parse(body: &RequestBody) -> Result<LoginHeaders, Problem> {
    let mut wrong = Vec::new();
    let mut reject = |field: &str, reason: &str| {
        let (field, reason) = (field.to_owned(), reason.to_owned());
        wrong.push((Code::InvalidRequest, FieldError { field, reason }));
    };
    let mut found: [Option<String>; 4] = Default::default();
    let mut seen = [false; 4];
    for (name, value) in body.members() {
        let Some(place) = MEMBERS.iter().position(|member| member == name) else {
            let reason = "is not a member of a login; there are authorization, date, security_token and \
                          server";
            reject(name, reason);
            continue;
        };
        if std::mem::replace(&mut seen[place], true) {
            reject(name, "occurs more than once");
            continue;
        }
        match value {
            JsonValue::Text(text) => found[place] = Some(text.clone()),
            JsonValue::Null if *name == OPTIONAL => {}
            _ => reject(name, "must be text"),
        }
    }
    for (place, name) in MEMBERS.iter().enumerate() {
        if !seen[place] && *name != OPTIONAL {
            reject(name, "is missing");
        }
    }
    Problem::all(wrong)?;
    let [authorization, date, security_token, server] = found;
    Ok(LoginHeaders {
        authorization: authorization.unwrap_or_default(),
        date: date.unwrap_or_default(),
        security_token,
        server: server.unwrap_or_default(),
    })
}

const OPTIONAL: &str = "security_token";
const MEMBERS: [&str; 4] = ["authorization", "date", OPTIONAL, "server"];
