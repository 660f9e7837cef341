//! Printing to standard output and standard error.

use std::fmt::Display;
use std::io::{ErrorKind, Result, Write, stderr, stdout};

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

/// Prints a line to standard error. Where that can't be written, there is no place left to say so.
pub(crate) fn error_line(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}
