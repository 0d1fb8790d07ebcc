//! A learner in training that knows its last good state, and what to do where numbers leave the finite range.

use super::together;
use crate::error::{Error, ErrorKind, Result};
use crate::meta::{Backend, Exchange, Losses, MetaOutput, Plan, TrainPlan, TrainState, Trainer};
use crate::recipe::OnNonfinite;
use std::time::{Duration, Instant};

/// Meta-iterations that are skipped one after another before a training is given up: so many are no accident of the tasks.
const MOST_IN_A_ROW: u64 = 100;

/// A learner and the state that its last block ended with.
pub(super) struct Learning<'a> {
    device: &'a dyn Backend,
    pub(super) plan: TrainPlan,
    trainer: Trainer<'a>,
    /// Finite throughout.
    good: TrainState,
    time: Duration,
    /// Meta-iterations skipped since the last that was not.
    in_a_row: u64,
}

/// What a block of meta-iterations came to.
#[derive(Default)]
pub(super) struct Advance {
    /// The meta-iteration, counted from 0, of the first entry of `losses`.
    pub(super) first: u64,
    /// One entry a meta-iteration; nothing for one that was skipped.
    pub(super) losses: Vec<Option<Losses>>,
    /// What it took.
    pub(super) time: Duration,
    /// Why meta-iterations were skipped.
    pub(super) skipped: Vec<String>,
    /// Why the meta-iteration behind the last of these cannot be done.
    pub(super) stopped: Option<String>,
}

impl Advance {
    /// Mean losses of those that were not skipped.
    pub(super) fn mean(&self) -> Losses {
        let count = self.losses.iter().flatten().count().max(1) as f64;
        let mean = |of: fn(&Losses) -> f32| {
            let sum: f64 = self.losses.iter().flatten().map(|l| f64::from(of(l))).sum();
            (sum / count) as f32
        };
        Losses { support: mean(|l| l.support), query: mean(|l| l.query) }
    }
}

impl<'a> Learning<'a> {
    pub(super) fn new(device: &'a dyn Backend, plan: TrainPlan, state: TrainState) -> Result<Self> {
        let trainer = Trainer::new(device, &plan, state.clone())?;
        Ok(Self { device, plan, trainer, good: state, time: Duration::ZERO, in_a_row: 0 })
    }

    /// Meta-iterations done, skipped ones included.
    pub(super) fn iteration(&self) -> u64 {
        self.good.iteration
    }

    /// Time spent in blocks.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// Where it is, all of it finite.
    pub(super) fn state(&self) -> &TrainState {
        &self.good
    }

    /// Goes on from where member 0 of an exchange is.
    ///
    /// # Errors
    /// If a member is gone, or another's state is not of this plan.
    pub(super) fn follow(&mut self, exchange: &dyn Exchange) -> Result<()> {
        let state = together::followed_state(exchange, &self.good)?;
        if state == self.good { Ok(()) } else { self.go_on_from(state) }
    }

    /// Runs so many meta-iterations more. Where one leaves the finite range, it is left out or the last one.
    ///
    /// # Errors
    /// A failure of the device.
    pub(super) fn advance(&mut self, iterations: u64, policy: OnNonfinite) -> Result<Advance> {
        let (first, start) = (self.good.iteration, Instant::now());
        let mut block = match self.attempt(iterations)? {
            Some(losses) => Advance { losses: losses.into_iter().map(Some).collect(), ..Advance::default() },
            None => self.one_by_one(first + iterations, policy)?,
        };
        (block.first, block.time) = (first, start.elapsed());
        self.time += block.time;
        Ok(block)
    }

