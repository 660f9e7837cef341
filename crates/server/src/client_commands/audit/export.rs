//! The command `audit export`.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use engine_roles_client::Client;
use engine_roles_contract::{AuditQuery, Code, InclusionQuery};
use engine_roles_transparency::{
    Checkpoint, EntryBundle, Frontier, HASH_BYTES, Note, TILE_WIDTH, Tile, TilePath, Tiles,
    TreeHash, decode_bundle,
};
use serde_json::{Value, json};

use super::super::connection::{ConnectionArgs, Session};
use super::super::exit::{EXIT_CODES, Exit};
use super::super::failure::Failure;
use super::super::progress::Count;
use super::super::screen::print_json;
use super::ocsf;
use crate::audit_export::{FORMAT, Head, Line, Shown, digest_of_detail};

/// The arguments of `audit export`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct ExportArgs {
    /// Only events with greater numbers [default: all events that have not expired]
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Form of the lines
    #[arg(long, value_enum, default_value = "proof")]
    format: Format,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What `audit verify` reads: each event as it was hashed, with its leaf hash
    Proof,
    /// Events of the Open Cybersecurity Schema Framework, class API Activity, without proofs
    Ocsf,
}

/// Exports the log.
pub(super) fn run(args: &ExportArgs) -> ExitCode {
    args.connection.run(async |session: &Session| {
        match args.format {
            Format::Proof => Box::pin(export(session, args.after)).await?,
            Format::Ocsf => Box::pin(ocsf::export(session, args.after.unwrap_or_default())).await?,
        }
        Ok(Exit::Done)
    })
}

async fn export(session: &Session, after: Option<u64>) -> Result<(), Failure> {
    let client = &session.client;
    let checkpoint = client.audit_checkpoint().await?;
    let size = match &checkpoint {
        Some(note) => size_of(note)?,
        None => tree_size(client).await?,
    };
    let start = match after {
        Some(after) => after,
        None => expired(client, size).await?,
    };
    if start > size {
        return Err(Failure::NotFound(format!(
            "the tree of the audit log has {size} events, none after {start}"
        )));
    }
    let frontier = frontier(client, start).await?;
    print_json(&Head {
        format: FORMAT.to_owned(),
        start,
        frontier: frontier.hashes().iter().map(ToString::to_string).collect(),
        size,
        checkpoint,
    })?;
    let mut progress = Count::new(session.screen, "events exported", size - start);
    let mut next = start;
    while next < size {
        let width = u64::from(TILE_WIDTH);
        let index = next / width;
        let past = size.min((index + 1) * width);
        for line in lines(client, index, next, past, size).await? {
            print_json(&line)?;
        }
        next = past;
        progress.at(next - start);
    }
    Ok(())
}

/// Returns up to which number the events have expired.
async fn expired(client: &Client, size: u64) -> Result<u64, Failure> {
    if size == 0 || entry(client, 1, size).await?.is_some() {
        return Ok(0);
    }
    let first = AuditQuery {
        limit: Some(1),
        ..AuditQuery::default()
    };
    let page = client.audit(&first).await?.body;
    let first = page
        .items
        .first()
        .and_then(|event| u64::try_from(event.seq).ok());
    Ok(first.map_or(size, |first| first.saturating_sub(1).min(size)))
}

/// Returns the lines of the events after number `after` and up to number `last`, which are all in one
/// bundle.
async fn lines(
    client: &Client,
    index: u64,
    after: u64,
    last: u64,
    size: u64,
) -> Result<Vec<Line>, Failure> {
    let tile = Tile::in_tree(0, index, size).ok_or_else(incomplete)?;
    let hashes = client.audit_tile(&tile.to_string()).await?;
    let hashes = hashes.ok_or_else(incomplete)?;
    let (hashes, _) = hashes.as_chunks::<HASH_BYTES>();
    let mut entries = entries(client, index, size).await?;
    let mut shown = shown(client, after, last).await?;
    let first = index * u64::from(TILE_WIDTH) + 1;
    let mut lines = Vec::new();
    for seq in after + 1..=last {
        let place = usize::try_from(seq - first).map_err(|_| incomplete())?;
        let leaf = hashes.get(place).copied().map(TreeHash::from_bytes);
        let shown = shown.remove(&seq);
        let event = match &mut entries {
            // An empty entry is one that was removed.
            Some(entries) => entries
                .get_mut(place)
                .map(std::mem::take)
                .filter(|entry| !entry.is_empty()),
            // Some events of the bundle have expired, and not all where this one is still shown.
            None if shown.is_some() => entry(client, seq, size).await?,
            None => None,
        };
        let detail = event.as_deref().and_then(digest_of_detail);
        let detail = detail.and_then(|_| shown.as_ref()?.get("detail").cloned());
        let shown = match &event {
            Some(event) => Shown::compare(event, shown),
            None => Shown::Same,
        };
        lines.push(Line {
            seq,
            leaf: leaf.map(|leaf| leaf.to_string()),
            event,
            detail,
            shown,
        });
    }
    Ok(lines)
}

