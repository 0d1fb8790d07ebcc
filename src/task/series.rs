//! A table of series, each of its own length, whose windows are tasks.

use super::{TaskBatch, traits::Traits};
use crate::error::{Error, Result};
use std::sync::Arc;

/// Values of all series in a row, and where each begins, shared by reference.
///
/// A task is one series: its points are windows that follow one another, each with the value behind it as target, first
/// the support windows, then the query windows, so that no target is in both.
///
/// A [standardised](SeriesTable::standardised) table gives the values of a task less the mean and over the deviation of
/// everything in that series *before the task's first query target*, in training and evaluation alike: what is known
/// when the first forecast is due, and nothing that is to be forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesTable {
    values: Arc<[f32]>,
    /// `[count + 1]`, the last one past the end.
    offsets: Arc<[u32]>,
    /// For each value the mean, and one over the deviation, of those before it in its series.
    scales: Option<Arc<[[f32; 2]]>>,
    window: usize,
}

/// Digits of an offset in the device's table: floats hold integers exactly up to 2²⁴, and tables may be longer.
#[cfg(any(test, feature = "gpu"))]
const OFFSET_BASE: u32 = 4096;

/// Most values of a table.
pub(crate) const MOST_VALUES: usize = 1 << 28;

impl SeriesTable {
    /// A table of `values.len() / length` equally long series; the model reads `window` values and predicts the next.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the values are not whole series, or too short for a window.
    pub fn new(values: impl Into<Arc<[f32]>>, length: usize, window: usize) -> Result<Self> {
        let values = values.into();
        if length == 0 || values.is_empty() || !values.len().is_multiple_of(length) {
            let what = format!("a table of series of {length} values with windows of {window}");
            return Err(Error::shape(what, &[length.max(window + 1)], &[values.len()]));
        }
        let lengths = vec![length; values.len() / length];
        Self::ragged(values, &lengths, window)
    }

    /// A table of series of these lengths, one after the other in `values`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the lengths do not add up to the values, or a series is too short for a
    /// window and a target; [`Limit`](crate::ErrorKind::Limit) beyond 2²⁸ values.
    pub fn ragged(values: impl Into<Arc<[f32]>>, lengths: &[usize], window: usize) -> Result<Self> {
        let values = values.into();
        let total = lengths.iter().sum::<usize>();
        if total > MOST_VALUES {
            let hint = "take fewer or shorter series";
            return Err(Error::limit("values of a table of series", total as u64, MOST_VALUES as u64, hint));
        }
        let shortest = lengths.iter().copied().min().unwrap_or(0);
        if window == 0 || shortest <= window || total != values.len() {
            let what = format!("a table of {} series with windows of {window}", lengths.len());
            return Err(Error::shape(what, &[total.max(window + 1)], &[values.len().min(shortest)]));
        }
        let mut offsets = vec![0];
        let mut end = 0;
        offsets.extend(lengths.iter().map(|length| {
            end += *length as u32;
            end
        }));
        Ok(Self { values, offsets: offsets.into(), scales: None, window })
    }

    /// Generated series of about unit scale: trend, one season, a change of level in half of them, noise. What each
    /// has of these is [`Traits::draw`]'s.
    #[must_use]
    pub fn generate(seed: u64, count: usize, length: usize, window: usize) -> Self {
        Self::generate_range(seed, 0..count, length, window)
    }

    /// The series of these numbers of the sequence that [`SeriesTable::generate`] begins.
    #[must_use]
    pub fn generate_range(seed: u64, numbers: std::ops::Range<usize>, length: usize, window: usize) -> Self {
        let mut values = Vec::with_capacity(numbers.len() * length);
        let offsets: Vec<u32> = (0..=numbers.len()).map(|i| (i * length) as u32).collect();
        for number in numbers {
            Traits::draw(seed, number, length).series_into(&mut values);
        }
        Self { values: values.into(), offsets: offsets.into(), scales: None, window }
    }

    /// The same series, values to be given less the mean and over the deviation of what came before the first query
    /// target of their task. Where that deviation is below a hundredth of `typical`, the series has been flat so far, and what it
    /// does next is measured by `typical` instead; a deviation that is nothing but rounding then counts as 1.
    #[must_use]
    pub fn standardised(mut self, typical: f64) -> Self {
        let mut scales = Vec::with_capacity(self.values.len());
        for i in 0..self.count() {
            past(self.series(i), |mean, deviation| {
                let deviation = if deviation < 0.01 * typical { typical } else { deviation };
                let constant = deviation <= 1e-6 * mean.abs() || deviation <= f64::from(f32::MIN_POSITIVE);
                let inverse = if constant { 1.0 } else { 1.0 / deviation };
                scales.push([mean as f32, inverse as f32]);
            });
        }
        self.scales = Some(scales.into());
        self
    }