    /// Runs meta-iterations; nothing, and a state that is as it was, if a number is not finite.
    fn attempt(&mut self, iterations: u64) -> Result<Option<Vec<Losses>>> {
        let block = match self.trainer.advance(iterations) {
            Ok(block) => block,
            Err(error) if matches!(error.kind(), ErrorKind::NotFinite(_)) => {
                self.go_on_from(self.good.clone())?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let state = self.trainer.state()?;
        // An update can overflow though its losses did not.
        if [&state.params, &state.m, &state.v].into_iter().flatten().all(|value| value.is_finite()) {
            self.good = state;
            self.in_a_row = if iterations > 0 { 0 } else { self.in_a_row };
            Ok(Some(block.losses))
        } else {
            self.go_on_from(self.good.clone())?;
            Ok(None)
        }
    }

    fn go_on_from(&mut self, state: TrainState) -> Result<()> {
        self.trainer = Trainer::new(self.device, &self.plan, state.clone())?;
        self.good = state;
        Ok(())
    }

    /// Meta-iterations up to `end`, each with a look at what it left.
    fn one_by_one(&mut self, end: u64, policy: OnNonfinite) -> Result<Advance> {
        let mut block = Advance::default();
        while self.good.iteration < end {
            if let Some(losses) = self.attempt(1)? {
                block.losses.extend(losses.into_iter().map(Some));
                continue;
            }
            let cause = self.cause();
            self.in_a_row += 1;
            if policy == OnNonfinite::Stop {
                block.stopped = Some(cause);
                break;
            }
            if self.in_a_row > MOST_IN_A_ROW {
                block.stopped = Some(format!("{cause}, and {MOST_IN_A_ROW} before it were skipped already"));
                break;
            }
            // As if it had not been: nothing is learned, and the optimizer's count goes on.
            let next = TrainState { iteration: self.good.iteration + 1, ..self.good.clone() };
            self.go_on_from(next)?;
            block.losses.push(None);
            block.skipped.push(cause);
        }
        Ok(block)
    }

    /// Which number of the next meta-iteration is not finite.
    fn cause(&self) -> String {
        let iteration = self.good.iteration;
        let (plan, tasks) = (self.plan.plan.at(iteration), self.plan.sampler.batch(iteration));
        // What is computed once more, to say where, must not hide that it went wrong.
        let of = |plan: &Plan, tasks: &_| self.device.meta_gradient(plan, &self.good.params, tasks).ok();
        let tracking = Plan { track_all: true, ..plan.clone() };
        let found = of(&tracking, &tasks)
            .and_then(|output| bad_loss(&output, tasks.tasks, plan.steps))
            .or_else(|| {
                let bad = |task: &usize| {
                    let output = of(&plan, &tasks.slice(*task..task + 1));
                    output.is_some_and(|output| !output.gradient.iter().all(|value| value.is_finite()))
                };
                let task = (0..tasks.tasks).find(bad)?;
                Some(format!("the gradient of task {} of {} is not", task + 1, tasks.tasks))
            });
        let what = format!("the loss is not finite at meta-iteration {}", iteration + 1);
        match found {
            Some(found) => format!("{what}: {found}"),
            // Each task's share is finite, but not their sum or the update.
            None => what,
        }
    }
}

/// The first loss that is not finite, in words.
fn bad_loss(output: &MetaOutput, tasks: usize, steps: usize) -> Option<String> {
    let row = |values: &[f32], width: usize, task: usize| -> Option<(usize, f32)> {
        let row = values.get(task * width..(task + 1) * width)?;
        row.iter().copied().enumerate().find(|(_, value)| !value.is_finite())
    };
    (0..tasks).find_map(|task| {
        let query = row(&output.query_loss, steps + 1, task).map(|found| ("query", found));
        let support = row(&output.support_loss, steps, task).map(|found| ("support", found));
        let (which, (step, value)) =
            [support, query].into_iter().flatten().min_by_key(|(_, (step, _))| *step)?;
        Some(format!(
            "the {which} loss of task {} of {tasks} is {value} after {step} of {steps} inner steps",
            task + 1
        ))
    })
}

/// An error that says what a person can do.
pub(super) fn not_finite(cause: &str, settings: &str, advice: &str) -> Error {
    Error::not_finite(format!("{cause}; {settings}; {advice}"))
}
