//! Rows out of CSV files.

use super::set::hex;
use super::table::RowTable;
use crate::error::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::path::Path;

impl RowTable {
    /// Reads a CSV file: every column but `label` and those to `ignore` must be numbers. Space around a cell is not
    /// part of it.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming line and column of what is not a number, or whatever else is wrong;
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.label` if the label column is `required` and not there, and
    /// `task.ignore` if one of those is not.
    pub fn read(path: &Path, label: &str, required: bool, ignore: &[String]) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Error::file(path, "is empty; a header and rows are needed"));
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let failed = |e: csv::Error| Error::file(path, describe(&e, text));
        let header: Vec<_> = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
        check_header(path, &header)?;
        let (label_at, columns) = places(path, &header, (label, required), ignore)?;
        let mut table = Self {
            path: path.to_owned(),
            features: columns.iter().map(|&at| header[at].clone()).collect(),
            values: Vec::new(),
            labels: label_at.map(|_| Vec::new()),
            lines: Vec::new(),
            sha256: hex(&Sha256::digest(&bytes)),
        };
        let mut record = csv::StringRecord::new();
        let (mut seen, mut line) = (0, 1);
        while reader.read_record(&mut record).map_err(failed)? {
            let start = record.position().map_or(0, |p| p.byte() as usize).max(seen);
            let (begin, newlines) = skip_newlines(text, start);
            line += newlines + count_newlines(&text[seen..start]);
            seen = begin;
            for &at in &columns {
                table.values.push(number(path, line, &header[at], record.get(at).unwrap_or(""))?);
            }
            if let (Some(at), Some(labels)) = (label_at, &mut table.labels) {
                let name = record.get(at).unwrap_or("");
                if name.is_empty() {
                    return Err(Error::file(
                        path,
                        format!("line {line}, column `{label}`: the label is missing"),
                    ));
                }
                labels.push(name.to_owned());
            }
            table.lines.push(line);
        }
        if table.lines.is_empty() {
            return Err(Error::file(path, "has a header but no rows"));
        }
        Ok(table)
    }
}

/// The column of labels, if there is one, and those of numbers.
fn places(
    path: &Path,
    header: &[String],
    (label, required): (&str, bool),
    ignore: &[String],
) -> Result<(Option<usize>, Vec<usize>)> {
    let label_at = header.iter().position(|name| name == label);
    let missing = |key: &str, how: String| {
        let known = header.join(", ");
        let reason = format!("{how}, no column of {}; its columns are {known}", path.display());
        Err(Error::recipe(key, reason))
    };
    if label_at.is_none() && required {
        return missing("task.label", format!("is `{label}`"));
    }
    if let Some(name) = ignore.iter().find(|name| required && !header.contains(name)) {
        return missing("task.ignore", format!("has `{name}`"));
    }
    let is_feature = |&at: &usize| Some(at) != label_at && !ignore.contains(&header[at]);
    let columns: Vec<_> = (0..header.len()).filter(is_feature).collect();
    if columns.is_empty() {
        return Err(Error::file(path, "has no column of numbers besides the label"));
    }
    Ok((label_at, columns))
}

fn check_header(path: &Path, header: &[String]) -> Result<()> {
    for (at, name) in header.iter().enumerate() {
        if name.is_empty() {
            return Err(Error::file(path, format!("line 1: column {} has no name", at + 1)));
        }
        if let Some(first) = header[..at].iter().position(|other| other == name) {
            let reason = format!("line 1: columns {} and {} are both named `{name}`", first + 1, at + 1);
            return Err(Error::file(path, reason));
        }
    }
    Ok(())
}

fn number(path: &Path, line: u64, column: &str, text: &str) -> Result<f64> {
    let wrong = |what: &str| Error::file(path, format!("line {line}, column `{column}`: {what}"));
    if text.is_empty() {
        return Err(wrong(
            "is empty; remove such rows or fill them in, or leave the column out with task.ignore",
        ));
    }
    match text.parse::<f64>() {
        Ok(value) if (value as f32).is_finite() => Ok(value),
        Ok(_) => Err(wrong(&format!("`{text}` is not a finite number"))),
        Err(_) => Err(wrong(&format!(
            "`{text}` is not a number; leave the column out with task.ignore, or code it"
        ))),
    }
}

fn count_newlines(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// The first byte from `at` on that ends no line, and the lines that end before it. The parser's own positions stand before the
/// ends of empty lines and between the two bytes of Windows' line ends.
fn skip_newlines(text: &[u8], at: usize) -> (usize, u64) {
    let ends = text[at..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
    (at + ends, count_newlines(&text[at..at + ends]))
}

/// What is wrong, with the line.
fn describe(error: &csv::Error, text: &[u8]) -> String {
    let line = error.position().map_or(0, |position| {
        let start = (position.byte() as usize).min(text.len());
        1 + count_newlines(&text[..start]) + skip_newlines(text, start).1
    });
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("line {line} has {len} cells, the header {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => format!("line {line} is not UTF-8"),
        _ => format!("is not a table: {error}"),
    }
}
