//! Tables of mini-batches: judged on rows that were held out, and predictions for any rows.

use super::adapt::support_rows;
use super::models::Models;
use super::report::{Judged, Learners, Points, Report, Seconds};
use super::table_outcome::{By, ClassJudgement, Fit, Found, Judgement, TableOutcome};
use crate::adapted::largest;
use crate::data::{Columns, Target};
use crate::error::{Error, Result};
use crate::losses::Loss;
use crate::meta::{Backend, Curve, Plan};
use crate::recipe::{EvaluationSettings, LabelledRows, Recipe, TableRows};
use crate::task::TaskBatch;
use std::time::Instant;

/// Rows that are predicted at a time.
const TURN: usize = 4096;

/// Outputs for the rows `x` before and after each step of adaptation, `[steps + 1, rows, outputs]`.
fn outputs(
    device: &dyn Backend,
    (plan, params): (&Plan, &[f32]),
    support: &LabelledRows,
    (steps, rate): (usize, Option<f64>),
    x: &[f32],
) -> Result<Vec<f32>> {
    let (inputs, width) = (plan.model.inputs(), plan.model.outputs());
    let labels = support.y.as_deref().unwrap_or_default();
    let mut by_step = vec![Vec::new(); steps + 1];
    for x in x.chunks(TURN * inputs) {
        let query = x.len() / inputs;
        let plan = plan.for_evaluation(params, labels.len(), query, steps, rate);
        let mut task = TaskBatch::zeros(1, labels.len(), query, inputs, 1);
        task.support_x.copy_from_slice(&support.x);
        task.support_y.copy_from_slice(labels);
        task.query_x.copy_from_slice(x);
        let found = device.evaluate(&plan, &params[..plan.model.param_count()], &task, true)?;
        let all = found.predictions.unwrap_or_default();
        for (to, from) in by_step.iter_mut().zip(all.chunks_exact(query * width)) {
            to.extend_from_slice(from);
        }
    }
    Ok(by_step.concat())
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&output| output.into()).collect()
}

