//! Lines of a table that are none of its rows: titles above it, units below its names, its names once more.

use super::sheet::{Decimal, Dialect, number};
use super::sheet_rows::Rows;

/// Leaves such lines out, and says so.
pub(super) fn pass_over(rows: &mut Rows, dialect: &Dialect) -> Vec<String> {
    let mut notes = Vec::new();
    let titles = rows.titles();
    if titles > 0 {
        notes.push(match titles {
            1 => "the line above the table is passed over".to_owned(),
            n => format!("{n} lines above the table are passed over"),
        });
        rows.retain(|row| row >= titles);
    }
    let again = repeated(rows, dialect);
    if let Some(&first) = again.first() {
        let more =
            if again.len() > 1 { format!(", and {} times more", again.len() - 1) } else { String::new() };
        notes.push(format!(
            "the names of columns stand again in line {}{more}: passed over",
            rows.lines[first]
        ));
        rows.retain(|row| !again.contains(&row));
    }
    if are_units(rows, dialect) {
        let units: Vec<_> = (0..rows.cells(1).min(5)).map(|column| rows.cell(1, column)).collect();
        notes.push(format!(
            "line {} holds units and is passed over: {}",
            rows.lines[1],
            super::sheet::listed(&units)
        ));
        rows.retain(|row| row != 1);
    }
    notes
}

fn is_number(cell: &str) -> bool {
    number(cell, Decimal::Point).is_some() || number(cell, Decimal::Comma).is_some()
}

/// Whether a column holds numbers in all of these rows that have a value there, of which there is one.
fn is_numeric(rows: &Rows, dialect: &Dialect, column: usize, of: impl Iterator<Item = usize>) -> bool {
    let mut values = of.map(|row| rows.cell(row, column)).filter(|cell| !dialect.is_missing(cell)).peekable();
    values.peek().is_some() && values.all(is_number)
}

/// Rows that hold the first once more, where words of it stand among numbers.
fn repeated(rows: &Rows, dialect: &Dialect) -> Vec<usize> {
    let width = rows.cells(0);
    let same = |row: usize| {
        rows.cells(row) == width && (0..width).all(|column| rows.cell(row, column) == rows.cell(0, column))
    };
    let again: Vec<_> = (1..rows.len()).filter(|&row| same(row)).collect();
    let word = |column: usize| !is_number(rows.cell(0, column)) && !dialect.is_missing(rows.cell(0, column));
    let others = || (1..rows.len()).filter(|row| again.binary_search(row).is_err());
    let among_numbers = |column: usize| word(column) && is_numeric(rows, dialect, column, others());
    if again.is_empty() || !(0..width).any(among_numbers) { Vec::new() } else { again }
}

/// Whether the second row holds units: a word above all numbers, in brackets or in several columns.
fn are_units(rows: &Rows, dialect: &Dialect) -> bool {
    let width = rows.cells(0);
    if rows.len() < 5 || width < 2 || rows.cells(1) != width || dialect.header == Some(false) {
        return false;
    }
    let numeric = |column: usize| {
        is_numeric(rows, dialect, column, 2..rows.len().min(12))
            && is_numeric(rows, dialect, column, 2..rows.len())
    };
    let columns: Vec<_> = (0..width).filter(|&column| numeric(column)).collect();
    let word = |row: usize, column: usize| {
        let cell = rows.cell(row, column);
        !is_number(cell) && !dialect.is_missing(cell)
    };
    let words = columns.iter().filter(|&&column| word(1, column)).count();
    let bracketed = |column: usize| {
        let cell = rows.cell(1, column);
        cell.starts_with(['[', '(']) && cell.ends_with([']', ')'])
    };
    let none_is_number = columns.iter().all(|&column| !is_number(rows.cell(1, column)) && word(0, column));
    words > 0 && none_is_number && (words > 1 || columns.iter().any(|&column| bracketed(column)))
}
