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
use super::together::followed_models;
use crate::adapted::Answers;
use crate::error::{Error, Result};
use crate::meta::Backend;

/// What a finished training comes to: its evaluation and, of a table, predictions, written into the run's directory with
/// pictures and, if the recipe wants them, event files. `warn` is told what is damaged and was passed over. Members of an exchange
/// without a directory take part in the evaluation and write nothing.
///
/// # Errors
/// As [`judge`](super::judge), and where files cannot be written.
pub fn conclude<'d>(
    experiment: &Experiment<'_>,
    dir: impl Into<Option<&'d RunDir>>,
    device: &dyn Backend,
    warn: &mut dyn FnMut(&Error),
) -> Result<(Report, Option<Answers>)> {
    let (recipe, dir) = (experiment.recipe(), dir.into());
    // Where there are trials, the best checkpoint is judged, else the last.
    let models = match (recipe.validation.every, dir) {
        (1.., Some(dir)) => {
            let load = || Models::load(dir, recipe, warn);
            followed_models(experiment.exchange(), load, recipe.control.enabled)?
        }
        (1.., None) => {
            followed_models(experiment.exchange(), || Ok(experiment.models()), recipe.control.enabled)?
        }
        (0, _) => experiment.models(),
    };
    let mut judged = judge(recipe, &recipe.evaluation, &models, device, None)?;
    (judged.report.seconds.train, judged.report.seconds.control) = experiment.times();
    let Some(dir) = dir else { return Ok((judged.report, None)) };
    // What is left is done by one process.
    let device = device.alone().unwrap_or(device);
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
