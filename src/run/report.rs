//! The final comparison: both learners on the same new tasks.

use super::RunDir;
use crate::error::{Error, Result};
use crate::meta::{Backend, Curve, Evaluation};
use crate::recipe::{EvaluationSettings, Recipe};
use crate::task::TaskBatch;
use serde::Serialize;
use std::time::Instant;

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
    /// The newest ones of a run.
    ///
    /// # Errors
    /// As [`Checkpoints::load`](super::Checkpoints::load).
    pub fn load(dir: &RunDir, recipe: &Recipe) -> Result<Self> {
        let newest = dir.checkpoints().load_newest(&recipe.plan()?, u64::MAX)?.state;
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

/// What `evaluation.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Number of new tasks.
    pub tasks: usize,
    /// What was measured.
    pub metric: &'static str,
    /// Numbers of steps that the arrays below are indexed by.
    pub steps: Vec<usize>,
    /// The learners' curves.
    pub learners: Learners,
    /// The device of training and evaluation.
    pub device: String,
    /// Time taken.
    pub seconds: Seconds,
    /// Points of each task.
    pub points: Points,
    /// The recipe's name.
    pub recipe: String,
    /// The recipe's seed.
    pub seed: u64,
    /// Meta-iterations of training.
    pub iterations: u64,
    /// The inner rate, if another than the trained one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_lr: Option<f64>,
}

/// Curves of both learners.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learners {
    /// The meta-learner.
    pub maml: Curve,
    /// The control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<Curve>,
}

/// Points of each task of the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Points {
    /// Adapted on.
    pub support: usize,
    /// Judged on.
    pub query: usize,
}

/// Wall-clock times of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Meta-training.
    pub train: f64,
    /// Training of the control.
    pub control: f64,
    /// Evaluation.
    pub evaluation: f64,
}

impl Report {
    /// As indented JSON with a line break at the end.
    ///
    /// # Errors
    /// None that a report can cause.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::failed(e.to_string()))?;
        Ok(text + "\n")
    }
}

/// A report with what it was made from, for pictures.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The report.
    pub report: Report,
    /// The tasks.
    pub tasks: TaskBatch,
    /// The meta-learner's losses on each.
    pub maml: Evaluation,
}

/// Adapts both learners to new tasks and sums up how they fare. `rate` takes the place of both inner rates.
///
/// # Errors
/// As [`Backend::evaluate`] and [`Recipe::evaluation_tasks`].
pub fn judge(
    recipe: &Recipe,
    settings: &EvaluationSettings,
    models: &Models,
    device: &dyn Backend,
    rate: Option<f64>,
) -> Result<Judged> {
    let start = Instant::now();
    let tasks = recipe.evaluation_tasks(settings)?;
    let (maml, control) = adapt(recipe, settings.steps, models, device, rate, &tasks, false)?;
    let report = Report {
        tasks: settings.tasks,
        metric: "mse",
        steps: (0..=settings.steps).collect(),
        learners: Learners {
            maml: Curve::of(&maml, settings.steps),
            pretrained: control.map(|control| Curve::of(&control, settings.steps)),
        },
        device: device.name(),
        seconds: Seconds { evaluation: start.elapsed().as_secs_f64(), ..Seconds::default() },
        points: Points { support: tasks.support, query: tasks.query },
        recipe: recipe.name.clone(),
        seed: recipe.seed,
        iterations: models.iterations,
        inner_lr: rate,
    };
    Ok(Judged { report, tasks, maml })
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
