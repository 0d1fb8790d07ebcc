//! Fields: how well learners fit those that are held out, in decibels, beside the same network from starts that need no
//! meta-learning.

use super::field_report::{FieldReport, Longer};
use super::models::Models;
use super::report::{Judged, Learners, Points, Report, Seconds};
use super::trial::turns;
use crate::error::Result;
use crate::meta::{Backend, Curve, Plan};
use crate::recipe::{EvaluationSettings, FieldSettings, Recipe};
use crate::task::{Sampler, TaskBatch, TaskSource, Visit};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Powers `10^(n/4)` that are tried as rates of starts that were not meta-learned: from 0.0001 to 10.
const TRIED: std::ops::RangeInclusive<i32> = -16..=4;

/// Steps after which a standard initialisation is judged once more, and powers `10^(n/4)` of the best rate so far that are tried for it.
const LONGER: usize = 50;
const AROUND: std::ops::RangeInclusive<i32> = -4..=2;

/// Fields that they are tried on, and points of each.
const TRIED_FIELDS: usize = 2;
const TRIED_POINTS: usize = 1024;

/// A start with the plan by which it adapts.
pub(super) struct Start {
    plan: Plan,
    params: Vec<f32>,
    /// In place of the plan's rates.
    rate: Option<f64>,
}

impl Start {
    /// The meta-learned one.
    pub(super) fn maml(recipe: &Recipe, models: &Models, rate: Option<f64>) -> Result<Self> {
        Ok(Self { plan: recipe.plan()?, params: models.maml.clone(), rate })
    }

    /// A standard initialisation, of which everything adapts.
    pub(super) fn standard(recipe: &Recipe, rate: f64) -> Result<Self> {
        Ok(Self { plan: recipe.plain_plan()?, params: recipe.control_start()?.params, rate: Some(rate) })
    }

    fn control(recipe: &Recipe, params: &[f32]) -> Result<Self> {
        Ok(Self { plan: recipe.plain_plan()?, params: params.to_vec(), rate: Some(recipe.control.lr) })
    }

    /// Losses on the tasks of a batch, `[tasks, steps + 1]`, and predictions, `[steps + 1, tasks, query, outputs]`, if they are
    /// asked for.
    pub(super) fn adapt(
        &self,
        device: &dyn Backend,
        batch: &TaskBatch,
        steps: usize,
        predictions: bool,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let theta = &self.params[..self.plan.model.param_count()];
        let plan = self.plan.for_evaluation(&self.params, batch.support, batch.query, steps, self.rate);
        let found = device.evaluate(&plan, theta, batch, predictions)?;
        Ok((found.query_loss, found.predictions.unwrap_or_default()))
    }

    /// Losses on all tasks of a sequence.
    fn losses(
        &self,
        device: &dyn Backend,
        (tasks, steps): (usize, usize),
        sequence: &dyn Fn(Range<usize>) -> Result<TaskBatch>,
    ) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for range in turns(&sequence(0..1)?, tasks) {
            all.extend(self.adapt(device, &sequence(range)?, steps, false)?.0);
        }
        Ok(all)
    }
}

/// The peak signal-to-noise ratio of values from 0 to 1, dB, from their mean squared error; at most 100.
pub(super) fn psnr(mse: f32) -> f64 {
    let found = -10.0 * f64::from(mse).log10();
    // What is no number stays so.
    if found > 100.0 { 100.0 } else { found }
}

fn decibels(losses: &[f32]) -> Vec<f64> {
    losses.iter().map(|&mse| psnr(mse)).collect()
}

/// Fields that rates are tried on, of which none is held out.
fn tried(recipe: &Recipe, field: &FieldSettings) -> Result<TaskBatch> {
    let family = recipe.other_fields()?;
    let tasks = TRIED_FIELDS.min(family.signals().count().unwrap_or(TRIED_FIELDS));
    let most = family.most_points();
    if field.angles.is_some() {
        return Ok(family.evaluation(recipe.seed, 1, 0..tasks, most));
    }
    let points = recipe.evaluation_support(&recipe.evaluation).min(TRIED_POINTS).min(most);
    let (support, query) = match field.query_points {
        crate::task::QueryPoints::Same => (points, points),
        crate::task::QueryPoints::Others => (points, points.min(most - points).max(1)),
    };
    let source = TaskSource::Custom(Arc::new(family.clone()));
    let sampler =
        Sampler { source, seed: recipe.seed, meta_batch: tasks, support, query, visit: Visit::Split };
    Ok(sampler.family_evaluation(&family, 1, 0..tasks))
}

