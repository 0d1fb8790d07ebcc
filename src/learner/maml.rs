//! MAML and whatever differs from it by settings.

use super::{Algorithm, Learner, MetaLearner, finite};
use crate::error::{Error, Result};
use crate::meta::{Backend, Losses, MetaOutput, Prepared, TrainState};
use crate::task::TaskBatch;
use std::ops::Range;

/// A learner that follows the meta-gradient of its [`Algorithm`]: MAML, first order, ANIL, BOIL, Meta-SGD, MAML++.
pub struct Maml<'a> {
    algorithm: Algorithm,
    backend: &'a dyn Backend,
    state: TrainState,
    ready: Option<Ready<'a>>,
}

/// A meta-gradient that is set up.
struct Ready<'a> {
    /// Tasks, support and query points, whether they have weights.
    shape: (usize, usize, usize, bool),
    /// The meta-iterations that it is the one of.
    iterations: Range<u64>,
    prepared: Box<dyn Prepared + 'a>,
}

impl<'a> Maml<'a> {
    /// A learner at drawn parameters.
    ///
    /// # Errors
    /// As [`Algorithm::plan`].
    pub fn new(algorithm: Algorithm, backend: &'a dyn Backend) -> Result<Self> {
        let state = algorithm.start()?;
        Ok(Self { algorithm, backend, state, ready: None })
    }

    /// The meta-gradient of given tasks at the meta-parameters as they are, which stay so: for an outer loop of one's own.
    /// What is set up for tasks of one shape serves all that follow.
    ///
    /// # Errors
    /// As [`Backend::meta_gradient`].
    pub fn meta_gradient(&mut self, tasks: &TaskBatch) -> Result<MetaOutput> {
        self.prepare(tasks)?;
        let Self { ready, state, .. } = self;
        ready.as_mut().expect("it was set up").prepared.meta_gradient(&state.params, tasks)
    }

    /// As [`MetaLearner::adapt`], with learners that borrow the device alone: they may outlive this one, and see nothing of
    /// what becomes of it.
    ///
    /// # Errors
    /// As there.
    pub fn learners(&self, tasks: &TaskBatch, steps: usize) -> Result<Vec<Learner<'a>>> {
        let plan = self.evaluation_plan(tasks, steps)?;
        let fast = self.backend.adapt(&plan, &self.state.params[..self.model().param_count()], tasks)?;
        finite("a fast weight", &fast)?;
        self.with_fast_weights(&fast, steps)
    }

    /// Learners as they were, from their fast weights `[tasks, P]` after so many inner steps.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the weights are not those of whole learners.
    pub fn with_fast_weights(&self, fast: &[f32], steps: usize) -> Result<Vec<Learner<'a>>> {
        let p = self.model().param_count();
        if !fast.len().is_multiple_of(p) {
            return Err(Error::shape("fast weights", &[fast.len() / p, p], &[fast.len()]));
        }
        let learner =
            Learner::new(self.backend, self.algorithm.plan(1, 1)?, self.state.params.as_slice().into());
        Ok(fast.chunks_exact(p).map(|theta| learner.clone().adapted(theta.to_vec(), steps)).collect())
    }

    /// Sets up the meta-gradient of these tasks, unless that of the last ones will do.
    fn prepare(&mut self, tasks: &TaskBatch) -> Result<()> {
        let (shape, now) =
            ((tasks.tasks, tasks.support, tasks.query, tasks.weights.is_some()), self.state.iteration);
        let fits = |ready: &Ready<'a>| ready.shape == shape && ready.iterations.contains(&now);
        if self.ready.as_ref().is_some_and(fits) {
            return Ok(());
        }
        self.ready = None;
        let all = self.algorithm.plan(tasks.support, tasks.query)?;
        let (plan, end) = (all.at(now), now.saturating_add(all.unchanged(now)));
        plan.check_inputs(self.state.params.len(), tasks)?;
        let prepared = self.backend.prepare(&plan, tasks.tasks, shape.3)?;
        self.ready = Some(Ready { shape, iterations: now..end, prepared });
        Ok(())
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
        let mut out = self.meta_gradient(tasks)?;
        finite("the meta-loss", &[out.meta_loss])?;
        finite("the meta-gradient", &out.gradient)?;
        self.algorithm.outer.update(&mut self.state, &mut out.gradient);
        self.algorithm.hold_rates(&mut self.state.params);
        let steps = out.support_loss.len() / tasks.tasks;
        let first: f32 = out.support_loss.iter().step_by(steps.max(1)).sum();
        Ok(Losses { support: first / tasks.tasks as f32, query: out.meta_loss })
    }
}
