use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Things by key, each with the versions that a stale read may still see. A write costs one
/// version of one thing, whatever else is held.
pub(crate) struct Table<T> {
    entries: BTreeMap<String, Versions<T>>,
    live: usize,
    /// Deletions in order of time; their keys go once no read can be that stale.
    deleted: VecDeque<(Duration, String)>,
}

/// Oldest first; `None` is absence.
type Versions<T> = Vec<(Duration, Option<Arc<T>>)>;

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            live: 0,
            deleted: VecDeque::new(),
        }
    }

    /// How many things exist.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn current(&self, key: &str) -> Option<&Arc<T>> {
        latest(self.entries.get(key)?)
    }

    /// What was there at that time.
    pub(crate) fn at(&self, key: &str, time: Duration) -> Option<&Arc<T>> {
        seen_at(self.entries.get(key)?, time)
    }

    /// All that was there at that time, in order of keys, beginning after a key.
    pub(crate) fn all_at<'a>(
        &'a self,
        time: Duration,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<T>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries
            .range::<str, _>((from, Bound::Unbounded))
            .filter_map(move |(key, versions)| Some((key.as_str(), seen_at(versions, time)?)))
    }

    /// All that exists, in order of keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.entries
            .iter()
            .filter_map(|(key, versions)| Some((key.as_str(), latest(versions)?)))
    }

    /// Writes a version. Versions that no read from `horizon` on can see are dropped.
    pub(crate) fn put(
        &mut self,
        key: &str,
        now: Duration,
        horizon: Duration,
        thing: Option<Arc<T>>,
    ) {
        let is_there = thing.is_some();
        let versions = self.entries.entry(key.to_owned()).or_default();
        let was_there = latest(versions).is_some();
        versions.push((now, thing));
        let visible = versions.partition_point(|(since, _)| *since <= horizon);
        versions.drain(..visible.saturating_sub(1));
        match (was_there, is_there) {
            (false, true) => self.live += 1,
            (true, false) => {
                self.live -= 1;
                self.deleted.push_back((now, key.to_owned()));
            }
            _ => {}
        }
        self.forget(horizon);
    }

    fn forget(&mut self, horizon: Duration) {
        while let Some((_, key)) = self.deleted.pop_front_if(|(since, _)| *since < horizon) {
            if let Entry::Occupied(entry) = self.entries.entry(key)
                && matches!(entry.get().last(), Some((since, None)) if *since < horizon)
            {
                entry.remove();
            }
        }
    }
}

fn latest<T>(versions: &Versions<T>) -> Option<&Arc<T>> {
    versions.last()?.1.as_ref()
}

fn seen_at<T>(versions: &Versions<T>, time: Duration) -> Option<&Arc<T>> {
    let visible = versions.partition_point(|(since, _)| *since <= time);
    versions[..visible].last()?.1.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn names(table: &Table<u8>, time: Duration) -> Vec<&str> {
        table.all_at(time, None).map(|(key, _)| key).collect()
    }

    #[test]
    fn a_read_of_the_past_sees_what_was_there_then() {
        let mut table = Table::new();
        table.put("a", SECOND, Duration::ZERO, Some(Arc::new(1)));
        table.put("a", 3 * SECOND, Duration::ZERO, Some(Arc::new(2)));
        table.put("a", 5 * SECOND, Duration::ZERO, None);
        let at = |time| table.at("a", time).map(|thing| **thing);
        assert_eq!(at(Duration::ZERO), None);
        assert_eq!(at(SECOND), Some(1));
        assert_eq!(at(4 * SECOND), Some(2));
        assert_eq!(at(5 * SECOND), None);
        assert_eq!(table.current("a"), None);
        assert_eq!(table.live(), 0);
    }

    #[test]
    fn versions_behind_the_horizon_are_dropped_but_the_one_that_holds_there() {
        let mut table = Table::new();
        for second in 1..=100 {
            let now = SECOND * second;
            let horizon = now.saturating_sub(10 * SECOND);
            table.put("a", now, horizon, Some(Arc::new(1)));
        }
        assert_eq!(table.entries["a"].len(), 11);
        assert!(table.at("a", 90 * SECOND).is_some());
    }

    #[test]
    fn deleted_things_are_forgotten_once_no_read_can_see_them() {
        let mut table = Table::new();
        table.put("a", SECOND, Duration::ZERO, Some(Arc::new(1)));
        table.put("a", 2 * SECOND, Duration::ZERO, None);
        table.put("b", 3 * SECOND, SECOND, Some(Arc::new(1)));
        assert_eq!(names(&table, SECOND), ["a"]);
        table.put("b", 9 * SECOND, 8 * SECOND, None);
        assert_eq!(table.entries.len(), 1);
    }

    #[test]
    fn what_was_made_again_is_not_forgotten_with_its_earlier_life() {
        let mut table = Table::new();
        table.put("a", SECOND, SECOND, Some(Arc::new(1)));
        table.put("a", 2 * SECOND, 2 * SECOND, None);
        table.put("a", 2 * SECOND, 2 * SECOND, Some(Arc::new(2)));
        table.put("b", 9 * SECOND, 9 * SECOND, Some(Arc::new(1)));
        assert_eq!(names(&table, 9 * SECOND), ["a", "b"]);
        assert_eq!(table.live(), 2);
    }
}
