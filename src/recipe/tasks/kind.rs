//! What a kind of tasks says to the rest of a recipe.

use crate::data::Split;
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::{EvaluationSettings, Protocol};
use crate::recipe::limits::{MANY, within};
use crate::task::{Sampler, TaskBatch, TaskSource, Visit};
use std::ops::Range;
use std::path::Path;

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recipe) enum Targets {
    /// A number.
    Numbers,
    /// A class, the same in every task.
    Classes,
    /// A class of the task: a label means another one elsewhere.
    ClassesOfTask,
}

/// What `[evaluation]` has where nothing is typed. A key that has no usual value is no setting of the kind.
#[derive(Clone, Copy, Debug)]
pub(in crate::recipe) struct Usual {
    pub(in crate::recipe) tasks: usize,
    pub(in crate::recipe) points: usize,
    pub(in crate::recipe) queries: Option<usize>,
    pub(in crate::recipe) protocol: Option<Protocol>,
}

/// What held-out tasks are drawn with.
#[derive(Clone, Copy, Debug)]
pub(in crate::recipe) struct Draw {
    pub(in crate::recipe) seed: u64,
    pub(in crate::recipe) meta_batch: usize,
    pub(in crate::recipe) support: usize,
    pub(in crate::recipe) query: usize,
}

impl Draw {
    /// A sampler of whole tasks.
    pub(in crate::recipe) fn sampler(self, source: TaskSource) -> Sampler {
        let Self { seed, meta_batch, support, query } = self;
        Sampler { source, seed, meta_batch, support, query, visit: Visit::Split }
    }
}

/// What loading is told, and what it may settle.
pub(in crate::recipe) struct Loading<'a> {
    /// The directory of image sets, if not the user's own.
    pub(in crate::recipe) dir: Option<&'a Path>,
    pub(in crate::recipe) seed: u64,
    pub(in crate::recipe) meta_batch: usize,
    pub(in crate::recipe) support: &'a mut usize,
    pub(in crate::recipe) query: &'a mut usize,
    pub(in crate::recipe) iterations: &'a mut u64,
    /// Whether there are trials, for which something may have to be held out.
    pub(in crate::recipe) trials: bool,
}

/// A kind of tasks.
pub(in crate::recipe) trait Kind {
    /// What targets are.
    fn targets(&self) -> Targets;

    /// What a model reads, and its outputs; an error until that is loaded which they follow from.
    fn shape(&self) -> Result<(Shape, usize)>;

    /// Where training draws from.
    fn source(&self, seed: u64) -> Result<TaskSource>;

    /// What stands for it where shapes and limits alone are looked at.
    fn sketch(&self, seed: u64) -> Result<TaskSource> {
        self.source(seed)
    }

    /// Whether `task.support` and `task.query` are settings, not what follows from others.
    fn counts_points(&self) -> bool;

    /// Whether `outer.iterations` follows from epochs over rows where it is not given.
    fn counts_epochs(&self) -> bool {
        false
    }

    /// Usual settings of an evaluation of tasks with `support` points.
    fn usual(&self, support: usize) -> Usual {
        Usual { tasks: 600, points: support.max(1), queries: None, protocol: None }
    }

    /// Checks an evaluation of tasks of `support` and `query` points, the ranges that all kinds share aside.
    fn check_evaluation(&self, points: (usize, usize), settings: &EvaluationSettings) -> Result<()>;

    /// Support points of a held-out task.
    fn evaluation_support(&self, points: (usize, usize), settings: &EvaluationSettings) -> usize {
        let _ = points;
        settings.points
    }

    /// Query points of a held-out task.
    fn evaluation_query(&self, query: usize, settings: &EvaluationSettings) -> usize {
        let _ = settings;
        query
    }

    /// How many held-out tasks there are of those asked for.
    fn evaluation_count(&self, asked: usize) -> usize {
        asked
    }

    /// Whether an evaluation is made of tasks; else of rows, see [`LoadedTable`](super::LoadedTable).
    fn holds_out_tasks(&self) -> bool {
        true
    }

    /// The held-out tasks `range`.
    fn evaluation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch>;

    /// Tasks of a trial during training: of meta-validation or, where there are classes, of meta-training.
    fn validation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        split: Split,
        range: Range<usize>,
    ) -> Result<TaskBatch>;

    /// How many tasks of a trial there are of those asked for.
    fn validation_count(&self, asked: usize) -> usize {
        asked
    }

    /// Whether trials take away from what there is to learn from.
    fn trials_cost(&self) -> bool {
        false
    }

    /// Whether something must be loaded before a training.
    fn needs_data(&self) -> bool {
        false
    }

    /// Loads it.
    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        let _ = loading;
        Ok(())
    }
}

/// Checks an evaluation on single points, at most `most` of them for adaptation.
pub(super) fn check_points(settings: &EvaluationSettings, most: usize) -> Result<()> {
    within("evaluation.points", settings.points, 1..=most)?;
    let values = (settings.tasks as u128) * (settings.dense + settings.points) as u128;
    if values > 1 << 28 {
        return Err(Error::recipe(
            "evaluation.tasks",
            format!("times the points a task is {values}; at most {} fit", 1 << 28),
        ));
    }
    Ok(())
}

/// Checks an evaluation of few-shot tasks.
pub(super) fn check_classes(settings: &EvaluationSettings, support: usize, ways: usize) -> Result<()> {
    if settings.points != support {
        let reason = format!(
            "is {}, but tasks of classes are adapted on task.ways × task.shots = {support}",
            settings.points
        );
        return Err(Error::recipe("evaluation.points", reason));
    }
    let queries = within("evaluation.queries", settings.queries.unwrap_or(1), 1..=1024)?;
    // Images are drawn a few tasks at a time.
    within("evaluation.tasks × points", settings.tasks.saturating_mul(ways * queries), 1..=1 << 28).map(drop)
}

/// Support and query points of tasks without classes, as typed.
pub(super) fn points(support: Option<usize>, query: Option<usize>) -> Result<(usize, usize)> {
    let support = within("task.support", support.unwrap_or(5), 0..=MANY)?;
    Ok((support, within("task.query", query.unwrap_or(5), 1..=MANY)?))
}

/// Ways, shots and queries of few-shot tasks, as typed.
pub(super) fn classes(ways: usize, shots: Option<usize>, queries: Option<usize>) -> Result<[usize; 3]> {
    Ok([
        within("task.ways", ways, 2..=1024)?,
        within("task.shots", shots.unwrap_or(1), 1..=1024)?,
        within("task.queries", queries.unwrap_or(1), 1..=1024)?,
    ])
}
