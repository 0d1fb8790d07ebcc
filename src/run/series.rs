//! What is told of an evaluation on series besides the learners' curves: the naive forecast, and in which kinds of series
//! adaptation helps.

use super::measure::Measures;
use crate::error::Result;
use crate::meta::{Curve, Evaluation};
use crate::recipe::{EvaluationSettings, Family, Protocol, Recipe, Scale, SeriesSource};
use serde::Serialize;

/// The part of a report that is about series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesReport {
    /// What they were judged on.
    pub protocol: Protocol,
    /// How values were scaled; losses are in squares of that scale.
    pub scale: Scale,
    /// Values of a window.
    pub window: usize,
    /// Series that were learned from.
    pub train_series: usize,
    /// Series that were held out.
    pub held_out_series: usize,
    /// The file, if they were read from one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub file: Option<SeriesFile>,
    /// The meta-learner's loss less that of others on the same series, after all steps; below 0 it is better.
    pub after_adaptation: Against,
    /// By how much adaptation lowers the loss where a trait is weak, middling and strong: trend, season, change.
    pub traits: Vec<TraitEffect>,
}

/// The file of series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesFile {
    /// Its path.
    pub csv: String,
    /// SHA-256 of it.
    pub csv_sha256: String,
    /// Series left out since they are too short for a task.
    pub short_series: usize,
    /// Rows without a value, left out.
    pub dropped_rows: usize,
    /// Held-out series that were as good as flat before what is judged: the median deviation of the series to learn from stands
    /// in for theirs.
    pub flat_series: usize,
}

/// Differences of losses, series by series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// From the control's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Difference>,
    /// From the naive forecast's.
    pub naive: Difference,
}

/// A mean difference over the series whose losses are finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Mean.
    pub mean: f64,
    /// Half the width of its 95 % interval, `1.96 σ / √n`.
    pub ci95: f64,
    /// Share of the series on which it is below 0.
    pub better: f64,
}

impl Difference {
    fn of(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        let finite = pairs.filter(|(a, b)| a.is_finite() && b.is_finite());
        let all: Vec<f64> = finite.map(|(a, b)| f64::from(a) - f64::from(b)).collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let spread = all.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n;
        // One series has no spread to tell.
        let ci95 = if n > 1.0 { 1.96 * (spread / (n - 1.0)).sqrt() } else { f64::NAN };
        Self { mean, ci95, better: all.iter().filter(|d| **d < 0.0).count() as f64 / n }
    }
}

/// Held-out series in thirds by one measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraitEffect {
    /// `trend`, `season` or `change`; see [`Measures`].
    #[serde(rename = "trait")]
    pub name: &'static str,
    /// From the weakest third to the strongest.
    pub thirds: Vec<Third>,
}

/// A third of the held-out series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Third {
    /// Number of them.
    pub series: usize,
    /// Least and greatest measure.
    pub range: [f64; 2],
    /// The lag of the season that is the median of those found, values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_lag: Option<usize>,
    /// The meta-learner.
    pub maml: Effect,
    /// The control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Effect>,
    /// Mean loss of the naive forecast.
    pub naive: f64,
}

/// What all steps of adaptation do to the loss, over the series whose losses all stayed finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Mean loss before.
    pub before: f64,
    /// Mean loss after.
    pub after: f64,
    /// `1 − after / before`: the share of the loss that adaptation takes away.
    pub lowered: f64,
    /// Mean of before − after over series.
    pub difference: f64,
    /// Half the width of its 95 % interval, `1.96 σ / √n`.
    pub difference_ci95: f64,
    /// Median over series of after / before.
    pub median_ratio: f64,
}

/// One of the measures.
type Measure = fn(&Measures) -> f64;

/// Series that are looked at together.
const TURN: usize = 256;

/// Losses of the naive forecast, the last value of each window, on each task; nothing if the recipe is not of series.
///
/// # Errors
/// As [`Recipe::evaluation_tasks`].
pub(super) fn naive(recipe: &Recipe, settings: &EvaluationSettings) -> Result<Vec<f32>> {
    let mut losses = Vec::new();
    if !matches!(recipe.task.family, Family::Series(_)) {
        return Ok(losses);
    }
    for first in (0..settings.tasks).step_by(TURN) {
        let tasks = recipe.evaluation_tasks(settings, first..settings.tasks.min(first + TURN))?;
        let window = tasks.inputs;
        let points = tasks.query_x.chunks_exact(window).zip(&tasks.query_y);
        let squares: Vec<f64> =
            points.map(|(x, y)| (f64::from(*y) - f64::from(x[window - 1])).powi(2)).collect();
        let means =
            squares.chunks_exact(tasks.query).map(|task| task.iter().sum::<f64>() / task.len() as f64);
        losses.extend(means.map(|mean| mean as f32));
    }
    Ok(losses)
}

