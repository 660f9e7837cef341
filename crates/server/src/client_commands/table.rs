//! Texts in columns.

use super::failure::Failure;
use super::screen::{Colour, Screen, clean, print_line};

/// One text of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    pub(super) fn coloured(text: impl AsRef<str>, colour: Option<Colour>) -> Self {
        let text = clean(text.as_ref());
        Self { text, colour }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::coloured(text, None)
    }
}

/// Rows with the same number of columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<Vec<Cell>>);

impl Table {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A table whose first row is this.
    pub(super) fn with_heading<const N: usize>(names: [&str; N]) -> Self {
        Self(vec![names.map(Cell::from).into()])
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.0.push(cells.into());
    }

    /// Adds a row of a name and a value.
    pub(super) fn member(&mut self, name: &str, value: impl Into<Cell>) {
        self.row([name.into(), value.into()]);
    }

    /// Prints the rows. Each column is as wide as its longest text; nothing follows the last one.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub(super) fn print(&self, screen: Screen) -> Result<(), Failure> {
        let mut lines = self.lines(screen).into_iter();
        lines.try_for_each(|line| print_line(&line))
    }

    fn lines(&self, screen: Screen) -> Vec<String> {
        let columns = self.0.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let texts = self.0.iter().filter_map(|row| row.get(column));
            texts.map(|cell| cell.text.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        let line = |row: &Vec<Cell>| {
            let mut line = String::new();
            // Spaces that a later text needs before it; none follow the last text.
            let mut owed = 0;
            for (cell, width) in row.iter().zip(&widths) {
                if !cell.text.is_empty() {
                    line.extend(std::iter::repeat_n(' ', std::mem::take(&mut owed)));
                    line.push_str(&screen.paint(&cell.text, cell.colour));
                }
                owed += width + 2 - cell.text.chars().count();
            }
            line
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::screen::Format;
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_lines_do_not_end_with_spaces() {
        let mut table = Table::with_heading(["NAME", "STATE", "NOTE"]);
        table.row(["größer".into(), "active".into(), "".into()]);
        table.row([
            "b".into(),
            Cell::coloured("", Some(Colour::Red)),
            "x\ny".into(),
        ]);
        // The tests' standard output may be a terminal, but this form has no colours.
        let lines = table.lines(Screen::new(Format::Json));
        assert_eq!(
            lines,
            [
                "NAME    STATE   NOTE",
                "größer  active",
                "b               x y",
            ]
        );
    }
}
