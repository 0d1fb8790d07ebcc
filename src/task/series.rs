//! A table of equally long series whose windows are tasks.

use super::{Philox, Purpose};
use crate::error::{Error, Result};
use rand::RngExt as _;
use std::f32::consts::TAU;
use std::sync::Arc;

/// Series of one length, row-major `[series, length]`, shared by reference.
///
/// A task is one series: its points are windows that follow one another from a random start,
/// first the support windows, then the query windows, so that no target is in both.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesTable {
    values: Arc<[f32]>,
    length: usize,
    window: usize,
}

impl SeriesTable {
    /// A table of `values.len() / length` series; the model reads `window` values and predicts the next.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the values are not whole series, or too short for a window.
    pub fn new(values: impl Into<Arc<[f32]>>, length: usize, window: usize) -> Result<Self> {
        let values = values.into();
        if length <= window || window == 0 || values.is_empty() || !values.len().is_multiple_of(length) {
            return Err(Error::shape(
                format!("a table of series of {length} values with windows of {window}"),
                &[length.max(window + 1)],
                &[values.len()],
            ));
        }
        Ok(Self { values, length, window })
    }

    /// Generated series: trend, one season and noise, about unit scale.
    #[must_use]
    pub fn generate(seed: u64, count: usize, length: usize, window: usize) -> Self {
        let mut values = Vec::with_capacity(count * length);
        for i in 0..count {
            let mut rng = Philox::stream(seed, Purpose::Data, 0, i as u32);
            let [level, slope, size, phase]: [f32; 4] = std::array::from_fn(|_| rng.random::<f32>());
            let period = 6.0 + 24.0 * rng.random::<f32>();
            for t in 0..length {
                let t = t as f32;
                let season = (0.2 + size) * (TAU * (t / period + phase)).sin();
                let noise = 0.2 * (rng.random::<f32>() - 0.5);
                values.push(level - 0.5 + (slope - 0.5) * t / length as f32 + season + noise);
            }
        }
        Self { values: values.into(), length, window }
    }

    /// The values, `[series, length]`.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Values a series.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Values a model reads.
    #[must_use]
    pub fn window(&self) -> usize {
        self.window
    }

    /// Number of series.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.len() / self.length
    }
}
