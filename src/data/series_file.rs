//! Series out of files of text.

use super::sentinel;
use super::series::{Duplicates, Gaps, Layout, SeriesColumns, SeriesSet};
use super::sheet::{Dialect, Sheet, check, listed, shown};
use super::spacing::{Found, Row, Spacing};
use super::{series_layout, time_columns, times};
use crate::error::{Error, Result};
use series_layout::Places;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

impl SeriesSet {
    /// Reads a file of text, see [`Sheet::read`], or all such files of a folder. Series stand in it as a row for each series and
    /// time, as a column each, or as a row each. The result depends on no order of series in the file nor, with a column of
    /// times, on any order of rows. `known` is the SHA-256 that the file must have.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key of a column that is not there;
    /// [`File`](crate::ErrorKind::File) naming the file, with the line of a row that cannot be read: no number, no
    /// value, no time, a time twice.
    pub fn read(
        path: &Path,
        columns: &SeriesColumns,
        dialect: &Dialect,
        known: Option<&str>,
    ) -> Result<Self> {
        let folder = path.is_dir();
        let files = if folder { files_of(path)? } else { vec![path.to_owned()] };
        let (mut sums, mut notes, mut dropped, mut zoned) = (Vec::new(), Vec::new(), 0, false);
        let (mut all, mut dated) = (Vec::<Found>::new(), None);
        for file in files {
            let before = known.filter(|_| !folder).map(|sum| ("task.sha256", sum));
            let sheet = Sheet::read(&file, dialect, &[], before)?;
            let mut part = Part::read(&sheet, columns)?;
            if folder {
                let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let one = part.places.is_one();
                part.found.iter_mut().for_each(|found| {
                    found.name = if one { stem.clone() } else { format!("{stem}/{}", found.name) };
                });
            }
            if *dated.get_or_insert(part.dated) != part.dated {
                return Err(Error::file(
                    &file,
                    "has dates where the files before have numbers for times, or the other way round",
                ));
            }
            for note in sheet
                .notes
                .iter()
                .chain(&part.notes)
                .filter(|note| !notes.contains(*note))
                .cloned()
                .collect::<Vec<_>>()
            {
                notes.push(note);
            }
            dropped += part.dropped;
            zoned |= part.zoned;
            sums.push(sheet.sha256);
            all.extend(part.found);
        }
        let sha256 = match &sums[..] {
            [one] => one.clone(),
            _ => Sha256::digest(sums.concat()).iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        check(path, "task.sha256", known, &sha256)?;
        if all.iter().all(|found| found.rows.is_empty()) {
            return Err(Error::file(path, "has no row with a value beneath its header"));
        }
        all.retain(|found| !found.rows.is_empty());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let (series, clocks) = (Vec::new(), Vec::new());
        let mut set = Self { path: path.to_owned(), sha256, series, dropped, notes, clocks, zoned };
        set.take(all, columns, dated.unwrap_or(false));
        Ok(set)
    }

    /// Takes series in, gaps and pieces as they are asked for.
    fn take(&mut self, all: Vec<Found>, columns: &SeriesColumns, dated: bool) {
        let spacing = Spacing::of(&all, dated)
            .filter(|_| all.iter().all(|f| f.rows.iter().all(|row| row.time.is_some())));
        self.notes.extend(spacing.as_ref().and_then(|spacing| spacing.note(columns.gaps)));
        let values: Vec<_> = all.iter().flat_map(|found| found.rows.iter().map(|row| row.value)).collect();
        self.notes.extend(sentinel::note("a value", &values));
        for mut found in all {
            let clock = spacing.as_ref().and_then(|spacing| spacing.clock(&found.rows));
            if let (Some(spacing), Gaps::Fill) = (&spacing, columns.gaps) {
                spacing.fill(&mut found);
            }
            let values: Vec<_> = found.rows.iter().map(|row| row.value).collect();
            let (n, pieces) = (values.len(), columns.pieces.max(1));
            for piece in 0..pieces {
                let part = &values[piece * n / pieces..(piece + 1) * n / pieces];
                let name = match pieces {
                    1 => found.name.clone(),
                    _ => format!("{} ({} of {pieces})", found.name, piece + 1),
                };
                self.series.push((name, part.to_vec()));
                self.clocks.push(clock.filter(|_| piece + 1 == pieces));
            }
        }
    }
}

/// Files of text in a folder, by their names.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::file_caused(path, "cannot be read", e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let plain = name.trim_end_matches(".gz").trim_end_matches(".zip");
        if file.is_file()
            && !name.starts_with('.')
            && [".csv", ".tsv", ".txt", ".arff"].iter().any(|end| plain.ends_with(end))
        {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Error::file(path, "is a folder without a file .csv, .tsv, .txt or .arff")),
        false => Ok(files),
    }
}

