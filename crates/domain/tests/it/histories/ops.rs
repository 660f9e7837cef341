//! The operations of a history.

use proptest::prelude::*;

/// A caller's request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Nothing,
    SessionManager(bool),
    Tags(bool),
    PassThrough,
}

/// An answer of AWS to a worker. The worker's copy has it until the next outcome is recorded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    RoleCreated,
    ProfileCreated,
    Found,
    Unanswered,
    /// The number of a removing step, and whether that very step removed something.
    Removed(usize, bool),
    Left,
}

/// An outcome that a worker records.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Nothing,
    Activated,
    Rejected,
    Delayed,
    Blocked,
    ResourcesGone(bool),
    Verified,
    DriftFound,
    DriftRepaired(bool),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Put(Change),
    Delete,
    Adopt,
    AdoptDeleted,
    Answer(prop::sample::Index, Answer),
    /// A worker records an outcome, and then keeps its lease (true) or returns it.
    Record(prop::sample::Index, Outcome, bool),
}

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let change = prop_oneof![
        3 => Just(Change::Nothing),
        3 => any::<bool>().prop_map(Change::SessionManager),
        2 => any::<bool>().prop_map(Change::Tags),
        1 => Just(Change::PassThrough),
    ];
    let answer = prop_oneof![
        1 => Just(Answer::RoleCreated),
        1 => Just(Answer::ProfileCreated),
        1 => Just(Answer::Found),
        1 => Just(Answer::Unanswered),
        6 => (0..5_usize, any::<bool>()).prop_map(|(step, removed)| Answer::Removed(step, removed)),
        1 => Just(Answer::Left),
    ];
    let outcome = prop_oneof![
        1 => Just(Outcome::Nothing),
        4 => Just(Outcome::Activated),
        4 => Just(Outcome::Rejected),
        1 => Just(Outcome::Delayed),
        2 => Just(Outcome::Blocked),
        3 => any::<bool>().prop_map(Outcome::ResourcesGone),
        1 => Just(Outcome::Verified),
        1 => Just(Outcome::DriftFound),
        1 => any::<bool>().prop_map(Outcome::DriftRepaired),
    ];
    // Most operations are on the newest binding; others are for late resources of older ones.
    let index = any::<prop::sample::Index>;
    let op = prop_oneof![
        5 => change.prop_map(Op::Put),
        2 => Just(Op::Delete),
        1 => Just(Op::Adopt),
        1 => Just(Op::AdoptDeleted),
        8 => (index(), answer).prop_map(|(index, answer)| Op::Answer(index, answer)),
        16 => (index(), outcome, any::<bool>())
            .prop_map(|(index, outcome, goes_on)| Op::Record(index, outcome, goes_on)),
    ];
    prop::collection::vec(op, 1..80)
}
