//! The command `keys`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use engine_roles_api::ApiKey;
use engine_roles_domain::audit::{Actor, Cause};
use engine_roles_domain::caller::{
    AwsIdentity, ClusterPrefix, KeyId, KeyName, KeyScope, KeyScopes,
};
use engine_roles_domain::invalid::Invalid;
use engine_roles_iam::DatabaseTokens;
use engine_roles_store::{ApiKeyRecord, NewApiKey, Schema, Store, StoreError};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::{self, DatabaseArgs};
use crate::list::list;
use crate::print;
use crate::telemetry::{self, LogArgs};
use crate::tokens;
use crate::values;

/// The longest validity: a hundred years.
const LONGEST: Duration = Duration::from_hours(24 * 36_500);

/// The arguments of `keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    action: KeysAction,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What to do with API keys.
#[derive(Debug, Subcommand)]
enum KeysAction {
    /// Make a key and print it. It is shown only now
    Create {
        /// Name of the key, which the audit log shows as the actor. Several keys may have one name
        #[arg(value_parser = KeyName::parse_new)]
        name: KeyName,
        /// What the key permits, separated by commas: `provision`, `read` and `audit`
        #[arg(long, default_value = "provision,read", value_parser = scopes)]
        scopes: KeyScopes,
        /// Limit the key to clusters whose names begin with this
        #[arg(long, value_parser = ClusterPrefix::parse)]
        cluster_prefix: Option<ClusterPrefix>,
        /// How long the key is valid, such as `90d`; from 1s to 36500d [default: for ever]
        #[arg(long, value_parser = validity)]
        valid_for: Option<Duration>,
    },
    /// Print all keys and all tokens of logins, without their texts
    List {
        /// Format of the output
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Revoke a key or a token. All replicas refuse it within two seconds
    Revoke {
        /// Id of the key or token; or the name of the key, if no other valid one has it; or the ARN of an AWS
        /// identity, for all its valid tokens
        key: String,
    },
}

/// A format of the list.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// One line for each key, with tabs
    Text,
    /// JSON
    Json,
}

/// Runs an operator's command on API keys.
pub(crate) fn run(args: &KeysArgs) -> anyhow::Result<()> {
    telemetry::start(&args.log);
    let mut config = args.database.store_config()?;
    let namespace = args.database.namespace()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if args.database.database_iam_auth {
            config.tokens = Some(tokens::source(DatabaseTokens::of_this_identity().await));
        }
        let store = database::open(&config, namespace)?;
        match store.schema().await? {
            Schema::Usable => {}
            Schema::Older => anyhow::bail!(
                "the database has no table of API keys yet; run `engine-roles migrate` first"
            ),
            Schema::TooNew { version } => return Err(StoreError::SchemaTooNew { version }.into()),
        }
        match &args.action {
            KeysAction::Create {
                name,
                scopes,
                cluster_prefix,
                valid_for,
            } => {
                let key = Wanted {
                    name: name.clone(),
                    scopes: scopes.clone(),
                    prefix: cluster_prefix.clone(),
                    valid_for: *valid_for,
                };
                create(&store, key).await
            }
            KeysAction::List { format } => {
                let (keys, now) = (store.api_keys().await?, store.now().await?);
                show(&keys, now, *format)
            }
            KeysAction::Revoke { key } => revoke(&store, key).await,
        }
    })
}

fn scopes(text: &str) -> Result<KeyScopes, Invalid> {
    KeyScopes::parse(list(Some(text)))
}

fn validity(text: &str) -> Result<Duration, &'static str> {
    let validity = values::duration(text)?;
    let is_allowed = (Duration::from_secs(1)..=LONGEST).contains(&validity);
    is_allowed
        .then_some(validity)
        .ok_or("must be from 1s to 36500d")
}

/// A key that an operator asks for.
struct Wanted {
    name: KeyName,
    scopes: KeyScopes,
    prefix: Option<ClusterPrefix>,
    valid_for: Option<Duration>,
}