/// The series of one sheet.
struct Part {
    places: Places,
    found: Vec<Found>,
    dated: bool,
    zoned: bool,
    dropped: usize,
    notes: Vec<String>,
}

impl Part {
    fn read(sheet: &Sheet, columns: &SeriesColumns) -> Result<Self> {
        let (places, notes) = series_layout::of(sheet, columns)?;
        let mut part = Self { places, found: Vec::new(), dated: false, zoned: false, dropped: 0, notes };
        match part.places.layout {
            Layout::Rows => part.rows(sheet)?,
            Layout::Long | Layout::Wide => part.columns(sheet, columns)?,
        }
        let time = part.places.time.map(|column| sheet.columns[column].clone());
        let mut twice = 0;
        if let Some(time) = time {
            for found in &mut part.found {
                twice += sort(found, columns.duplicates);
                if columns.duplicates.is_refuse() {
                    check_twice(sheet, found, &time, &part.places)?;
                }
            }
        }
        if twice > 0 {
            let one = match columns.duplicates {
                Duplicates::Mean => "the mean",
                Duplicates::Sum => "the sum",
                Duplicates::First => "the first",
                Duplicates::Refuse | Duplicates::Last => "the last",
            };
            part.notes
                .push(format!("times that a series has again: {twice}; {one} of their values is taken"));
        }
        Ok(part)
    }

    /// A row for each series.
    fn rows(&mut self, sheet: &Sheet) -> Result<()> {
        for row in 0..sheet.len() {
            let name = match self.places.ids.first() {
                Some(&id) => sheet.cell(row, id).to_owned(),
                None => format!("row {:0width$}", row + 1, width = sheet.len().to_string().len()),
            };
            let last = self.places.values.iter().rposition(|&column| sheet.value(row, column).is_some());
            let mut found = Found { name, rows: Vec::new() };
            for &column in &self.places.values[..last.map_or(0, |last| last + 1)] {
                if let Some(value) = value(sheet, row, column, found.rows.is_empty())? {
                    found.rows.push(Row { time: None, value, line: sheet.line(row) });
                }
            }
            self.found.push(found);
        }
        Ok(())
    }

    /// A row for each time.
    fn columns(&mut self, sheet: &Sheet, columns: &SeriesColumns) -> Result<()> {
        let Places { ids, values, time, more, layout } = &self.places;
        let moments = time.map(|column| moments(sheet, (column, more), columns)).transpose()?;
        self.dated = moments.as_ref().is_some_and(|times| times.dated);
        self.zoned = moments.as_ref().is_some_and(|times| times.zoned);
        for &column in values {
            let mut numbers = HashMap::<String, usize>::new();
            let (from, to) = match layout {
                Layout::Long => (0, sheet.len()),
                // A column may begin later and end earlier than others.
                Layout::Wide | Layout::Rows => ends(sheet, column),
            };
            for row in from..to {
                let name = match name(sheet, row, ids)? {
                    Some(name) if values.len() > 1 => format!("{name}/{}", sheet.columns[column]),
                    Some(name) => name,
                    None => sheet.columns[column].clone(),
                };
                let Some(value) = value(sheet, row, column, columns.drop_missing)? else {
                    self.dropped += 1;
                    continue;
                };
                let at = *numbers.entry(name).or_insert_with_key(|name| {
                    self.found.push(Found { name: name.clone(), rows: Vec::new() });
                    self.found.len() - 1
                });
                let time = moments.as_ref().map(|times| times.moments[row]);
                self.found[at].rows.push(Row { time, value, line: sheet.line(row) });
            }
        }
        Ok(())
    }
}

/// The first row of a column with a value, and the one behind the last.
fn ends(sheet: &Sheet, column: usize) -> (usize, usize) {
    let has = |row: &usize| sheet.value(*row, column).is_some();
    let first = (0..sheet.len()).find(has).unwrap_or(0);
    (first, (first..sheet.len()).rev().find(has).map_or(first, |last| last + 1))
}

