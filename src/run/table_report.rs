//! Tables of mini-batches: judged on rows that were held out, and predictions for any rows.

use super::models::Models;
use super::report::{Judged, Learners, Points, Report, Seconds};
use super::table_outcome::{ClassJudgement, Judgement, TableOutcome};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::losses::Loss;
use crate::meta::{Backend, Curve, Plan};
use crate::philox::{Philox, Purpose, below};
use crate::recipe::{EvaluationSettings, LabelledRows, Recipe, TableRows};
use crate::task::TaskBatch;
use std::path::Path;
use std::time::Instant;

/// Rows that are predicted at a time.
const TURN: usize = 4096;

/// Classes and their probabilities for rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// The classes, sorted.
    pub classes: Vec<String>,
    /// Numbers of the rows in their file, from 1.
    pub numbers: Vec<usize>,
    /// `[rows, classes]`.
    pub probabilities: Vec<f64>,
}

impl Predictions {
    fn of(columns: &Columns, numbers: &[usize], outputs: &[f32]) -> Self {
        let probabilities = outputs.chunks_exact(columns.classes.len()).flat_map(softmax).collect();
        Self { classes: columns.classes.clone(), numbers: numbers.to_vec(), probabilities }
    }

    /// Writes a CSV file, whole or not at all: `row`, `class`, and for each class its probability.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",") + "\n"
        };
        let head = ["row".to_owned(), "class".to_owned()].into_iter();
        let mut text = line(&mut head.chain(self.classes.iter().map(|class| format!("p_{class}"))));
        for (number, row) in self.numbers.iter().zip(self.probabilities.chunks_exact(self.classes.len())) {
            let cells = [number.to_string(), self.classes[largest(row)].clone()].into_iter();
            text += &line(&mut cells.chain(row.iter().map(|p| format!("{p:.6}"))));
        }
        write_atomic(path, text.as_bytes())
    }
}

/// A cell of a CSV file, in quotes where it needs them.
fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

/// The first of the largest.
fn largest<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

