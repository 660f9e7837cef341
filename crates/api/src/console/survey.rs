//! What the overview shows, read from memory and from the database. Nothing is asked of AWS.

use chrono::{DateTime, Utc};
use engine_roles_domain::binding::{Binding, State};
use engine_roles_domain::caller::{Caller, KeyScope};
use engine_roles_domain::prepared::Fitness;
use engine_roles_provisioner::{
    AttestedRole, BudgetLevel, BudgetLimits, CallHistory, Health, Orphan, Provisioner, ReplicaId,
    ReplicaRecord,
};
use engine_roles_store::{BindingFilter, StoreError};

use crate::clusters::visible;
use crate::problem::Problem;

/// The most bindings of one kind that the overview names.
pub(super) const MOST_NAMED: usize = 20;
/// The most bindings that are counted one by one, for a session that shows only some clusters.
const MOST_COUNTED: i64 = 1_000;

/// How many clusters are in a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) state: State,
    pub(super) clusters: i64,
}

/// Some bindings, and whether there are more.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) bindings: Vec<Binding>,
    pub(super) are_more: bool,
}

/// What the overview shows.
pub(super) struct Survey {
    pub(super) now: DateTime<Utc>,
    pub(super) counts: Vec<Count>,
    /// Whether the counts have all clusters.
    pub(super) is_complete: bool,
    pub(super) blocked: Named,
    pub(super) failed: Named,
    pub(super) drifted: Named,
    /// Bindings whose last attempt failed and is repeated.
    pub(super) delayed: Named,
    /// The orphans; none where the session shows only some clusters, because an orphan may be of any.
    pub(super) orphans: Option<Vec<Orphan>>,
    /// The listed roles that are unfit or uncertain; none while the account is not known.
    pub(super) doubtful_roles: Vec<AttestedRole>,
    pub(super) health: Health,
    pub(super) calls: CallHistory,
    pub(super) limits: BudgetLimits,
    pub(super) levels: Vec<BudgetLevel>,
    pub(super) replicas: Vec<ReplicaRecord>,
    pub(super) this_replica: Option<ReplicaId>,
    /// The greatest number of the audit log; none without the scope audit.
    pub(super) audit_head: Option<i64>,
}

impl Survey {
    /// Reads everything for somebody with these rights.
    pub(super) async fn of(provisioner: &Provisioner, caller: &Caller) -> Result<Self, Problem> {
        let health = provisioner.health();
        let (counts, is_complete) = counts(provisioner, caller).await?;
        let blocked = some(provisioner, caller, in_states(&[State::Blocked])).await?;
        let failed = some(provisioner, caller, in_states(&[State::Failed])).await?;
        let drifted = BindingFilter {
            drifted: Some(true),
            live: Some(true),
            ..BindingFilter::default()
        };
        let drifted = some(provisioner, caller, drifted).await?;
        let pending = in_states(&[State::Provisioning, State::Deleting]);
        let mut delayed = some(provisioner, caller, pending).await?;
        delayed.bindings.retain(|it| it.last_error().is_some());
        delayed.are_more &= !delayed.bindings.is_empty();
        let orphans = match caller.prefix {
            Some(_) => None,
            None => Some(provisioner.orphans().await?),
        };
        // Where the account is not known, the verdicts would have to ask STS for it.
        let doubtful_roles = match health.scope {
            Some(_) => doubtful(provisioner.pass_through_roles().await?),
            None => Vec::new(),
        };
        let (limits, levels) = provisioner.call_budget().await?;
        let (replicas, this_replica) = provisioner.replicas().await?;
        let audit_head = if caller.may(KeyScope::Audit) {
            Some(provisioner.audit_head().await?)
        } else {
            None
        };
        Ok(Self {
            now: Utc::now(),
            counts,
            is_complete,
            blocked,
            failed,
            drifted,
            delayed,
            orphans,
            doubtful_roles,
            health,
            calls: provisioner.call_history(),
            limits,
            levels,
            replicas,
            this_replica,
            audit_head,
        })
    }

    /// Returns how many clusters are in a state, and whether there are more. A failed binding stays counted
    /// after its cluster got another one, so only the newest ones count here.
    pub(super) fn count(&self, state: State) -> (i64, bool) {
        if state == State::Failed {
            return self.failed.count();
        }
        let counts = self.counts.iter().filter(|count| count.state == state);
        let counted = counts.map(|count| count.clusters).sum();
        (counted, !self.is_complete)
    }
}

impl Named {
    /// Returns how many bindings are named, and whether there are more.
    pub(super) fn count(&self) -> (i64, bool) {
        let count = i64::try_from(self.bindings.len()).unwrap_or(i64::MAX);
        (count, self.are_more)
    }
}

fn in_states(states: &[State]) -> BindingFilter {
    BindingFilter {
        states: states.to_vec(),
        ..BindingFilter::default()
    }
}

fn doubtful(roles: Vec<AttestedRole>) -> Vec<AttestedRole> {
    let is_doubtful = |role: &AttestedRole| {
        let fitness = role.attestation.fitness;
        matches!(fitness, Fitness::Unfit | Fitness::Indeterminate)
    };
    roles.into_iter().filter(is_doubtful).collect()
}

/// Counts the bindings in each state. The counts of the database are of all clusters, so those of some
/// clusters are counted one by one.
async fn counts(
    provisioner: &Provisioner,
    caller: &Caller,
) -> Result<(Vec<Count>, bool), StoreError> {
    if caller.prefix.is_none() {
        let counted = provisioner.count_by_state().await?;
        let counts = counted.into_iter();
        let counts = counts.map(|(state, clusters)| Count { state, clusters });
        return Ok((counts.collect(), true));
    }
    let all = BindingFilter::default();
    let Some(filter) = visible(all, caller) else {
        return Ok((Vec::new(), true));
    };
    let page = provisioner.list(&filter, None, MOST_COUNTED).await?;
    let counts = State::ALL.into_iter().map(|state| {
        let found = page.items.iter().filter(|it| it.state() == state).count();
        let clusters = i64::try_from(found).unwrap_or(i64::MAX);
        Count { state, clusters }
    });
    Ok((counts.collect(), page.next.is_none()))
}

async fn some(
    provisioner: &Provisioner,
    caller: &Caller,
    filter: BindingFilter,
) -> Result<Named, StoreError> {
    let Some(filter) = visible(filter, caller) else {
        return Ok(Named::default());
    };
    let limit = i64::try_from(MOST_NAMED).unwrap_or(i64::MAX);
    let page = provisioner.list(&filter, None, limit).await?;
    Ok(Named {
        are_more: page.next.is_some(),
        bindings: page.items,
    })
}
