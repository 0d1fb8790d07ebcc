//! What a run has trained.

use super::dir::RunDir;
use crate::error::Result;
use crate::meta::{Backend, Evaluation};
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
    /// Those of a run that are to be judged: the best ones by its trials, or the newest where there are no trials.
    ///
    /// # Errors
    /// As [`Checkpoints::load`](super::Checkpoints::load).
    pub fn load(dir: &RunDir, recipe: &Recipe) -> Result<Self> {
        let best = dir.best_checkpoint();
        let checkpoints = if best.steps()?.is_empty() { dir.checkpoints() } else { best };
        let newest = checkpoints.load_newest(&recipe.plan()?, u64::MAX)?.state;
        let control = match recipe.control_plan()? {
            Some(plan) => {
                let updates = newest.iteration * recipe.control_updates();
                Some(dir.control_checkpoints().load_newest(&plan.plan, updates)?.state.params)
            }
            None => None,
        };
        Ok(Self { maml: newest.params, control, iterations: newest.iteration })
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
