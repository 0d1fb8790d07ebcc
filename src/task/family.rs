//! Task families of one's own: anything that can fill a task from a stream of random words.

use crate::error::Result;
use crate::philox::{Philox, Purpose};
use std::fmt::Debug;

/// A family of tasks that the crate does not know: [`TaskSource::Custom`](super::TaskSource::Custom) takes one wherever a
/// built-in source goes.
///
/// A task must follow from what [`draw`](Self::draw) or [`visit`](Self::visit) is given and from nothing else, neither a
/// clock nor a counter of its own: backends ask for tasks in any order, from several threads and more than once. Then a
/// training is the same on every number of threads, wherever it was resumed.
///
/// Class labels, for cross-entropy, are whole numbers from 0; a label beyond the model's outputs ends a training with an
/// error.
pub trait TaskFamily: Send + Sync + Debug {
    /// What it is, for people.
    fn name(&self) -> &str;

    /// Features of a point.
    fn inputs(&self) -> usize;

    /// Targets of a point: the model's outputs for `mse`, 1 for `cross_entropy`.
    fn targets(&self) -> usize {
        1
    }

    /// Whether tasks of these numbers of points exist; asked before a training begins.
    ///
    /// # Errors
    /// Whatever is in the way.
    fn check(&self, support: usize, query: usize) -> Result<()> {
        let _ = (support, query);
        Ok(())
    }

    /// Draws a task: all its points, support points first, `x: [support + query, inputs]` and
    /// `y: [support + query, targets]`. Every element must be written.
    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]);

    /// Whether points may count differently, or not at all, as where tasks have unequal numbers of points: then
    /// [`weigh`](Self::weigh) says how much each counts.
    fn weighs(&self) -> bool {
        false
    }

    /// How much each point of a task counts, `[support + query]`, support points first; all are 1 before. `words` are those
    /// that [`draw`](Self::draw) gets for the same task, from their beginning. Weights are 0 or more, and above 0 for some
    /// support and some query point; a point of weight 0 is as if it were not there, and need not be written.
    fn weigh(&self, words: &mut Philox, support: usize, query: usize, weights: &mut [f32]) {
        let _ = (words, support, query, weights);
    }

    /// [`weigh`](Self::weigh) for the task of one turn of training. A family with a [`visit`](Self::visit) of its own says
    /// here how much the points of that task count.
    fn weigh_turn(&self, turn: &Turn, support: usize, query: usize, weights: &mut [f32]) {
        self.weigh(&mut turn.words(), support, query, weights);
    }

    /// The task of one turn of training: by default drawn from the turn's own words. A family that visits its tasks in an
    /// order, epoch by epoch, says here which one comes next.
    fn visit(&self, turn: &Turn, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        self.draw(&mut turn.words(), support, query, x, y);
    }
}

/// One task of a training by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The run's seed.
    pub seed: u64,
    /// The meta-iteration, from 0.
    pub iteration: u64,
    /// The task in its meta-batch, from 0.
    pub task: usize,
    /// Tasks a meta-iteration.
    pub meta_batch: usize,
}

impl Turn {
    /// The words that belong to this turn alone.
    #[must_use]
    pub fn words(&self) -> Philox {
        Philox::stream(self.seed, Purpose::Task, self.iteration as u32, self.task as u32)
    }

    /// How many tasks came before this one since the start of the training.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.iteration * self.meta_batch as u64 + self.task as u64
    }
}
