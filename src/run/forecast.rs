//! What a run of series forecasts for series that it has not seen.

use super::models::Models;
use crate::data::SeriesSet;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::meta::Backend;
use crate::recipe::{Family, Recipe, Scale};
use crate::task::TaskBatch;
use std::collections::BTreeMap;
use std::path::Path;

/// Values that follow the last of each series.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    /// Each series' name and its values, one after the other.
    pub series: Vec<(String, Vec<Ahead>)>,
    /// Series left out since they are shorter than a window and a target.
    pub short: Vec<String>,
}

/// A value that follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahead {
    /// Its time, if the file has times.
    pub time: Option<String>,
    /// The value.
    pub value: f64,
    /// Digits behind the point that mean something.
    digits: usize,
}

/// A series on its way: its values scaled, forecasts at their end.
struct Going {
    number: usize,
    values: Vec<f32>,
    origin: f64,
    deviation: f64,
}

impl Going {
    /// Takes off the mean and divides by the deviation of all that is known.
    fn of(number: usize, values: &[f64], standard: bool) -> Self {
        let n = values.len().max(1) as f64;
        let (origin, deviation) = match standard {
            false => (0.0, 1.0),
            true => {
                let first = values.first().copied().unwrap_or(0.0);
                let mean = values.iter().map(|v| v - first).sum::<f64>() / n;
                let squares = values.iter().map(|v| (v - first - mean).powi(2)).sum::<f64>();
                (first + mean, Some((squares / n).sqrt()).filter(|d| *d > 0.0).unwrap_or(1.0))
            }
        };
        let values = values.iter().map(|v| ((v - origin) / deviation) as f32).collect();
        Self { number, values, origin, deviation }
    }
}

/// Forecasts `horizon` values for each series of a set: θ₀ is adapted in `steps` steps to its last windows, as many as in an
/// evaluation or as it has, and reads its own forecasts as if they were values.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if no series is long enough, [`NotFinite`](crate::ErrorKind::NotFinite) if a forecast is
/// none, and as [`Backend::evaluate`].
pub fn forecast(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    set: &SeriesSet,
    (horizon, steps): (usize, usize),
) -> Result<Forecasts> {
    let Family::Series(kind) = &recipe.task.family else {
        return Err(Error::failed("the recipe's tasks are not made of series"));
    };
    let (window, standard) = (kind.window, kind.scale == Scale::Standard);
    let mut groups = BTreeMap::<usize, Vec<Going>>::new();
    let mut short = Vec::new();
    for (number, (name, values)) in set.series.iter().enumerate() {
        match values.len().saturating_sub(window).min(recipe.evaluation.points) {
            0 => short.push(name.clone()),
            support => groups.entry(support).or_default().push(Going::of(number, values, standard)),
        }
    }
    if groups.is_empty() {
        let reason =
            format!("has no series of at least {} values, a window (task.window) and a target", window + 1);
        return Err(Error::file(&set.path, reason));
    }
    let mut series = Vec::new();
    for (support, mut group) in groups {
        for part in group.chunks_mut(256) {
            go_on(recipe, models, device, part, (support, window), (horizon, steps))?;
        }
        series.extend(group.iter().map(|going| (going.number, ahead(set, going, horizon))));
    }
    series.sort_by_key(|(number, _)| *number);
    let series = series.into_iter().map(|(number, ahead)| (set.series[number].0.clone(), ahead)).collect();
    Ok(Forecasts { series, short })
}

/// Puts forecasts at the end of series that are adapted on as many windows each.
fn go_on(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    group: &mut [Going],
    (support, window): (usize, usize),
    (horizon, steps): (usize, usize),
) -> Result<()> {
    let plan = recipe.plan()?;
    let theta = plan.model.param_count();
    let plan = plan.for_evaluation(&models.maml, support, 1, steps, None);
    let mut tasks = TaskBatch::zeros(group.len(), support, 1, window, 1);
    for (slot, going) in group.iter().enumerate() {
        let start = going.values.len() - window - support;
        for point in 0..support {
            let (from, to) = (start + point, slot * support + point);
            tasks.support_x[to * window..][..window].copy_from_slice(&going.values[from..from + window]);
            tasks.support_y[to] = going.values[from + window];
        }
    }
    for _ in 0..horizon {
        for (slot, going) in group.iter().enumerate() {
            let last = &going.values[going.values.len() - window..];
            tasks.query_x[slot * window..][..window].copy_from_slice(last);
        }
        let found =
            device.evaluate(&plan, &models.maml[..theta], &tasks, true)?.predictions.unwrap_or_default();
        let last = &found[found.len() - group.len()..];
        for (going, &value) in group.iter_mut().zip(last) {
            if !value.is_finite() {
                return Err(Error::not_finite(format!(
                    "forecasts after {steps} steps are not finite; take fewer steps"
                )));
            }
            going.values.push(value);
        }
    }
    Ok(())
}

fn ahead(set: &SeriesSet, going: &Going, horizon: usize) -> Vec<Ahead> {
    let Going { number, values, origin, deviation } = going;
    // Five places of the deviation.
    let digits = (5.0 - deviation.log10().floor()).clamp(0.0, 15.0) as usize;
    let one = |(n, value): (usize, &f32)| Ahead {
        time: set.time_after(*number, n + 1),
        value: origin + deviation * f64::from(*value),
        digits,
    };
    values[values.len() - horizon..].iter().enumerate().map(one).collect()
}

impl Forecasts {
    /// As CSV: series, the number of the value from 1, its time if there are times, and the value.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let timed = self.series.iter().flat_map(|(_, ahead)| ahead).any(|ahead| ahead.time.is_some());
        let mut text = format!("series,ahead,{}value\n", if timed { "time," } else { "" });
        for (name, ahead) in &self.series {
            let name = super::predictions::quoted(name);
            for (n, Ahead { time, value, digits }) in ahead.iter().enumerate() {
                let time = if timed { format!("{},", time.as_deref().unwrap_or("")) } else { String::new() };
                text += &format!("{name},{},{time}{value:.digits$}\n", n + 1);
            }
        }
        text
    }

    /// Writes [`Forecasts::to_csv`], whole or not at all.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_csv().as_bytes())
    }
}
