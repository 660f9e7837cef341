//! The limit on the number of files, sockets included, that the process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files that are not connections of clients or of the database pool: the log, the listener, the
/// heartbeat's connection, and the connections to AWS.
const RESERVED: usize = 256;
/// Even a very low limit leaves so many connections.
const FEWEST_CONNECTIONS: usize = 16;

/// Raises the process's limit on open files as far as the operating system allows, and returns how many
/// connections of clients fit into the limit, at most `wanted`.
pub(crate) fn most_connections(wanted: usize, database_connections: u32) -> usize {
    let files = raise();
    let others = RESERVED + usize::try_from(database_connections).unwrap_or(usize::MAX / 2);
    let most = files.saturating_sub(others).max(FEWEST_CONNECTIONS);
    if most < wanted {
        warn!(
            files,
            connections = most,
            "the limit on open files allows fewer connections than configured"
        );
    }
    wanted.min(most)
}

/// Raises the soft limit to the hard limit, and returns the limit. None at the operating system means
/// that there is no limit.
fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "the limit on open files could not be raised"
            );
            limit.current
        }
    };
    current.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_limit_on_open_files() {
        let files = raise();
        assert_eq!(most_connections(1, 16), 1);
        let most = most_connections(usize::MAX, 16);
        assert!(most == FEWEST_CONNECTIONS || most + RESERVED + 16 <= files);
        assert_eq!(most_connections(100, u32::MAX), FEWEST_CONNECTIONS);
    }
}
