//! Training as something to step through: blocks of meta-iterations, looked at and stopped from outside.

use super::{Backend, Losses, TrainPlan, TrainState, Training};
use crate::clock::Instant;
use crate::error::Result;
use std::time::Duration;

/// A training on a backend. It prints nothing, shares nothing and stops whenever the caller does.
///
/// As an iterator it yields blocks of at most [`Trainer::block_len`] meta-iterations up to the plan's last;
/// how the iterations are cut into blocks changes no result.
pub struct Trainer<'a> {
    backend: &'a dyn Backend,
    plan: TrainPlan,
    training: Box<dyn Training>,
    /// How long the training's plan is the right one.
    unchanged: u64,
    iteration: u64,
    block_len: u64,
    time: Duration,
}

/// What one block of meta-iterations reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The meta-iteration that the first entry of `losses` belongs to, counted from 0.
    pub first: u64,
    /// One entry a meta-iteration.
    pub losses: Vec<Losses>,
    /// What the block took.
    pub time: Duration,
}

impl Block {
    /// Meta-iterations done when the block ended, since the start of the training.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.losses.len() as u64
    }

    /// Mean losses of the block.
    #[must_use]
    pub fn mean(&self) -> Losses {
        let mean = |of: fn(&Losses) -> f32| {
            let sum: f64 = self.losses.iter().map(|l| f64::from(of(l))).sum();
            (sum / self.losses.len().max(1) as f64) as f32
        };
        Losses { support: mean(|l| l.support), query: mean(|l| l.query) }
    }

    /// Meta-iterations a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.losses.len() as f64 / self.time.as_secs_f64().max(1e-9)
    }
}

impl<'a> Trainer<'a> {
    /// A training that goes on from `state` to the plan's last meta-iteration.
    ///
    /// # Errors
    /// As [`TrainPlan::check`] and [`Backend::training`].
    pub fn new(backend: &'a dyn Backend, plan: &TrainPlan, state: TrainState) -> Result<Self> {
        plan.check()?;
        let iteration = state.iteration;
        let training = backend.training(&at(plan, iteration), state)?;
        let unchanged = plan.plan.unchanged(iteration);
        let (plan, time) = (plan.clone(), Duration::ZERO);
        Ok(Self { backend, plan, training, unchanged, iteration, block_len: 100, time })
    }

    /// Meta-iterations done since the start of the training.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Meta-iterations that the plan still asks for.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.plan.outer.iterations.saturating_sub(self.iteration)
    }

    /// Time spent in this trainer's blocks.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Length of the blocks that iteration yields (100 unless changed).
    pub fn set_block_len(&mut self, iterations: u64) {
        self.block_len = iterations.max(1);
    }

    /// Length of the blocks that iteration yields.
    #[must_use]
    pub fn block_len(&self) -> u64 {
        self.block_len
    }

    /// Runs up to `iterations` more, not beyond the plan's last.
    ///
    /// # Errors
    /// As [`Training::advance`].
    pub fn advance(&mut self, iterations: u64) -> Result<Block> {
        let (first, iterations) = (self.iteration, iterations.min(self.remaining()));
        let start = Instant::now();
        let mut losses = Vec::new();
        let end = first + iterations;
        while self.iteration < end {
            if self.unchanged == 0 {
                let state = self.training.state()?;
                self.training = self.backend.training(&at(&self.plan, self.iteration), state)?;
                self.unchanged = self.plan.plan.unchanged(self.iteration);
            }
            let some = self.unchanged.min(end - self.iteration);
            losses.extend(self.training.advance(some)?);
            self.iteration += some;
            self.unchanged -= some;
        }
        let time = start.elapsed();
        self.time += time;
        Ok(Block { first, losses, time })
    }

    /// The state, e.g. for a checkpoint.
    ///
    /// # Errors
    /// As [`Training::state`].
    pub fn state(&mut self) -> Result<TrainState> {
        self.training.state()
    }
}

/// A training with its plan as it is at a meta-iteration.
fn at(plan: &TrainPlan, iteration: u64) -> TrainPlan {
    TrainPlan { plan: plan.plan.at(iteration), ..plan.clone() }
}

impl Iterator for Trainer<'_> {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.remaining() > 0).then(|| self.advance(self.block_len))
    }
}
