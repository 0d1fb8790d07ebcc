//! Series out of CSV files.

use super::moment::Moment;
use super::series::{SeriesColumns, SeriesSet, check};
use super::unpacked;
use crate::error::{Error, Result};
use csv::{ByteRecord, ReaderBuilder};
use std::collections::HashMap;
use std::path::Path;

/// A row on its way.
struct Row {
    time: Option<Moment>,
    value: f32,
    line: u64,
}

impl SeriesSet {
    /// Reads a CSV file, or the one in a zip archive, or a gzipped one. The result depends on no order of series in the
    /// file, nor, with a column of times, on any order of rows. `known` is the SHA-256 that the file must have.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key of a column that is not there;
    /// [`File`](crate::ErrorKind::File) naming the file, with the line of a row that cannot be read: no number, no
    /// value, no time, a time twice.
    pub fn read(path: &Path, columns: &SeriesColumns, known: Option<&str>) -> Result<Self> {
        let unpacked::Unpacked { bytes, sha256 } = unpacked::read(path)?;
        check(path, known, &sha256)?;
        let broken = |error: csv::Error| {
            let place = error.position().map_or_else(String::new, |at| format!(", line {}", at.line()));
            Error::file_caused(path, format!("is not a table of text{place}"), error)
        };
        let mut reader = ReaderBuilder::new().from_reader(&*bytes);
        let [id, value, time] = places(path, reader.byte_headers().map_err(broken)?, columns)?;
        let (id, value) = (id.unwrap_or(0), value.unwrap_or(0));
        let mut numbers = HashMap::<String, usize>::new();
        let mut found: Vec<(String, Vec<Row>)> = Vec::new();
        let (mut dropped, mut first_time) = (0, None);
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(broken)? {
            let line = record.position().map_or(0, csv::Position::line);
            let refused = |reason: String| Error::file(path, format!("line {line}: {reason}"));
            let field = |at: usize, column: &str| {
                let text = std::str::from_utf8(record.get(at).unwrap_or_default())
                    .map_err(|_| refused(format!("`{column}` is not UTF-8")))?;
                Ok::<_, Error>(text.trim())
            };
            let name = field(id, &columns.id)?;
            if name.is_empty() {
                return Err(refused(format!("`{}` is empty; every row needs its series", columns.id)));
            }
            let Some(number) = number(field(value, &columns.value)?, columns).map_err(refused)? else {
                dropped += 1;
                continue;
            };
            let moment = match (time, &columns.time) {
                (Some(at), Some(column)) => {
                    Some(moment(field(at, column)?, column, line, &mut first_time).map_err(refused)?)
                }
                _ => None,
            };
            let number_of = match numbers.get(name) {
                Some(&i) => i,
                None => {
                    numbers.insert(name.to_owned(), found.len());
                    found.push((name.to_owned(), Vec::new()));
                    found.len() - 1
                }
            };
            found[number_of].1.push(Row { time: moment, value: number, line });
        }
        if found.is_empty() {
            return Err(Error::file(path, "has no row with a value beneath its header"));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let sorted = |(name, rows)| in_time(path, columns, name, rows);
        let series = found.into_iter().map(sorted).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), sha256, series, dropped })
    }
}

/// A value; nothing where there is none and such rows are left out.
fn number(text: &str, columns: &SeriesColumns) -> Result<Option<f32>, String> {
    let column = &columns.value;
    if is_missing(text) {
        return match columns.drop_missing {
            true => Ok(None),
            false => Err(format!(
                "`{column}` has no value (`{text}`); task.missing = \"drop\" leaves such rows out"
            )),
        };
    }
    let number = text.parse::<f64>().ok().map(|v| v as f32).filter(|v| v.is_finite());
    number.map(Some).ok_or_else(|| format!("`{column}` is `{text}`; a finite number is needed"))
}

/// A time, of the kind that all before it have.
fn moment(text: &str, column: &str, line: u64, first: &mut Option<(bool, u64)>) -> Result<Moment, String> {
    let moment = Moment::parse(text).ok_or_else(|| {
        let needed = "a number or a date like 2024-02-29 or 2024-02-29T23:30 is needed";
        format!("`{column}` is `{text}`; {needed}")
    })?;
    let (dated, first_line) = *first.get_or_insert((moment.dated, line));
    if dated != moment.dated {
        let kinds = ["a number", "a date"];
        let (here, there) = (kinds[usize::from(moment.dated)], kinds[usize::from(dated)]);
        return Err(format!("`{column}` is {here}, but {there} in line {first_line}"));
    }
    Ok(moment)
}

/// What stands for no value.
fn is_missing(text: &str) -> bool {
    text.is_empty() || ["na", "n/a", "nan", "null", "none"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The places of id, value and time.
fn places(path: &Path, header: &ByteRecord, columns: &SeriesColumns) -> Result<[Option<usize>; 3]> {
    let names: Vec<_> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    let place = |key: &str, column: &str| {
        let mut at = names.iter().enumerate().filter(|(_, name)| *name == column).map(|(at, _)| at);
        match (at.next(), at.next()) {
            (Some(at), None) => Ok(Some(at)),
            (first, _) => {
                let how = if first.is_some() { "twice" } else { "not" };
                let all: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let reason = format!(
                    "is `{column}`, which is {how} among the columns of {}: {}",
                    path.display(),
                    all.join(", ")
                );
                Err(Error::recipe(format!("task.{key}"), reason))
            }
        }
    };
    let time = columns.time.as_ref().map_or(Ok(None), |column| place("time_column", column))?;
    Ok([place("id_column", &columns.id)?, place("value_column", &columns.value)?, time])
}

/// The values of one series in the order of time.
fn in_time(
    path: &Path,
    columns: &SeriesColumns,
    name: String,
    mut rows: Vec<Row>,
) -> Result<(String, Vec<f32>)> {
    if let Some(column) = &columns.time {
        let order = |a: &Row, b: &Row| match (&a.time, &b.time) {
            (Some(a), Some(b)) => a.order(b),
            _ => std::cmp::Ordering::Equal,
        };
        rows.sort_by(|a, b| order(a, b).then(a.line.cmp(&b.line)));
        if let Some(pair) = rows.windows(2).find(|pair| order(&pair[0], &pair[1]).is_eq()) {
            let (first, line) = (pair[0].line, pair[1].line);
            let reason = format!(
                "line {line}: series `{name}` has the same `{column}` as in line {first}; a time may come once"
            );
            return Err(Error::file(path, reason));
        }
    }
    Ok((name, rows.into_iter().map(|row| row.value).collect()))
}
