//! Reptile, from nothing but adaptation.

use super::{Algorithm, Maml, MetaLearner, finite};
use crate::error::Result;
use crate::meta::{Backend, Losses, TrainState};
use crate::task::TaskBatch;

/// Reptile (Nichol, Achiam and Schulman 2018, algorithm 1): adapt to each task, then go a share of the mean way.
///
/// A step adapts on the support points and judges on the query points. It needs no meta-gradient, so it shows what a learner of
/// one's own takes; a [training](MetaLearner::train) runs the same algorithm where the tasks are drawn.
pub struct Reptile<'a>(Maml<'a>);

impl<'a> Reptile<'a> {
    /// A learner at drawn parameters; the algorithm is one that [`Algorithm::reptile`] made.
    ///
    /// # Errors
    /// As [`Algorithm::plan`].
    pub fn new(algorithm: Algorithm, backend: &'a dyn Backend) -> Result<Self> {
        Maml::new(algorithm, backend).map(Self)
    }
}

impl MetaLearner for Reptile<'_> {
    fn algorithm(&self) -> &Algorithm {
        self.0.algorithm()
    }

    fn backend(&self) -> &dyn Backend {
        self.0.backend()
    }

    fn state(&self) -> &TrainState {
        self.0.state()
    }

    fn state_mut(&mut self) -> &mut TrainState {
        self.0.state_mut()
    }

    fn step(&mut self, tasks: &TaskBatch) -> Result<Losses> {
        let steps = self.algorithm().inner.steps;
        let judged = self.evaluate(tasks, steps, false)?;
        let mut way = vec![0.0; self.state().params.len()];
        for learner in self.adapt(tasks, steps)? {
            for ((way, first), last) in way.iter_mut().zip(&self.state().params).zip(learner.fast_weights()) {
                *way += (first - last) / tasks.tasks as f32;
            }
        }
        finite("the mean way", &way)?;
        let last: f32 = judged.query_loss.chunks_exact(steps + 1).map(|losses| losses[steps]).sum();
        let outer = self.algorithm().outer;
        outer.update(self.state_mut(), &mut way);
        Ok(Losses { support: 0.0, query: last / tasks.tasks as f32 })
    }
}
