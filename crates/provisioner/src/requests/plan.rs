//! What a request would do: the plan, without a change.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::{self, NewBinding};
use engine_roles_domain::binding::{Binding, BindingId, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{ClusterName, Defaults, Mode, RoleRequest, RoleSpec};
use engine_roles_domain::grant::{as_written, secret_warnings, trust_policy};
use engine_roles_domain::prepared::Fitness;
use engine_roles_domain::resources::{
    Desired, MAX_ROLE_NAME, Namespace, Observed, Plan, Step, plan,
};
use engine_roles_iam::{Depth, Target};
use engine_roles_store::Store;
use serde_json::Value;
use uuid::Uuid;

use crate::aws::{Gateway, Terms};
use crate::error::ProvisionerError;
use crate::requests::attestation::{Attested, Attestor};

/// How long a caller waits for the account's call budget; then the plan is made against what is
/// recorded.
const WAIT: Duration = Duration::from_secs(5);

/// What a request would record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedIntent {
    /// A new binding.
    New,
    /// A change of the live binding.
    Change,
    /// Nothing.
    Unchanged,
}

impl PlannedIntent {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Change => "change",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a plan was made against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Nothing is there, for certain: the binding would be new.
    Nothing,
    /// What AWS answered just now.
    Observed,
    /// What was recorded: AWS could not be read.
    Recorded,
}

/// One call that would be made.
#[derive(Clone, Debug)]
pub struct PreviewStep {
    /// The stage, from 1; the steps of one stage run side by side.
    pub stage: usize,
    /// The IAM call.
    pub action: &'static str,
    /// What it is about.
    pub target: String,
    /// The document that it would write.
    pub document: Option<Value>,
}

/// What a request would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What would be recorded.
    pub intent: PlannedIntent,
    /// The spec, resolved.
    pub spec: RoleSpec,
    /// The name of what would be made. For a new binding its last sixteen characters are not
    /// known yet and stand as question marks.
    pub name: String,
    /// What the plan was made against.
    pub basis: Basis,
    /// The calls.
    pub steps: Vec<PreviewStep>,
    /// The inline policy, in mode create.
    pub policy: Option<Value>,
    /// The trust policy, in mode create.
    pub trust: Option<Value>,
    /// What the caller should look at.
    pub warnings: Vec<String>,
}

/// Plans without changing anything.
pub(crate) struct PlanRequest {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) attestor: Arc<Attestor>,
    pub(crate) defaults: Arc<Defaults>,
}

impl PlanRequest {
    pub(crate) async fn plan(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
    ) -> Result<Preview, ProvisionerError> {
        let scope = self.gateway.account_for(wanted, &self.defaults).await?;
        let latest = self.store.latest(cluster).await?;
        let intent = decide_put(
            cluster,
            latest.as_ref(),
            wanted,
            &self.defaults,
            &scope,
            None,
        )?;
        let mut attested = Attested::NotAsked;
        let (intent, binding) = match intent {
            Intent::New(spec) => {
                attested = self.attestor.attest_for(cluster, &spec, &scope).await?;
                let namespace = self.store.namespace().clone();
                let binding = not_recorded(cluster.clone(), namespace, scope, spec);
                (PlannedIntent::New, binding)
            }
            Intent::Change(live, spec) => {
                let now = live.updated_at;
                let changed = lifecycle::change_requested(*live, spec, now)?;
                (PlannedIntent::Change, changed.binding)
            }
            Intent::Unchanged(live) => (PlannedIntent::Unchanged, *live),
        };
        let (observed, basis) = match intent {
            PlannedIntent::New => (Observed::nothing(), Basis::Nothing),
            PlannedIntent::Change | PlannedIntent::Unchanged => {
                self.observe_or_recall(&binding).await
            }
        };
        let desired = Desired::of(&binding).map_err(Rejection::Policy)?;
        let mut warnings = warnings(&binding, &attested);
        let plan = match plan(&binding, &desired, &observed) {
            Ok(plan) => plan,
            Err(obstacle) => {
                warnings.push(obstacle.to_string());
                Plan::default()
            }
        };
        let is_new = intent == PlannedIntent::New;
        let steps = plan.stages.iter().zip(1..).flat_map(|(stage, number)| {
            let steps = stage.iter();
            steps.map(move |step| (number, step))
        });
        let steps = steps.map(|(stage, step)| preview_step(&binding, stage, step, is_new));
        let policy = match &desired {
            Desired::Present {
                role: Some(role), ..
            } => Some(as_written(&role.policy)),
            Desired::Present { role: None, .. } | Desired::Absent => None,
        };
        let trust = trust_policy(binding.scope.partition).map_err(Rejection::Policy)?;
        let is_created = binding.mode() == Mode::Create;
        Ok(Preview {
            intent,
            name: shown_name(&binding, is_new),
            basis,
            steps: steps.collect(),
            policy,
            trust: is_created.then(|| as_written(&trust)),
            warnings,
            spec: binding.spec,
        })
    }

