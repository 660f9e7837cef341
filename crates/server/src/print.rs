//! Standard output of the commands.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write, stdout};

/// Prints a line.
///
/// # Errors
/// When it can't be written. That the reader has closed the pipe is no error: it has read enough.
pub(crate) fn line(text: impl Display) -> Result<()> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
