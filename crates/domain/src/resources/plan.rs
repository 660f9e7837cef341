//! The plan that brings the observed resources to the desired ones.

use std::collections::{BTreeMap, BTreeSet};

use crate::binding::record::Binding;
use crate::cluster::spec::RoleReference;
use crate::grant::role_policy::INLINE_POLICY_NAME;
use crate::resources::desired::{Desired, DesiredProfile, DesiredRole};
use crate::resources::names::ProfileName;
use crate::resources::observed::{InlinePolicies, Observed, ObservedProfile, ObservedRole};
use crate::resources::proof::{prove_profile, prove_role};
use crate::resources::step::Step;

/// Steps that run concurrently.
pub type Stage = Vec<Step>;

/// Stages in order, and the resources that the plan does not touch.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The stages, none of them empty.
    pub stages: Vec<Stage>,
    /// The resources that exist under our names and are not ours, each with the reason.
    pub left: Vec<String>,
    /// The obstacles to a removal, each in words.
    pub blockers: Vec<String>,
}

impl Plan {
    /// Returns the number of calls that the plan makes.
    pub fn calls(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    /// Returns the same plan without the step that adds a role to an instance profile.
    #[must_use]
    pub fn without_passing(self) -> Self {
        let stages = self.stages.into_iter().map(|stage| {
            let kept = stage.into_iter().filter(|step| !step.passes_role());
            kept.collect()
        });
        Self {
            left: self.left,
            blockers: self.blockers,
            ..Self::of(stages.collect())
        }
    }

    /// Returns whether the plan adds a role to an instance profile.
    pub fn passes_role(&self) -> bool {
        self.stages.iter().flatten().any(Step::passes_role)
    }

    /// Returns whether the plan has no step.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Returns the same plan with `CreateRole` alone in the first stage. For use after AWS denied
    /// our identity `CreateRole`: if AWS denies it again, no instance profile has been created that
    /// would have to be removed.
    #[must_use]
    pub fn role_first(mut self) -> Self {
        let Some(first) = self.stages.first_mut() else {
            return self;
        };
        let (role, rest): (Stage, Stage) = first
            .drain(..)
            .partition(|step| matches!(step, Step::CreateRole { .. }));
        self.stages.splice(
            0..1,
            [role, rest].into_iter().filter(|stage| !stage.is_empty()),
        );
        self
    }

    fn of(stages: Vec<Stage>) -> Self {
        let stages = stages
            .into_iter()
            .filter(|stage| !stage.is_empty())
            .collect();
        Self {
            stages,
            ..Self::default()
        }
    }
}

/// Why nothing can be planned: a resource that is not ours is in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A resource with our name is not ours.
    #[error("{resource} exists and is not ours: {reason}")]
    NameTaken {
        /// The resource, by kind and name.
        resource: String,
        /// Which part of the proof failed.
        reason: String,
    },
    /// Our instance profile contains another role.
    #[error("instance profile {profile} contains another role, {role}")]
    OtherRoleInProfile {
        /// Our instance profile.
        profile: ProfileName,
        /// The other role.
        role: RoleReference,
    },
}

/// Plans the steps from `observed` to `desired`.
///
/// # Errors
/// When a resource that is not ours has a name that the binding needs, or another role is in our
/// instance profile.
pub fn plan(binding: &Binding, desired: &Desired, observed: &Observed) -> Result<Plan, Obstacle> {
    match desired {
        Desired::Present { role, profile } => {
            plan_present(binding, role.as_deref(), profile.as_ref(), observed)
        }
        Desired::Absent => Ok(plan_absent(binding, observed)),
    }
}

