//! What a command prints, and in which form.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use clap::ValueEnum;
use serde::Serialize;

use super::failure::Failure;

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For scripts: the JSON that the service answers
    Json,
}

/// A colour of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Green,
    Yellow,
    Red,
    Grey,
}

impl Colour {
    /// Returns the number of the colour (SGR of ECMA-48).
    fn number(self) -> u8 {
        match self {
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Red => 31,
            Self::Grey => 90,
        }
    }
}

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) format: Format,
    has_colours: bool,
    shows_progress: bool,
}

impl Screen {
    /// Colours and the progress line are for terminals, and `NO_COLOR` turns colours off.
    pub(super) fn new(format: Format) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_table = format == Format::Table;
        Self {
            format,
            has_colours: is_table && !no_color && stdout().is_terminal(),
            shows_progress: is_table && stderr().is_terminal(),
        }
    }

    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Returns whether a progress line is shown while the command waits.
    pub(super) fn shows_progress(self) -> bool {
        self.shows_progress
    }

    /// Returns the text with the codes of its colour, where colours are shown.
    pub(super) fn paint(self, text: &str, colour: Option<Colour>) -> String {
        match colour {
            Some(colour) if self.has_colours => format!("\x1b[{}m{text}\x1b[0m", colour.number()),
            _ => text.to_owned(),
        }
    }
}

/// Prints a line to standard output.
///
/// # Errors
/// When standard output can't be written, or its reader has closed it.
pub(super) fn print_line(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::NoReader,
        _ => Failure::Output(error),
    })
}

/// Prints a value as a line of JSON.
///
/// # Errors
/// As [`print_line`].
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?;
    print_line(&text)
}

/// Returns a text without control characters, which could change what a terminal shows.
pub(super) fn clean(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_not_send_codes_to_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\r\nc\u{9b}"), "a [2Jb  c ");
        assert_eq!(clean("Größe 1"), "Größe 1");
    }
}
