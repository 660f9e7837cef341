//! Lists of bindings, page by page, in the order of the clusters' names.
//!
//! The cost of a page depends on the size of the page, not on the number of bindings: each statement
//! reads a few ranges of an index that has the order of the list, and stops at the limit. Only a list
//! of what changed since a time may read more, where many bindings have changed since, but none for a
//! long stretch of names. A list is in the order of names, which never change, so a walk through the
//! pages misses no binding that lives throughout it.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, Generation, State};
use engine_roles_domain::cluster::{ClusterName, Mode, RoleReference};

use crate::connection::run;
use crate::row::{BindingRow, select_binding};
use crate::{Store, StoreError};

/// How many changed bindings a list sorts. Where more have changed since a time, the list walks
/// through all bindings in the order of their names, because such a walk soon fills a page.
const MOST_SORTED: i64 = 5_000;

/// Selects bindings for a list. The default selects each cluster's newest binding.
#[derive(Clone, Debug, Default)]
pub struct BindingFilter {
    /// Only bindings in one of these states; empty for all.
    pub states: Vec<State>,
    /// Only bindings whose resources may (true) or can't (false) exist at AWS; none for all.
    pub live: Option<bool>,
    /// Only bindings of this mode; none for all.
    pub mode: Option<Mode>,
    /// Only bindings whose last check found drift (true) or none (false); none for all.
    pub drifted: Option<bool>,
    /// Only clusters whose names begin with these characters of a cluster name; empty for all.
    pub prefix: String,
    /// Only bindings that changed at this time or later; none for all.
    pub updated_since: Option<DateTime<Utc>>,
    /// Only bindings of this role, past incarnations included; none for each cluster's newest
    /// binding. A name is also compared with the unique ids that AWS gave to role and instance
    /// profile. The path of an ARN is not compared, because a name is unique in its account.
    pub role: Option<RoleReference>,
}

/// The place of a binding in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPosition {
    /// The cluster of the binding. Lists are in the order of the names' bytes.
    pub cluster: ClusterName,
    /// The generation of the binding. It orders the incarnations of a cluster, oldest first.
    pub generation: Generation,
}

