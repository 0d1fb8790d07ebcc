//! Sheets out of files.

use super::form;
use super::sheet::{Decimal, Dialect, Sheet, check, counted, number};
use super::sheet_rows::Rows;
use super::{arff, decode, heads, parquet, units, unpacked};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

impl Sheet {
    /// Reads a file of text: CSV with any separator and encoding, or ARFF; plain, gzipped, or alone in a zip archive. What the
    /// dialect leaves open is told from the file. `expected` are names of columns that it may have, by which a first row of
    /// names is known even where no other row helps. `known` is a SHA-256 that the file must have, with the setting that says so.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file, what is wrong and the line.
    pub fn read(
        path: &Path,
        dialect: &Dialect,
        expected: &[String],
        known: Option<(&str, &str)>,
    ) -> Result<Self> {
        let unpacked::Unpacked { bytes, sha256 } = unpacked::read(path)?;
        if let Some((key, known)) = known {
            check(path, key, Some(known), &sha256)?;
        }
        let Cells { mut rows, names, separator, numeric, nominal, mut notes } = match parquet::is(&bytes) {
            true => {
                let parquet::Found { rows, names, numeric, notes } = parquet::read(path, bytes)?;
                Cells { rows, names: Some(names), separator: b',', numeric, nominal: Vec::new(), notes }
            }
            false => from_text(path, bytes, dialect)?,
        };
        if rows.len() == 0 {
            return Err(Error::file(path, "has no rows"));
        }
        if names.is_none() {
            notes.extend(heads::pass_over(&mut rows, dialect));
        }
        let mut sheet = assemble(path, rows, names, dialect, expected)?;
        if !sheet.named {
            notes.push("has no row of names: columns are called 1, 2, … (--set task.header=true takes the first row for names)".to_owned());
        }
        notes.extend(units::take(&mut sheet));
        let mut decimals = decimals(&sheet, dialect, separator);
        for (decimal, _) in decimals.iter_mut().zip(&numeric).filter(|(_, numeric)| **numeric) {
            *decimal = Some(Decimal::Point);
        }
        if dialect.decimal.is_none() && decimals.contains(&Some(Decimal::Comma)) {
            notes.push("has decimal commas".to_owned());
        }
        Ok(Self { sha256, notes, decimals, nominal, ..sheet })
    }
}

/// Rows of a file, with what is known of them.
struct Cells {
    rows: Rows,
    /// Names of the columns, where they do not stand in the first row.
    names: Option<Vec<String>>,
    separator: u8,
    /// Of each column, whether it holds numbers by the file's own word; empty where a file says nothing.
    numeric: Vec<bool>,
    /// And whether it holds categories.
    nominal: Vec<bool>,
    notes: Vec<String>,
}

fn from_text(path: &Path, bytes: Vec<u8>, dialect: &Dialect) -> Result<Cells> {
    let (text, note) = decode::decode(path, bytes, dialect.encoding.as_deref())?;
    if text.trim().is_empty() {
        return Err(Error::file(path, "is empty; a header and rows are needed"));
    }
    let notes = note.into_iter().collect();
    if let Some(arff) = arff::read(&text) {
        let mut rows = Rows::default();
        for (line, cells) in arff.rows().map_err(|what| Error::file(path, what))? {
            rows.push(line, cells.iter());
        }
        let nominal = arff.attributes.iter().map(|a| !a.values.is_empty()).collect();
        let names = Some(arff.attributes.into_iter().map(|a| a.name).collect());
        return Ok(Cells { rows, names, separator: b',', numeric: Vec::new(), nominal, notes });
    }
    let (body, lines, named) = form::without_head(&text);
    let separator = dialect.separator_byte().or(named).unwrap_or_else(|| form::separator(body));
    let rows = divided(path, body, (separator, lines))?;
    Ok(Cells { rows, names: None, separator, numeric: Vec::new(), nominal: Vec::new(), notes })
}

/// Rows of cells between separators.
fn divided(path: &Path, body: &str, (separator, lines_before): (u8, u64)) -> Result<Rows> {
    if separator != b' ' {
        let quote = if form::in_single_quotes(body, separator) { b'\'' } else { b'"' };
        let mut form = csv::ReaderBuilder::new();
        return records(path, body, lines_before, form.delimiter(separator).quote(quote));
    }
    let cells = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("\t") + "\n";
    let tabbed: String = body.lines().map(cells).collect();
    records(path, &tabbed, lines_before, csv::ReaderBuilder::new().delimiter(b'\t').quoting(false))
}

