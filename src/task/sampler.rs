//! From (seed, meta-iteration, task) to the points of a task: the plain serial form, which the
//! vector and device samplers are tested against.

use super::{ImageTasks, Sinusoid, TaskBatch, TaskFamily, TaskSource, Turn, sine};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below, unit};

/// What one meta-iteration looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// `meta_batch` tasks, each with its support and its query points.
    Split,
    /// `meta_batch` tasks, all their points as query points: pretraining (K = 0).
    Joint,
    /// `meta_batch` tasks, their query points alone, as query points (K = 0): where these are the support points once more.
    Query,
    /// One half of one task: at iteration `i` the task `i / 2` of the sequence that `Split` visits,
    /// its support points at even `i`, its query points at odd `i`, as query points (K = 0).
    /// Support and query must be equally many.
    Halves,
}

/// Draws the tasks of any meta-iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    /// The family.
    pub source: TaskSource,
    /// The run's seed.
    pub seed: u64,
    /// Tasks a meta-iteration (of `Split`).
    pub meta_batch: usize,
    /// Support points of a task.
    pub support: usize,
    /// Query points of a task.
    pub query: usize,
    /// How they are handed out.
    pub visit: Visit,
}

impl Sampler {
    /// Checks that every task that may be drawn exists.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key.
    pub fn check(&self) -> Result<()> {
        let points = self.support + self.query;
        if self.visit == Visit::Halves && self.support != self.query {
            let (support, query) = (self.support, self.query);
            let reason =
                format!("is halves, which needs as many support as query points, not {support} and {query}");
            return Err(Error::recipe("control.visit", reason));
        }
        match &self.source {
            TaskSource::Sinusoid { pool, .. } if *pool == Some(0) => {
                Err(Error::recipe("task.pool", "is a pool of no task; leave it out to draw every task anew"))
            }
            TaskSource::Series(table) if table.shortest() < table.window() + points => Err(Error::recipe(
                "task.length",
                format!(
                    "is {}; windows of {} values at {points} points need series of at least {}",
                    table.shortest(),
                    table.window(),
                    table.window() + points
                ),
            )),
            TaskSource::Sinusoid { .. } | TaskSource::Series(_) => Ok(()),
            TaskSource::Images(tasks) => tasks.check(points),
            TaskSource::Custom(family) => self.check_custom(&**family),
        }
    }

    /// Draws the first task, so that a family which leaves something out is found before a training begins.
    fn check_custom(&self, family: &dyn TaskFamily) -> Result<()> {
        family.check(self.support, self.query)?;
        let n = self.support + self.query;
        let (mut x, mut y) = (vec![f32::NAN; n * family.inputs()], vec![f32::NAN; n * family.targets()]);
        self.task_into(0, 0, &mut x, &mut y);
        let weights = self.weights(0, 0);
        for (what, values, width) in [("x", &x, family.inputs()), ("y", &y, family.targets())] {
            let counts = |at: usize| weights.as_ref().is_none_or(|weights| weights[at / width] != 0.0);
            if let Some(at) = (0..values.len()).find(|&at| counts(at) && !values[at].is_finite()) {
                let (point, name, value) = (at / width, family.name(), values[at]);
                let reason = format!(
                    "{what} of point {point} in the first task of `{name}` is {value} or was not written"
                );
                return Err(Error::not_finite(reason));
            }
        }
        Ok(())
    }

    /// Tasks that one meta-iteration hands out.
    #[must_use]
    pub fn tasks(&self) -> usize {
        if self.visit == Visit::Halves { 1 } else { self.meta_batch }
    }

    /// Support and query points of each task handed out.
    #[must_use]
    pub fn points(&self) -> (usize, usize) {
        match self.visit {
            Visit::Split => (self.support, self.query),
            Visit::Joint => (0, self.support + self.query),
            Visit::Query => (0, self.query),
            Visit::Halves => (0, self.support),
        }
    }

    /// The tasks of a meta-iteration.
    #[must_use]
    pub fn batch(&self, iteration: u64) -> TaskBatch {
        self.some(iteration, 0..self.tasks())
    }

    /// Some of the tasks of a meta-iteration.
    #[must_use]
    pub fn some(&self, iteration: u64, slots: std::ops::Range<usize>) -> TaskBatch {
        let (support, query) = self.points();
        let mut batch =
            TaskBatch::zeros(slots.len(), support, query, self.source.inputs(), self.source.targets());
        let (inputs, targets) = (batch.inputs, batch.targets);
        let n = self.support + self.query;
        let (mut all_x, mut all_y) = (vec![0.0; n * inputs], vec![0.0; n * targets]);
        for slot in 0..batch.tasks {
            let (at, task, skip) = self.place(iteration, slots.start + slot);
            self.task_into(at, task, &mut all_x, &mut all_y);
            batch.put(slot, &all_x[skip * inputs..], &all_y[skip * targets..]);
            if let Some(weights) = self.weights(at, task) {
                batch.put_weights(slot, &weights[skip..]);
            }
        }
        batch
    }