/// Its curve: no step of adaptation changes it.
pub(super) fn naive_curve(losses: &[f32], steps: usize) -> Curve {
    let query_loss = losses.iter().flat_map(|&loss| std::iter::repeat_n(loss, steps + 1)).collect();
    Curve::of(&Evaluation { query_loss, predictions: None }, steps)
}

/// What there is to tell; nothing if the recipe is not of series. `maml` and `control` are `[tasks, steps + 1]`.
///
/// # Errors
/// As [`Recipe::held_out`].
pub(super) fn report(
    recipe: &Recipe,
    settings: &EvaluationSettings,
    (maml, control): (&[f32], Option<&[f32]>),
    naive: &[f32],
) -> Result<Option<SeriesReport>> {
    let Family::Series(kind) = &recipe.task.family else { return Ok(None) };
    let (window, scale) = (kind.window, kind.scale);
    let table = recipe.held_out(settings.tasks)?;
    let train_series = match (recipe.series(), &kind.source) {
        (Some(data), _) => data.learned,
        (None, SeriesSource::Generated { series, .. }) => *series,
        (None, SeriesSource::Csv(_)) => 0,
    };
    let stretch = window + recipe.task.support + recipe.task.query;
    let measures: Vec<_> = (0..settings.tasks).map(|i| Measures::of(table.series(i), stretch)).collect();
    let losses = Losses { maml, control, naive, steps: settings.steps };
    let named: [(_, Measure); 3] =
        [("trend", |m| m.trend), ("season", |m| m.season), ("change", |m| m.change)];
    let traits = named.map(|(name, of)| TraitEffect { name, thirds: losses.thirds(&measures, name, of) });
    let file = recipe.series().map(|data| SeriesFile {
        csv: data.set.path.display().to_string(),
        csv_sha256: data.set.sha256.clone(),
        short_series: data.short,
        dropped_rows: data.set.dropped,
        flat_series: data.flat,
    });
    Ok(Some(SeriesReport {
        protocol: settings.protocol.unwrap_or_default(),
        scale,
        window,
        train_series,
        held_out_series: table.count(),
        file,
        after_adaptation: losses.against(),
        traits: traits.into(),
    }))
}

struct Losses<'a> {
    maml: &'a [f32],
    control: Option<&'a [f32]>,
    naive: &'a [f32],
    steps: usize,
}

impl Losses<'_> {
    fn against(&self) -> Against {
        let last = |losses: &[f32]| -> Vec<f32> {
            losses.chunks_exact(self.steps + 1).map(|row| row[self.steps]).collect()
        };
        let maml = last(self.maml);
        let from = |others: &[f32]| Difference::of(maml.iter().copied().zip(others.iter().copied()));
        Against { control: self.control.map(|losses| from(&last(losses))), naive: from(self.naive) }
    }

    /// Thirds by a measure; nothing of fewer than three series.
    fn thirds(&self, measures: &[Measures], name: &str, of: Measure) -> Vec<Third> {
        let n = measures.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| of(&measures[a]).total_cmp(&of(&measures[b])).then(a.cmp(&b)));
        let third = |i: usize| {
            let members = &order[i * n / 3..(i + 1) * n / 3];
            let (Some(&first), Some(&last)) = (members.first(), members.last()) else { return None };
            let mut lags: Vec<_> = members.iter().filter_map(|&i| measures[i].lag).collect();
            lags.sort_unstable();
            Some(Third {
                series: members.len(),
                range: [of(&measures[first]), of(&measures[last])],
                median_lag: lags.get(lags.len() / 2).copied().filter(|_| name == "season"),
                maml: self.effect(self.maml, members),
                control: self.control.map(|losses| self.effect(losses, members)),
                naive: members.iter().map(|&i| f64::from(self.naive[i])).sum::<f64>() / members.len() as f64,
            })
        };
        if n < 3 { Vec::new() } else { (0..3).filter_map(third).collect() }
    }

    fn effect(&self, losses: &[f32], members: &[usize]) -> Effect {
        let row = |&i: &usize| &losses[i * (self.steps + 1)..(i + 1) * (self.steps + 1)];
        let finite = members.iter().map(row).filter(|row| row.iter().all(|v| v.is_finite()));
        let pairs: Vec<(f32, f32)> = finite.map(|row| (row[0], row[self.steps])).collect();
        let mean = |of: fn(&(f32, f32)) -> f32| {
            pairs.iter().map(|pair| f64::from(of(pair))).sum::<f64>() / pairs.len() as f64
        };
        let (before, after) = (mean(|p| p.0), mean(|p| p.1));
        let Difference { mean: difference, ci95, .. } = Difference::of(pairs.iter().copied());
        let mut ratios: Vec<_> = pairs.iter().map(|p| f64::from(p.1) / f64::from(p.0)).collect();
        ratios.sort_by(f64::total_cmp);
        Effect {
            before,
            after,
            lowered: 1.0 - after / before,
            difference,
            difference_ci95: ci95,
            median_ratio: ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN),
        }
    }
}
