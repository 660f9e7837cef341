//! The exit codes of the commands that ask a running service.

use std::process::ExitCode;

/// The part of `--help` about exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: the service rejected the request or could not carry it out, or did not answer
  2  the command line or a setting is invalid
  3  not found: the cluster never had a role, or no binding matches
  4  in progress: the service is still working on it
  5  unauthenticated: the API key is missing, invalid, or may not do this";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The command did what it was asked to do.
    Done,
    /// The service rejected the request, could not carry it out, or did not answer.
    Failed,
    /// The command line or a setting is invalid.
    Usage,
    /// What was asked for does not exist.
    NotFound,
    /// The service is still working on it.
    InProgress,
    /// The API key is missing, invalid, or lacks a right.
    Unauthenticated,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::InProgress => 4,
            Exit::Unauthenticated => 5,
        })
    }
}
