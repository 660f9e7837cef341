//! Which other replicas are dead, judged only by what this replica has observed.

use std::collections::HashMap;

use engine_roles_store::ReplicaId;

/// A replica is dead when its heartbeat has not changed during this many successful heartbeats of
/// this replica. Source: the same local observation as in Kubernetes' leader election.
const UNCHANGED: u32 = 4;

/// The heartbeats of the other replicas as this replica has read them.
///
/// The age of a timestamp does not count: after the database was away, the last heartbeat of every
/// replica is old, and clocks of machines differ.
#[derive(Debug, Default)]
pub(super) struct Observations {
    by_replica: HashMap<ReplicaId, Observed>,
}

#[derive(Clone, Copy, Debug)]
struct Observed {
    heartbeat: i64,
    /// How many successful heartbeats of this replica came after the one that read `heartbeat` first,
    /// and read the same.
    unchanged: u32,
}

impl Observations {
    /// Notes the heartbeats of all other live replicas, which a successful heartbeat of this replica
    /// has read. Returns those that are dead, with the heartbeat that has not changed. They are
    /// returned again, as long as they are read unchanged.
    pub(super) fn after_heartbeat(&mut self, others: &[(ReplicaId, i64)]) -> Vec<(ReplicaId, i64)> {
        let before = std::mem::take(&mut self.by_replica);
        for &(replica, heartbeat) in others {
            let same = before.get(&replica);
            let same = same.filter(|observed| observed.heartbeat == heartbeat);
            let unchanged = same.map_or(0, |observed| observed.unchanged.saturating_add(1));
            let observed = Observed {
                heartbeat,
                unchanged,
            };
            self.by_replica.insert(replica, observed);
        }
        let dead = others.iter().filter(|(replica, _)| {
            let observed = self.by_replica.get(replica);
            observed.is_some_and(|observed| observed.unchanged >= UNCHANGED)
        });
        dead.copied().collect()
    }

    /// Forgets everything after a heartbeat of this replica that was not acknowledged. Whatever
    /// disturbed it may have disturbed the other replicas too.
    pub(super) fn forget(&mut self) {
        self.by_replica.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn replica(number: u8) -> ReplicaId {
        ReplicaId(Uuid::from_bytes([number; 16]))
    }

    #[test]
    fn a_heartbeat_that_was_read_unchanged_four_times_after_the_first_is_that_of_a_dead_replica() {
        let mut observations = Observations::default();
        let others = [(replica(1), 7)];
        for heartbeat in 0..4 {
            assert_eq!(observations.after_heartbeat(&others), [], "{heartbeat}");
        }
        assert_eq!(observations.after_heartbeat(&others), others);
        assert_eq!(
            observations.after_heartbeat(&others),
            others,
            "until it is declared dead"
        );
    }

    #[test]
    fn a_heartbeat_that_changed_in_any_way_is_that_of_a_live_replica() {
        let mut observations = Observations::default();
        for heartbeat in [3, 3, 3, 3, 4, 4, 4, 4, 2, 2, 2, 2] {
            let dead = observations.after_heartbeat(&[(replica(1), heartbeat)]);
            assert_eq!(dead, []);
        }
    }

    #[test]
    fn after_an_own_heartbeat_that_failed_the_count_begins_again() {
        let mut observations = Observations::default();
        let others = [(replica(1), 7)];
        for _ in 0..3 {
            for _ in 0..4 {
                assert_eq!(observations.after_heartbeat(&others), []);
            }
            observations.forget();
        }
    }

    #[test]
    fn a_replica_that_was_not_read_in_between_is_observed_anew() {
        let mut observations = Observations::default();
        let others = [(replica(1), 7)];
        for _ in 0..4 {
            observations.after_heartbeat(&others);
        }
        observations.after_heartbeat(&[]);
        assert_eq!(observations.after_heartbeat(&others), []);
    }

    #[test]
    fn each_replica_is_judged_by_its_own_heartbeat() {
        let mut observations = Observations::default();
        let mut dead = Vec::new();
        for heartbeat in 0..5 {
            dead = observations.after_heartbeat(&[(replica(1), heartbeat), (replica(2), 9)]);
        }
        assert_eq!(dead, [(replica(2), 9)]);
    }

    proptest::proptest! {
        /// Whatever is read, a replica is dead exactly if the last five values that this replica read
        /// without a failure in between are the same.
        #[test]
        fn exactly_five_equal_values_in_a_row_are_a_dead_replica(
            reads in proptest::collection::vec(proptest::option::weighted(0.9, 0i64..2), 0..40),
        ) {
            let mut observations = Observations::default();
            let mut row: Vec<i64> = Vec::new();
            for read in reads {
                let Some(heartbeat) = read else {
                    observations.forget();
                    row.clear();
                    continue;
                };
                row.push(heartbeat);
                let last = row.iter().rev().take(5);
                let is_dead = row.len() >= 5 && last.clone().all(|value| *value == heartbeat);
                let dead = observations.after_heartbeat(&[(replica(1), heartbeat)]);
                proptest::prop_assert_eq!(!dead.is_empty(), is_dead);
            }
        }
    }
}
