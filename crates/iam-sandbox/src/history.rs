use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Resources by key, each with the versions that a stale read may still see. A write adds one
/// version of one resource; its cost does not depend on the number of resources.
pub(crate) struct Table<T> {
    entries: BTreeMap<String, Versions<T>>,
    existing: usize,
    /// Deletions in order of time. A key is removed when no read can be so stale that it sees the
    /// resource.
    deleted: VecDeque<(Duration, String)>,
}

/// Versions, oldest first; `None` means that the resource does not exist.
type Versions<T> = Vec<(Duration, Option<Arc<T>>)>;

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            existing: 0,
            deleted: VecDeque::new(),
        }
    }

    /// Returns the number of resources that exist.
    pub(crate) fn existing(&self) -> usize {
        self.existing
    }

    pub(crate) fn current(&self, key: &str) -> Option<&Arc<T>> {
        latest(self.entries.get(key)?)
    }

    /// Returns the resource as of `time`; `None` if it did not exist.
    pub(crate) fn at(&self, key: &str, time: Duration) -> Option<&Arc<T>> {
        version_at(self.entries.get(key)?, time)
    }

    /// Returns all resources that existed at `time`, in order of keys, beginning after a key.
    pub(crate) fn all_at<'a>(
        &'a self,
        time: Duration,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<T>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries
            .range::<str, _>((from, Bound::Unbounded))
            .filter_map(move |(key, versions)| Some((key.as_str(), version_at(versions, time)?)))
    }

    /// Returns all resources that exist, in order of keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.entries
            .iter()
            .filter_map(|(key, versions)| Some((key.as_str(), latest(versions)?)))
    }

    /// Writes a version, and drops the versions that no read as of `horizon` or later can see.
    pub(crate) fn put(
        &mut self,
        key: &str,
        now: Duration,
        horizon: Duration,
        resource: Option<Arc<T>>,
    ) {
        let exists = resource.is_some();
        let versions = self.entries.entry(key.to_owned()).or_default();
        let existed = latest(versions).is_some();
        versions.push((now, resource));
        let visible = versions.partition_point(|(since, _)| *since <= horizon);
        versions.drain(..visible.saturating_sub(1));
        match (existed, exists) {
            (false, true) => self.existing += 1,
            (true, false) => {
                self.existing -= 1;
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

fn version_at<T>(versions: &Versions<T>, time: Duration) -> Option<&Arc<T>> {
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
    fn a_stale_read_returns_the_version_of_its_time() {
        let mut table = Table::new();
        table.put("a", SECOND, Duration::ZERO, Some(Arc::new(1)));
        table.put("a", 3 * SECOND, Duration::ZERO, Some(Arc::new(2)));
        table.put("a", 5 * SECOND, Duration::ZERO, None);
        let at = |time| table.at("a", time).map(|resource| **resource);
        assert_eq!(at(Duration::ZERO), None);
        assert_eq!(at(SECOND), Some(1));
        assert_eq!(at(4 * SECOND), Some(2));
        assert_eq!(at(5 * SECOND), None);
        assert_eq!(table.current("a"), None);
        assert_eq!(table.existing(), 0);
    }

    #[test]
    fn all_versions_before_the_horizon_except_the_latest_are_dropped() {
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
    fn deleted_resources_are_forgotten_when_no_read_can_see_them() {
        let mut table = Table::new();
        table.put("a", SECOND, Duration::ZERO, Some(Arc::new(1)));
        table.put("a", 2 * SECOND, Duration::ZERO, None);
        table.put("b", 3 * SECOND, SECOND, Some(Arc::new(1)));
        assert_eq!(names(&table, SECOND), ["a"]);
        table.put("b", 9 * SECOND, 8 * SECOND, None);
        assert_eq!(table.entries.len(), 1);
    }

    #[test]
    fn a_resource_that_was_created_again_is_not_forgotten_with_the_deleted_one() {
        let mut table = Table::new();
        table.put("a", SECOND, SECOND, Some(Arc::new(1)));
        table.put("a", 2 * SECOND, 2 * SECOND, None);
        table.put("a", 2 * SECOND, 2 * SECOND, Some(Arc::new(2)));
        table.put("b", 9 * SECOND, 9 * SECOND, Some(Arc::new(1)));
        assert_eq!(names(&table, 9 * SECOND), ["a", "b"]);
        assert_eq!(table.existing(), 2);
    }
}
