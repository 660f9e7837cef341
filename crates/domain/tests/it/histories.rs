//! Random histories of one cluster: requests, and workers that converge its bindings.

use std::collections::BTreeSet;

use engine_roles_domain::audit::EventAction;
use engine_roles_domain::binding::lifecycle::{
    self, Activation, DeniedStep, NewBinding, Transition, WrongState,
};
use engine_roles_domain::binding::{
    Binding, BindingId, Conditions, Deletion, DriftKind, EventDetail, Failure, Generation, Intent,
    decide_delete, decide_put, resources_found, resources_left, step_applied, step_removed,
    write_unresolved,
};
use engine_roles_domain::cluster::{Defaults, Mode, RoleReference, RoleRequest};
use engine_roles_domain::prepared::PassThroughRole;
use engine_roles_domain::resources::{Applied, Observed, Step};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use crate::fixtures::{
    Stage, at, cluster, defaults, drift_of, new_binding, profile_record, rejection_of, role_record,
    scope, spec, tag_role, tags, whole_profile, whole_role,
};

mod invariants;
mod ops;

use invariants::{Checked, check_binding, check_receipts};
use ops::{Answer, Change, Op, Outcome, ops};

fn request(change: Change) -> RoleRequest {
    let nothing = RoleRequest::default();
    match change {
        Change::Nothing => nothing,
        Change::SessionManager(session_manager) => RoleRequest {
            session_manager: Some(session_manager),
            ..nothing
        },
        Change::Tags(some) => RoleRequest {
            tags: Some(if some { tags(&[("a", "1")]) } else { tags(&[]) }),
            ..nothing
        },
        Change::PassThrough => RoleRequest {
            iam_role: Some(engine()),
            ..nothing
        },
    }
}

fn engine() -> RoleReference {
    RoleReference::parse("engine").expect("a role")
}

fn settings() -> Defaults {
    Defaults {
        pass_through_roles: vec![PassThroughRole {
            role: engine(),
            instance_profile: None,
        }],
        ..defaults()
    }
}

/// One incarnation: its record, and the copy of the worker that has its lease.
struct Incarnation {
    record: Binding,
    worker: Option<Binding>,
    /// The rejection that the caller of the current or last intent waits for or has received.
    rejection: Option<Failure>,
}

/// A cluster, and the history so far.
#[derive(Default)]
struct Cluster {
    incarnations: Vec<Incarnation>,
    clock: i64,
    stages: BTreeSet<Stage>,
    actions: Vec<EventAction>,
    superseded: usize,
}

impl Cluster {
    fn latest(&self) -> Option<usize> {
        let newest = self.incarnations.iter().enumerate();
        let newest = newest.max_by_key(|(_, incarnation)| incarnation.record.generation);
        newest.map(|(index, _)| index)
    }

    fn generation(&self) -> Generation {
        self.latest()
            .map_or(0, |index| self.incarnations[index].record.generation)
    }

    fn act(&mut self, op: Op) -> Checked {
        self.clock += 1;
        match op {
            Op::Put(change) => self.put(change)?,
            Op::Delete => self.delete()?,
            Op::Adopt => {
                if self.incarnations.iter().all(|one| !one.record.is_live()) {
                    let orphan = self.new_binding(self.generation() + 1);
                    self.begin(lifecycle::adopted(orphan, at(self.clock)));
                }
            }
            Op::AdoptDeleted => {
                let orphan = self.new_binding(0);
                self.begin(lifecycle::adopted_as_deleted(orphan, at(self.clock)));
            }
            Op::Answer(index, answer) => self.answer(index, answer),
            Op::Record(index, outcome, goes_on) => self.record(index, outcome, goes_on)?,
        }
        self.check()
    }

    fn new_binding(&self, generation: Generation) -> NewBinding {
        NewBinding {
            id: BindingId(Uuid::from_u128(self.incarnations.len() as u128)),
            generation,
            ..new_binding(spec())
        }
    }

    fn begin(&mut self, transition: Transition) {
        self.note(&transition);
        self.incarnations.push(Incarnation {
            record: transition.binding,
            worker: None,
            rejection: None,
        });
    }

    fn note(&mut self, transition: &Transition) {
        self.stages.insert(Stage::of(&transition.binding));
        let action = transition.event.as_ref().map(EventDetail::action);
        self.actions.extend(action);
    }

    fn put(&mut self, change: Change) -> Checked {
        let latest = self.latest();
        let record = latest.map(|index| &self.incarnations[index].record);
        let (request, settings) = (request(change), settings());
        let intent = decide_put(
            &cluster(),
            record,
            &request,
            &settings,
            &scope(),
            &Conditions::default(),
        );
        match intent {
            Ok(Intent::New(spec)) => {
                let new = NewBinding {
                    spec,
                    ..self.new_binding(self.generation() + 1)
                };
                self.begin(lifecycle::provision_requested(new, at(self.clock)));
                Ok(())
            }
            Ok(Intent::Change(live, spec)) => {
                let change = lifecycle::change_requested(*live, spec, at(self.clock));
                self.request(latest, change)
            }
            Ok(Intent::Unchanged(_) | Intent::Repeated { .. }) | Err(_) => Ok(()),
        }
    }

