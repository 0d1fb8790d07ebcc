//! The rows of a table: read, held out, scaled, and made into tasks.

use super::loaded::Summed;
use crate::data::{Columns, RowTable};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use crate::task::{Minibatches, Rows, TaskFamily, split_classes};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows as a model sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledRows {
    /// `[rows, features]`, scaled.
    pub x: Vec<f32>,
    /// The class of each; nothing if it is not known.
    pub y: Option<Vec<usize>>,
    /// The number of each in its file, from 1, the header not counted.
    pub numbers: Vec<usize>,
}

/// The table of a recipe, once read.
#[derive(Debug)]
pub struct LoadedTable {
    /// Names and scaling.
    pub columns: Columns,
    /// The file of training rows, by its name alone.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// The rows, by their use.
    pub rows: TableRows,
    pub(super) source: Arc<dyn TaskFamily>,
}

/// Rows by their use.
#[derive(Clone, Debug)]
pub enum TableRows {
    /// Of mini-batches.
    Batches {
        /// Trained and adapted on.
        train: LabelledRows,
        /// Judged by.
        judged: LabelledRows,
        /// What those are: `held-out rows`, or the test file's name.
        judged_by: String,
        /// Rows of a test file without labels, which are predicted only.
        unlabelled: Option<LabelledRows>,
    },
    /// Tasks of the classes of meta-training, meta-validation (if there are any) and meta-test.
    Classes([Option<Rows>; 3]),
}

impl LoadedTable {
    /// Rows that are trained on; of few-shot tasks 0, as theirs are drawn by class.
    #[must_use]
    pub fn training_rows(&self) -> usize {
        match &self.rows {
            TableRows::Batches { train, .. } => train.numbers.len(),
            TableRows::Classes(_) => 0,
        }
    }
}

impl Summed for LoadedTable {
    fn sum(&self) -> &str {
        &self.sha256
    }
}

/// Reads a file by a path that is made absolute.
pub(super) fn read(path: &mut String, label: &str, required: bool, ignore: &[String]) -> Result<RowTable> {
    let absolute =
        std::path::absolute(&*path).map_err(|e| Error::file_caused(&*path, "cannot be found", e))?;
    // It was valid UTF-8 before; the working directory may not be.
    if let Some(text) = absolute.to_str() {
        text.clone_into(path);
    }
    RowTable::read(&absolute, label, required, ignore)
}

/// Compares a file with what the run knows of it.
pub(super) fn unchanged(key: &str, table: &RowTable, known: &mut Option<String>) -> Result<()> {
    match known {
        Some(known) if *known != table.sha256 => {
            let reason = format!(
                "is not the file that the run was made with ({key}): its SHA-256 is {}, that of the run {known}",
                table.sha256
            );
            Err(Error::file(&table.path, reason))
        }
        _ => {
            *known = Some(table.sha256.clone());
            Ok(())
        }
    }
}

fn file_name(table: &RowTable) -> String {
    table.path.file_name().unwrap_or(table.path.as_os_str()).to_string_lossy().into_owned()
}

/// Rows of each class, shuffled by the seed, a share held out: places of training and of held-out rows, ascending.
fn hold_out(table: &RowTable, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut classes = BTreeMap::<&str, Vec<usize>>::new();
    for (row, label) in table.labels.iter().flatten().enumerate() {
        classes.entry(label).or_default().push(row);
    }
    let (mut train, mut held) = (Vec::new(), Vec::new());
    for (class, mut rows) in classes.into_values().enumerate() {
        let mut words = Philox::stream(seed, Purpose::Data, u32::MAX - 1, class as u32);
        for i in 0..rows.len() {
            let other = i + below(words.word(), (rows.len() - i) as u32) as usize;
            rows.swap(i, other);
        }
        // Every class stays in training.
        let count = ((rows.len() as f64 * share).round() as usize).min(rows.len() - 1);
        held.extend(rows.drain(..count));
        train.extend(rows);
    }
    train.sort_unstable();
    held.sort_unstable();
    (train, held)
}

