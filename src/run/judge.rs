//! The final comparison: both learners on the same new tasks.

use super::models::Models;
use super::report::{Classification, Judged, Learners, Points, Report, Seconds};
use super::{field, series, table_report, trial};
use crate::data::Split;
use crate::error::Result;
use crate::meta::{Backend, Curve, Evaluation, Plan};
use crate::recipe::{EvaluationSettings, Family, ImageSettings, Recipe, TableTasks};
use std::time::Instant;

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
    if let Some(judged) = field::judge(recipe, settings, models, device, rate)? {
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
            control: control.map(loss),
            standard: None,
            naive: series.is_some().then(|| series::naive_curve(&naive, steps)),
        },
        device: device.name(),
        seconds: Seconds { evaluation: start.elapsed().as_secs_f64(), ..Seconds::default() },
        points: Points { support: one.support, query: one.query },
        classification: classification(recipe, settings, loss(&outcomes.maml_loss)),
        table: None,
        series,
        field: None,
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
    let query = recipe.evaluation_query(settings);
    let tasks = recipe.evaluation_count(settings);
    // Of the parameters only the learned rates are looked at.
    let params = vec![0.0; if plan.rates.learned { plan.meta_len() } else { 0 }];
    let of = |plan: &Plan, params: &[f32], rate| {
        let support = recipe.evaluation_support(settings);
        let plan = plan.for_evaluation(params, support, query, settings.steps, rate);
        device.forecast_evaluation(&plan, tasks)
    };
    let maml = of(&plan, &params, None);
    let control = recipe.control_plan()?;
    Ok(control.map_or(maml, |c| maml.max(of(&c.plan, &[], Some(recipe.control.lr)))))
}

fn classification(recipe: &Recipe, settings: &EvaluationSettings, loss: Curve) -> Option<Classification> {
    let (data, data_sha256, of, ways, shots, rotations) = match &recipe.task.family {
        Family::Images(images) => {
            let &ImageSettings { ways, shots, rotations, .. } = images;
            (images.data.clone(), recipe.data()?.checksum().to_owned(), "image", ways, shots, rotations)
        }
        Family::Table(settings) => match settings.tasks {
            TableTasks::FewShot { ways, shots, .. } => {
                let table = recipe.table()?;
                (table.name.clone(), table.sha256.clone(), "row", ways, shots, false)
            }
            TableTasks::Batches { .. } => return None,
        },
        Family::Sinusoid(_) | Family::Series(_) | Family::Field(_) => return None,
    };
    let has_norm =
        recipe.model().is_ok_and(|model| model.nodes().iter().any(|node| node.op.couples_points()));
    Some(Classification {
        data,
        data_sha256,
        of,
        split: Split::Test,
        ways,
        shots,
        queries: settings.queries?,
        rotations,
        batch_norm: has_norm.then_some("current batch (transductive)"),
        loss,
    })
}