fn plan_present(
    binding: &Binding,
    role: Option<&DesiredRole>,
    profile: Option<&DesiredProfile>,
    observed: &Observed,
) -> Result<Plan, Obstacle> {
    let path = binding.namespace.path();
    let (mut create, mut fill) = (Stage::new(), Stage::new());
    if let Some(desired) = role {
        match &observed.role {
            None => {
                create.push(Step::CreateRole {
                    role: desired.name.clone(),
                    path: path.clone(),
                    trust: desired.trust.clone(),
                    boundary: desired.boundary.clone(),
                    tags: desired.tags.clone(),
                });
                fill.push(put_policy(desired));
            }
            Some(found) => {
                let steps = align_role(binding, desired, found)?;
                create.extend(steps.first);
                fill.extend(steps.then);
            }
        }
    }
    if let Some(desired) = profile {
        match &observed.profile {
            None => {
                create.push(Step::CreateInstanceProfile {
                    profile: desired.name.clone(),
                    path,
                    tags: desired.tags.clone(),
                });
                fill.push(add_role(desired));
            }
            Some(found) => {
                let steps = align_profile(binding, desired, found)?;
                create.extend(steps.first);
                fill.extend(steps.then);
            }
        }
    }
    Ok(Plan::of(vec![create, fill]))
}

/// Plans the repair of drift on our own resources: our policy, our tags, and our role in our
/// instance profile. A repair creates no resource, and leaves what others added.
pub fn plan_repair(binding: &Binding, desired: &Desired, observed: &Observed) -> Plan {
    let Desired::Present { role, profile } = desired else {
        return Plan::default();
    };
    let (mut first, mut fill) = (Stage::new(), Stage::new());
    if let (Some(desired), Some(found)) = (role, &observed.role)
        && let Ok(steps) = align_role(binding, desired, found)
    {
        first.extend(steps.first);
        fill.extend(steps.then);
    }
    // A role that does not exist or is somebody else's must not be added to our profile.
    let ours = role.is_none()
        || observed
            .role
            .as_ref()
            .is_some_and(|found| prove_role(binding, found).is_ok());
    if let (Some(desired), Some(found)) = (profile, &observed.profile)
        && let Ok(steps) = align_profile(binding, desired, found)
    {
        let safe = |step: &Step| ours || !step.passes_role();
        first.extend(steps.first);
        fill.extend(steps.then.into_iter().filter(safe));
    }
    Plan::of(vec![first, fill])
}

/// The steps that bring an existing resource to the desired state. Tags are removed before others
/// are set: both count against IAM's limit of 50, and IAM treats two keys that differ in case only
/// as one.
#[derive(Default)]
struct Alignment {
    first: Stage,
    then: Stage,
}

fn align_role(
    binding: &Binding,
    desired: &DesiredRole,
    found: &ObservedRole,
) -> Result<Alignment, Obstacle> {
    let resource = format!("role {}", desired.name);
    prove_role(binding, found).map_err(|reason| Obstacle::NameTaken { resource, reason })?;
    let mut steps = Alignment::default();
    if !found.holds_policy(&desired.policy) {
        steps.then.push(put_policy(desired));
    }
    let role = &desired.name;
    let change = tag_change(binding, &desired.tags, found.tags.as_ref());
    if !change.set.is_empty() {
        steps.then.push(Step::TagRole {
            role: role.clone(),
            tags: change.set,
        });
    }
    if !change.unset.is_empty() {
        steps.first.push(Step::UntagRole {
            role: role.clone(),
            keys: change.unset,
        });
    }
    Ok(steps)
}

fn align_profile(
    binding: &Binding,
    desired: &DesiredProfile,
    found: &ObservedProfile,
) -> Result<Alignment, Obstacle> {
    let resource = format!("instance profile {}", desired.name);
    prove_profile(binding, found).map_err(|reason| Obstacle::NameTaken { resource, reason })?;
    let mut steps = Alignment::default();
    match found.roles.as_deref().and_then(<[RoleReference]>::first) {
        None => steps.then.push(add_role(desired)),
        Some(role) if role.same_role(&desired.role) => {}
        // The role was created again under another path. A role is passed by its name, so it was this
        // service that passed the other role.
        Some(role) if role.name() == desired.role.name() => {
            steps.first.push(Step::RemoveRoleFromInstanceProfile {
                profile: desired.name.clone(),
                role: role.name().clone(),
            });
            steps.then.push(add_role(desired));
        }
        Some(role) => {
            return Err(Obstacle::OtherRoleInProfile {
                profile: desired.name.clone(),
                role: role.clone(),
            });
        }
    }
    let profile = &desired.name;
    let change = tag_change(binding, &desired.tags, found.tags.as_ref());
    if !change.set.is_empty() {
        steps.then.push(Step::TagInstanceProfile {
            profile: profile.clone(),
            tags: change.set,
        });
    }
    if !change.unset.is_empty() {
        steps.first.push(Step::UntagInstanceProfile {
            profile: profile.clone(),
            keys: change.unset,
        });
    }
    Ok(steps)
}