fn judgement(loss: Loss, outputs: &[f32], labels: &[f32], classes: &[String]) -> Judgement {
    let n = classes.len();
    let mut confusion = vec![vec![0; n]; n];
    let (mut right, mut ties, mut total) = (0, 0, 0.0);
    for (row, &label) in outputs.chunks_exact(n).zip(labels) {
        let (taken, label) = (largest(row), label as usize);
        confusion[label][taken] += 1;
        right += usize::from(taken == label);
        ties += usize::from(row.iter().filter(|&&output| output == row[taken]).count() > 1);
        total += loss.value(&wide(row), &[label as f64]);
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

/// What rows are worth before and after each step, of `outputs: [steps + 1, rows, width]`: 1 for a class that was found, or
/// the squared error of a scaled number. A row is to the curve what a task is elsewhere.
fn curve(outputs: &[f32], (targets, classes): (&[f32], usize), steps: usize) -> Curve {
    let width = classes.max(1);
    let worth = |step: usize, row: usize| {
        let row_outputs = &outputs[(step * targets.len() + row) * width..][..width];
        match classes {
            0 => (row_outputs[0] - targets[row]).powi(2),
            _ => f32::from(u8::from(largest(row_outputs) == targets[row] as usize)),
        }
    };
    let rows = (0..targets.len()).flat_map(|row| (0..=steps).map(move |step| (step, row)));
    Curve::of_values(&rows.map(|(step, row)| worth(step, row)).collect::<Vec<_>>(), steps)
}

/// What the outputs of the meta-learner, `[steps + 1, rows, width]`, and of the control say of rows.
fn found(columns: &Columns, (loss, targets): (Loss, &[f32]), maml: &[f32], control: Option<&[f32]>) -> Found {
    let size = targets.len() * columns.outputs();
    let (first, last) = (&maml[..size], &maml[maml.len() - size..]);
    let control = control.map(|outputs| &outputs[..size]);
    match &columns.target {
        Target::Classes { classes } => {
            let of = |outputs: &[f32]| judgement(loss, outputs, targets, classes);
            Found::Classes(By { initial: of(first), adapted: of(last), control: control.map(of) })
        }
        Target::Number { mean, deviation } => {
            let unscaled = |value: f32| mean + deviation * f64::from(value);
            let truth: Vec<_> = targets.iter().map(|&y| unscaled(y)).collect();
            let of = |outputs: &[f32]| Fit::of(outputs.iter().map(|&y| unscaled(y)), &truth);
            Found::Numbers {
                by: By { initial: of(first), adapted: of(last), control: control.map(of) },
                mean: Fit::of(truth.iter().map(|_| *mean), &truth),
            }
        }
    }
}

/// Accuracies of a trial, where targets are classes, and losses.
pub(super) type Tried = (Option<Curve>, Curve);

/// Tries a meta-learner on the rows that a table holds out for it; nothing if the recipe is of other tasks.
pub(super) fn try_rows(recipe: &Recipe, models: &Models, device: &dyn Backend) -> Result<Option<Tried>> {
    let Some(table) = recipe.table() else { return Ok(None) };
    let TableRows::Batches { tried, .. } = &table.rows else { return Ok(None) };
    let Some(tried) = tried else {
        return Err(Error::failed(
            "the recipe's table is read without rows for trials (validation.every = 0)",
        ));
    };
    let (targets, steps) = (tried.y.as_deref().unwrap_or_default(), recipe.validation.steps);
    let support = support_rows(recipe, recipe.evaluation.points)?;
    let found = outputs(device, (&recipe.plan()?, &models.maml), &support, (steps, None), &tried.x)?;
    let classes = table.columns.classes();
    let judged = curve(&found, (targets, classes.len()), steps);
    if classes.is_empty() {
        return Ok(Some((None, judged)));
    }
    let last = found.chunks_exact(classes.len()).zip(targets.iter().cycle());
    let losses: Vec<_> =
        last.map(|(row, &label)| recipe.model.loss.value(&wide(row), &[label.into()])).collect();
    // `[steps + 1, rows]` to `[rows, steps + 1]`.
    let by_row: Vec<_> =
        (0..targets.len()).flat_map(|row| losses.iter().skip(row).step_by(targets.len()).copied()).collect();
    Ok(Some((Some(judged), Curve::of_values(&by_row, steps))))
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
    let (targets, steps) = (judged.y.as_deref().unwrap_or_default(), settings.steps);
    let classes = table.columns.classes();
    let support = support_rows(recipe, settings.points)?;
    let curve = |outputs: &[f32]| curve(outputs, (targets, classes.len()), steps);
    let maml = outputs(device, (&recipe.plan()?, &models.maml), &support, (steps, rate), &judged.x)?;
    let control = match (&models.control, recipe.control_plan()?) {
        (Some(params), Some(plan)) => {
            let rate = Some(rate.unwrap_or(recipe.control.lr));
            Some(outputs(device, (&plan.plan, params), &support, (steps, rate), &judged.x)?)
        }
        _ => None,
    };
    let report = Report {
        series: None,
        field: None,
        tasks: 1,
        metric: if classes.is_empty() { "mse" } else { "accuracy" },
        steps: (0..=steps).collect(),
        learners: Learners {
            maml: curve(&maml),
            control: control.as_deref().map(curve),
            standard: None,
            naive: None,
        },
        device: device.name(),
        seconds: Seconds { evaluation: start.elapsed().as_secs_f64(), ..Seconds::default() },
        points: Points { support: support.numbers.len(), query: targets.len() },
        classification: None,
        table: Some(TableOutcome {
            data: table.name.clone(),
            data_sha256: table.sha256.clone(),
            judged_by: judged_by.clone(),
            rows: targets.len(),
            train_rows: train.numbers.len(),
            classes: classes.to_vec(),
            target: classes.is_empty().then(|| table.columns.label.clone()),
            found: found(&table.columns, (recipe.model.loss, targets), &maml, control.as_deref()),
        }),
        recipe: recipe.name.clone(),
        seed: recipe.seed,
        iterations: models.iterations,
        inner_lr: rate,
    };
    Ok(Some(Judged { report, settings: settings.clone(), maml: Vec::new() }))
}