    /// Reads what exists at AWS; what is recorded where AWS could not be read, or the call budget
    /// left no room for it.
    async fn observe_or_recall(&self, binding: &Binding) -> (Observed, Basis) {
        let name = binding.resource_name();
        let is_created = binding.mode() == Mode::Create;
        let is_managed = binding
            .profile
            .as_ref()
            .is_none_or(|profile| profile.managed);
        let target = Target {
            role: is_created.then(|| name.clone()),
            profile: is_managed.then(|| name.into()),
        };
        if target.role.is_none() && target.profile.is_none() {
            return (Observed::nothing(), Basis::Recorded);
        }
        let terms = Terms::interactive(&binding.scope.account, WAIT);
        match self.gateway.observe(&target, Depth::Contents, terms).await {
            Ok(observed) => (observed, Basis::Observed),
            Err(_) => (Observed::recorded(binding), Basis::Recorded),
        }
    }
}

fn warnings(binding: &Binding, attested: &Attested) -> Vec<String> {
    let secrets = secret_warnings(&binding.spec).into_iter();
    let mut warnings: Vec<String> = secrets.map(|found| found.warning).collect();
    if let Attested::Verdict(verdict) = attested
        && verdict.fitness != Fitness::Fit
    {
        warnings.push(format!("iam_role: {}", verdict.reasons()));
    }
    if binding.mode() == Mode::PassThrough && binding.spec.session_manager {
        warnings.push(
            "session_manager: a passed role is never written to; its administrator decides \
             whether Session Manager may reach the nodes"
                .to_owned(),
        );
    }
    warnings
}

/// Returns a binding that is not recorded, to plan with.
fn not_recorded(
    cluster: ClusterName,
    namespace: Namespace,
    scope: Scope,
    spec: RoleSpec,
) -> Binding {
    let new = NewBinding {
        id: BindingId(Uuid::nil()),
        cluster,
        namespace,
        scope,
        spec,
        generation: 0,
    };
    lifecycle::provision_requested(new, DateTime::UNIX_EPOCH).binding
}

fn shown_name(binding: &Binding, tail_unknown: bool) -> String {
    let name = binding.resource_name().to_string();
    if !tail_unknown {
        return name;
    }
    debug_assert!(name.len() <= MAX_ROLE_NAME);
    format!("{}{}", &name[..name.len() - 16], "?".repeat(16))
}

fn preview_step(binding: &Binding, stage: usize, step: &Step, tail_unknown: bool) -> PreviewStep {
    let real = binding.resource_name().to_string();
    let document = match step {
        Step::CreateRole { trust, .. } => Some(as_written(trust)),
        Step::PutRolePolicy { document, .. } => Some(as_written(document)),
        _ => None,
    };
    PreviewStep {
        stage,
        action: step.action(),
        target: step
            .target()
            .replace(&real, &shown_name(binding, tail_unknown)),
        document,
    }
}