    /// Whether points have weights.
    #[must_use]
    pub fn weighs(&self) -> bool {
        match &self.source {
            TaskSource::Custom(family) => family.weighs(),
            TaskSource::Sinusoid { .. } | TaskSource::Series(_) | TaskSource::Images(_) => false,
        }
    }

    /// How much each point of a task of `Split` counts, `[support + query]`; nothing where all count alike.
    #[must_use]
    pub fn weights(&self, iteration: u64, task: usize) -> Option<Vec<f32>> {
        let TaskSource::Custom(family) = &self.source else { return None };
        let turn = Turn { seed: self.seed, iteration, task, meta_batch: self.meta_batch };
        family.weighs().then(|| {
            let mut weights = vec![1.0; self.support + self.query];
            family.weigh_turn(&turn, self.support, self.query, &mut weights);
            weights
        })
    }

    /// Where the points of one task handed out stand: the meta-iteration and the task of `Split` that they
    /// belong to, and the point of that task that they begin with.
    #[must_use]
    pub fn place(&self, iteration: u64, slot: usize) -> (u64, usize, usize) {
        match self.visit {
            Visit::Halves => {
                let (visit, mb) = (iteration / 2, self.meta_batch as u64);
                (visit / mb, (visit % mb) as usize, (iteration % 2) as usize * self.support)
            }
            Visit::Split | Visit::Joint => (iteration, slot, 0),
            Visit::Query => (iteration, slot, self.support),
        }
    }

    /// All points of one task of `Split`, support points first: `x` is `[support + query, inputs]`, `y` is
    /// `[support + query, targets]`.
    ///
    /// # Panics
    /// If `x` or `y` is shorter than that.
    pub fn task_into(&self, iteration: u64, task: usize, x: &mut [f32], y: &mut [f32]) {
        let n = self.support + self.query;
        let (step, slot) = (iteration as u32, task as u32);
        match &self.source {
            TaskSource::Sinusoid { family, pool } => {
                let mut words = match pool {
                    Some(pool) => {
                        let visit = iteration * self.meta_batch as u64 + task as u64;
                        Philox::stream(self.seed, Purpose::Pool, 0, (visit % u64::from(*pool)) as u32)
                    }
                    None => Philox::stream(self.seed, Purpose::Task, step, slot),
                };
                let mut uniform = |[low, high]: [f32; 2]| low + (high - low) * unit(words.word());
                let (a, b) = (uniform(family.amplitude), uniform(family.phase));
                let x = &mut x[..n];
                x.fill_with(|| uniform(family.x));
                if pool.is_some() {
                    let mut words = Philox::stream(self.seed, Purpose::Shuffle, step, slot);
                    for i in 0..self.support.min(n - 1) {
                        x.swap(i, i + below(words.word(), (n - i) as u32) as usize);
                    }
                }
                for (y, &x) in y.iter_mut().zip(&*x) {
                    *y = a * sine(x + b);
                }
            }
            TaskSource::Series(table) => {
                let mut words = Philox::stream(self.seed, Purpose::Task, step, slot);
                let series = below(words.word(), table.count() as u32) as usize;
                let start = below(words.word(), table.starts(series, n) as u32) as usize;
                let at = start + table.window() + self.support;
                table.windows_into(series, start, at, &mut x[..n * table.window()], &mut y[..n]);
            }
            TaskSource::Images(tasks) => {
                let mut words = Philox::stream(self.seed, Purpose::Task, step, slot);
                tasks.task_into(&mut words, self.support, self.query, x, y);
            }
            TaskSource::Custom(family) => {
                let turn = Turn { seed: self.seed, iteration, task, meta_batch: self.meta_batch };
                let (x, y) = (&mut x[..n * family.inputs()], &mut y[..n * family.targets()]);
                family.visit(&turn, self.support, self.query, x, y);
            }
        }
    }

    /// The tasks `range` of a fixed sequence of a family of one's own, for validation and evaluation: those that training
    /// draws have other words. `sequence` 0 is the final evaluation's, others are for validation.
    #[must_use]
    pub fn family_evaluation(
        &self,
        family: &dyn TaskFamily,
        sequence: u32,
        range: std::ops::Range<usize>,
    ) -> TaskBatch {
        let (support, query, inputs, targets) = (self.support, self.query, family.inputs(), family.targets());
        let mut batch = TaskBatch::zeros(range.len(), support, query, inputs, targets);
        let (mut x, mut y) = (vec![0.0; (support + query) * inputs], vec![0.0; (support + query) * targets]);
        for (slot, task) in range.enumerate() {
            let mut words = Philox::stream(self.seed, Purpose::Evaluate, sequence, task as u32);
            let mut same = words.clone();
            family.draw(&mut words, support, query, &mut x, &mut y);
            batch.put(slot, &x, &y);
            if family.weighs() {
                let mut weights = vec![1.0; support + query];
                family.weigh(&mut same, support, query, &mut weights);
                batch.put_weights(slot, &weights);
            }
        }
        batch
    }

