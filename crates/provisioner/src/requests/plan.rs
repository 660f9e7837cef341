//! Returns what a request would do, without doing it.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use engine_roles_domain::account::Scope;
use engine_roles_domain::binding::lifecycle::{self, NewBinding};
use engine_roles_domain::binding::{Binding, BindingId, Conditions, Intent, Rejection, decide_put};
use engine_roles_domain::cluster::{ClusterName, Defaults, Mode, RoleRequest, RoleSpec};
use engine_roles_domain::grant::{as_written, secret_warnings, trust_policy};
use engine_roles_domain::prepared::Fitness;
use engine_roles_domain::resources::{Desired, Namespace, Observed, Plan, Step, plan};
use engine_roles_iam::{Depth, Target};
use engine_roles_store::Store;
use serde_json::Value;
use uuid::Uuid;

use crate::aws::{Gateway, Terms};
use crate::error::ProvisionerError;
use crate::requests::attestation::{Attested, Attestor};

/// How long a caller waits for the account's call budget. After that, the plan is based on the record.
const BUDGET_WAIT: Duration = Duration::from_secs(5);

/// What a request would record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedIntent {
    /// A new binding for a cluster that has no live one.
    New,
    /// A change of the live binding.
    Change,
    /// Nothing: the live binding has the spec already.
    Unchanged,
}

impl PlannedIntent {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Change => "change",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a plan is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Nothing: the binding would be new, so no resource of it can exist.
    Nothing,
    /// A read of AWS.
    Observed,
    /// The record, because AWS could not be read.
    Recorded,
}

/// One call that would be made.
#[derive(Clone, Debug)]
pub struct PreviewStep {
    /// The number of the stage, from 1. The steps of one stage run concurrently.
    pub stage: usize,
    /// The name of the IAM call, such as `CreateRole`.
    pub action: &'static str,
    /// The role or instance profile that the call changes, in words.
    pub target: String,
    /// The document that the call would write; none when it writes none.
    pub document: Option<Value>,
}

/// What a request would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What the request would record.
    pub intent: PlannedIntent,
    /// The spec that would be recorded, with the defaults filled in.
    pub spec: RoleSpec,
    /// The name of the resources. Its last sixteen characters are question marks for a new binding,
    /// because they are not known yet.
    pub name: String,
    /// What the plan is based on.
    pub basis: Basis,
    /// The calls in their order. Empty when AWS needs no change, or when an obstacle, which is among
    /// the warnings, prevents any.
    pub steps: Vec<PreviewStep>,
    /// The inline policy; none in mode pass-through.
    pub policy: Option<Value>,
    /// The trust policy; none in mode pass-through.
    pub trust: Option<Value>,
    /// What the caller should know before sending the request, in sentences.
    pub warnings: Vec<String>,
}

/// The binding as a request would leave it.
struct Planned {
    intent: PlannedIntent,
    binding: Binding,
    attested: Attested,
}

/// Plans what a request would do, without changing anything.
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
        let Planned {
            intent,
            binding,
            attested,
        } = self.intent(cluster, wanted).await?;
        let (observed, basis) = match intent {
            PlannedIntent::New => (Observed::nothing(), Basis::Nothing),
            PlannedIntent::Change | PlannedIntent::Unchanged => {
                self.observe_or_use_record(&binding).await
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
        let name = shown_name(&binding, intent);
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
            basis,
            steps: preview_steps(&binding, &plan, &name),
            name,
            policy,
            trust: is_created.then(|| as_written(&trust)),
            warnings,
            spec: binding.spec,
        })
    }

    /// Decides what the request would record, by the same rules as a provision.
    async fn intent(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
    ) -> Result<Planned, ProvisionerError> {
        let scope = self.gateway.account_for(wanted, &self.defaults).await?;
        let latest = self.store.latest(cluster).await?;
        let latest = latest.as_ref();
        let none = Conditions::default();
        let decided = decide_put(cluster, latest, wanted, &self.defaults, &scope, &none)?;
        let mut attested = Attested::NoVerdict;
        let (intent, binding) = match decided {
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
            Intent::Unchanged(live) | Intent::Repeated { live, .. } => {
                (PlannedIntent::Unchanged, *live)
            }
        };
        Ok(Planned {
            intent,
            binding,
            attested,
        })
    }

    /// Reads which resources exist at AWS, or returns the recorded ones when AWS could not be read or
    /// the call budget did not allow the read.
    async fn observe_or_use_record(&self, binding: &Binding) -> (Observed, Basis) {
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
        let terms = Terms::interactive(&binding.scope.account, BUDGET_WAIT);
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
            "session_manager: this service never changes a pass-through role; its administrator \
             decides whether Session Manager may reach the nodes"
                .to_owned(),
        );
    }
    warnings
}

/// Returns an unrecorded binding, which is used only for planning.
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

/// Returns the name of the resources. The id of a new binding is not known yet, so the hash of the id at
/// the end of the name is replaced by question marks.
fn shown_name(binding: &Binding, intent: PlannedIntent) -> String {
    const HASH: usize = 16;
    let name = binding.resource_name().to_string();
    match intent {
        PlannedIntent::New => format!("{}{}", &name[..name.len() - HASH], "?".repeat(HASH)),
        PlannedIntent::Change | PlannedIntent::Unchanged => name,
    }
}

fn preview_steps(binding: &Binding, plan: &Plan, shown_name: &str) -> Vec<PreviewStep> {
    let name = binding.resource_name().to_string();
    let stages = plan.stages.iter().zip(1..);
    let steps = stages.flat_map(|(stage, number)| stage.iter().map(move |step| (number, step)));
    steps
        .map(|(stage, step)| PreviewStep {
            stage,
            action: step.action(),
            target: step.target().replace(&name, shown_name),
            document: match step {
                Step::CreateRole { trust, .. } => Some(as_written(trust)),
                Step::PutRolePolicy { document, .. } => Some(as_written(document)),
                _ => None,
            },
        })
        .collect()
}
