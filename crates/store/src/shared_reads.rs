//! Reads of clusters' newest bindings, which share statements.
//!
//! A read is sent at once while few others are in progress. The reads that come meanwhile are sent
//! together, in one statement, when one of those in progress is answered. So many readers cost the
//! database little more than a few, and each sees what was committed before it asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine_roles_domain::binding::Binding;
use engine_roles_domain::cluster::ClusterName;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::connection::read;
use crate::row::{BindingRow, select_binding};
use crate::spans::{note_failure, operation_span};
use crate::{Store, StoreError};

/// How many statements are in progress at the same time.
const STATEMENTS: usize = 2;
/// How many clusters one statement is about at most.
const MOST_CLUSTERS: usize = 100;

type Answer = Result<Option<Binding>, StoreError>;

/// The reads that wait, and how many statements are in progress.
#[derive(Default)]
pub(crate) struct SharedReads(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    reads: Vec<(ClusterName, oneshot::Sender<Answer>)>,
    statements: usize,
}

impl SharedReads {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a read. Returns whether the caller must start a statement.
    fn add(&self, cluster: ClusterName, reader: oneshot::Sender<Answer>) -> bool {
        let mut waiting = self.waiting();
        waiting.reads.push((cluster, reader));
        let starts = waiting.statements < STATEMENTS;
        waiting.statements += usize::from(starts);
        starts
    }
}

/// One of the statements in progress.
struct Sender<'a> {
    shared: &'a SharedReads,
    has_ended: bool,
}

impl Sender<'_> {
    /// Takes the reads of the next statement; none if none waits, and then one statement fewer is in
    /// progress.
    fn next(&mut self) -> Option<Vec<(ClusterName, oneshot::Sender<Answer>)>> {
        let mut waiting = self.shared.waiting();
        if waiting.reads.is_empty() {
            waiting.statements -= 1;
            self.has_ended = true;
            return None;
        }
        let number = waiting.reads.len().min(MOST_CLUSTERS);
        Some(waiting.reads.drain(..number).collect())
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            // The task was ended, or has panicked. Nobody else may send what waits, so its readers get an
            // error.
            let mut waiting = self.shared.waiting();
            waiting.statements -= 1;
            waiting.reads.clear();
        }
    }
}

impl Store {
    /// Returns the cluster's newest binding, live or a tombstone; none when it never had one. Reads of other
    /// callers may be in the same statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn latest(&self, cluster: &ClusterName) -> Result<Option<Binding>, StoreError> {
        let span = operation_span(std::any::type_name_of_val(&|| ()));
        let (reader, answer) = oneshot::channel();
        if self.shared_reads.add(cluster.clone(), reader) {
            tokio::spawn(self.clone().send_shared_reads());
        }
        let answer = answer.instrument(span.clone()).await;
        // No answer comes from a runtime that ends.
        let answer = answer.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()));
        note_failure(&span, answer)
    }

    /// Sends statements until no read waits.
    async fn send_shared_reads(self) {
        let mut sender = Sender {
            shared: &self.shared_reads,
            has_ended: false,
        };
        while let Some(reads) = sender.next() {
            let mut clusters: Vec<&str> = reads.iter().map(|(name, _)| name.as_str()).collect();
            clusters.sort_unstable();
            clusters.dedup();
            let rows = read!(
                self,
                fetch_all,
                select_binding!(
                    "/* read */ ",
                    "WHERE b.namespace = $1 AND b.cluster = ANY($2) AND b.newest",
                    self.namespace.as_str(),
                    &clusters as &[&str],
                )
            );
            answer(reads, rows);
        }
    }
}

fn answer(
    reads: Vec<(ClusterName, oneshot::Sender<Answer>)>,
    rows: Result<Vec<BindingRow>, StoreError>,
) {
    let found = rows.map(|rows| {
        let bindings = rows
            .into_iter()
            .map(|row| (row.cluster.clone(), row.into_binding()));
        bindings.collect::<HashMap<_, _>>()
    });
    for (cluster, reader) in reads {
        let answer = match &found {
            Ok(bindings) => match bindings.get(cluster.as_str()) {
                Some(Ok(binding)) => Ok(Some(binding.clone())),
                Some(Err(error)) => Err(error.for_another_caller()),
                None => Ok(None),
            },
            Err(error) => Err(error.for_another_caller()),
        };
        // A reader may have gone.
        let _ = reader.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(reads: &SharedReads, name: &str) -> bool {
        let cluster = ClusterName::parse(name).expect("a name");
        reads.add(cluster, oneshot::channel().0)
    }

    fn sender(shared: &SharedReads) -> Sender<'_> {
        Sender {
            shared,
            has_ended: false,
        }
    }

    #[test]
    fn reads_that_come_while_statements_are_in_progress_are_sent_in_one() {
        let reads = SharedReads::default();
        for (name, starts) in [("a", true), ("b", true), ("c", false), ("d", false)] {
            assert_eq!(add(&reads, name), starts, "{name}");
        }
        let (mut first, mut second) = (sender(&reads), sender(&reads));
        let taken = first.next().expect("reads wait");
        let names: Vec<&str> = taken.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert!(second.next().is_none());
        assert!(add(&reads, "e"), "one of two statements has ended");
        assert!(!add(&reads, "f"));
    }

    #[test]
    fn a_statement_is_about_no_more_than_a_hundred_clusters() {
        let reads = SharedReads::default();
        for number in 0..150 {
            add(&reads, &format!("c{number}"));
        }
        let mut sender = sender(&reads);
        let numbers = [(); 3].map(|()| sender.next().map(|taken| taken.len()));
        assert_eq!(numbers, [Some(100), Some(50), None]);
    }

    #[test]
    fn the_readers_of_a_task_that_ended_get_an_error_and_the_next_reader_starts_a_statement() {
        let reads = SharedReads::default();
        let cluster = ClusterName::parse("a").expect("a name");
        let (reader, mut answer) = oneshot::channel();
        assert!(reads.add(cluster, reader));
        drop(sender(&reads));
        let closed = answer.try_recv().expect_err("no answer");
        assert_eq!(closed, oneshot::error::TryRecvError::Closed);
        assert!(add(&reads, "b") && add(&reads, "c") && !add(&reads, "d"));
    }
}
