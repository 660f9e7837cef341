//! The list of clusters: `/console/clusters`.

use std::cmp::Reverse;

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use engine_roles_domain::binding::{Binding, State as BindingState};
use engine_roles_domain::cluster::Mode;
use engine_roles_provisioner::Provisioner;
use engine_roles_store::{BindingFilter, Page as ListPage, StoreError};
use maud::{Markup, html};

use super::given::Given;
use super::layout::{Page, Place, live, refreshed};
use super::pieces::{
    Tone, badge, cluster_path, commands, mode_name, nothing, state_badge, state_name,
};
use super::times::ago;
use super::viewer::Viewer;
use crate::clusters::{filter, visible};
use crate::cursor;
use crate::problem::Problem;
use crate::request_query::Parameters;

/// The clusters on a page.
const ON_PAGE: i64 = 50;
/// The most clusters that are sorted in another order than that of their names: the database pages
/// through names only.
const MOST_SORTED: i64 = 500;
/// How often the page is refreshed, in seconds.
const REFRESH: u8 = 20;
const PATH: &str = "/console/clusters";
/// The parameters of the filter.
const FILTER: [&str; 5] = ["state", "mode", "drifted", "prefix", "role"];

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Name,
    State,
    Changed,
}

impl Order {
    const ALL: [Self; 3] = [Self::Name, Self::State, Self::Changed];

    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::State => "state",
            Self::Changed => "changed",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::State => "state",
            Self::Changed => "last change",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.word() == text)
    }
}

/// Returns the command that lists the same clusters.
fn command(given: &Given) -> String {
    let role = given.value("role");
    if !role.is_empty() {
        return format!("engine-roles role find {}", quoted(role));
    }
    let flags = ["state", "mode", "prefix", "drifted"].map(|flag| (flag, given.value(flag)));
    let flags = flags.iter().filter(|(_, value)| !value.is_empty());
    let flags = flags.map(|(flag, value)| format!(" --{flag} {}", quoted(value)));
    format!("engine-roles role list{}", flags.collect::<String>())
}

/// Quotes a value for a shell, unless it needs none.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/:.,@+=".contains(c);
    if value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// Some clusters, and how to go on.
struct Found {
    bindings: Vec<Binding>,
    next: Option<String>,
    /// Whether there are too many clusters for the wanted order.
    is_unsorted: bool,
}

/// Shows the clusters that a filter selects.
pub(super) async fn show(
    State(provisioner): State<Provisioner>,
    viewer: Viewer,
    mut query: Parameters,
) -> Result<Response, Problem> {
    query.empty_is_none();
    let given = Given::of(PATH, &FILTER, &query);
    let sort = query.peek("sort").unwrap_or_default().to_owned();
    let cursor = query.peek("cursor").unwrap_or_default().to_owned();
    let order = query.read("sort", "must be name, state or changed", Order::parse);
    let order = order.unwrap_or(Order::Name);
    let after = query.read(
        "cursor",
        "must come from the link to the next page",
        cursor::decode,
    );
    let filter = filter(&mut query);
    query.end()?;
    let found = match visible(filter, &viewer.caller) {
        None => Found {
            bindings: Vec::new(),
            next: None,
            is_unsorted: false,
        },
        Some(filter) if order == Order::Name => {
            let page = provisioner.list(&filter, after.as_ref(), ON_PAGE).await?;
            by_name(page, false)
        }
        Some(filter) => sorted(&provisioner, &filter, order).await?,
    };
    let content = table(&given, order, &found, !cursor.is_empty());
    if viewer.is_refresh {
        return Ok(refreshed(content));
    }
    let page = Page {
        title: "Clusters",
        place: Place::Clusters,
        viewer: Some(&viewer),
        content: html! {
            h1 { "Clusters" }
            (form(&given, &sort))
            (live(&given.path(&[("sort", &sort), ("cursor", &cursor)]), REFRESH, &content))
            (commands(&[command(&given)]))
        },
    };
    Ok(page.respond())
}

fn by_name(page: ListPage<Binding>, is_unsorted: bool) -> Found {
    Found {
        next: page.next.as_ref().map(cursor::encode),
        bindings: page.items,
        is_unsorted,
    }
}

async fn sorted(
    provisioner: &Provisioner,
    filter: &BindingFilter,
    order: Order,
) -> Result<Found, StoreError> {
    let all = provisioner.list(filter, None, MOST_SORTED).await?;
    if all.next.is_some() {
        let page = provisioner.list(filter, None, ON_PAGE).await?;
        return Ok(by_name(page, true));
    }
    let mut bindings = all.items;
    match order {
        Order::Name => {}
        Order::State => bindings.sort_by_key(|it| urgency(it.state())),
        Order::Changed => bindings.sort_by_key(|it| Reverse(it.updated_at)),
    }
    Ok(Found {
        bindings,
        next: None,
        is_unsorted: false,
    })
}