    /// The median deviation of the series.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let mut all: Vec<_> = (0..self.count()).map(|i| deviation(self.series(i))).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    }

    /// Series whose deviation before their last `query` values is below a hundredth of `typical`.
    #[must_use]
    pub fn flat(&self, query: usize, typical: f64) -> usize {
        let before = |i: usize| &self.series(i)[..self.series(i).len().saturating_sub(query)];
        (0..self.count()).filter(|&i| deviation(before(i)) < 0.01 * typical).count()
    }

    /// The values of all series in a row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of one series.
    ///
    /// # Panics
    /// If there is no series `i`.
    #[must_use]
    pub fn series(&self, i: usize) -> &[f32] {
        &self.values[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }

    /// Values of the shortest series.
    #[must_use]
    pub fn shortest(&self) -> usize {
        self.offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize).min().unwrap_or(0)
    }

    /// Values a model reads.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window
    }

    /// Number of series.
    #[must_use]
    pub fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where a task of `points` windows may begin in series `i`: 0 up to this, exclusive; 0 if it is too short.
    #[must_use]
    pub fn starts(&self, i: usize, points: usize) -> usize {
        (self.series(i).len() + 1).saturating_sub(self.window + points)
    }

    /// Mean and one over the deviation that a task of series `i` whose first query target is its value `at` is given
    /// with; 0 and 1 unless the table is standardised.
    #[must_use]
    pub fn scale(&self, i: usize, at: usize) -> [f32; 2] {
        self.scales.as_ref().map_or([0.0, 1.0], |scales| scales[self.offsets[i] as usize + at])
    }

    /// Windows of series `i` from its value `start` on, `x: [points, window]`, with the values behind them,
    /// `y: [points]`, in a task whose first query target is the value `at`.
    pub(super) fn windows_into(&self, i: usize, start: usize, at: usize, x: &mut [f32], y: &mut [f32]) {
        let (values, window) = (&self.series(i)[start..], self.window);
        let [mean, inverse] = self.scale(i, at);
        for (p, (x, y)) in x.chunks_exact_mut(window).zip(y).enumerate() {
            x.copy_from_slice(&values[p..p + window]);
            *y = values[p + window];
            // Not as a product with 1, so that other tables keep their values to the bit.
            if self.scales.is_some() {
                x.iter_mut().for_each(|x| *x = (*x - mean) * inverse);
                *y = (*y - mean) * inverse;
            }
        }
    }

    /// One task for each of the series `range`, from its end: adapted on `support` windows, judged on the last `query`
    /// ones. The query windows stand behind the support windows or, with `same`, are the support windows once more
    /// (`query` is then `support`).
    ///
    /// # Panics
    /// If a series is too short for the windows.
    #[must_use]
    pub fn last_windows(
        &self,
        range: std::ops::Range<usize>,
        support: usize,
        query: usize,
        same: bool,
    ) -> TaskBatch {
        let (query, points) = if same { (support, support) } else { (query, support + query) };
        let mut batch = TaskBatch::zeros(range.len(), support, query, self.window, 1);
        for (slot, i) in range.enumerate() {
            let length = self.series(i).len();
            let (start, at) = (length - self.window - points, length - query);
            let part = |array: &mut [f32], points: usize, width: usize| {
                slot * points * width..(slot * points * width + points * width).min(array.len())
            };
            let (x, y) = (&mut batch.support_x, &mut batch.support_y);
            let (xs, ys) = (part(x, support, self.window), part(y, support, 1));
            self.windows_into(i, start, at, &mut x[xs], &mut y[ys]);
            let (x, y) = (&mut batch.query_x, &mut batch.query_y);
            let (xs, ys) = (part(x, query, self.window), part(y, query, 1));
            self.windows_into(i, at - self.window, at, &mut x[xs], &mut y[ys]);
        }
        batch
    }

    /// Numbers in the table of a device.
    #[must_use]
    #[cfg(any(test, feature = "gpu"))]
    pub(crate) fn device_len(&self) -> usize {
        let scales = if self.scales.is_some() { 2 * self.values.len() } else { 0 };
        2 * self.offsets.len() + self.values.len() + scales
    }

    /// Where the values, and where the scales begin in the table of a device; 0 if there are no scales.
    #[must_use]
    #[cfg(feature = "gpu")]
    pub(crate) fn device_places(&self) -> [u32; 2] {
        let values = 2 * self.offsets.len() as u32;
        [values, if self.scales.is_some() { values + self.values.len() as u32 } else { 0 }]
    }

    /// All that a device draws from: offsets, two floats each; values; means and inverse deviations in turn.
    #[must_use]
    #[cfg(any(test, feature = "gpu"))]
    pub(crate) fn device_table(&self) -> Vec<f32> {
        let mut table = Vec::with_capacity(self.device_len());
        for &offset in &*self.offsets {
            table.extend([(offset / OFFSET_BASE) as f32, (offset % OFFSET_BASE) as f32]);
        }
        table.extend_from_slice(&self.values);
        table.extend(self.scales.iter().flat_map(|scales| scales.iter().flatten()));
        table
    }
}

