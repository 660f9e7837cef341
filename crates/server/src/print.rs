//! Printing to standard output.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write, stdout};

/// Prints a line.
///
/// # Errors
/// When standard output can't be written. A pipe that its reader has closed is not an error: the
/// reader wants no more, as `head` does.
pub(crate) fn line(text: impl Display) -> Result<()> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
