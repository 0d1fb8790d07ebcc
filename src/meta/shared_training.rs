//! A training whose meta-batches are shared task by task: each member gives the sums of its own tasks, every host adds all of
//! them up in a tree over tasks and makes the outer update.

use super::{Losses, Shares, SumTree, TrainPlan, TrainState, Training};
use crate::clock::Instant;
use crate::error::{Error, Result};
use std::ops::Range;

/// Numbers behind a task's gradient: query and support loss.
const LOSSES: usize = 2;

/// The sums of a device's own tasks.
pub trait TaskSums: Send {
    /// Makes ready for a share of every meta-batch.
    ///
    /// # Errors
    /// A limit of the device.
    fn prepare(&mut self, own: &Range<usize>) -> Result<()>;

    /// The sums of the share's tasks in a meta-iteration, at meta-parameters, into their rows of `[tasks, P + R + 2]`: gradient,
    /// query and support loss, added up as [`SumTree::fold`] does.
    ///
    /// # Errors
    /// A failure of the device.
    fn sums(
        &mut self,
        iteration: u64,
        params: &[f32],
        own: &Range<usize>,
        tree: SumTree,
        rows: &mut [f32],
    ) -> Result<()>;
}

/// See the module.
pub struct SharedTraining<S> {
    plan: TrainPlan,
    state: TrainState,
    shares: Shares,
    sums: S,
    /// Seconds that the own tasks took in the last call.
    computing: f64,
}

impl<S: TaskSums> SharedTraining<S> {
    /// The leaves of the tree are the tasks.
    ///
    /// # Errors
    /// As [`TrainPlan::check`] and [`TaskSums::prepare`].
    pub fn new(plan: &TrainPlan, state: TrainState, shares: Shares, mut sums: S) -> Result<Self> {
        plan.check()?;
        let len = plan.plan.meta_len();
        for (name, found) in
            [("meta-parameters", &state.params), ("Adam's m", &state.m), ("Adam's v", &state.v)]
        {
            if found.len() != len {
                return Err(Error::shape(name, &[len], &[found.len()]));
            }
        }
        sums.prepare(&shares.own())?;
        Ok(Self { plan: plan.clone(), state, shares, sums, computing: f64::NAN })
    }

    /// One meta-iteration.
    fn step(&mut self, rows: &mut [f32]) -> Result<Losses> {
        let (start, own, tree) = (Instant::now(), self.shares.own(), self.shares.tree());
        let columns = self.plan.plan.meta_len() + LOSSES;
        self.sums.sums(self.state.iteration, &self.state.params, &own, tree, rows)?;
        self.computing += start.elapsed().as_secs_f64();
        self.shares.join(rows, columns)?;
        let share = 1.0 / self.plan.sampler.tasks() as f32;
        let mut means: Vec<f32> = rows[..columns].iter().map(|sum| sum * share).collect();
        let (gradient, losses) = means.split_at_mut(columns - LOSSES);
        let losses = Losses { query: losses[0], support: losses[1] };
        if !(losses.query.is_finite() && losses.support.is_finite()) {
            return Err(Error::not_finite(format!(
                "the query loss of meta-iteration {} is {} (support {}); use smaller rates or clip the meta-gradient",
                self.state.iteration + 1,
                losses.query,
                losses.support
            )));
        }
        self.plan.outer.update(&mut self.state, gradient);
        let rates = self.plan.plan.model.param_count()..;
        self.plan.plan.rates.hold(&mut self.state.params[rates]);
        Ok(losses)
    }
}

impl<S: TaskSums> Training for SharedTraining<S> {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        if self.shares.balance(self.computing)? {
            self.sums.prepare(&self.shares.own())?;
        }
        self.computing = 0.0;
        let columns = self.plan.plan.meta_len() + LOSSES;
        let mut rows = vec![0.0; self.plan.sampler.tasks() * columns];
        (0..iterations).map(|_| self.step(&mut rows)).collect()
    }

    fn state(&mut self) -> Result<TrainState> {
        Ok(self.state.clone())
    }
}
