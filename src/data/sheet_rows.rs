//! Rows of cells as a file gives them, before they are brought to one length.

/// Cells as they stand, rows of any length.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) text: String,
    /// Where each cell ends.
    ends: Vec<usize>,
    /// Where each row's cells begin among all.
    starts: Vec<usize>,
    /// The line that each row begins at.
    pub(super) lines: Vec<u64>,
}

impl Rows {
    /// Adds a row that begins at a line.
    pub(super) fn push(&mut self, line: u64, cells: impl Iterator<Item = impl AsRef<str>>) {
        self.starts.push(self.ends.len());
        self.lines.push(line);
        for cell in cells {
            self.text.push_str(cell.as_ref());
            self.ends.push(self.text.len());
        }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Number of cells of all rows.
    pub(super) fn all_cells(&self) -> usize {
        self.ends.len()
    }

    /// Cells of a row.
    pub(super) fn cells(&self, row: usize) -> usize {
        self.starts.get(row + 1).copied().unwrap_or(self.ends.len()) - self.starts[row]
    }

    /// A cell; empty behind the last of its row.
    pub(super) fn cell(&self, row: usize, column: usize) -> &str {
        if column >= self.cells(row) {
            return "";
        }
        let at = self.starts[row] + column;
        &self.text[if at == 0 { 0 } else { self.ends[at - 1] }..self.ends[at]]
    }

    /// Cells of a row up to the last that is not empty.
    pub(super) fn filled(&self, row: usize) -> usize {
        (0..self.cells(row))
            .rev()
            .find(|&column| !self.cell(row, column).is_empty())
            .map_or(0, |last| last + 1)
    }

    /// Rows at the top that hold no more than one cell each, as titles do, where nearly all rows below hold several, as many
    /// each.
    pub(super) fn titles(&self) -> usize {
        let titles = (0..self.len()).take_while(|&row| self.filled(row) < 2).count();
        if titles == 0 || titles > 20 || self.len() < titles + 3 {
            return 0;
        }
        let width = self.cells(titles);
        let alike = (titles..self.len()).filter(|&row| self.cells(row) == width).count();
        if width > 1 && 10 * alike >= 9 * (self.len() - titles) { titles } else { 0 }
    }

    /// Leaves rows out.
    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut rest = Self::default();
        for row in (0..self.len()).filter(|&row| keep(row)) {
            rest.push(self.lines[row], (0..self.cells(row)).map(|column| self.cell(row, column)));
        }
        *self = rest;
    }
}