/// The cause of what a person changes on the command line.
fn operator() -> Cause {
    Cause::without_request(Actor("operator".to_owned()))
}

async fn create(store: &Store, wanted: Wanted) -> anyhow::Result<()> {
    let (text, generated) = ApiKey::generate();
    let key = NewApiKey {
        id: KeyId(Uuid::now_v7()),
        name: wanted.name,
        hash: *generated.hash(),
        scopes: wanted.scopes,
        prefix: wanted.prefix,
        valid_for: wanted.valid_for,
        identity: None,
        aws_request_ids: Vec::new(),
    };
    let created = store.create_api_key(&key, &operator()).await?;
    // Not on standard output, which has the key alone, so that a script can take it.
    print::error_line(format_args!(
        "key {} ({}) with the scopes {} {}; it is shown only now",
        created.name,
        created.id,
        created.scopes,
        match created.expires_at {
            Some(at) => format!("is valid until {}", at.format("%Y-%m-%dT%H:%M:%SZ")),
            None => "does not expire".to_owned(),
        },
    ));
    Ok(print::line(text.expose_secret())?)
}

async fn revoke(store: &Store, named: &str) -> anyhow::Result<()> {
    let keys = store.api_keys().await?;
    let now = store.now().await?;
    let is_valid =
        |key: &&ApiKeyRecord| key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now);
    let named_keys: Vec<&ApiKeyRecord> = if let Ok(id) = named.parse::<Uuid>() {
        keys.iter().filter(|key| key.id.0 == id).collect()
    } else {
        let named = keys.iter().filter(|key| label(key) == named);
        named.filter(is_valid).collect()
    };
    if named_keys.is_empty() {
        anyhow::bail!("no valid key has this id or name; `engine-roles keys list` shows all");
    }
    // Several tokens of one ARN are of the same identity.
    if named_keys.len() > 1 && named_keys.iter().any(|key| key.identity.is_none()) {
        let ids: Vec<String> = named_keys.iter().map(|key| key.id.to_string()).collect();
        anyhow::bail!(
            "several valid keys have the name {named}; name one by its id: {}",
            ids.join(", ")
        );
    }
    for key in named_keys {
        store.revoke_api_key(key, &operator()).await?;
        print::line(format_args!("key {} ({}) is revoked", label(key), key.id))?;
    }
    Ok(())
}

fn show(keys: &[ApiKeyRecord], now: DateTime<Utc>, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => {
            for key in keys {
                print::line(in_words(key, now))?;
            }
        }
        Format::Json => {
            let keys: Vec<Value> = keys.iter().map(in_json).collect();
            print::line(json!({ "keys": keys }))?;
        }
    }
    Ok(())
}

/// Returns what a person names a key or a token by: the name of a key, or the ARN of an AWS identity.
fn label(key: &ApiKeyRecord) -> &str {
    match &key.identity {
        Some(identity) => identity.arn(),
        None => key.name.as_str(),
    }
}

fn in_words(key: &ApiKeyRecord, now: DateTime<Utc>) -> String {
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", time(at)),
        (None, Some(at)) if at <= now => format!("expired {}", time(at)),
        (None, Some(at)) => format!("valid until {}", time(at)),
        (None, None) => "valid".to_owned(),
    };
    let prefix = key
        .prefix
        .as_ref()
        .map_or("*".to_owned(), |prefix| format!("{prefix}*"));
    let used = key.last_used_at.map_or("never".to_owned(), time);
    format!(
        "{}\t{}\t{}\tclusters {prefix}\t{state}\tused {used}",
        key.id,
        label(key),
        key.scopes
    )
}

fn in_json(key: &ApiKeyRecord) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(KeyScope::as_str).collect();
    json!({
        "id": key.id.to_string(),
        "name": key.name,
        "scopes": scopes,
        "cluster_prefix": key.prefix,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "kind": if key.identity.is_some() { "aws_token" } else { "key" },
        "arn": key.identity.as_ref().map(AwsIdentity::arn),
    })
}
