//! Checks of the API keys.

use chrono::{DateTime, TimeDelta, Utc};
use engine_roles_store::{ApiKeyRecord, Store, StoreError};

use super::finding::{Finding, Verdict};
use crate::authentication::AuthenticationArgs;
use crate::error_chain::chain;

const NAME: &str = "api keys";
/// How long before the last key ends another one should exist.
const SOON: TimeDelta = TimeDelta::days(7);
const MAKE: &str = "make a key with `engine-roles keys create`";

/// What lets callers in without a key of the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    pub(super) has_first_key: bool,
    pub(super) needs_no_key: bool,
    pub(super) has_rules: bool,
}

impl Others {
    pub(super) fn of(args: &AuthenticationArgs) -> Self {
        Self {
            has_first_key: args.init_api_key.is_some() || args.init_api_key_file.is_some(),
            needs_no_key: args.insecure_no_auth,
            has_rules: args.tls_client_subjects.is_some() || args.aws_login.principals.is_some(),
        }
    }
}

/// Returns whether somebody can use the service.
pub(super) async fn finding(store: &Store, others: Others) -> Finding {
    match read(store).await {
        Ok((keys, now)) => judge(&keys, now, others),
        Err(error) => Finding::new(NAME, Verdict::Unknown, chain(&error)),
    }
}

async fn read(store: &Store) -> Result<(Vec<ApiKeyRecord>, DateTime<Utc>), StoreError> {
    Ok((store.api_keys().await?, store.now().await?))
}

fn judge(keys: &[ApiKeyRecord], now: DateTime<Utc>, others: Others) -> Finding {
    let lasting = keys.iter().filter(|key| key.identity.is_none());
    let valid =
        lasting.filter(|key| key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now));
    let ends: Vec<Option<DateTime<Utc>>> = valid.map(|key| key.expires_at).collect();
    if ends.is_empty() {
        return without_stored(others);
    }
    let count = ends.len();
    let last = ends.iter().copied().collect::<Option<Vec<_>>>();
    let last = last.and_then(|ends| ends.into_iter().max());
    match last {
        Some(last) if last - now < SOON => {
            let found = format!("{count} valid; the last one expires at {last}");
            Finding::new(NAME, Verdict::Warning, found).with_advice(MAKE)
        }
        Some(last) => {
            let found = format!("{count} valid beside the first one; the last expires at {last}");
            Finding::new(NAME, Verdict::Ok, found)
        }
        None => {
            let found = format!("{count} valid beside the first one, at least one without an end");
            Finding::new(NAME, Verdict::Ok, found)
        }
    }
}

/// Judges a service whose database has no valid key.
fn without_stored(others: Others) -> Finding {
    if others.has_first_key {
        let advice = format!("{MAKE} for each program and person, then remove the first one");
        let found = "only the first API key, which permits everything";
        return Finding::new(NAME, Verdict::Warning, found).with_advice(advice);
    }
    if others.needs_no_key {
        let found = "requests need no key (--insecure-no-auth)";
        return Finding::new(NAME, Verdict::Warning, found).with_advice(MAKE);
    }
    if others.has_rules {
        let found = "none; callers come with a certificate or an AWS identity";
        return Finding::new(NAME, Verdict::Ok, found);
    }
    Finding::new(
        NAME,
        Verdict::Failed,
        "none is valid, so the service does not start",
    )
    .with_advice(MAKE)
}
