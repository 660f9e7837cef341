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

use super::layout::{Page, Place, live, refreshed};
use super::pieces::{
    Tone, badge, cluster_path, commands, mode_name, nothing, query, state_badge, state_name,
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

/// The parameters as they were sent, for the form and for links.
#[derive(Clone, Debug, Default)]
struct Given {
    state: String,
    mode: String,
    drifted: String,
    prefix: String,
    role: String,
    sort: String,
    page: String,
}

impl Given {
    fn of(query: &Parameters) -> Self {
        let value = |name| query.peek(name).unwrap_or_default().to_owned();
        Self {
            state: value("state"),
            mode: value("mode"),
            drifted: value("drifted"),
            prefix: value("prefix"),
            role: value("role"),
            sort: value("sort"),
            page: value("cursor"),
        }
    }

    /// Returns the path of the list with another order and page.
    fn path(&self, sort: &str, cursor: &str) -> String {
        let parameters = [
            ("state", self.state.as_str()),
            ("mode", &self.mode),
            ("drifted", &self.drifted),
            ("prefix", &self.prefix),
            ("role", &self.role),
            ("sort", sort),
            ("cursor", cursor),
        ];
        query(PATH, &parameters)
    }

    fn has_filter(&self) -> bool {
        let all = [
            &self.state,
            &self.mode,
            &self.drifted,
            &self.prefix,
            &self.role,
        ];
        all.into_iter().any(|value| !value.is_empty())
    }

    fn command(&self) -> String {
        if !self.role.is_empty() {
            return format!("engine-roles role find {}", quoted(&self.role));
        }
        let flags = [
            ("state", &self.state),
            ("mode", &self.mode),
            ("prefix", &self.prefix),
            ("drifted", &self.drifted),
        ];
        let given = flags.iter().filter(|(_, value)| !value.is_empty());
        let given = given.map(|(flag, value)| format!(" --{flag} {}", quoted(value)));
        format!("engine-roles role list{}", given.collect::<String>())
    }
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
    query.drop_empty();
    let given = Given::of(&query);
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
    let content = table(&given, order, &found);
    if viewer.is_refresh {
        return Ok(refreshed(content));
    }
    let page = Page {
        title: "Clusters",
        place: Place::Clusters,
        viewer: Some(&viewer),
        content: html! {
            h1 { "Clusters" }
            (form(&given))
            (live(&given.path(&given.sort, &given.page), REFRESH, &content))
            (commands(&[given.command()]))
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

fn form(given: &Given) -> Markup {
    let is_all_states = |value: &str| value.is_empty();
    html! {
        form.filters method="get" action=(PATH) role="search" aria-label="Filter the clusters" {
            div.field {
                label for="prefix" { "Name begins with" }
                input #prefix name="prefix" value=(given.prefix) maxlength="63" spellcheck="false" autocomplete="off";
            }
            div.field.long {
                label for="role" { "Role: name, ARN or unique id" }
                input #role name="role" value=(given.role) maxlength="2048" spellcheck="false" autocomplete="off";
            }
            div.field {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" selected[is_all_states(&given.state)] { "any" }
                    @for state in BindingState::ALL {
                        option value=(state.as_str()) selected[given.state == state.as_str()] { (state_name(state)) }
                    }
                    @if given.state.contains(',') {
                        option value=(given.state) selected { (given.state.replace(',', ", ")) }
                    }
                }
            }
            div.field {
                label for="mode" { "Mode" }
                select #mode name="mode" {
                    option value="" selected[given.mode.is_empty()] { "any" }
                    @for mode in [Mode::Create, Mode::PassThrough] {
                        option value=(mode.as_str()) selected[given.mode == mode.as_str()] { (mode_name(mode)) }
                    }
                }
            }
            div.field {
                label for="drifted" { "Drift" }
                select #drifted name="drifted" {
                    option value="" selected[given.drifted.is_empty()] { "any" }
                    option value="true" selected[given.drifted == "true"] { "drifted" }
                    option value="false" selected[given.drifted == "false"] { "not drifted" }
                }
            }
            @if !given.sort.is_empty() { input type="hidden" name="sort" value=(given.sort); }
            div.buttons {
                button.primary type="submit" { "Filter" }
                @if given.has_filter() { a href=(PATH) { "Show all" } }
            }
        }
    }
}

fn table(given: &Given, order: Order, found: &Found) -> Markup {
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
            @if !given.page.is_empty() { a #first-page href=(given.path(&given.sort, "")) { "First page" } }
            @if let Some(next) = &found.next { a #next-page href=(given.path("", next)) { "Next page" } }
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
                    a id={"sort-" (one.word())} href=(given.path(one.word(), "")) { (one.name()) }
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