/// Parses rows, with the line that each begins at.
fn records(path: &Path, body: &str, lines_before: u64, form: &mut csv::ReaderBuilder) -> Result<Rows> {
    let mut reader = form.has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(body.as_bytes());
    let (mut record, mut rows) = (csv::StringRecord::new(), Rows::default());
    let (bytes, mut seen, mut line) = (body.as_bytes(), 0, lines_before + 1);
    let newlines = |text: &[u8]| text.iter().filter(|&&byte| byte == b'\n').count() as u64;
    while reader
        .read_record(&mut record)
        .map_err(|e| Error::file_caused(path, "is not a table of text", e))?
    {
        // The parser's own positions stand before the ends of empty lines and between the two bytes of Windows' line ends.
        let start = record.position().map_or(0, |p| p.byte() as usize).max(seen);
        let begin = start + bytes[start..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        line += newlines(&bytes[seen..begin]);
        seen = begin;
        if record.iter().all(str::is_empty) && record.len() < 2 {
            continue;
        }
        rows.push(line, record.iter());
    }
    Ok(rows)
}

/// Tells names from values, and brings all rows to one length.
fn assemble(
    path: &Path,
    rows: Rows,
    names: Option<Vec<String>>,
    dialect: &Dialect,
    expected: &[String],
) -> Result<Sheet> {
    let given = names.is_some();
    let named = given || is_named(&rows, dialect, expected);
    let from = usize::from(named && !given);
    let mut columns = names.unwrap_or_else(|| {
        let longest = (0..rows.len()).map(|row| rows.filled(row)).max().unwrap_or(0);
        let width = if named { rows.cells(0) } else { longest };
        (0..width).map(|c| if named { rows.cell(0, c).to_owned() } else { (c + 1).to_string() }).collect()
    });
    if from == rows.len() {
        return Err(Error::file(path, "has a header but no rows"));
    }
    let filled = (from..rows.len()).map(|row| rows.filled(row)).max().unwrap_or(0);
    // A separator behind the last name, and nothing in any row below.
    while columns.len() > filled && columns.last().is_some_and(String::is_empty) {
        columns.pop();
    }
    // R names its rows in a column that has no name.
    let longer = |row: usize| rows.cells(row) == columns.len() + 1 && rows.filled(row) > columns.len();
    if named && !given && (from..rows.len()).all(longer) {
        columns.insert(0, String::new());
    }
    check_names(path, &mut columns)?;
    let width = columns.len();
    let mut sheet = Sheet {
        path: path.to_owned(),
        sha256: String::new(),
        columns,
        named,
        notes: Vec::new(),
        dialect: dialect.clone(),
        decimals: Vec::new(),
        nominal: Vec::new(),
        lines: rows.lines[from..].to_vec(),
        text: String::with_capacity(rows.text.len()),
        ends: Vec::with_capacity(rows.all_cells()),
    };
    for row in from..rows.len() {
        let (cells, line) = (rows.cells(row), rows.lines[row]);
        if cells < width || rows.filled(row) > width {
            let what = if named { "the header" } else { "the first row" };
            let cells = counted(cells, "cell");
            return Err(Error::file(path, format!("line {line} has {cells}, {what} {width}")));
        }
        for column in 0..width {
            sheet.text.push_str(rows.cell(row, column));
            sheet.ends.push(sheet.text.len());
        }
    }
    Ok(sheet)
}

/// Whether the first row names the columns.
fn is_named(rows: &Rows, dialect: &Dialect, expected: &[String]) -> bool {
    let names = (0..rows.cells(0)).map(|c| rows.cell(0, c));
    let known = names.filter(|name| expected.iter().any(|known| known == name)).count();
    dialect.header.unwrap_or_else(|| match known {
        0 => {
            let shape = (rows.len(), rows.cells(0));
            form::has_names(shape, dialect, &|row, column| rows.cell(row, column))
        }
        _ => 2 * known >= rows.cells(0).min(expected.len()),
    })
}

/// Every column has a name of its own; only the first may have none, that of numbers of rows. A mark of comments before it is
/// none of its name.
fn check_names(path: &Path, columns: &mut [String]) -> Result<()> {
    let Some(first) = columns.first_mut() else {
        return Err(Error::file(path, "has no column with a name or a value in it"));
    };
    if let Some(name) = first.strip_prefix('#') {
        *first = name.trim_start().to_owned();
    }
    for (at, name) in columns.iter_mut().enumerate().skip(1) {
        if name.is_empty() {
            *name = format!("column {}", at + 1);
        }
    }
    let mut first = HashMap::new();
    for (at, name) in columns.iter().enumerate() {
        if let Some(before) = first.insert(name.as_str(), at) {
            let reason = format!(
                "line 1: columns {} and {} are both named `{}`; rename one, or --set task.header=false if these are values",
                before + 1,
                at + 1,
                super::sheet::shown(name)
            );
            return Err(Error::file(path, reason));
        }
    }
    Ok(())
}

/// What a cell says of its column's marks.
#[derive(Clone, Copy, Default)]
struct Marks {
    point: bool,
    comma: bool,
    /// `20,671`, which may be either.
    either: bool,
    /// `20.671`, which is a fraction, but for those who write fractions with a comma.
    dotted: bool,
}

impl Marks {
    fn see(&mut self, cell: &str) {
        if !cell.contains([',', '.']) {
            return;
        }
        match (number(cell, Decimal::Point), number(cell, Decimal::Comma)) {
            (Some(_), None) => self.point = true,
            (None, Some(_)) => self.comma = true,
            (Some(_), Some(_)) if cell.contains(',') => self.either = true,
            (Some(_), Some(_)) => self.dotted = true,
            (None, None) => {}
        }
    }
}

/// What stands before the fraction in each column.
fn decimals(sheet: &Sheet, dialect: &Dialect, separator: u8) -> Vec<Option<Decimal>> {
    let width = sheet.columns.len();
    if let Some(said) = dialect.decimal {
        return vec![Some(said); width];
    }
    let mut marks = vec![Marks::default(); width];
    for row in 0..sheet.len() {
        for (column, marks) in marks.iter_mut().enumerate() {
            marks.see(sheet.cell(row, column));
        }
    }
    let comma = marks.iter().any(|m| m.comma && !m.point);
    let of = |m: &Marks| match (m.comma, m.point, m.either) {
        (true, false, _) => Some(Decimal::Comma),
        (_, _, true) if comma || separator == b';' => Some(Decimal::Comma),
        (false, false, true) => None,
        (false, false, false) if comma && m.dotted => None,
        (true | false, true | false, _) => Some(Decimal::Point),
    };
    marks.iter().map(of).collect()
}
