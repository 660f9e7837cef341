//! Reads of clusters' newest bindings, which share statements.
//!
//! A read is sent at once while few others are in progress. The reads that come meanwhile are sent
//! together, in one statement, when one of those in progress is answered. So many readers cost the
//! database little more than a few, and each sees what was committed before it asked.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// A caller that waits for a binding.
struct Reader {
    cluster: ClusterName,
    answer: oneshot::Sender<Answer>,
}

/// The readers that wait, and how many statements are in progress.
#[derive(Default)]
pub(crate) struct SharedReads(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    readers: Vec<Reader>,
    statements: usize,
}

impl SharedReads {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a reader. Returns whether the caller must start a statement.
    fn add(&self, reader: Reader) -> bool {
        let mut waiting = self.waiting();
        waiting.readers.push(reader);
        let starts = waiting.statements < STATEMENTS;
        waiting.statements += usize::from(starts);
        starts
    }

    fn take_all(&self) -> Vec<Reader> {
        std::mem::take(&mut self.waiting().readers)
    }
}

/// One of the statements in progress.
struct Sender<'a> {
    shared: &'a SharedReads,
    has_ended: bool,
}

impl Sender<'_> {
    /// Takes the readers of the next statement, except those that have gone; none if none waits, and then
    /// one statement fewer is in progress.
    fn next(&mut self) -> Option<Vec<Reader>> {
        let mut waiting = self.shared.waiting();
        let mut clusters = BTreeSet::new();
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for reader in waiting.readers.drain(..) {
            if reader.answer.is_closed() {
                continue;
            }
            if clusters.len() < MOST_CLUSTERS || clusters.contains(&reader.cluster) {
                clusters.insert(reader.cluster.clone());
                taken.push(reader);
            } else {
                left.push(reader);
            }
        }
        waiting.readers = left;
        if taken.is_empty() {
            waiting.statements -= 1;
            self.has_ended = true;
            return None;
        }
        Some(taken)
    }
}

impl Drop for Sender<'_> {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // The task was ended, or has panicked.
        let mut waiting = self.shared.waiting();
        waiting.statements -= 1;
        if waiting.statements == 0 {
            // Nobody else sends what waits, so the readers get an error.
            waiting.readers.clear();
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
        let (sender, answer) = oneshot::channel();
        let reader = Reader {
            cluster: cluster.clone(),
            answer: sender,
        };
        if self.shared_reads.add(reader) {
            tokio::spawn(self.clone().send_shared_reads());
        }
        let answer = answer.instrument(span.clone()).await;
        // No answer comes from a runtime that ends.
        let answer = answer.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()));
        note_failure(&span, answer)
    }

    /// Sends statements until no reader waits.
    async fn send_shared_reads(self) {
        let mut sender = Sender {
            shared: &self.shared_reads,
            has_ended: false,
        };
        while let Some(mut readers) = sender.next() {
            let clusters: BTreeSet<&str> = readers.iter().map(|it| it.cluster.as_str()).collect();
            let clusters: Vec<&str> = clusters.into_iter().collect();
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
            match rows {
                Ok(rows) => answer(readers, rows),
                Err(error) => {
                    // Those that wait would get the same error, each group after another wait.
                    readers.extend(self.shared_reads.take_all());
                    refuse(readers, error);
                }
            }
        }
    }
}

fn answer(readers: Vec<Reader>, rows: Vec<BindingRow>) {
    let found = rows.into_iter().map(|row| {
        let cluster = row.cluster.clone();
        (cluster, row.into_binding().map_err(Arc::new))
    });
    let found: HashMap<String, Result<Binding, Arc<StoreError>>> = found.collect();
    for reader in readers {
        let answer = match found.get(reader.cluster.as_str()) {
            Some(Ok(binding)) => Ok(Some(binding.clone())),
            Some(Err(error)) => Err(StoreError::Shared(Arc::clone(error))),
            None => Ok(None),
        };
        // The reader may have gone.
        let _ = reader.answer.send(answer);
    }
}

fn refuse(readers: Vec<Reader>, error: StoreError) {
    let error = Arc::new(error);
    for reader in readers {
        let _ = reader
            .answer
            .send(Err(StoreError::Shared(Arc::clone(&error))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a reader. Returns whether it must start a statement, and where it gets its answer.
    fn add(shared: &SharedReads, name: &str) -> (bool, oneshot::Receiver<Answer>) {
        let (sender, answer) = oneshot::channel();
        let reader = Reader {
            cluster: ClusterName::parse(name).expect("a name"),
            answer: sender,
        };
        (shared.add(reader), answer)
    }

    fn sender(shared: &SharedReads) -> Sender<'_> {
        Sender {
            shared,
            has_ended: false,
        }
    }

    fn names(readers: &[Reader]) -> Vec<&str> {
        readers.iter().map(|it| it.cluster.as_str()).collect()
    }

    #[test]
    fn reads_that_come_while_statements_are_in_progress_are_sent_in_one() {
        let shared = SharedReads::default();
        let added = ["a", "b", "c", "d"].map(|name| add(&shared, name));
        assert_eq!(
            added.each_ref().map(|(starts, _)| *starts),
            [true, true, false, false]
        );
        let (mut first, mut second) = (sender(&shared), sender(&shared));
        assert_eq!(
            names(&first.next().expect("readers wait")),
            ["a", "b", "c", "d"]
        );
        assert!(second.next().is_none());
        let (starts, _third) = add(&shared, "e");
        assert!(starts, "one of two statements has ended");
        assert!(!add(&shared, "f").0);
    }

    #[test]
    fn a_statement_is_about_no_more_than_a_hundred_clusters_and_has_all_their_readers() {
        let shared = SharedReads::default();
        let names = (0..150).map(|number| format!("c{number}"));
        let names = names.chain((0..50).map(|_| "c0".to_owned()));
        let waiting: Vec<_> = names.map(|name| add(&shared, &name)).collect();
        let mut sender = sender(&shared);
        let numbers = [(); 3].map(|()| sender.next().map(|taken| taken.len()));
        assert_eq!(numbers, [Some(150), Some(50), None]);
        drop(waiting);
    }

    #[test]
    fn readers_that_have_gone_are_not_read_for() {
        let shared = SharedReads::default();
        drop(add(&shared, "a"));
        let _waiting = add(&shared, "b");
        assert_eq!(
            names(&sender(&shared).next().expect("a reader waits")),
            ["b"]
        );
    }

    #[test]
    fn the_readers_of_tasks_that_ended_get_an_error_and_the_next_reader_starts_a_statement() {
        let shared = SharedReads::default();
        let (_, mut answer) = add(&shared, "a");
        let _second = add(&shared, "b");
        drop(sender(&shared));
        let open = answer.try_recv().expect_err("no answer yet");
        assert_eq!(
            open,
            oneshot::error::TryRecvError::Empty,
            "another task sends it"
        );
        drop(sender(&shared));
        let closed = answer.try_recv().expect_err("no answer");
        assert_eq!(closed, oneshot::error::TryRecvError::Closed);
        assert!(add(&shared, "c").0);
    }
}
