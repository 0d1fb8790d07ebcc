//! The final comparison: both learners on the same new tasks.

use super::RunDir;
use super::series::{self, SeriesReport};
use super::table_report::{self, TableOutcome};
use super::trial;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::meta::{Backend, Curve, Evaluation, Plan};
use crate::recipe::{EvaluationSettings, Family, Recipe, TableSettings, TableTasks};
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

/// What `evaluation.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Number of new tasks.
    pub tasks: usize,
    /// What was measured: `mse`, or `accuracy` (shares of 1).
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
    /// What the tasks were, if targets are classes.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// What became of a table's rows, if tasks were its mini-batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<TableOutcome>,
    /// What the series were, if tasks are made of series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesReport>,
    /// The recipe's name.
    pub recipe: String,
    /// The recipe's seed.
    pub seed: u64,
    /// Meta-iterations of training behind the parameters that were judged.
    pub iterations: u64,
    /// The inner rate, if another than the trained one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_lr: Option<f64>,
}

/// Tasks of classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The image set, or the file of a table.
    pub data: String,
    /// SHA-256 of its classes and pixels, or of the file.
    pub data_sha256: String,
    /// What a class has: `image` or `row`.
    #[serde(skip)]
    pub of: &'static str,
    /// Which of its classes.
    pub split: Split,
    /// Classes a task.
    pub ways: usize,
    /// Support images a class.
    pub shots: usize,
    /// Query images a class.
    pub queries: usize,
    /// Whether a rotated class is another class.
    pub rotations: bool,
    /// Where batch norms take their statistics from: always all points of the set at hand, so that the prediction
    /// of a query image depends on the others (transduction).
    pub batch_norm: &'static str,
    /// The meta-learner's loss.
    pub loss: Curve,
}

/// Curves of both learners, and of what needs no learning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learners {
    /// The meta-learner.
    pub maml: Curve,
    /// The control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<Curve>,
    /// Of series, the forecast that repeats the last value of the window: the same after any step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub naive: Option<Curve>,
}

/// Points of each task of the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Points {
    /// Adapted on.
    pub support: usize,
    /// Judged on.
    pub query: usize,
}

/// Wall-clock times; of training, over all processes of a run.
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
    /// The settings it was made with.
    pub settings: EvaluationSettings,
    /// The meta-learner's losses on each task, `[tasks, steps + 1]`.
    pub maml: Vec<f32>,
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
    if let Some(judged) = table_report::judge(recipe, settings, models, device, rate)? {
        return Ok(judged);
    }
    let start = Instant::now();
    // A file may hold fewer series than are asked for.
    let settings = &EvaluationSettings { tasks: recipe.evaluation_count(settings), ..settings.clone() };
    let steps = settings.steps;
    let outcomes = trial::adapt_all(recipe, (settings.tasks, steps), models, device, rate, |range| {
        recipe.evaluation_tasks(settings, range)
    })?;
    let naive = series::naive(recipe, settings)?;
    let control = outcomes.control_loss.as_deref();
    let series = series::report(recipe, settings, (&outcomes.maml_loss, control), &naive)?;
    let loss = |losses: &[f32]| {
        let evaluation = Evaluation { query_loss: losses.to_vec(), predictions: None };
        Curve::of(&evaluation, steps)
    };
    let classes = recipe.task.family.is_classification();
    let maml =
        if classes { Curve::of_values(&outcomes.maml_accuracy, steps) } else { loss(&outcomes.maml_loss) };
    let one = recipe.evaluation_tasks(settings, 0..1)?;
    let report = Report {
        tasks: settings.tasks,
        metric: if classes { "accuracy" } else { "mse" },
        steps: (0..=steps).collect(),
        learners: Learners {
            maml,
            pretrained: control.map(loss),
            naive: series.is_some().then(|| series::naive_curve(&naive, steps)),
        },
        device: device.name(),
        seconds: Seconds { evaluation: start.elapsed().as_secs_f64(), ..Seconds::default() },
        points: Points { support: one.support, query: one.query },
        classification: classification(recipe, settings, loss(&outcomes.maml_loss)),
        table: None,
        series,
        recipe: recipe.name.clone(),
        seed: recipe.seed,
        iterations: models.iterations,
        inner_lr: rate,
    };
    Ok(Judged { report, settings: settings.clone(), maml: outcomes.maml_loss })
}

/// Bytes of the machine's memory that [`judge`] will take on a device by the recipe's own settings, besides its tasks.
///
/// # Errors
/// As [`Recipe::plan`].
pub fn evaluation_bytes(recipe: &Recipe, device: &dyn Backend) -> Result<u64> {
    let (settings, plan) = (&recipe.evaluation, recipe.plan()?);
    let query = match recipe.task.family {
        Family::Sinusoid { .. } => settings.dense,
        _ => recipe.task.query,
    };
    let tasks = recipe.evaluation_count(settings);
    // Of the parameters only the learned rates are looked at.
    let params = vec![0.0; if plan.rates.learned { plan.meta_len() } else { 0 }];
    let of = |plan: &Plan, params: &[f32], rate| {
        let plan = plan.for_evaluation(params, settings.points, query, settings.steps, rate);
        device.forecast_evaluation(&plan, tasks)
    };
    let maml = of(&plan, &params, None);
    let control = recipe.control_plan()?;
    Ok(control.map_or(maml, |c| maml.max(of(&c.plan, &[], Some(recipe.control.lr)))))
}

fn classification(recipe: &Recipe, settings: &EvaluationSettings, loss: Curve) -> Option<Classification> {
    let (data, data_sha256, of, ways, shots, rotations) = match &recipe.task.family {
        &Family::Images { ref data, ways, shots, rotations, .. } => {
            (data.clone(), recipe.data()?.checksum().to_owned(), "image", ways, shots, rotations)
        }
        Family::Table(TableSettings { tasks: TableTasks::FewShot { ways, shots, .. }, .. }) => {
            let table = recipe.table()?;
            (table.name.clone(), table.sha256.clone(), "row", *ways, *shots, false)
        }
        _ => return None,
    };
    Some(Classification {
        data,
        data_sha256,
        of,
        split: Split::Test,
        ways,
        shots,
        queries: settings.queries?,
        rotations,
        batch_norm: "current batch (transductive)",
        loss,
    })
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
