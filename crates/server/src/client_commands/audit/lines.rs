//! The lines of an export.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use super::offline::OfflineError;

/// The longest line of an export, in bytes. An event has 65535 bytes at most, each written as \\u0000,
/// but a detail that is too long for an event has no limit of its own.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// The lines of an export, which may be larger than memory.
pub(super) struct Lines<'a> {
    path: &'a Path,
    input: BufReader<Box<dyn Read>>,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Opens an export; `-` is standard input.
    pub(super) fn open(path: &'a Path) -> Result<Self, OfflineError> {
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(stdin())
        } else {
            let file = File::open(path);
            Box::new(file.map_err(|error| OfflineError::file(path, &error))?)
        };
        Ok(Self {
            path,
            input: BufReader::new(input),
            number: 0,
        })
    }

    /// Returns the next line; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<String>, OfflineError> {
        let mut line = Vec::new();
        let read = (&mut self.input)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        read.map_err(|error| OfflineError::file(self.path, &error))?;
        self.number += 1;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8(line).map_err(|_| self.malformed())?;
        Ok(Some(line))
    }

    /// Returns the error for the line that was read last.
    pub(super) fn malformed(&self) -> OfflineError {
        let (number, path) = (self.number, self.path.display());
        OfflineError::NotVerified(format!("line {number} of {path} is not one of an export"))
    }
}
