//! The commands `role list` and `role find`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clap::Args;
use engine_roles_contract::{Binding, BindingQuery};
use serde_json::{Map, Value, json};

use super::connection::{ConnectionArgs, Session};
use super::exit::Exit;
use super::failure::Failure;
use super::screen::{Colour, print_line};
use super::table::{Cell, Table};
use super::wire::{NONE, state, time, word};

/// The most bindings on a page.
const LONGEST_PAGE: i64 = 500;

/// The arguments of `role list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only bindings in this state: provisioning, active, deleting, deleted, failed or blocked; can be
    /// repeated
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Only bindings whose resources may exist at AWS (true), or can't exist (false)
    #[arg(long, value_name = "BOOL")]
    live: Option<bool>,
    /// Only bindings of this mode: create or `pass_through`
    #[arg(long)]
    mode: Option<String>,
    /// Only bindings whose last check found drift (true), or none (false)
    #[arg(long, value_name = "BOOL")]
    drifted: Option<bool>,
    /// Only clusters whose names begin with this text
    #[arg(long)]
    prefix: Option<String>,
    /// Only bindings that changed at this time or later: RFC 3339, or a duration before now such as
    /// `2h`
    #[arg(long, value_name = "TIME", value_parser = super::wire::read_time)]
    updated_since: Option<DateTime<Utc>>,
    /// Only bindings of this role, by name, ARN or unique id, past incarnations included
    #[arg(long)]
    role: Option<String>,
    /// The most bindings [default: all]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// The arguments of `role find`.
#[derive(Debug, Args)]
pub(super) struct FindArgs {
    /// Name, ARN or unique id (AROA…) of a role, or unique id (AIPA…) of an instance profile
    role: String,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// Bindings of one or more pages.
pub(super) struct Found {
    pub(super) items: Vec<Binding>,
    /// The pages as one, with the members of a page.
    json: Map<String, Value>,
}

/// Prints the bindings that the filters select.
pub(super) async fn list(session: &Session, args: &ListArgs) -> Result<Exit, Failure> {
    let state = (!args.state.is_empty()).then(|| args.state.join(","));
    let query = BindingQuery {
        state,
        live: args.live,
        mode: args.mode.clone(),
        drifted: args.drifted,
        prefix: args.prefix.clone(),
        updated_since: args.updated_since,
        role: args.role.clone(),
        ..BindingQuery::default()
    };
    print(session, &read(session, query, args.limit).await?)?;
    Ok(Exit::Done)
}

/// Prints the bindings to which a role belongs or belonged.
pub(super) async fn find(session: &Session, args: &FindArgs) -> Result<Exit, Failure> {
    let query = BindingQuery {
        role: Some(args.role.clone()),
        ..BindingQuery::default()
    };
    let found = read(session, query, None).await?;
    if found.items.is_empty() {
        let role = &args.role;
        let reason = format!("no cluster that this key may see has or had the role {role}");
        return Err(Failure::NotFound(reason));
    }
    print(session, &found)?;
    Ok(Exit::Done)
}

/// Returns how many bindings are in each state.
pub(super) async fn counts(session: &Session) -> Result<BTreeMap<String, u64>, Failure> {
    let found = read(session, BindingQuery::default(), None).await?;
    let mut counts = BTreeMap::new();
    for binding in &found.items {
        *counts.entry(word(&binding.state)).or_default() += 1;
    }
    Ok(counts)
}

/// Reads page after page, at most `limit` bindings.
async fn read(
    session: &Session,
    mut query: BindingQuery,
    limit: Option<u32>,
) -> Result<Found, Failure> {
    let mut found = Found {
        items: Vec::new(),
        json: Map::new(),
    };
    let mut left = limit.map_or(i64::MAX, i64::from);
    loop {
        query.limit = Some(left.min(LONGEST_PAGE));
        let answer = session.client.bindings(&query).await?;
        let page = answer.body;
        left -= i64::try_from(page.items.len()).unwrap_or(i64::MAX);
        found.items.extend(page.items);
        found.add(serde_json::from_str(&answer.text).unwrap_or_default());
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || left <= 0 {
            return Ok(found);
        }
    }
}

impl Found {
    /// Adds a page: its items follow the others, and the first page has the other members, except
    /// for the cursor of the page after the last one.
    fn add(&mut self, page: Map<String, Value>) {
        if self.json.is_empty() {
            self.json = page;
            return;
        }
        let cursor = page.get("next_cursor").cloned().unwrap_or_default();
        self.json.insert("next_cursor".to_owned(), cursor);
        let items = self.json.get_mut("items").and_then(Value::as_array_mut);
        if let (Some(items), Some(Value::Array(more))) = (items, page.get("items")) {
            items.extend_from_slice(more);
        }
    }
}

fn print(session: &Session, found: &Found) -> Result<(), Failure> {
    let screen = session.screen;
    if screen.is_json() {
        return print_line(&json!(found.json).to_string());
    }
    let names = [
        "CLUSTER",
        "STATE",
        "MODE",
        "GENERATION",
        "ROLE",
        "NOTE",
        "UPDATED",
    ];
    let mut table = Table::with_heading(names);
    for binding in &found.items {
        let role = binding.role.as_ref().map(|role| role.name.as_str());
        table.row([
            Cell::from(&binding.cluster),
            state(&binding.state),
            word(&binding.mode).into(),
            binding.generation.to_string().into(),
            role.unwrap_or(NONE).into(),
            note(binding),
            time(binding.updated_at).into(),
        ]);
    }
    table.print(screen)
}

/// Returns what a person should know about a binding, in a word or two.
fn note(binding: &Binding) -> Cell {
    if let Some(error) = &binding.last_error {
        return Cell::coloured(word(&error.code), Some(Colour::Red));
    }
    if binding.drift.is_empty() {
        return NONE.into();
    }
    let kinds: Vec<String> = binding
        .drift
        .iter()
        .map(|drift| word(&drift.kind))
        .collect();
    Cell::coloured(kinds.join(", "), Some(Colour::Yellow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_one_page_that_ends_where_the_last_one_ends() {
        let mut found = Found {
            items: Vec::new(),
            json: Map::new(),
        };
        for page in [
            json!({"items": [1, 2], "next_cursor": "a", "watch_after": 7}),
            json!({"items": [3], "next_cursor": null, "watch_after": null}),
        ] {
            found.add(page.as_object().expect("a page").clone());
        }
        let expected = json!({"items": [1, 2, 3], "next_cursor": null, "watch_after": 7});
        assert_eq!(json!(found.json), expected);
    }
}