impl ListPosition {
    fn of(binding: &Binding) -> Self {
        Self {
            cluster: binding.cluster.clone(),
            generation: binding.generation,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items of the page, in the order of the list.
    pub items: Vec<T>,
    /// The place of the last item, after which the next page begins; none on the last page.
    pub next: Option<ListPosition>,
}

/// One incarnation of a cluster's role, past or present.
#[derive(Clone, Debug)]
pub struct Incarnation {
    /// The binding as it was last.
    pub binding: Binding,
    /// The unique id that AWS gave to the role; none where AWS created none.
    pub role_id: Option<String>,
    /// The unique id that AWS gave to the instance profile; none where AWS created none.
    pub profile_id: Option<String>,
}

impl Page<Binding> {
    /// Makes a page of at most `limit` items from items that were read with a limit greater by one.
    fn of(mut items: Vec<Binding>, limit: i64) -> Self {
        let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = items.last().filter(|_| more).map(ListPosition::of);
        Self { items, next }
    }
}

impl Store {
    /// Returns the bindings that the filter selects, in the order of the clusters' names, at most
    /// `limit` and only those after a position: that of the last item of the previous page.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        filter: &BindingFilter,
        after: Option<&ListPosition>,
        limit: i64,
    ) -> Result<Page<Binding>, StoreError> {
        let selection = Selection::new(filter, after, limit.saturating_add(1));
        let rows = if filter.updated_since.is_some() && self.few_changed(&selection).await? {
            self.changed_rows(&selection).await?
        } else if selection.role.is_some() {
            self.rows_of_role(&selection).await?
        } else {
            self.newest_rows(&selection).await?
        };
        let items = rows
            .into_iter()
            .map(BindingRow::into_binding)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, limit))
    }

    /// Returns the incarnations of a cluster's role, newest first: at most `limit`, and only those older
    /// than a generation. Incarnations that only an orphan's removal recorded have generation 0.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn incarnations(
        &self,
        cluster: &ClusterName,
        before: Option<Generation>,
        limit: i64,
    ) -> Result<Page<Incarnation>, StoreError> {
        let rows = run!(
            self,
            fetch_all,
            select_binding!(
                "/* list */ ",
                r#"WHERE b.namespace = $1 AND b.cluster = $2 AND b.generation < $3
                   ORDER BY b.generation DESC, b.id LIMIT $4"#,
                self.namespace.as_str(),
                cluster.as_str(),
                before.unwrap_or(Generation::MAX),
                limit.saturating_add(1),
            )
        )?;
        let items = rows.into_iter().map(BindingRow::into_binding);
        let page = Page::of(items.collect::<Result<Vec<_>, _>>()?, limit);
        let ids = run!(
            self,
            fetch_all,
            sqlx::query!(
                "/* list */ SELECT id, role_id, profile_id FROM bindings
                 WHERE namespace = $1 AND cluster = $2 AND generation < $3
                 ORDER BY generation DESC, id LIMIT $4",
                self.namespace.as_str(),
                cluster.as_str(),
                before.unwrap_or(Generation::MAX),
                limit.saturating_add(1),
            )
        )?;
        let items = page.items.into_iter().map(|binding| {
            let ids = ids.iter().find(|row| row.id == binding.id.0);
            Incarnation {
                role_id: ids.and_then(|row| row.role_id.clone()),
                profile_id: ids.and_then(|row| row.profile_id.clone()),
                binding,
            }
        });
        Ok(Page {
            items: items.collect(),
            next: page.next,
        })
    }

    /// Reads each cluster's newest binding: one range of the index `bindings_listed` for each class.
    async fn newest_rows(&self, selection: &Selection) -> Result<Vec<BindingRow>, StoreError> {
        let Selection { classes, .. } = selection;
        run!(
            self,
            fetch_all,
            select_binding!(
                "/* list */ ",
                r#"JOIN bindings_page($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS page (id)
                   ON page.id = b.id
                 ORDER BY b.cluster COLLATE "C", b.generation"#,
                self.namespace.as_str(),
                &classes.states,
                &classes.live,
                &classes.modes,
                &classes.drifted,
                selection.after_cluster,
                selection.after_generation,
                selection.before_cluster,
                selection.updated_since,
                selection.limit,
            )
        )
    }

    /// Reads the bindings of a role, past incarnations included: one range of the index
    /// `bindings_of_role` for each class, and the binding to which AWS gave a unique id.
    async fn rows_of_role(&self, selection: &Selection) -> Result<Vec<BindingRow>, StoreError> {
        let Selection { classes, .. } = selection;
        // The account is not in the index. Bindings of one installation belong to one account, so
        // either all of them match or none.
        if let (Some(account), Some(partition)) = (&selection.account, &selection.partition)
            && !self.has_bindings_in(account, partition).await?
        {
            return Ok(Vec::new());
        }
        run!(
            self,
            fetch_all,
            select_binding!(
                "/* list */ ",
                r#"JOIN bindings_page_of_role($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
                     AS page (id) ON page.id = b.id
                 ORDER BY b.cluster COLLATE "C", b.generation"#,
                self.namespace.as_str(),
                &classes.states,
                &classes.live,
                &classes.modes,
                &classes.drifted,
                selection.after_cluster,
                selection.after_generation,
                selection.before_cluster,
                selection.updated_since,
                selection.limit,
                selection.role,
                selection.account,
                selection.partition,
            )
        )
    }

    /// Returns whether at most [`MOST_SORTED`] bindings have changed since the selection's time.
    async fn few_changed(&self, selection: &Selection) -> Result<bool, StoreError> {
        let row = run!(
            self,
            fetch_one,
            sqlx::query!(
                r#"/* list */ SELECT count(*) AS "count!" FROM (
                       SELECT FROM bindings n
                       WHERE n.namespace = $1 AND n.updated_at >= $2
                       ORDER BY n.updated_at DESC LIMIT $3
                   ) changed"#,
                self.namespace.as_str(),
                selection.updated_since,
                MOST_SORTED + 1,
            )
        )?;
        Ok(row.count <= MOST_SORTED)
    }

    /// Reads the bindings that have changed since the selection's time, where few have, and sorts
    /// those that are selected.
    async fn changed_rows(&self, selection: &Selection) -> Result<Vec<BindingRow>, StoreError> {
        let Selection { classes, .. } = selection;
        run!(
            self,
            fetch_all,
            select_binding!(
                "/* list */ ",
                r#"JOIN (
                     SELECT changed.id
                     FROM (
                         SELECT n.* FROM bindings n
                         WHERE n.namespace = $1 AND n.updated_at >= $9
                         ORDER BY n.updated_at DESC LIMIT $11
                     ) changed
                     JOIN unnest($2::text[], $3::boolean[], $4::text[], $5::boolean[])
                         AS class (state, live, mode, drifted) USING (state, live, mode, drifted)
                     WHERE (changed.cluster COLLATE "C", changed.generation) > ($6, $7)
                       AND changed.cluster COLLATE "C" < $8
                       AND CASE WHEN $12::text IS NULL THEN changed.newest
                                ELSE $12 IN (changed.role_name, changed.role_id, changed.profile_id)
                                     AND changed.account_id = COALESCE($13, changed.account_id)
                                     AND changed.aws_partition
                                         = COALESCE($14, changed.aws_partition) END
                     ORDER BY changed.cluster COLLATE "C", changed.generation LIMIT $10
                 ) page ON page.id = b.id
                 ORDER BY b.cluster COLLATE "C", b.generation"#,
                self.namespace.as_str(),
                &classes.states,
                &classes.live,
                &classes.modes,
                &classes.drifted,
                selection.after_cluster,
                selection.after_generation,
                selection.before_cluster,
                selection.updated_since,
                selection.limit,
                // More than are expected, because bindings have changed since they were counted. The
                // limit makes Postgres read the index of these times.
                10 * MOST_SORTED,
                selection.role,
                selection.account,
                selection.partition,
            )
        )
    }
}

