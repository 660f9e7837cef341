//! What a request would do: the plan, without a change.

use engine_roles_domain::binding::{Binding, BindingId, Intent, PutRefusal, State, decide_put};
use engine_roles_domain::cluster::{ClusterName, Mode, RoleRequest, RoleSpec};
use engine_roles_domain::grant::{as_written, secret_warnings, trust_policy};
use engine_roles_domain::prepared::{Attestation, Fitness};
use engine_roles_domain::resources::{
    Desired, MAX_ROLE_NAME, Namespace, Observed, Plan, Step, plan,
};
use engine_roles_iam::{Depth, Target};
use serde_json::Value;

use crate::{ProvisionError, Provisioner};

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
    /// What would be declared.
    pub intent: &'static str,
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

impl Provisioner {
    /// Says what [`Provisioner::provision`] would do. Changes nothing.
    ///
    /// # Errors
    /// As [`Provisioner::provision`].
    pub async fn plan(
        &self,
        cluster: &ClusterName,
        wanted: &RoleRequest,
    ) -> Result<Preview, ProvisionError> {
        let inner = &self.inner;
        let defaults = &inner.settings.defaults;
        let scope = inner.scope.of_request(&inner.iam, wanted, defaults).await;
        let scope = scope.map_err(ProvisionError::Scope)?;
        let latest = inner.store.latest(cluster).await?;
        let intent = decide_put(cluster, latest.as_ref(), wanted, defaults, &scope, None)?;
        let mut attestation = None;
        let (word, binding, basis) = match (intent, latest) {
            (Intent::Change(spec), Some(live)) => (
                "change",
                Binding {
                    spec,
                    state: State::Provisioning,
                    ..live
                },
                Basis::Observed,
            ),
            (Intent::Unchanged, Some(live)) => ("unchanged", live, Basis::Observed),
            (Intent::New(spec) | Intent::Change(spec), _) => {
                attestation = inner.attest_for(cluster, &spec, &scope).await?;
                let binding = unborn(cluster, inner.store.namespace(), scope, spec);
                ("new", binding, Basis::Nothing)
            }
            (Intent::Unchanged, None) => {
                return Err(PutRefusal::PreconditionFailed { current: None }.into());
            }
        };
        let (observed, basis) = match basis {
            Basis::Nothing => (Observed::nothing(), basis),
            Basis::Observed | Basis::Recorded => self.observe_or_recall(&binding).await,
        };
        let desired = Desired::of(&binding).map_err(PutRefusal::Policy)?;
        let mut warnings: Vec<String> = secret_warnings(&binding.spec)
            .into_iter()
            .map(|found| found.warning)
            .collect();
        let doubts = attestation.filter(|said: &Attestation| said.fitness != Fitness::Fit);
        warnings.extend(doubts.map(|said| format!("iam_role: {}", said.reasons())));
        let plan = match plan(&binding, &desired, &observed) {
            Ok(plan) => plan,
            Err(obstacle) => {
                warnings.push(obstacle.to_string());
                Plan::default()
            }
        };
        let create = binding.mode() == Mode::Create;
        if !create && binding.spec.session_manager {
            warnings.push(
                "session_manager: a passed role is never written to; its administrator decides \
                 whether Session Manager may reach the nodes"
                    .to_owned(),
            );
        }
        let unknown_tail = (basis == Basis::Nothing).then_some(&binding.id);
        let steps = plan.stages.iter().zip(1..).flat_map(|(stage, number)| {
            let binding = &binding;
            stage
                .iter()
                .map(move |step| preview_step(binding, number, step, unknown_tail.is_some()))
        });
        let policy = match &desired {
            Desired::Present {
                role: Some(role), ..
            } => Some(as_written(&role.policy)),
            Desired::Present { role: None, .. } | Desired::Absent => None,
        };
        let trust = trust_policy(binding.scope.partition).map_err(PutRefusal::Policy)?;
        Ok(Preview {
            intent: word,
            name: shown_name(&binding, unknown_tail.is_some()),
            basis,
            steps: steps.collect(),
            policy,
            trust: create.then(|| as_written(&trust)),
            warnings,
            spec: binding.spec,
        })
    }

    async fn observe_or_recall(&self, binding: &Binding) -> (Observed, Basis) {
        let name = binding.resource_name();
        let create = binding.mode() == Mode::Create;
        let managed = binding
            .profile
            .as_ref()
            .is_none_or(|profile| profile.managed);
        let target = Target {
            role: create.then(|| name.clone()),
            profile: managed.then(|| name.into()),
        };
        if target.role.is_none() && target.profile.is_none() {
            return (Observed::nothing(), Basis::Recorded);
        }
        match self.inner.iam.observe(&target, Depth::Contents).await {
            Ok(observed) => (observed, Basis::Observed),
            Err(_) => (Observed::recorded(binding), Basis::Recorded),
        }
    }
}

/// A binding that was not made, to plan with.
fn unborn(
    cluster: &ClusterName,
    namespace: &Namespace,
    scope: engine_roles_domain::account::Scope,
    spec: RoleSpec,
) -> Binding {
    Binding {
        id: BindingId(uuid::Uuid::nil()),
        cluster: cluster.clone(),
        namespace: namespace.clone(),
        scope,
        state: State::Provisioning,
        live: true,
        generation: 0,
        applied_generation: None,
        spec,
        applied_spec: None,
        unapplied_tags: std::collections::BTreeSet::new(),
        role: None,
        profile: None,
        policy: None,
        usable_after: None,
        verified_at: None,
        drift: Vec::new(),
        last_error: None,
        attempts: 0,
        reads_settle_at: None,
        writes_settle_at: None,
        created_at: chrono::DateTime::UNIX_EPOCH,
        updated_at: chrono::DateTime::UNIX_EPOCH,
        receipt: None,
    }
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
