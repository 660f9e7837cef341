//! Why a command failed, and the exit code of each failure.

use std::io;

use engine_roles_client::Error;

use super::exit::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A setting is invalid; nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// The service answered with an error, or did not answer.
    #[error(transparent)]
    Request(Box<Error>),
    /// No binding matches.
    #[error("{0}")]
    NotFound(String),
    /// The service accepted the request, but it could not be carried out.
    #[error("{0}")]
    Outcome(String),
    /// Standard output can't be written.
    #[error("the output can't be written")]
    Output(#[source] io::Error),
    /// The reader of standard output has closed it, as `head` does: it wants no more.
    #[error("the reader of the output has closed it")]
    NoReader,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Request(Box::new(error))
    }
}

impl Failure {
    /// Returns the exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::NotFound(_) => Exit::NotFound,
            Self::Outcome(_) | Self::Output(_) => Exit::Failed,
            Self::NoReader => Exit::Done,
            Self::Request(error) => match &**error {
                Error::Name { .. } => Exit::Usage,
                Error::Problem { status, .. } => match status.as_u16() {
                    401 | 403 => Exit::Unauthenticated,
                    404 => Exit::NotFound,
                    _ => Exit::Failed,
                },
                _ => Exit::Failed,
            },
        }
    }

    /// Returns whether the same request may succeed a little later.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Request(error) => match &**error {
                Error::Transport { .. } => true,
                Error::Problem { status, .. } | Error::Unexpected { status, .. } => {
                    status.is_server_error() || status.as_u16() == 429
                }
                _ => false,
            },
            _ => false,
        }
    }
}