    /// The tasks `range` of a fixed sequence for validation and evaluation, from the sampler's own split: `sequence` 0
    /// is the final evaluation's, others are for validation.
    #[must_use]
    pub fn image_evaluation(
        &self,
        tasks: &ImageTasks,
        sequence: u32,
        range: std::ops::Range<usize>,
    ) -> TaskBatch {
        let (support, query, inputs) = (self.support, self.query, tasks.inputs());
        let mut batch = TaskBatch::zeros(range.len(), support, query, inputs, 1);
        let (mut x, mut y) = (vec![0.0; (support + query) * inputs], vec![0.0; support + query]);
        for (slot, task) in range.enumerate() {
            let mut words = Philox::stream(self.seed, Purpose::Evaluate, sequence, task as u32);
            tasks.task_into(&mut words, support, query, &mut x, &mut y);
            batch.put(slot, &x, &y);
        }
        batch
    }

    /// The sinusoids `range` of a fixed sequence for validation and evaluation, of which `sequence` 0 is the final evaluation's: the support points of `Split`, and `dense` query
    /// points evenly spread over the whole range of inputs.
    #[must_use]
    pub fn evaluation(
        &self,
        family: &Sinusoid,
        sequence: u32,
        range: std::ops::Range<usize>,
        dense: usize,
    ) -> TaskBatch {
        let mut batch = TaskBatch::zeros(range.len(), self.support, dense, 1, 1);
        for (task, number) in range.enumerate() {
            let mut words = Philox::stream(self.seed, Purpose::Evaluate, sequence, number as u32);
            let mut uniform = |[low, high]: [f32; 2]| low + (high - low) * unit(words.word());
            let (a, b) = (uniform(family.amplitude), uniform(family.phase));
            for p in 0..self.support {
                let x = uniform(family.x);
                batch.support_x[task * self.support + p] = x;
                batch.support_y[task * self.support + p] = a * sine(x + b);
            }
            for p in 0..dense {
                let [low, high] = family.x;
                let x = low + (high - low) * (p as f32 / (dense.max(2) - 1) as f32);
                batch.query_x[task * dense + p] = x;
                batch.query_y[task * dense + p] = a * sine(x + b);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::SeriesTable;

    fn sampler(pool: Option<u32>, visit: Visit) -> Sampler {
        Sampler {
            source: TaskSource::Sinusoid { family: Sinusoid::default(), pool },
            seed: 42,
            meta_batch: 3,
            support: 5,
            query: 5,
            visit,
        }
    }

    #[test]
    fn draws_are_pinned() {
        let batch = sampler(None, Visit::Split).batch(0);
        insta::assert_debug_snapshot!((&batch.support_x[..3], &batch.support_y[..3]));
        let batch = sampler(Some(7), Visit::Split).batch(3);
        insta::assert_debug_snapshot!(&batch.support_x[5..8]);
    }

    #[test]
    fn a_pool_task_keeps_its_points_and_changes_their_order() {
        let sampler = sampler(Some(6), Visit::Split);
        let sorted = |mut x: Vec<f32>| {
            x.sort_by(f32::total_cmp);
            x
        };
        // Six tasks, three an iteration: iteration 2 visits what iteration 0 visited.
        let points = |iteration| {
            let batch = sampler.batch(iteration);
            [&batch.support_x[5..10], &batch.query_x[5..10]].concat()
        };
        let (first, again) = (points(0), points(2));
        assert_ne!(first, again);
        assert_eq!(sorted(first), sorted(again));
    }

    #[test]
    fn halves_follow_the_order_of_split() {
        let (split, halves) = (sampler(Some(100), Visit::Split), sampler(Some(100), Visit::Halves));
        let batch = split.batch(1);
        // Visit 4 is iteration 1, task 1 of three.
        assert_eq!(halves.batch(8).query_x, batch.support_x[5..10]);
        assert_eq!(halves.batch(9).query_x, batch.query_x[5..10]);
        assert_eq!(sampler(None, Visit::Joint).batch(0).query_x.len(), 30);
    }

    #[test]
    fn tasks_that_do_not_exist_are_refused_by_key() {
        let short = SeriesTable::new(vec![0.0; 39], 39, 30).unwrap();
        let halves = Sampler { query: 4, ..sampler(None, Visit::Halves) };
        let series = Sampler { source: TaskSource::Series(short), ..sampler(None, Visit::Split) };
        for (sampler, key) in [
            (sampler(Some(0), Visit::Split), "task.pool"),
            (halves, "control.visit"),
            (series, "task.length"),
        ] {
            assert!(sampler.check().unwrap_err().to_string().contains(key));
        }
    }

    #[test]
    fn series_windows_follow_one_another_and_share_no_target() {
        let table = SeriesTable::new((0..200).map(|v| v as f32).collect::<Vec<_>>(), 100, 30).unwrap();
        let sampler = Sampler { source: TaskSource::Series(table), ..sampler(None, Visit::Split) };
        for iteration in 0..20 {
            let batch = sampler.batch(iteration);
            let x = [&batch.support_x[300..450], &batch.query_x[300..450]].concat();
            let y = [&batch.support_y[10..15], &batch.query_y[10..15]].concat();
            for p in 0..10 {
                assert_eq!(y[p], x[p * 30 + 29] + 1.0);
                assert_eq!(y[p], y[0] + p as f32);
            }
        }
    }
}