fn plan_absent(binding: &Binding, observed: &Observed) -> Plan {
    // The first stage ends our grant, the second stage all access.
    let (mut empty, mut remove) = (Stage::new(), Stage::new());
    let (mut left, mut blockers) = (Vec::new(), Vec::new());
    let own_profile: ProfileName = binding.resource_name().into();
    if let Some(found) = &observed.role {
        let role = found.record.name.clone();
        if let Err(reason) = prove_role(binding, found) {
            left.push(format!("role {role}: {reason}"));
        } else {
            let policies = match &found.inline {
                InlinePolicies::Unread => vec![INLINE_POLICY_NAME.to_owned()],
                InlinePolicies::Own(own) => {
                    own.iter().map(|_| INLINE_POLICY_NAME.to_owned()).collect()
                }
                InlinePolicies::Listed { names, .. } => names.clone(),
            };
            empty.extend(policies.into_iter().map(|policy| Step::DeleteRolePolicy {
                role: role.clone(),
                policy,
            }));
            empty.extend(
                found
                    .attached
                    .iter()
                    .flatten()
                    .map(|arn| Step::DetachRolePolicy {
                        role: role.clone(),
                        policy_arn: arn.clone(),
                    }),
            );
            let foreign = found
                .profiles
                .iter()
                .flatten()
                .filter(|name| **name != own_profile);
            blockers.extend(foreign.map(|name| {
                format!("role {role} is in instance profile {name}, which is not ours")
            }));
            if blockers.is_empty() {
                remove.push(Step::DeleteRole { role });
            }
        }
    }
    if let Some(found) = &observed.profile {
        let profile = found.record.name.clone();
        if let Err(reason) = prove_profile(binding, found) {
            left.push(format!("instance profile {profile}: {reason}"));
        } else {
            let roles = found.roles.clone();
            let roles = roles.unwrap_or_else(|| vec![RoleReference::Name(binding.role_name())]);
            empty.extend(
                roles
                    .into_iter()
                    .map(|role| Step::RemoveRoleFromInstanceProfile {
                        profile: profile.clone(),
                        role: role.name().clone(),
                    }),
            );
            remove.push(Step::DeleteInstanceProfile { profile });
        }
    }
    Plan {
        left,
        blockers,
        ..Plan::of(vec![empty, remove])
    }
}

fn put_policy(desired: &DesiredRole) -> Step {
    Step::PutRolePolicy {
        role: desired.name.clone(),
        document: desired.policy.clone(),
    }
}

fn add_role(desired: &DesiredProfile) -> Step {
    Step::AddRoleToInstanceProfile {
        profile: desired.name.clone(),
        role: desired.role.name().clone(),
    }
}

struct TagChange {
    set: BTreeMap<String, String>,
    unset: Vec<String>,
}

// Only tags that we set are removed: others may have added tags of their own.
fn tag_change(
    binding: &Binding,
    wanted: &BTreeMap<String, String>,
    found: Option<&BTreeMap<String, String>>,
) -> TagChange {
    let wanted_keys: BTreeSet<String> = wanted.keys().map(|key| key.to_lowercase()).collect();
    let applied = binding.applied_spec.iter();
    let applied = applied.flat_map(|spec| spec.tags.iter().map(|(key, _)| key));
    let earlier: BTreeSet<&str> = applied
        .chain(binding.unapplied_tags.iter().map(String::as_str))
        .collect();
    let dropped = earlier
        .into_iter()
        .filter(|key| !wanted_keys.contains(&key.to_lowercase()));
    let Some(found) = found else {
        return TagChange {
            set: wanted.clone(),
            unset: dropped.map(str::to_owned).collect(),
        };
    };
    let set = wanted
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(value));
    TagChange {
        set: set
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        unset: dropped
            .filter(|key| found.contains_key(*key))
            .map(str::to_owned)
            .collect(),
    }
}