/// Rows of mini-batches: those of a test file or a share of the rows are held out.
pub(super) fn batches(
    table: &RowTable,
    test: Option<&RowTable>,
    (label, ignore): (&str, &[String]),
    (held_out, seed): (f64, u64),
    both: bool,
) -> Result<LoadedTable> {
    let labelled = test.filter(|test| test.labels.is_some());
    let all = 0..table.len();
    let (train, held) = match labelled {
        Some(_) => (all.collect(), Vec::new()),
        None => hold_out(table, held_out, seed),
    };
    if labelled.is_none() && held.is_empty() {
        let reason = format!(
            "is {held_out}, which holds out none of {} rows; give a larger share or a task.test with labels",
            table.len()
        );
        return Err(Error::recipe("task.held_out", reason));
    }
    let columns = Columns::of(table, label, ignore, train.iter().copied())?;
    let whole = |table: &RowTable| -> Result<LabelledRows> {
        Ok(LabelledRows {
            x: columns.inputs(table)?,
            y: columns.labels(table)?,
            numbers: (1..=table.len()).collect(),
        })
    };
    let all = whole(table)?;
    let width = columns.features.len();
    let some = |places: &[usize]| LabelledRows {
        x: places.iter().flat_map(|&row| &all.x[row * width..][..width]).copied().collect(),
        y: all.y.as_ref().map(|y| places.iter().map(|&row| y[row]).collect()),
        numbers: places.iter().map(|&row| row + 1).collect(),
    };
    let train = some(&train);
    let (judged, judged_by) = match labelled {
        Some(test) => (whole(test)?, file_name(test)),
        None => (some(&held), "held-out rows".to_owned()),
    };
    let unlabelled = test.filter(|test| test.labels.is_none()).map(whole).transpose()?;
    let labels = train.y.as_deref().unwrap_or_default();
    let source = Arc::new(Minibatches::new(train.x.clone(), width, labels, both)?);
    let rows = TableRows::Batches { train, judged, judged_by, unlabelled };
    let (name, sha256) = (file_name(table), table.sha256.clone());
    Ok(LoadedTable { columns, name, sha256, rows, source })
}

/// Rows of few-shot tasks: classes are held out.
pub(super) fn classes(
    table: &RowTable,
    (label, ignore): (&str, &[String]),
    seed: u64,
    ways: usize,
    split: &mut Option<[usize; 3]>,
) -> Result<LoadedTable> {
    let mut names: Vec<_> = table.labels.iter().flatten().collect();
    names.sort_unstable();
    names.dedup();
    let (found, fifth) = (names.len(), (names.len() / 5).max(ways));
    let counts = *split.get_or_insert([found.saturating_sub(2 * fifth), fifth, fifth]);
    if counts.iter().sum::<usize>() > found
        || counts[0] < ways
        || counts[2] < ways
        || (1..ways).contains(&counts[1])
    {
        let reason = format!(
            "is {counts:?}, of meta-training, meta-validation and meta-test; {} has {found} classes, and {ways} ways need as many in \
             each part, or none in meta-validation; give e.g. task.split=[{}, 0, {ways}]",
            table.path.display(),
            found.saturating_sub(ways)
        );
        return Err(Error::recipe("task.split", reason));
    }
    let parts = split_classes(found, seed, counts)?;
    let is_training = |row: &usize| {
        let name = table.labels.as_ref().map(|labels| &labels[*row]);
        parts[0].iter().any(|&class| Some(names[class]) == name)
    };
    let training: Vec<_> = (0..table.len()).filter(is_training).collect();
    let columns = Columns::of(table, label, ignore, training.iter().copied())?;
    let labels = table.labels.as_deref().unwrap_or_default();
    let rows = Rows::new(columns.inputs(table)?, columns.features.len(), labels, ways)?;
    let [train, validation, test] =
        parts.map(|part| (!part.is_empty()).then(|| rows.only(&part)).transpose());
    let parts = [train?, validation?, test?];
    let source: Arc<dyn TaskFamily> = Arc::new(parts[0].clone().unwrap_or(rows));
    Ok(LoadedTable {
        columns,
        name: file_name(table),
        sha256: table.sha256.clone(),
        rows: TableRows::Classes(parts),
        source,
    })
}
