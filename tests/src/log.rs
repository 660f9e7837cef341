//! The log of a service process.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::eventually;

/// The lines that a process has written so far.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
}

impl Log {
    /// Starts a thread that reads a process's output to its end.
    pub fn follow(output: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let (lines, ended) = (Arc::clone(&log.lines), Arc::clone(&log.ended));
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
            ended.store(true, Ordering::Release);
        });
        log
    }

    /// Whether the process has closed its output and all lines were read.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The lines that are JSON objects, parsed. Other lines are left out.
    pub fn entries(&self) -> Vec<Value> {
        let lines = self.lines();
        let entries = lines.iter().map(|line| serde_json::from_str(line));
        entries.filter_map(Result::ok).collect()
    }

    /// The last entry with this message.
    pub fn find_last(&self, message: &str) -> Option<Value> {
        let mut entries = self.entries().into_iter();
        entries.rfind(|entry| entry["message"] == message)
    }

    /// Waits for the first entry with this message and returns it. A line can reach the log a moment after
    /// the answer to the request that it is about.
    pub async fn logged(&self, message: &str) -> Value {
        eventually(message, async || self.find(message)).await
    }

    /// The first entry with this message.
    pub fn find(&self, message: &str) -> Option<Value> {
        self.entries()
            .into_iter()
            .find(|entry| entry["message"] == message)
    }
}