/// Tells mean and deviation of what came before each value: Welford's running mean and sum of squares.
fn past(values: &[f32], mut tell: impl FnMut(f64, f64)) {
    let (mut mean, mut squares) = (0.0_f64, 0.0_f64);
    for (n, &value) in values.iter().enumerate() {
        tell(mean, (squares / n.max(1) as f64).sqrt());
        let off = f64::from(value) - mean;
        mean += off / (n + 1) as f64;
        squares += off * (f64::from(value) - mean);
    }
}

/// The deviation (n) of values.
fn deviation(values: &[f32]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_flat_series_does_next_is_measured_by_what_others_do() {
        let values = [vec![0.0; 8], vec![0.0, 500.0], (0..10).map(|v| 100.0 * v as f32).collect()].concat();
        let table = SeriesTable::ragged(values, &[10, 10], 2).unwrap();
        let typical = table.spread();
        assert!((typical - 287.23).abs() < 0.01, "{typical}");
        assert_eq!((table.flat(1, typical), table.flat(0, typical)), (1, 0));
        let scaled = table.clone().standardised(typical);
        assert!((1.0 / scaled.scale(0, 9)[1] - typical as f32).abs() < 1e-3);
        assert_eq!(scaled.scale(1, 9), table.standardised(0.0).scale(1, 9));
    }

    #[test]
    fn scales_are_those_of_the_values_before() {
        let values = vec![3.0, 3.0, 5.0, 9.0, -4.0, /* next */ 1e6, 1e6, 1e6, 2e6];
        let table = SeriesTable::ragged(values.clone(), &[5, 4], 2).unwrap().standardised(0.0);
        for (i, from, at) in [(0, 0, 3), (0, 0, 4), (1, 5, 3)] {
            let past: Vec<f64> = values[from..from + at].iter().map(|&v| v.into()).collect();
            let mean = past.iter().sum::<f64>() / past.len() as f64;
            let variance = past.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / past.len() as f64;
            let inverse = if variance == 0.0 { 1.0 } else { 1.0 / variance.sqrt() };
            let [found, scale] = table.scale(i, at);
            assert!((f64::from(found) - mean).abs() < 1e-6 * mean.abs(), "{found} {mean}");
            assert!((f64::from(scale) - inverse).abs() < 1e-6 * inverse, "{scale} {inverse}");
        }
        let plain = SeriesTable::ragged(values, &[5, 4], 2).unwrap();
        assert_eq!(plain.scale(1, 3), [0.0, 1.0]);
        assert_eq!(plain.device_table().len(), plain.device_len());
        assert_eq!(table.device_table().len(), table.device_len());
    }

    #[test]
    fn the_last_windows_follow_one_another_or_are_the_same() {
        let values: Vec<f32> = (0..30).map(|v| v as f32).collect();
        let table = SeriesTable::ragged(values, &[12, 18], 4).unwrap();
        let ahead = table.last_windows(0..2, 3, 2, false);
        assert_eq!(
            (ahead.support_y, ahead.query_y),
            (vec![7., 8., 9., 25., 26., 27.].into(), vec![10., 11., 28., 29.].into())
        );
        assert_eq!(ahead.query_x[..8], [6., 7., 8., 9., 7., 8., 9., 10.]);
        let same = table.last_windows(1..2, 3, 2, true);
        assert_eq!((&same.support_y, &same.support_x), (&same.query_y, &same.query_x));
        assert_eq!(same.query_y, [27., 28., 29.]);
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        assert!(SeriesTable::ragged(vec![0.0; 9], &[4, 4], 2).is_err());
        assert!(SeriesTable::ragged(vec![0.0; 8], &[2, 6], 2).is_err());
        assert!(SeriesTable::new(vec![0.0; 8], 0, 2).is_err());
        let table = SeriesTable::ragged(vec![0.0; 8], &[3, 5], 2).unwrap();
        assert_eq!((table.starts(0, 2), table.starts(1, 2), table.shortest()), (0, 2, 3));
    }
}