fn softmax(outputs: &[f32]) -> Vec<f64> {
    let top = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<_> = outputs.iter().map(|&o| f64::from(o - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// Predicts the classes of new rows, `x: [rows, features]`, scaled as the model's training rows were, after `steps` steps of
/// adaptation on training rows; without a step the table itself is not needed.
///
/// # Errors
/// As [`Backend::evaluate`]; [`NotFinite`](crate::ErrorKind::NotFinite) if an output is none.
pub fn predict_rows(
    recipe: &Recipe,
    columns: &Columns,
    models: &Models,
    device: &dyn Backend,
    (steps, rate): (usize, Option<f64>),
    rows: &LabelledRows,
) -> Result<Predictions> {
    let support =
        if steps == 0 { LabelledRows::default() } else { support_rows(recipe, recipe.evaluation.points)? };
    let outputs = outputs(device, (&recipe.plan()?, &models.maml), &support, (steps, rate), &rows.x)?;
    let last = &outputs[outputs.len() - rows.numbers.len() * columns.classes.len()..];
    if last.iter().any(|v| !v.is_finite()) {
        return Err(Error::not_finite(format!(
            "outputs after {steps} steps are not finite; take fewer steps or a smaller rate"
        )));
    }
    Ok(Predictions::of(columns, &rows.numbers, last))
}

/// What a finished run has to predict, without adaptation: the rows of a test file, or those that were held out. Nothing
/// where tasks have classes of their own.
///
/// # Errors
/// As [`predict_rows`].
pub fn table_predictions(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
) -> Result<Option<Predictions>> {
    let Some(table) = recipe.table() else { return Ok(None) };
    let TableRows::Batches { judged, unlabelled, .. } = &table.rows else { return Ok(None) };
    let rows = unlabelled.as_ref().unwrap_or(judged);
    predict_rows(recipe, &table.columns, models, device, (0, None), rows).map(Some)
}

/// Training rows to adapt on: all, or `most` of them, chosen by the seed.
fn support_rows(recipe: &Recipe, most: usize) -> Result<LabelledRows> {
    let rows = recipe.table().map(|table| (&table.rows, table.columns.features.len()));
    let Some((TableRows::Batches { train, .. }, width)) = rows else {
        return Err(Error::failed(
            "the recipe's table has no mini-batches, or is not read: call load_data first",
        ));
    };
    if train.numbers.len() <= most {
        return Ok(train.clone());
    }
    let mut places: Vec<_> = (0..train.numbers.len()).collect();
    let mut words = Philox::stream(recipe.seed, Purpose::Evaluate, 0, 0);
    for i in 0..most {
        let other = i + below(words.word(), (places.len() - i) as u32) as usize;
        places.swap(i, other);
    }
    places.truncate(most);
    Ok(LabelledRows {
        x: places.iter().flat_map(|&row| &train.x[row * width..][..width]).copied().collect(),
        y: train.y.as_ref().map(|y| places.iter().map(|&row| y[row]).collect()),
        numbers: places.iter().map(|&row| train.numbers[row]).collect(),
    })
}

/// Outputs for the rows `x` before and after each step of adaptation, `[steps + 1, rows, outputs]`.
fn outputs(
    device: &dyn Backend,
    (plan, params): (&Plan, &[f32]),
    support: &LabelledRows,
    (steps, rate): (usize, Option<f64>),
    x: &[f32],
) -> Result<Vec<f32>> {
    let (inputs, width) = (plan.model.inputs(), plan.model.outputs());
    let labels = support.y.iter().flatten().map(|&label| label as f32).collect::<Vec<_>>();
    let mut by_step = vec![Vec::new(); steps + 1];
    for x in x.chunks(TURN * inputs) {
        let query = x.len() / inputs;
        let plan = plan.for_evaluation(params, labels.len(), query, steps, rate);
        let mut task = TaskBatch::zeros(1, labels.len(), query, inputs, 1);
        task.support_x.copy_from_slice(&support.x);
        task.support_y.copy_from_slice(&labels);
        task.query_x.copy_from_slice(x);
        let found = device.evaluate(&plan, &params[..plan.model.param_count()], &task, true)?;
        let all = found.predictions.unwrap_or_default();
        for (to, from) in by_step.iter_mut().zip(all.chunks_exact(query * width)) {
            to.extend_from_slice(from);
        }
    }
    Ok(by_step.concat())
}

fn judgement(loss: Loss, outputs: &[f32], labels: &[usize], classes: &[String]) -> Judgement {
    let n = classes.len();
    let mut confusion = vec![vec![0; n]; n];
    let (mut right, mut ties, mut total) = (0, 0, 0.0);
    for (row, &label) in outputs.chunks_exact(n).zip(labels) {
        let taken = largest(row);
        confusion[label][taken] += 1;
        right += usize::from(taken == label);
        ties += usize::from(row.iter().filter(|&&output| output == row[taken]).count() > 1);
        let wide: Vec<f64> = row.iter().map(|&output| output.into()).collect();
        total += loss.value(&wide, &[label as f64]);
    }
    let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
    let per_class = (classes.iter().enumerate())
        .map(|(class, name)| {
            let (rows, taken) = (confusion[class].iter().sum(), confusion.iter().map(|row| row[class]).sum());
            let found = confusion[class][class];
            ClassJudgement {
                class: name.clone(),
                rows,
                precision: share(found, taken),
                recall: share(found, rows),
            }
        })
        .collect();
    let rows = labels.len().max(1) as f64;
    Judgement { accuracy: right as f64 / rows, loss: total / rows, ties, confusion, per_class }
}

/// Rows that were classified rightly before and after each step, of `outputs: [steps + 1, rows, classes]`; a row is to the
/// curve what a task is elsewhere.
fn curve(outputs: &[f32], labels: &[usize], classes: usize, steps: usize) -> Curve {
    let right = |step: usize, row: usize| {
        let row_outputs = &outputs[(step * labels.len() + row) * classes..][..classes];
        f32::from(u8::from(largest(row_outputs) == labels[row]))
    };
    let rows = (0..labels.len()).flat_map(|row| (0..=steps).map(move |step| (step, row)));
    Curve::of_values(&rows.map(|(step, row)| right(step, row)).collect::<Vec<_>>(), steps)
}

/// Judges both learners by the rows that a table holds out; nothing if the recipe is of other tasks.
pub(super) fn judge(
    recipe: &Recipe,
    settings: &EvaluationSettings,
    models: &Models,
    device: &dyn Backend,
    rate: Option<f64>,
) -> Result<Option<Judged>> {
    let Some(table) = recipe.table() else { return Ok(None) };
    let TableRows::Batches { train, judged, judged_by, .. } = &table.rows else { return Ok(None) };
    let start = Instant::now();
    let (labels, steps) = (judged.y.as_deref().unwrap_or_default(), settings.steps);
    let classes = &table.columns.classes;
    let support = support_rows(recipe, settings.points)?;
    let size = labels.len() * classes.len();
    let curve = |outputs: &[f32]| curve(outputs, labels, classes.len(), steps);
    let found = outputs(device, (&recipe.plan()?, &models.maml), &support, (steps, rate), &judged.x)?;
    let judgement = |outputs: &[f32]| judgement(recipe.model.loss, &outputs[..size], labels, classes);
    let at = |step: usize| judgement(&found[step * size..]);
    let (initial, adapted) = (at(0), at(steps));
    let control = match (&models.control, recipe.control_plan()?) {
        (Some(params), Some(plan)) => {
            let rate = Some(rate.unwrap_or(recipe.control.lr));
            Some(outputs(device, (&plan.plan, params), &support, (steps, rate), &judged.x)?)
        }
        _ => None,
    };
    let report = Report {
        series: None,
        tasks: 1,
        metric: "accuracy",
        steps: (0..=steps).collect(),
        learners: Learners { maml: curve(&found), pretrained: control.as_deref().map(curve), naive: None },
        device: device.name(),
        seconds: Seconds { evaluation: start.elapsed().as_secs_f64(), ..Seconds::default() },
        points: Points { support: support.numbers.len(), query: labels.len() },
        classification: None,
        table: Some(TableOutcome {
            data: table.name.clone(),
            data_sha256: table.sha256.clone(),
            judged_by: judged_by.clone(),
            rows: labels.len(),
            train_rows: train.numbers.len(),
            classes: classes.clone(),
            pretrained: control.map(|outputs| judgement(&outputs)),
            initial,
            adapted,
        }),
        recipe: recipe.name.clone(),
        seed: recipe.seed,
        iterations: models.iterations,
        inner_lr: rate,
    };
    Ok(Some(Judged { report, settings: settings.clone(), maml: Vec::new() }))
}