/// The name of a row's series; nothing where no column says it.
fn name(sheet: &Sheet, row: usize, ids: &[usize]) -> Result<Option<String>> {
    let mut parts = Vec::with_capacity(ids.len());
    for &column in ids {
        let cell = sheet.cell(row, column);
        if cell.is_empty() {
            let (line, name) = (sheet.line(row), shown(&sheet.columns[column]));
            return Err(Error::file(
                &sheet.path,
                format!("line {line}: `{name}` is empty; every row needs its series"),
            ));
        }
        parts.push(cell);
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// A value; nothing where there is none and that is let pass.
fn value(sheet: &Sheet, row: usize, column: usize, pass: bool) -> Result<Option<f64>> {
    let (line, name, cell) = (sheet.line(row), shown(&sheet.columns[column]), shown(sheet.cell(row, column)));
    let refused = |what: String| Err(Error::file(&sheet.path, format!("line {line}: {what}")));
    if sheet.value(row, column).is_none() {
        return match pass {
            true => Ok(None),
            false => refused(format!(
                "`{name}` has no value (`{cell}`); --set task.missing=drop leaves such rows out, and task.gaps=fill with it, where \
                 there are times, puts values on a straight line there"
            )),
        };
    }
    match sheet.number(row, column)?.filter(|number| (*number as f32).is_finite()) {
        Some(number) => Ok(Some(number)),
        None => refused(format!(
            "`{name}` is `{cell}`; a finite number is needed, or --set 'task.missing_values=[\"{cell}\"]' if it stands for no value"
        )),
    }
}

/// The times of all rows.
fn moments(
    sheet: &Sheet,
    (column, more): (usize, &[usize]),
    columns: &SeriesColumns,
) -> Result<times::Times> {
    let all = [&[column], more].concat();
    let joined: Vec<String> = match more {
        [] => Vec::new(),
        _ => (0..sheet.len()).map(|row| time_columns::text(sheet, row, &all)).collect(),
    };
    let texts: Vec<_> = match more {
        [] => (0..sheet.len()).map(|row| sheet.cell(row, column)).collect(),
        _ => joined.iter().map(String::as_str).collect(),
    };
    times::read(&texts, columns.dates.as_deref()).map_err(|times::Unread { at, what }| {
        Error::file(
            &sheet.path,
            format!("line {}: `{}` {what}", sheet.line(at), shown(&sheet.columns[column])),
        )
    })
}

fn order(a: &Row, b: &Row) -> std::cmp::Ordering {
    match (&a.time, &b.time) {
        (Some(a), Some(b)) => a.order(b),
        _ => std::cmp::Ordering::Equal,
    }
}

/// Puts the rows of a series in the order of time, those of one time together if that is asked for; gives how many fewer they are.
fn sort(found: &mut Found, duplicates: Duplicates) -> usize {
    found.rows.sort_by(|a, b| order(a, b).then(a.line.cmp(&b.line)));
    if duplicates.is_refuse() {
        return 0;
    }
    let all = found.rows.len();
    let together = |same: &[Row]| {
        let sum = || same.iter().map(|row| row.value).sum::<f64>();
        let (first, last) = (same[0].clone(), same[same.len() - 1].clone());
        match duplicates {
            Duplicates::Mean => Row { value: sum() / same.len() as f64, ..first },
            Duplicates::Sum => Row { value: sum(), ..first },
            Duplicates::First => first,
            Duplicates::Refuse | Duplicates::Last => last,
        }
    };
    found.rows = found.rows.chunk_by(|a, b| order(a, b).is_eq()).map(together).collect();
    all - found.rows.len()
}

/// Refuses a time that a series has twice.
fn check_twice(sheet: &Sheet, found: &Found, time: &str, places: &Places) -> Result<()> {
    let Some(pair) = found.rows.windows(2).find(|pair| order(&pair[0], &pair[1]).is_eq()) else {
        return Ok(());
    };
    let (first, line) = (pair[0].line, pair[1].line);
    let others: Vec<_> = (0..sheet.columns.len())
        .filter(|column| {
            !places.ids.contains(column)
                && !places.more.contains(column)
                && (places.layout == Layout::Wide || !places.values.contains(column))
                && Some(*column) != places.time
        })
        .map(|column| sheet.columns[column].as_str())
        .collect();
    let hint = match (others.is_empty(), places.layout) {
        (false, Layout::Long | Layout::Wide) => format!(
            "; if other columns tell series apart ({0}), name them too: --id-column A,B; if the time stands in several, name those: \
             --time-column A,B",
            listed(&others)
        ),
        _ => String::new(),
    };
    let reason = format!(
        "line {line}: series `{}` has the same `{}` as in line {first}; a time may come once{hint}; --set task.duplicates=mean \
         (sum, first, last) makes one value of several",
        shown(&found.name),
        shown(time)
    );
    Err(Error::file(&sheet.path, reason))
}