/// Returns the entries of a bundle; none where some of them have expired.
async fn entries(client: &Client, index: u64, size: u64) -> Result<Option<Vec<String>>, Failure> {
    let bundle = EntryBundle::in_tree(index, size).ok_or_else(incomplete)?;
    let path = TilePath::Entries(bundle).to_string();
    let Some(bytes) = client.audit_tile(&path).await? else {
        return Ok(None);
    };
    let entries = decode_bundle(&bytes).map_err(|error| Failure::Outcome(error.to_string()))?;
    let entries = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(entry).into_owned());
    Ok(Some(entries.collect()))
}

async fn entry(client: &Client, seq: u64, size: u64) -> Result<Option<String>, Failure> {
    let query = InclusionQuery {
        size: i64::try_from(size).ok(),
    };
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    match client.prove_event(seq, &query).await {
        Ok(proof) => Ok(proof.body.entry),
        // The service does not prove an entry that was changed.
        Err(error) if error.code().is_some_and(|code| code.is(&Code::Internal)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the events with these numbers as `GET /v1/audit` has them. Where the service can't read one, it
/// says so for the first event after a number: that event is shown as unreadable, and the later ones are
/// asked for.
async fn shown(client: &Client, after: u64, last: u64) -> Result<HashMap<u64, Value>, Failure> {
    let mut shown = HashMap::new();
    let mut examined = after;
    while examined < last {
        let query = AuditQuery {
            after: i64::try_from(examined).ok(),
            limit: i64::try_from(last - examined).ok(),
            ..AuditQuery::default()
        };
        let text = match client.audit(&query).await {
            Ok(page) => page.text,
            Err(error) if error.code().is_some_and(|code| code.is(&Code::Internal)) => {
                examined += 1;
                shown.insert(examined, json!({"unreadable": true}));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let page: Value = serde_json::from_str(&text).unwrap_or_default();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let items = items.into_iter();
        shown.extend(items.filter_map(|event| Some((event["seq"].as_u64()?, event))));
        let next = page["next_after"].as_u64().filter(|next| *next > examined);
        examined = next.ok_or_else(incomplete)?;
    }
    Ok(shown)
}

/// Returns the frontier of the first `size` events.
async fn frontier(client: &Client, size: u64) -> Result<Frontier, Failure> {
    let mut tiles = Tiles::new();
    for tile in Tile::right_edge(size) {
        let bytes = client.audit_tile(&tile.to_string()).await?;
        let inserted = tiles.insert(tile, &bytes.ok_or_else(incomplete)?);
        inserted.map_err(|error| Failure::Outcome(error.to_string()))?;
    }
    Frontier::from_tiles(size, &tiles).map_err(|error| Failure::Outcome(error.to_string()))
}

fn size_of(note: &str) -> Result<u64, Failure> {
    let size = note
        .parse()
        .and_then(|note: Note| Checkpoint::parse(note.text()));
    let size = size.map(|checkpoint| checkpoint.size);
    size.map_err(|error| Failure::Outcome(format!("the service's checkpoint is invalid: {error}")))
}

/// Returns the size of the tree of a service that signs no checkpoints.
async fn tree_size(client: &Client) -> Result<u64, Failure> {
    match client.prove_event(1, &InclusionQuery::default()).await {
        Ok(proof) => Ok(u64::try_from(proof.body.size).unwrap_or_default()),
        Err(error) if error.code().is_some_and(|code| code.is(&Code::NotFound)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn incomplete() -> Failure {
    Failure::Outcome("the service does not have all tiles of its checkpoint".to_owned())
}