    fn delete(&mut self) -> Checked {
        let latest = self.latest();
        let record = latest.map(|index| &self.incarnations[index].record);
        let now = at(self.clock);
        match decide_delete(record, Some(&scope()), &Conditions::default()) {
            Ok(Deletion::Begin(live)) => {
                self.request(latest, lifecycle::teardown_begun(*live, now))
            }
            Ok(Deletion::Resume(live)) => {
                self.request(latest, lifecycle::teardown_resumed(*live, now))
            }
            Ok(Deletion::Close(failed)) => self.request(latest, lifecycle::closed(*failed, now)),
            Ok(Deletion::Continue(_) | Deletion::Done(_)) | Err(_) => Ok(()),
        }
    }

    /// Checks that the transition is possible which the decision asked for.
    fn request(
        &mut self,
        index: Option<usize>,
        transition: Result<Transition, WrongState>,
    ) -> Checked {
        let transition = transition.map_err(|wrong| TestCaseError::fail(wrong.to_string()))?;
        self.write(index.expect("a decision about a binding"), transition)
    }

    /// Returns the worker of an incarnation, with a new lease where it has none.
    fn worker(&mut self, index: prop::sample::Index) -> Option<(usize, Binding)> {
        // Half of the indexes select the newest binding.
        let many = self.incarnations.len();
        let index = index.index((2 * many).max(1)).min(many.checked_sub(1)?);
        let incarnation = &self.incarnations[index];
        let copy = incarnation.worker.as_ref().unwrap_or(&incarnation.record);
        Some((index, copy.clone()))
    }

    fn answer(&mut self, index: prop::sample::Index, answer: Answer) {
        let Some((index, copy)) = self.worker(index) else {
            return;
        };
        let wants_presence = copy.lifecycle.wants_presence();
        let creates = copy.mode() == Mode::Create;
        let later = at(self.clock + 10);
        let copy = match answer {
            Answer::RoleCreated if wants_presence && creates => {
                let role = Applied::Role(role_record(&copy));
                step_applied(copy, &role, later)
            }
            Answer::ProfileCreated if wants_presence => {
                let profile = Applied::Profile(profile_record(&copy));
                step_applied(copy, &profile, later)
            }
            Answer::Found if wants_presence => {
                let observed = Observed {
                    role: creates.then(|| whole_role(&copy)),
                    profile: Some(whole_profile(&copy)),
                };
                resources_found(copy, &observed)
            }
            Answer::Unanswered => write_unresolved(copy, later),
            Answer::Removed(step, removed) if !wants_presence => {
                let step = removing_step(&copy, step);
                let copy = step_applied(copy, &Applied::Done, later);
                step_removed(copy, &step, removed, at(self.clock))
            }
            Answer::Left if !wants_presence => {
                resources_left(copy, &["role x: it is not ours".to_owned()])
            }
            Answer::RoleCreated
            | Answer::ProfileCreated
            | Answer::Found
            | Answer::Removed(..)
            | Answer::Left => copy,
        };
        self.incarnations[index].worker = Some(copy);
    }

    fn record(&mut self, index: prop::sample::Index, outcome: Outcome, goes_on: bool) -> Checked {
        let Some((index, copy)) = self.worker(index) else {
            return Ok(());
        };
        let generation = copy.generation;
        let Ok(transition) = self.outcome(outcome, copy) else {
            return Ok(());
        };
        let incarnation = &mut self.incarnations[index];
        if incarnation.record.generation == generation {
            self.write(index, transition)?;
            let incarnation = &mut self.incarnations[index];
            incarnation.worker = goes_on.then(|| incarnation.record.clone());
        } else {
            let current = incarnation.record.clone();
            incarnation.record = lifecycle::superseded(current, &transition.binding);
            incarnation.worker = Some(incarnation.record.clone());
            self.superseded += 1;
        }
        Ok(())
    }

    fn outcome(&self, outcome: Outcome, copy: Binding) -> Result<Transition, WrongState> {
        let (now, later) = (at(self.clock), at(self.clock + 60));
        let failure = Failure {
            at: now,
            attempts: copy.attempts,
            ..rejection_of(copy.generation)
        };
        match outcome {
            Outcome::Nothing => Ok(Transition::silent(copy)),
            Outcome::Activated => {
                let activation = Activation {
                    policy: None,
                    usable_after: Some(later),
                    calls: 1,
                };
                lifecycle::activated(copy, activation, now)
            }
            Outcome::Rejected => lifecycle::rejected(copy, failure, now),
            Outcome::Delayed => lifecycle::delayed(copy, "throttled".to_owned(), later, now),
            Outcome::Blocked => lifecycle::blocked(copy, failure, later, now),
            Outcome::ResourcesGone(found) => lifecycle::resources_gone(copy, found, now),
            Outcome::Verified => lifecycle::verified(copy, now),
            Outcome::DriftFound => {
                lifecycle::drift_found(copy, vec![drift_of(DriftKind::RoleDeleted)], now)
            }
            Outcome::DriftRepaired(denied) => {
                let denied = denied.then(|| DeniedStep {
                    step: tag_role(),
                    permission: "iam:TagRole".to_owned(),
                });
                let steps = vec!["PutRolePolicy (role x)".to_owned()];
                lifecycle::drift_repaired(copy, steps, denied.as_slice(), now)
            }
        }
    }

