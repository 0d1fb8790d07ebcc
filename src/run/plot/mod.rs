//! Pictures of a run, each as SVG and PNG.

mod accuracy;
mod canvas;
mod confusion;
mod images;
mod series;
mod steps;
mod strips;
mod task;
mod training;

use super::dir::RunDir;
use super::metrics::read_metrics;
use super::models::{Models, adapt};
use super::report::Judged;
use super::table_outcome::Found;
use super::trial::read_validation;
use crate::error::{Error, Result};
use crate::meta::Backend;
use crate::recipe::{EvaluationSettings, Family, ImageSettings, Recipe};
use canvas::{save, save_png};
use std::path::PathBuf;

/// Points of the curves in the picture of a task.
const CURVE_POINTS: usize = 1000;

/// Draws everything there is to draw of a run; returns the files.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if one cannot be written, and as [`Backend::evaluate`].
pub fn draw_all(
    dir: &RunDir,
    recipe: &Recipe,
    models: &Models,
    judged: &Judged,
    device: &dyn Backend,
) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir.plots()).map_err(|e| Error::file_caused(dir.plots(), "cannot be made", e))?;
    let mut files = Vec::new();
    let lines = read_metrics(&dir.metrics())?;
    if !lines.is_empty() {
        files.extend(save(&dir.plots(), "training", &training::Training { lines: &lines })?);
    }
    let trials = if dir.validation().is_file() { read_validation(&dir.validation())? } else { Vec::new() };
    // A trial of which no number is finite is nothing to draw.
    if trials.iter().any(|trial| trial.accuracy.is_some() || trial.loss.is_finite()) {
        files.extend(save(&dir.plots(), "accuracy", &accuracy::Accuracy { trials: &trials })?);
    }
    if let Some(outcome) = judged.report.table.as_ref().filter(|o| o.classes.len() <= confusion::MOST)
        && let Found::Classes(by) = &outcome.found
    {
        let picture = confusion::Confusion { outcome, judgement: &by.initial };
        files.extend(save(&dir.plots(), "confusion", &picture)?);
    }
    if let Some(pictures) = first_task(recipe, models, judged, device)? {
        files.extend(save(&dir.plots(), "task", &pictures)?);
    }
    for (stem, picture) in series::pictures(recipe, models, judged, device)? {
        files.extend(save(&dir.plots(), &stem, &picture)?);
    }
    if let Some(strips) = strips::Strips::of(recipe, models, judged, device)? {
        files.push(save_png(&dir.plots(), "fields", &strips)?);
    }
    // Of rows, every one is right or wrong: their curve would be a line without a median.
    if judged.report.table.is_none() {
        files.extend(save(&dir.plots(), "adaptation", &steps::Steps { report: &judged.report })?);
        if let Some(picture) = typical_task(recipe, models, judged, device)? {
            files.extend(save(&dir.plots(), "task", &picture)?);
        }
    }
    Ok(files)
}

/// The first meta-test task with what the meta-learner makes of it.
fn first_task(
    recipe: &Recipe,
    models: &Models,
    judged: &Judged,
    device: &dyn Backend,
) -> Result<Option<images::Pictures>> {
    let Family::Images(images) = &recipe.task.family else { return Ok(None) };
    let &ImageSettings { ways, .. } = images;
    let Some((channels, side)) = images.form() else { return Ok(None) };
    let steps = judged.report.steps.len() - 1;
    let tasks = recipe.evaluation_tasks(&judged.settings, 0..1)?;
    let (maml, _) = adapt(recipe, steps, models, device, judged.report.inner_lr, &tasks, true)?;
    let Some(all) = maml.predictions else { return Ok(None) };
    let last = all[all.len() - tasks.query * ways..].to_vec();
    let names = recipe.evaluation_classes(&judged.settings, 0)?;
    let ink = images.is_ink();
    Ok(Some(images::Pictures { tasks, ways, channels, side, steps, names, ink, outputs: last }))
}

/// Both learners on the new task whose last loss is nearest to the meta-learner's median.
fn typical_task(
    recipe: &Recipe,
    models: &Models,
    judged: &Judged,
    device: &dyn Backend,
) -> Result<Option<task::Task>> {
    if !matches!(recipe.task.family, Family::Sinusoid(_)) {
        return Ok(None);
    }
    let steps = judged.report.steps.len() - 1;
    let median = judged.report.learners.maml.median[steps];
    let distance = |row: &[f32]| (f64::from(row[steps]) - median).abs();
    let rows = judged.maml.chunks_exact(steps + 1).enumerate();
    let Some((index, _)) = rows.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))) else {
        return Ok(None);
    };
    let settings = EvaluationSettings { dense: CURVE_POINTS, ..judged.settings.clone() };
    let tasks = recipe.evaluation_tasks(&settings, index..index + 1)?;
    let rate = judged.report.inner_lr;
    let (maml, control) = adapt(recipe, steps, models, device, rate, &tasks, true)?;
    let curves = |evaluation: crate::meta::Evaluation| -> Option<task::Curves> {
        let all = evaluation.predictions?;
        let last = all.len().checked_sub(CURVE_POINTS)?;
        Some(task::Curves { before: all[..CURVE_POINTS].to_vec(), after: all[last..].to_vec() })
    };
    let Some(maml) = curves(maml) else { return Ok(None) };
    Ok(Some(task::Task { tasks, steps, maml, control: control.and_then(curves) }))
}
