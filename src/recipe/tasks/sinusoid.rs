//! Sinusoids.

use super::kind::{Draw, Kind, Targets, check_points, points};
use crate::data::Split;
use crate::error::Result;
use crate::model::Shape;
use crate::recipe::evaluation::EvaluationSettings;
use crate::recipe::limits::{MANY, range};
use crate::recipe::section::section;
use crate::task::{Sinusoid, TaskBatch, TaskSource};
use serde::Serialize;
use std::ops::Range;

/// `y = a · sin(x + b)`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SinusoidSettings {
    /// Range of `a` (default `[0.1, 5.0]`).
    pub amplitude: [f64; 2],
    /// Range of `b`, radians (default `[0, 2π]`).
    pub phase: [f64; 2],
    /// Range of `x` (default `[-5.0, 5.0]`).
    pub x: [f64; 2],
    /// Tasks of a fixed pool that is visited in order; 0 (the default) draws every task fresh.
    pub pool: u32,
}

section!(Typed {
    support: usize,
    query: usize,
    amplitude: [f64; 2],
    phase: [f64; 2],
    x: [f64; 2],
    pool: u32,
});

impl Typed {
    /// The settings, and support and query points.
    pub(super) fn resolve(self) -> Result<(SinusoidSettings, usize, usize)> {
        let (support, query) = points(self.support, self.query)?;
        let settings = SinusoidSettings {
            amplitude: range("task.amplitude", self.amplitude.unwrap_or([0.1, 5.0]))?,
            phase: range("task.phase", self.phase.unwrap_or([0.0, std::f64::consts::TAU]))?,
            x: range("task.x", self.x.unwrap_or([-5.0, 5.0]))?,
            pool: self.pool.unwrap_or(0),
        };
        Ok((settings, support, query))
    }
}

impl SinusoidSettings {
    fn distribution(&self) -> Sinusoid {
        let narrow = |[low, high]: [f64; 2]| [low as f32, high as f32];
        Sinusoid { amplitude: narrow(self.amplitude), phase: narrow(self.phase), x: narrow(self.x) }
    }

    /// The tasks `range` of a fixed sequence, judged on dense points.
    fn sequence(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        sequence: u32,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let sampler = Draw { support: settings.points, ..draw }.sampler(self.source(draw.seed)?);
        Ok(sampler.evaluation(&self.distribution(), sequence, range, settings.dense))
    }
}

impl Kind for SinusoidSettings {
    fn targets(&self) -> Targets {
        Targets::Numbers
    }

    fn shape(&self) -> Result<(Shape, usize)> {
        Ok((Shape::Vector(1), 1))
    }

    fn source(&self, _: u64) -> Result<TaskSource> {
        let pool = (self.pool > 0).then_some(self.pool);
        Ok(TaskSource::Sinusoid { family: self.distribution(), pool })
    }

    fn counts_points(&self) -> bool {
        true
    }

    fn check_evaluation(&self, _: (usize, usize), settings: &EvaluationSettings) -> Result<()> {
        check_points(settings, MANY)
    }

    fn evaluation_query(&self, _: usize, settings: &EvaluationSettings) -> usize {
        settings.dense
    }

    fn evaluation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        self.sequence(draw, settings, 0, range)
    }

    fn validation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        _: Split,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        self.sequence(draw, settings, 1, range)
    }
}