/// What came of a start at its best rates.
struct Best {
    /// Decibels, `[tasks, steps + 1]`.
    rows: Vec<f64>,
    rates: Vec<f64>,
}

/// What a comparison needs to know.
struct Comparison<'a> {
    device: &'a dyn Backend,
    tasks: usize,
    steps: usize,
    /// Steps that were trained.
    trained: usize,
    tried: TaskBatch,
    /// The only rate, if one is asked for.
    rate: Option<f64>,
    sequence: &'a dyn Fn(Range<usize>) -> Result<TaskBatch>,
}

impl Comparison<'_> {
    /// The rates by which a start does best after as many steps as were trained, and after all.
    fn rates(&self, start: &mut Start) -> Result<Vec<f64>> {
        if let Some(rate) = self.rate {
            return Ok(vec![rate]);
        }
        let ends = [self.trained.clamp(1, self.steps.max(1)), self.steps.max(1)];
        let mut rates = self.best_of(start, TRIED.map(quarter), &ends)?;
        rates.dedup();
        Ok(rates)
    }

    /// Of some rates those by which a start does best after so many steps, the last of which are the most.
    fn best_of(
        &self,
        start: &mut Start,
        rates: impl Iterator<Item = f64>,
        ends: &[usize],
    ) -> Result<Vec<f64>> {
        let most = ends.last().copied().unwrap_or_default();
        let mut best = vec![(f64::NEG_INFINITY, 0.0); ends.len()];
        for rate in rates {
            start.rate = Some(rate);
            let losses = start.adapt(self.device, &self.tried, most, false)?.0;
            let curve = Curve::of_values(&decibels(&losses), most);
            for (best, &end) in best.iter_mut().zip(ends) {
                // One that diverged on any of them is none.
                if curve.diverged == 0 && curve.mean[end] > best.0 {
                    *best = (curve.mean[end], rate);
                }
            }
        }
        Ok(best.into_iter().map(|(_, rate)| rate).collect())
    }

    /// How a start does after many steps, given the best rate after some.
    fn longer(&self, mut start: Start, rate: f64) -> Result<Longer> {
        let around = || AROUND.map(|n| rate * quarter(n));
        let found = match self.rate {
            Some(rate) => vec![rate],
            None => self.best_of(&mut start, around(), &[LONGER])?,
        };
        let lr = found.first().copied().unwrap_or(rate);
        start.rate = Some(lr);
        let all = decibels(&start.losses(self.device, (self.tasks, LONGER), self.sequence)?);
        let last: Vec<f64> = all.chunks_exact(LONGER + 1).map(|row| row[LONGER]).collect();
        let curve = Curve::of_values(&last, 0);
        let tasks = table(&last, 0).concat();
        Ok(Longer { steps: LONGER, lr, mean: curve.mean[0], ci95: curve.ci95[0], tasks })
    }

    /// How a start does at its best rates: at each number of steps by that which does better there.
    fn best(&self, mut start: Start) -> Result<Best> {
        let rates = self.rates(&mut start)?;
        let width = self.steps + 1;
        let mut rows = Vec::<f64>::new();
        for &rate in &rates {
            start.rate = Some(rate);
            let other = decibels(&start.losses(self.device, (self.tasks, self.steps), self.sequence)?);
            if rows.is_empty() {
                rows = other;
                continue;
            }
            let [mean, theirs] = [&rows, &other].map(|rows| Curve::of_values(rows, self.steps).mean);
            for (at, row) in rows.iter_mut().enumerate() {
                if theirs[at % width] > mean[at % width] {
                    *row = other[at];
                }
            }
        }
        Ok(Best { rows, rates })
    }
}

