//! The rows of a table: held out, coded, and made into tasks.

use super::loaded::Summed;
use crate::data::{Choices, Columns, Roles, Sheet, counted, listed};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use crate::task::{Minibatches, Rows, TaskFamily, split_classes};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows as a model sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledRows {
    /// `[rows, inputs]`, scaled.
    pub x: Vec<f32>,
    /// The class of each, or its scaled number; nothing if it is not known.
    pub y: Option<Vec<f32>>,
    /// The number of each in its file, from 1, the header not counted.
    pub numbers: Vec<usize>,
}

/// The table of a recipe, once read.
#[derive(Debug)]
pub struct LoadedTable {
    /// Names, coding and scaling.
    pub columns: Columns,
    /// The file of training rows, by its name alone.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// What a person should know of how it was read, a line each.
    pub notes: Vec<String>,
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
        /// Tried on during training, where there are trials.
        tried: Option<LabelledRows>,
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

/// What is held out of a table's rows.
pub(super) struct HeldOut {
    /// The share to be judged by, unless a test file is.
    pub(super) share: f64,
    pub(super) seed: u64,
    /// Whether a share of what is left is held out for trials.
    pub(super) trials: bool,
}

/// Streams of words by which rows to be judged by, and rows of trials, are chosen.
const JUDGED: u32 = u32::MAX - 1;
const TRIED: u32 = u32::MAX - 2;

/// The share of the rows that are not judged by, and at most so many rows, that trials are made on.
const TRIED_SHARE: f64 = 0.2;
const MOST_TRIED: f64 = 10_000.0;

/// Rows of each class, shuffled by the seed, a share held out: places of training and of held-out rows among the labels,
/// ascending. Rows of which numbers are predicted are of one class.
fn hold_out(labels: &[&str], share: f64, (seed, stream): (u64, u32)) -> (Vec<usize>, Vec<usize>) {
    let mut classes = BTreeMap::<&str, Vec<usize>>::new();
    for (row, label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(row);
    }
    let (mut train, mut held) = (Vec::new(), Vec::new());
    for (class, mut rows) in classes.into_values().enumerate() {
        let mut words = Philox::stream(seed, Purpose::Data, stream, class as u32);
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

/// Of the places `train` those that are learned from, and those that trials are made on.
fn hold_out_for_trials(labels: &[&str], train: Vec<usize>, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    let share = TRIED_SHARE.min(MOST_TRIED / train.len().max(1) as f64);
    let left: Vec<_> = train.iter().map(|&place| labels[place]).collect();
    let (learned, tried) = hold_out(&left, share, (seed, TRIED));
    if tried.is_empty() {
        let reason = format!(
            "needs rows for trials, but a fifth of each class is none of {} rows; --set validation.every=0 does without",
            train.len()
        );
        return Err(Error::recipe("validation.every", reason));
    }
    let places = |of: Vec<usize>| of.into_iter().map(|i| train[i]).collect();
    Ok((places(learned), places(tried)))
}

/// Rows of a sheet as the model sees them; with what is to be predicted, if `judged` or if the sheet has it.
fn labelled(columns: &Columns, sheet: &Sheet, rows: impl Iterator<Item = usize>) -> Result<LabelledRows> {
    let coded = columns.code(sheet, rows)?;
    let y = columns.targets(sheet, &coded.numbers)?;
    Ok(LabelledRows { x: coded.x, y, numbers: coded.numbers })
}

/// Refuses rows without labels.
fn check_labels(bare: Option<&Sheet>) -> Result<()> {
    let refused =
        |sheet: &Sheet| Err(Error::file(&sheet.path, "has no labels to judge by; `predict` gives it some"));
    bare.map_or(Ok(()), refused)
}

/// Rows of mini-batches: those of a test file or a share of the rows are held out. With rows to be judged by `anew` the others
/// are what they were without.
pub(super) fn batches(
    sheet: &Sheet,
    (test, anew): (Option<&Sheet>, Option<&Sheet>),
    choices: &Choices<'_>,
    held_out: &HeldOut,
    both: bool,
) -> Result<LoadedTable> {
    let HeldOut { share, seed, trials } = *held_out;
    let mut roles = Roles::of(sheet, choices)?;
    let has_labels = |test: &&Sheet| {
        let column = test.place(choices.label);
        column.is_some_and(|column| (0..test.len()).any(|row| test.value(row, column).is_some()))
    };
    let judging = test.filter(has_labels);
    check_labels(anew.filter(|anew| !has_labels(anew)))?;
    let labels: Vec<_> = match choices.regression {
        true => vec![""; roles.rows.len()],
        false => roles.labels.iter().map(String::as_str).collect(),
    };
    let (train, held) = match judging {
        Some(_) => ((0..roles.rows.len()).collect(), Vec::new()),
        None => hold_out(&labels, share, (seed, JUDGED)),
    };
    if judging.is_none() && held.is_empty() {
        let reason = format!(
            "is {share}, which holds out none of {} rows; give a larger share or a task.test with labels",
            roles.rows.len()
        );
        return Err(Error::recipe("task.held_out", reason));
    }
    let (train, tried) =
        if trials { hold_out_for_trials(&labels, train, seed)? } else { (train, Vec::new()) };
    let rows_of =
        |places: Vec<usize>| -> Vec<usize> { places.iter().map(|&place| roles.rows[place]).collect() };
    let (train, tried, held) = (rows_of(train), rows_of(tried), rows_of(held));
    let columns = roles.fit(sheet, choices, &train)?;
    let train = labelled(&columns, sheet, train.into_iter())?;
    let tried = trials.then(|| labelled(&columns, sheet, tried.into_iter())).transpose()?;
    let mut notes = [sheet.notes.clone(), roles.notes].concat();
    let (judged, judged_by) = match anew.or(judging) {
        Some(test) => (labelled(&columns, test, 0..test.len())?, test.name()),
        None => (labelled(&columns, sheet, held.into_iter())?, "held-out rows".to_owned()),
    };
    let unlabelled = test.filter(|test| !has_labels(test));
    let unlabelled = unlabelled.map(|test| labelled(&columns, test, 0..test.len())).transpose()?;
    if let Some(test) = anew.or(test) {
        let whole = unlabelled.as_ref().filter(|_| anew.is_none()).unwrap_or(&judged).numbers.len();
        if whole < test.len() {
            notes.push(format!(
                "{} of {} left out since a value is missing",
                counted(test.len() - whole, "row"),
                test.name()
            ));
        }
    }
    let targets = train.y.as_deref().unwrap_or_default();
    let source = Arc::new(Minibatches::new(train.x.clone(), columns.width(), targets, both)?);
    let rows = TableRows::Batches { train, tried, judged, judged_by, unlabelled };
    Ok(LoadedTable { columns, name: sheet.name(), sha256: sheet.sha256.clone(), notes, rows, source })
}

/// Rows of few-shot tasks: classes are held out.
pub(super) fn classes(
    sheet: &Sheet,
    choices: &Choices<'_>,
    (seed, ways): (u64, usize),
    (shots, queries): (usize, usize),
    split: &mut Option<[usize; 3]>,
) -> Result<LoadedTable> {
    let mut roles = Roles::of(sheet, choices)?;
    without_small(&mut roles, shots, queries);
    let mut names: Vec<_> = roles.labels.iter().collect();
    names.sort_unstable();
    names.dedup();
    let counts = *split.get_or_insert(usual_split(names.len(), ways));
    check_split(sheet, names.len(), ways, counts)?;
    let parts = split_classes(names.len(), seed, counts)?;
    let is_training = |name: &String| parts[0].iter().any(|&class| names[class] == name);
    let places = (0..roles.rows.len()).filter(|&place| is_training(&roles.labels[place]));
    let training: Vec<_> = places.map(|place| roles.rows[place]).collect();
    let columns = roles.fit(sheet, choices, &training)?;
    let coded = columns.code(sheet, roles.rows.iter().copied())?;
    let rows = Rows::new(coded.x, columns.width(), &roles.labels, ways)?;
    let [train, validation, test] =
        parts.map(|part| (!part.is_empty()).then(|| rows.only(&part)).transpose());
    let parts = [train?, validation?, test?];
    let training = parts[0].as_ref().unwrap_or(&rows);
    let source: Arc<dyn TaskFamily> = Arc::new(training.uneven(shots, queries)?);
    Ok(LoadedTable {
        columns,
        name: sheet.name(),
        sha256: sheet.sha256.clone(),
        notes: [sheet.notes.clone(), roles.notes].concat(),
        rows: TableRows::Classes(parts),
        source,
    })
}

/// Leaves out classes that have no query, and counts those that have too few.
fn without_small(roles: &mut Roles, shots: usize, queries: usize) {
    let mut counts = BTreeMap::<String, usize>::new();
    for label in &roles.labels {
        *counts.entry(label.clone()).or_default() += 1;
    }
    let small: Vec<_> = counts.iter().filter(|(_, count)| **count <= shots).map(|(name, _)| name).collect();
    let short = counts.values().filter(|&&count| count > shots && count < shots + queries).count();
    if !small.is_empty() {
        roles.notes.push(format!(
            "left out: {} of {}, with no more rows than the {shots} of task.shots: {}",
            small.len(),
            counted(counts.len(), "class"),
            listed(&small)
        ));
    }
    if short > 0 {
        roles.notes.push(format!(
            "{short} of {} {} fewer than {}: of these a task has as many queries as there are",
            counted(counts.len(), "class"),
            if short == 1 { "has" } else { "have" },
            counted(shots + queries, "row")
        ));
    }
    let keep: Vec<_> = roles.labels.iter().map(|label| counts[label] > shots).collect();
    let mut kept = keep.iter();
    roles.rows.retain(|_| *kept.next().unwrap_or(&true));
    let mut kept = keep.iter();
    roles.labels.retain(|_| *kept.next().unwrap_or(&true));
}

/// A fifth of the classes each for meta-validation and meta-test, at least as many as a task has.
fn usual_split(found: usize, ways: usize) -> [usize; 3] {
    let fifth = (found / 5).max(ways);
    [found.saturating_sub(2 * fifth), fifth, fifth]
}

/// Refuses a split that leaves too few classes to a part, with one that does not.
fn check_split(sheet: &Sheet, found: usize, ways: usize, counts: [usize; 3]) -> Result<()> {
    let [train, validation, test] = counts;
    if train + validation + test <= found && train >= ways && test >= ways && !(1..ways).contains(&validation)
    {
        return Ok(());
    }
    let file = sheet.path.display();
    if found < 2 * ways {
        let most = found / 2;
        let way_out = match most {
            0 | 1 => {
                "a few-shot table needs 4 classes or more; the recipe `table` learns to tell these apart"
                    .to_owned()
            }
            _ => format!(
                "at most --set task.ways={most} leaves as many to learn from and to be judged by, with validation.every=0"
            ),
        };
        let reason = format!(
            "is {ways}, but {file} has {found} classes, and tasks of other classes are held out; {way_out}"
        );
        return Err(Error::recipe("task.ways", reason));
    }
    let [train, validation, test] = match usual_split(found, ways) {
        usual if usual[0] >= ways => usual,
        _ => [found - ways, 0, ways],
    };
    let every = if validation == 0 { " with validation.every=0" } else { "" };
    let reason = format!(
        "is {counts:?}, of meta-training, meta-validation and meta-test; {file} has {found} classes, and {ways} ways need as many in \
         each part, or none in meta-validation; give e.g. --set 'task.split=[{train}, {validation}, {test}]'{every}"
    );
    Err(Error::recipe("task.split", reason))
}
