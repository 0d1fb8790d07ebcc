//! MAML and whatever differs from it by settings.

use super::{Algorithm, MetaLearner, finite};
use crate::error::Result;
use crate::meta::{Backend, Losses, TrainState};
use crate::task::TaskBatch;

/// A learner that follows the meta-gradient of its [`Algorithm`]: MAML, first order, ANIL, BOIL, Meta-SGD, MAML++.
pub struct Maml<'a> {
    algorithm: Algorithm,
    backend: &'a dyn Backend,
    state: TrainState,
}

impl<'a> Maml<'a> {
    /// A learner at drawn parameters.
    ///
    /// # Errors
    /// As [`Algorithm::plan`].
    pub fn new(algorithm: Algorithm, backend: &'a dyn Backend) -> Result<Self> {
        let state = algorithm.start()?;
        Ok(Self { algorithm, backend, state })
    }
}

impl MetaLearner for Maml<'_> {
    fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    fn backend(&self) -> &dyn Backend {
        self.backend
    }

    fn state(&self) -> &TrainState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut TrainState {
        &mut self.state
    }

    fn step(&mut self, tasks: &TaskBatch) -> Result<Losses> {
        let plan = self.algorithm.plan(tasks.support, tasks.query)?.at(self.state.iteration);
        let mut out = self.backend.meta_gradient(&plan, &self.state.params, tasks)?;
        finite("the meta-loss", &[out.meta_loss])?;
        finite("the meta-gradient", &out.gradient)?;
        self.algorithm.outer.update(&mut self.state, &mut out.gradient);
        let first: f32 = out.support_loss.iter().step_by(plan.steps.max(1)).sum();
        Ok(Losses { support: first / tasks.tasks as f32, query: out.meta_loss })
    }
}