    /// Writes what a transition returned, and checks it against what was there before.
    fn write(&mut self, index: usize, transition: Transition) -> Checked {
        let newest = self.generation();
        let incarnation = &mut self.incarnations[index];
        let (before, after) = (&incarnation.record, &transition.binding);
        let (from, to) = (Stage::of(before), Stage::of(after));
        prop_assert!(
            after.generation == before.generation || after.generation == newest + 1,
            "the generation of {to:?} is the same, or the cluster's next",
        );
        prop_assert!(
            from == to || transition.event.is_some(),
            "{from:?} became {to:?} without an event",
        );
        prop_assert_eq!(after.created_at, before.created_at);
        check_receipts(before, &transition)?;

        if let Some(EventDetail::Rejected { .. }) = transition.event {
            if from == Stage::Provisioning {
                incarnation.rejection = after.last_error().cloned();
            }
            prop_assert!(incarnation.rejection.is_some());
        }
        let is_withdrawn = match to {
            Stage::WithdrawingChange | Stage::WithdrawingProvision | Stage::Failed => true,
            Stage::Active => from == Stage::WithdrawingChange,
            // A closed record keeps its rejection, whatever a later check finds.
            Stage::Deleted => {
                let was_closed = before.last_error().is_some_and(Failure::is_final);
                from == Stage::Failed || from == Stage::Deleted && was_closed
            }
            Stage::Provisioning | Stage::Deleting | Stage::Blocked => false,
        };
        if is_withdrawn {
            prop_assert!(after.last_error().is_some(), "{to:?} has a rejection");
            prop_assert_eq!(after.last_error(), incarnation.rejection.as_ref());
        }
        self.note(&transition);
        self.incarnations[index].record = transition.binding;
        Ok(())
    }

    fn check(&self) -> Checked {
        let records = || self.incarnations.iter().map(|one| &one.record);
        prop_assert!(records().filter(|record| record.is_live()).count() <= 1);
        let generations: Vec<Generation> = records()
            .map(|record| record.generation)
            .filter(|generation| *generation > 0)
            .collect();
        let distinct: BTreeSet<_> = generations.iter().collect();
        prop_assert_eq!(distinct.len(), generations.len());
        for incarnation in &self.incarnations {
            check_binding(&incarnation.record)?;
            if let Some(copy) = &incarnation.worker {
                check_binding(copy)?;
            }
        }
        Ok(())
    }
}

fn removing_step(binding: &Binding, number: usize) -> Step {
    let (role, profile) = (binding.role_name(), binding.resource_name().into());
    match number {
        0 => Step::DeleteRolePolicy {
            role,
            policy: "engine-access".to_owned(),
        },
        1 => Step::DetachRolePolicy {
            role,
            policy_arn: "arn:aws:iam::aws:policy/X".to_owned(),
        },
        2 => Step::RemoveRoleFromInstanceProfile { profile, role },
        3 => Step::DeleteRole { role },
        _ => Step::DeleteInstanceProfile { profile },
    }
}

proptest! {
    #[test]
    fn the_records_of_a_cluster_stay_consistent_in_every_history(ops in ops()) {
        let mut cluster = Cluster::default();
        for op in ops {
            cluster.act(op)?;
        }
    }
}

#[test]
fn random_histories_reach_every_state_and_every_event() {
    let mut runner = TestRunner::deterministic();
    let (mut stages, mut actions, mut superseded) = (BTreeSet::new(), Vec::new(), 0);
    for _ in 0..256 {
        let history = ops().new_tree(&mut runner).expect("a history").current();
        let mut cluster = Cluster::default();
        for op in history {
            cluster.act(op).expect("a consistent history");
        }
        stages.append(&mut cluster.stages);
        actions.append(&mut cluster.actions);
        superseded += cluster.superseded;
    }
    assert_eq!(stages, BTreeSet::from(Stage::all()));
    // The actions after these are not about a binding.
    let last = EventAction::LateResourceRemoved;
    let last = EventAction::ALL.iter().position(|action| *action == last);
    for action in &EventAction::ALL[..=last.expect("an action")] {
        assert!(actions.contains(action), "{action:?} never happened");
    }
    assert!(superseded > 0, "no worker was ever superseded");
}