/// A filter as the statements take it: the classes, and the range of the list.
struct Selection {
    classes: Classes,
    after_cluster: String,
    after_generation: Generation,
    before_cluster: String,
    updated_since: DateTime<Utc>,
    limit: i64,
    /// The role's name, or a unique id.
    role: Option<String>,
    /// Account and partition of the role's ARN.
    account: Option<String>,
    partition: Option<String>,
}

impl Selection {
    fn new(filter: &BindingFilter, after: Option<&ListPosition>, limit: i64) -> Self {
        // A list of the newest bindings has one item for each cluster, whose generation may have
        // grown since the previous page.
        let after = after.map(|after| match &filter.role {
            None => (after.cluster.to_string(), Generation::MAX),
            Some(_) => (after.cluster.to_string(), after.generation),
        });
        // Generations begin at 1, so the cluster whose whole name is the prefix is included.
        let start = (filter.prefix.clone(), 0);
        let (after_cluster, after_generation) = after.map_or(start.clone(), |it| it.max(start));
        let arn = filter.role.as_ref().and_then(RoleReference::arn);
        let account = arn.as_ref().and_then(|arn| arn.account.as_ref());
        Self {
            role: filter.role.as_ref().map(|role| role.name().to_string()),
            account: account.map(ToString::to_string),
            partition: arn.map(|arn| arn.partition.as_str().to_owned()),
            classes: Classes::of(filter),
            after_cluster,
            after_generation,
            // Greater than every name that begins with the prefix: names are in ASCII.
            before_cluster: format!("{}\u{7f}", filter.prefix),
            updated_since: filter.updated_since.unwrap_or(DateTime::UNIX_EPOCH),
            limit,
        }
    }
}

/// The combinations of state, liveness, mode and drift that a filter selects, one in each place of
/// the four lists.
#[derive(Debug, Default, PartialEq)]
struct Classes {
    states: Vec<String>,
    live: Vec<bool>,
    modes: Vec<String>,
    drifted: Vec<bool>,
}

impl Classes {
    fn of(filter: &BindingFilter) -> Self {
        let mut classes = Self::default();
        let states = State::ALL.into_iter();
        for state in states.filter(|it| filter.states.is_empty() || filter.states.contains(it)) {
            for live in both(filter.live).filter(|live| can_be(state, *live)) {
                for mode in [Mode::Create, Mode::PassThrough] {
                    if filter.mode.is_some_and(|wanted| wanted != mode) {
                        continue;
                    }
                    for drifted in both(filter.drifted) {
                        classes.states.push(state.as_str().to_owned());
                        classes.live.push(live);
                        classes.modes.push(mode.as_str().to_owned());
                        classes.drifted.push(drifted);
                    }
                }
            }
        }
        classes
    }
}

/// Returns the values that a filter admits.
fn both(wanted: Option<bool>) -> impl Iterator<Item = bool> {
    [true, false]
        .into_iter()
        .filter(move |value| wanted.is_none_or(|wanted| wanted == *value))
}

/// Returns whether a binding in this state can be live, or not live. A withdrawal has the word of
/// the state `failed`, and is live.
fn can_be(state: State, live: bool) -> bool {
    match state {
        State::Failed => true,
        State::Deleted => !live,
        State::Provisioning | State::Active | State::Deleting | State::Blocked => live,
    }
}
