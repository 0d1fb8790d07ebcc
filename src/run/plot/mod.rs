//! Pictures of a run, each as SVG and PNG.

mod canvas;
mod steps;
mod task;
mod training;

use super::report::{Judged, Models, adapt};
use super::{RunDir, read_metrics};
use crate::error::{Error, Result};
use crate::meta::Backend;
use crate::recipe::{EvaluationSettings, Family, Recipe};
use canvas::save;
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
    if lines.len() > 1 {
        files.extend(save(&dir.plots(), "training", &training::Training { lines: &lines })?);
    }
    if judged.report.steps.len() > 1 {
        files.extend(save(&dir.plots(), "adaptation", &steps::Steps { report: &judged.report })?);
        if let Some(picture) = typical_task(recipe, models, judged, device)? {
            files.extend(save(&dir.plots(), "task", &picture)?);
        }
    }
    Ok(files)
}

/// Both learners on the new task whose last loss is nearest to the meta-learner's median.
fn typical_task(
    recipe: &Recipe,
    models: &Models,
    judged: &Judged,
    device: &dyn Backend,
) -> Result<Option<task::Task>> {
    if !matches!(recipe.task.family, Family::Sinusoid { .. }) {
        return Ok(None);
    }
    let steps = judged.report.steps.len() - 1;
    let median = judged.report.learners.maml.median[steps];
    let distance = |row: &[f32]| (f64::from(row[steps]) - median).abs();
    let rows = judged.maml.query_loss.chunks_exact(steps + 1).enumerate();
    let Some((index, _)) = rows.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))) else {
        return Ok(None);
    };
    let settings = EvaluationSettings {
        tasks: index + 1,
        points: judged.tasks.support,
        dense: CURVE_POINTS,
        ..recipe.evaluation.clone()
    };
    let tasks = recipe.evaluation_tasks(&settings)?.slice(index..index + 1);
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
