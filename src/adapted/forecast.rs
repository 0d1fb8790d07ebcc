//! Forecasts: a model that reads its own forecasts as if they were values.

use super::predictions::quoted;
use super::signature::{SeriesForm, SeriesScale};
use crate::data::SeriesSet;
use crate::error::{Error, Result};

/// Values that follow the last of each series.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    /// Each series' name and its values, one after the other.
    pub series: Vec<(String, Vec<Ahead>)>,
    /// Series left out since they are too short.
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
#[derive(Clone, Debug)]
pub(crate) struct Going {
    number: usize,
    values: Vec<f32>,
    mean: f64,
    deviation: f64,
}

/// Mean and standard deviation (n) of values; 0 and 1 where nothing varies from 0.
pub(super) fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let first = values.first().copied().unwrap_or(0.0);
    let mean = values.iter().map(|v| v - first).sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - first - mean).powi(2)).sum::<f64>();
    (first + mean, Some((squares / n).sqrt()).filter(|d| *d > 0.0).unwrap_or(1.0))
}

impl Going {
    /// Series `number` of a set.
    pub(crate) fn of(set: &SeriesSet, number: usize, scale: SeriesScale) -> Self {
        let values = &set.series[number].1;
        let (mean, deviation) = match scale {
            SeriesScale::None => (0.0, 1.0),
            SeriesScale::Own => spread(values),
            SeriesScale::Of { mean, deviation } => (mean, deviation),
        };
        let values = values.iter().map(|v| ((v - mean) / deviation) as f32).collect();
        Self { number, values, mean, deviation }
    }

    /// The last window.
    pub(crate) fn last(&self, window: usize) -> &[f32] {
        &self.values[self.values.len() - window..]
    }

    /// Its last `count` windows with the values that follow them, `[count, window]` and `[count]`.
    pub(crate) fn windows(&self, window: usize, count: usize) -> (Vec<f32>, Vec<f32>) {
        let start = self.values.len() - window - count;
        let each =
            |point: usize| (&self.values[start + point..][..window], self.values[start + point + window]);
        let (x, y): (Vec<_>, Vec<_>) = (0..count).map(each).unzip();
        (x.concat(), y)
    }

    fn ahead(&self, set: &SeriesSet, horizon: usize) -> Vec<Ahead> {
        // Five places of the deviation.
        let digits = (5.0 - self.deviation.log10().floor()).clamp(0.0, 15.0) as usize;
        let one = |(n, value): (usize, &f32)| Ahead {
            time: set.time_after(self.number, n + 1),
            value: self.mean + self.deviation * f64::from(*value),
            digits,
        };
        self.last(horizon).iter().enumerate().map(one).collect()
    }
}

/// Puts `horizon` forecasts at the end of series; `next` gives the value that follows each.
pub(crate) fn go_on(
    group: &mut [Going],
    horizon: usize,
    next: &mut dyn FnMut(&[Going]) -> Result<Vec<f32>>,
) -> Result<()> {
    for _ in 0..horizon {
        for (value, going) in next(group)?.into_iter().zip(group.iter_mut()) {
            if !value.is_finite() {
                return Err(Error::not_finite("a forecast is not finite; take fewer steps of adaptation"));
            }
            going.values.push(value);
        }
    }
    Ok(())
}

/// The series of a set that have `least` values, and the names of those that have not.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if none has.
pub(crate) fn long_enough(
    set: &SeriesSet,
    scale: SeriesScale,
    least: usize,
) -> Result<(Vec<Going>, Vec<String>)> {
    let (mut long, mut short) = (Vec::new(), Vec::new());
    for (number, (name, values)) in set.series.iter().enumerate() {
        match values.len() >= least {
            true => long.push(Going::of(set, number, scale)),
            false => short.push(name.clone()),
        }
    }
    match long.is_empty() {
        true => {
            let reason =
                format!("has no series of at least {least} values, which a window (task.window) needs");
            Err(Error::file(&set.path, reason))
        }
        false => Ok((long, short)),
    }
}

impl Going {
    /// Values that it has.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

impl SeriesForm {
    /// Reads a file of series as those of training were read.
    pub(crate) fn read(&self, path: &std::path::Path) -> Result<SeriesSet> {
        SeriesSet::read(path, &self.columns, &self.dialect, None)
    }
}

impl Forecasts {
    /// The forecasts at the ends of series, in the order of the set.
    pub(crate) fn of(set: &SeriesSet, mut group: Vec<Going>, short: Vec<String>, horizon: usize) -> Self {
        group.sort_by_key(|going| going.number);
        let one = |going: &Going| (set.series[going.number].0.clone(), going.ahead(set, horizon));
        Self { series: group.iter().map(one).collect(), short }
    }

    /// As CSV: series, the number of the value from 1, its time if there are times, and the value.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let timed = self.series.iter().flat_map(|(_, ahead)| ahead).any(|ahead| ahead.time.is_some());
        let mut text = format!("series,ahead,{}value\n", if timed { "time," } else { "" });
        for (name, ahead) in &self.series {
            let name = quoted(name);
            for (n, Ahead { time, value, digits }) in ahead.iter().enumerate() {
                let time = if timed { format!("{},", time.as_deref().unwrap_or("")) } else { String::new() };
                text += &format!("{name},{},{time}{value:.digits$}\n", n + 1);
            }
        }
        text
    }
}