/// Returns the place of a state in the order by state: what needs a person comes first.
fn urgency(state: BindingState) -> u8 {
    match state {
        BindingState::Blocked => 0,
        BindingState::Failed => 1,
        BindingState::Provisioning => 2,
        BindingState::Deleting => 3,
        BindingState::Active => 4,
        BindingState::Deleted => 5,
    }
}

fn form(given: &Given, sort: &str) -> Markup {
    let (state, mode, drifted) = (
        given.value("state"),
        given.value("mode"),
        given.value("drifted"),
    );
    html! {
        form.filters method="get" action=(PATH) role="search" aria-label="Filter the clusters" {
            div.field {
                label for="prefix" { "Name begins with" }
                input #prefix name="prefix" value=(given.value("prefix")) maxlength="63" spellcheck="false" autocomplete="off";
            }
            div.field.long {
                label for="role" { "Role: name, ARN or unique id" }
                input #role name="role" value=(given.value("role")) maxlength="2048" spellcheck="false" autocomplete="off";
            }
            div.field {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" selected[state.is_empty()] { "any" }
                    @for one in BindingState::ALL {
                        option value=(one.as_str()) selected[state == one.as_str()] { (state_name(one)) }
                    }
                    @if state.contains(',') {
                        option value=(state) selected { (state.replace(',', ", ")) }
                    }
                }
            }
            div.field {
                label for="mode" { "Mode" }
                select #mode name="mode" {
                    option value="" selected[mode.is_empty()] { "any" }
                    @for one in [Mode::Create, Mode::PassThrough] {
                        option value=(one.as_str()) selected[mode == one.as_str()] { (mode_name(one)) }
                    }
                }
            }
            div.field {
                label for="drifted" { "Drift" }
                select #drifted name="drifted" {
                    option value="" selected[drifted.is_empty()] { "any" }
                    option value="true" selected[drifted == "true"] { "drifted" }
                    option value="false" selected[drifted == "false"] { "not drifted" }
                }
            }
            @if !sort.is_empty() { input type="hidden" name="sort" value=(sort); }
            div.buttons {
                button.primary type="submit" { "Filter" }
                @if given.has_filter() { a href=(PATH) { "Show all" } }
            }
        }
    }
}

/// The clusters. `is_later` is whether the page is a later one than the first.
fn table(given: &Given, order: Order, found: &Found, is_later: bool) -> Markup {
    let now = Utc::now();
    html! {
        @if found.is_unsorted {
            p.notice {
                "More than " (MOST_SORTED) " clusters match, so they are in the order of their names. Use a \
                 filter to sort by " (order.name()) "."
            }
        }
        @if found.bindings.is_empty() {
            (nothing(if given.has_filter() { "No cluster matches the filter." } else { "No cluster has or had a role yet." }))
        } @else {
            (orders(given, order))
            table.cards-when-narrow {
                caption.unseen { "Clusters and their roles" }
                thead { tr { th scope="col" { "Cluster" } th scope="col" { "State" } th scope="col" { "Mode" } th scope="col" { "Role" } th scope="col" { "Last change" } } }
                tbody { @for binding in &found.bindings { (row(binding, now)) } }
            }
        }
        nav.pages aria-label="Pages of the list" {
            @if is_later { a #first-page href=(given.path(&[])) { "First page" } }
            @if let Some(next) = &found.next { a #next-page href=(given.path(&[("cursor", next)])) { "Next page" } }
        }
    }
}

fn orders(given: &Given, order: Order) -> Markup {
    html! {
        p.orders {
            "Sorted by "
            @for (place, one) in Order::ALL.into_iter().enumerate() {
                @if place > 0 { " · " }
                @if one == order {
                    strong { (one.name()) }
                } @else {
                    a id={"sort-" (one.word())} href=(given.path(&[("sort", one.word())])) { (one.name()) }
                }
            }
        }
    }
}

fn row(binding: &Binding, now: chrono::DateTime<Utc>) -> Markup {
    let cluster = binding.cluster.as_str();
    html! {
        tr {
            th scope="row" data-label="Cluster" {
                a id={"cluster-" (cluster) "-" (binding.generation)} href=(cluster_path(cluster)) { (cluster) }
            }
            td data-label="State" {
                (state_badge(binding.state()))
                @if !binding.drift.is_empty() { " " (badge(Tone::Warning, "drifted")) }
            }
            td.nowrap data-label="Mode" { (mode_name(binding.mode())) }
            td data-label="Role" { code.breakable { (binding.role_name()) } }
            td data-label="Last change" { span.ago { (ago(binding.updated_at, now)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_for_a_shell_where_it_needs_quotes() {
        assert_eq!(quoted("arn:aws:iam::1:role/a"), "arn:aws:iam::1:role/a");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'; rm"), r"'a'\''; rm'");
    }
}