/// `10^(n/4)`.
fn quarter(n: i32) -> f64 {
    10_f64.powf(f64::from(n) / 4.0)
}

/// Rows of a table, to a hundredth of a decibel.
fn table(rows: &[f64], steps: usize) -> Vec<Vec<f64>> {
    let rounded = |row: &[f64]| row.iter().map(|v| (100.0 * v).round() / 100.0).collect();
    rows.chunks_exact(steps + 1).map(rounded).collect()
}

/// What is told of the fields and of each of them.
fn told(
    recipe: &Recipe,
    field: &FieldSettings,
    steps: usize,
    (maml, standard, longer): (&[f64], Best, Longer),
    control: Option<Best>,
) -> FieldReport {
    let (data, data_sha256, mut held_out) = match recipe.fields() {
        Some(data) => (data.name.clone(), Some(data.sha256.clone()), data.held_out_names.clone()),
        None => ("phantoms".to_owned(), None, Vec::new()),
    };
    held_out.truncate(maml.len() / (steps + 1));
    FieldReport {
        data,
        data_sha256,
        side: field.side(),
        angles: field.angles,
        held_out,
        maml: table(maml, steps),
        standard: table(&standard.rows, steps),
        standard_lr: standard.rates,
        control_lr: control.map_or_else(Vec::new, |best| best.rates),
        standard_longer: longer,
    }
}

/// Adapts the meta-learned start, the control and a standard initialisation to held-out fields, if the recipe is of fields.
pub(super) fn judge(
    recipe: &Recipe,
    settings: &EvaluationSettings,
    models: &Models,
    device: &dyn Backend,
    rate: Option<f64>,
) -> Result<Option<Judged>> {
    let Some(field) = recipe.field() else { return Ok(None) };
    let begun = Instant::now();
    let settings = EvaluationSettings { tasks: recipe.evaluation_count(settings), ..settings.clone() };
    let (tasks, steps) = (settings.tasks, settings.steps);
    let sequence = |range: Range<usize>| recipe.evaluation_tasks(&settings, range);
    let maml = Start::maml(recipe, models, rate)?.losses(device, (tasks, steps), &sequence)?;
    let comparison = Comparison {
        device,
        tasks,
        steps,
        trained: recipe.inner.settings.steps,
        tried: tried(recipe, field)?,
        rate,
        sequence: &sequence,
    };
    let plain = || Start::standard(recipe, recipe.inner.settings.lr);
    let standard = comparison.best(plain()?)?;
    let longer = comparison.longer(plain()?, standard.rates.last().copied().unwrap_or_default())?;
    let control = models.control.as_ref().map(|params| Start::control(recipe, params));
    let control = control.transpose()?.map(|start| comparison.best(start)).transpose()?;
    let rows = decibels(&maml);
    let curve = |rows: &[f64]| Curve::of_values(rows, steps);
    let report = Report {
        tasks,
        metric: "psnr",
        steps: (0..=steps).collect(),
        learners: Learners {
            maml: curve(&rows),
            control: control.as_ref().map(|best| curve(&best.rows)),
            standard: Some(curve(&standard.rows)),
            naive: None,
        },
        device: device.name(),
        seconds: Seconds { evaluation: begun.elapsed().as_secs_f64(), ..Seconds::default() },
        points: Points {
            support: recipe.evaluation_support(&settings),
            query: recipe.evaluation_query(&settings),
        },
        classification: None,
        table: None,
        series: None,
        field: Some(told(recipe, field, steps, (&rows, standard, longer), control)),
        recipe: recipe.name.clone(),
        seed: recipe.seed,
        iterations: models.iterations,
        inner_lr: rate,
    };
    Ok(Some(Judged { report, settings, maml }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_ten_for_each_digit() {
        assert!((psnr(0.01) - 20.0).abs() < 1e-6 && (psnr(1.0)).abs() < 1e-9);
        assert_eq!(psnr(0.0), 100.0);
        assert!(psnr(f32::NAN).is_nan() && psnr(f32::INFINITY) == f64::NEG_INFINITY);
        assert_eq!(table(&[1.234, 5.678, 9.0, 1.0], 1), [[1.23, 5.68], [9.0, 1.0]]);
    }
}
