//! Training as something to step through: blocks of meta-iterations, looked at and stopped from outside.

use super::{Backend, Losses, TrainPlan, TrainState, Training};
use crate::error::Result;
use std::time::{Duration, Instant};

/// A training on a backend. It prints nothing, shares nothing and stops whenever the caller does.
///
/// As an iterator it yields blocks of at most [`Trainer::block_len`] meta-iterations up to the plan's last;
/// how the iterations are cut into blocks changes no result.
pub struct Trainer {
    training: Box<dyn Training>,
    iteration: u64,
    end: u64,
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

impl Trainer {
    /// A training that goes on from `state` to the plan's last meta-iteration.
    ///
    /// # Errors
    /// As [`TrainPlan::check`] and [`Backend::training`].
    pub fn new(backend: &dyn Backend, plan: &TrainPlan, state: TrainState) -> Result<Self> {
        plan.check()?;
        let iteration = state.iteration;
        let training = backend.training(plan, state)?;
        let end = plan.outer.iterations;
        Ok(Self { training, iteration, end, block_len: 100, time: Duration::ZERO })
    }

    /// Meta-iterations done since the start of the training.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Meta-iterations that the plan still asks for.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.iteration)
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
        let losses = if iterations > 0 { self.training.advance(iterations)? } else { Vec::new() };
        let time = start.elapsed();
        self.iteration += iterations;
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

impl Iterator for Trainer {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.remaining() > 0).then(|| self.advance(self.block_len))
    }
}
