//! What a run has trained.

use super::checkpoint::{Checkpoints, newest as newest_of};
use super::dir::RunDir;
use crate::error::{Error, Result};
use crate::meta::{Backend, Evaluation, Plan, TrainState};
use crate::recipe::Recipe;
use crate::task::TaskBatch;

/// Trained parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    /// Meta-parameters of the meta-learner, `[P + R]`.
    pub maml: Vec<f32>,
    /// Parameters of the control, `[P]`.
    pub control: Option<Vec<f32>>,
    /// Meta-iterations they were trained for.
    pub iterations: u64,
}

impl Models {
    /// Those of a run that are to be judged: the best ones by its trials, or the newest where there are no trials. What is
    /// damaged is passed over for what is older, and told to `warn`.
    ///
    /// # Errors
    /// As [`Checkpoints::load`](super::Checkpoints::load).
    pub fn load(dir: &RunDir, recipe: &Recipe, warn: &mut dyn FnMut(&Error)) -> Result<Self> {
        let (_, newest) = dir.chosen(&recipe.plan()?, warn)?;
        let control = match recipe.control_plan()? {
            Some(plan) => {
                let (place, updates) = (dir.control_checkpoints(), recipe.control_updates());
                let (mut steps, after): (Vec<_>, Vec<_>) =
                    place.steps()?.into_iter().partition(|&step| step <= newest.iteration * updates);
                // Where `run.keep` has left none as old as the best trial, the next one stands for it.
                if steps.is_empty() {
                    steps.extend(after.first());
                }
                let loaded = newest_of(steps, |step| place.load(&plan.plan, step), warn)?;
                let loaded =
                    loaded.ok_or_else(|| Error::file(dir.path(), "holds no checkpoint of the control"))?;
                Some(loaded.state.params)
            }
            None => None,
        };
        Ok(Self { maml: newest.params, control, iterations: newest.iteration })
    }
}

impl RunDir {
    /// The checkpoint that is to be judged, and where it is: the best one by trials, or the newest where there are no trials.
    pub(super) fn chosen(
        &self,
        plan: &Plan,
        warn: &mut dyn FnMut(&Error),
    ) -> Result<(Checkpoints, TrainState)> {
        let (all, best) = (self.checkpoints(), self.best_checkpoint());
        if best.steps()?.is_empty() {
            let newest = all.load_newest(plan, warn)?.state;
            return Ok((all, newest));
        }
        match best.load_newest(plan, warn) {
            Ok(found) => Ok((best, found.state)),
            Err(damaged) => {
                let newest = all.load_newest(plan, warn)?.state;
                warn(&damaged);
                Ok((all, newest))
            }
        }
    }

    /// Meta-iterations, ascending, that the run can go on from: those with checkpoints of both learners.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if a directory cannot be read.
    pub fn resumable(&self, recipe: &Recipe) -> Result<Vec<u64>> {
        let mut steps = self.checkpoints().steps()?;
        // A crash may fall between the two writes.
        if recipe.control.enabled {
            let (both, updates) = (self.control_checkpoints().steps()?, recipe.control_updates());
            steps.retain(|step| both.binary_search(&(step * updates)).is_ok());
        }
        Ok(steps)
    }
}

/// Adapts both learners to tasks.
pub(super) fn adapt(
    recipe: &Recipe,
    steps: usize,
    models: &Models,
    device: &dyn Backend,
    rate: Option<f64>,
    tasks: &TaskBatch,
    predictions: bool,
) -> Result<(Evaluation, Option<Evaluation>)> {
    let (support, query) = (tasks.support, tasks.query);
    let plan = recipe.plan()?;
    let theta = plan.model.param_count();
    let evaluation = plan.for_evaluation(&models.maml, support, query, steps, rate);
    let maml = device.evaluate(&evaluation, &models.maml[..theta], tasks, predictions)?;
    let control = match (&models.control, recipe.control_plan()?) {
        (Some(params), Some(plan)) => {
            let rate = rate.unwrap_or(recipe.control.lr);
            let plan = plan.plan.for_evaluation(params, support, query, steps, Some(rate));
            Some(device.evaluate(&plan, params, tasks, predictions)?)
        }
        _ => None,
    };
    Ok((maml, control))
}
