//! The end of a run: judged, drawn, written down.

use super::adapt::table_predictions;
use super::dir::RunDir;
use super::experiment::Experiment;
use super::judge::judge;
use super::models::Models;
#[cfg(feature = "plot")]
use super::plot::draw_all;
use super::report::Report;
#[cfg(feature = "tensorboard")]
use super::tensorboard::write_results;
use crate::adapted::Answers;
use crate::error::{Error, Result};
use crate::meta::Backend;

/// What a finished training comes to: its evaluation and, of a table, predictions, written into the run's directory with
/// pictures and, if the recipe wants them, event files. `warn` is told what is damaged and was passed over.
///
/// # Errors
/// As [`judge`](super::judge), and where files cannot be written.
pub fn conclude(
    experiment: &Experiment<'_>,
    dir: &RunDir,
    device: &dyn Backend,
    warn: &mut dyn FnMut(&Error),
) -> Result<(Report, Option<Answers>)> {
    let recipe = experiment.recipe();
    // Where there are trials, the best checkpoint is judged, else the last.
    let models = match recipe.validation.every {
        0 => experiment.models(),
        _ => Models::load(dir, recipe, warn)?,
    };
    let mut judged = judge(recipe, &recipe.evaluation, &models, device, None)?;
    (judged.report.seconds.train, judged.report.seconds.control) = experiment.times();
    dir.write_report(&judged.report)?;
    let predictions = table_predictions(recipe, &models, device)?;
    if let Some(predictions) = &predictions {
        predictions.write(&dir.predictions())?;
    }
    #[cfg(feature = "plot")]
    draw_all(dir, recipe, &models, &judged, device)?;
    #[cfg(feature = "tensorboard")]
    if recipe.run.tensorboard {
        write_results(dir, &judged.report, recipe.run.report_every)?;
    }
    dir.finish(experiment)?;
    Ok((judged.report, predictions))
}
