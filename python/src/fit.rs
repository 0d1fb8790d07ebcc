//! Training on tasks that are drawn where it runs.

use crate::arrays::array1;
use crate::errors::exception;
use crate::learner::Learner;
use crate::sources::Source;
use fastweights::Error;
use fastweights::learner::MetaLearner as _;
use fastweights::meta::{Block, Schedule, TrainPlan, TrainState, Trainer};
use fastweights::task::Visit;
use numpy::PyArray1;
use pyo3::prelude::*;

/// Seconds of a block: signals are looked at, and the callback called, between blocks.
const BLOCK: f64 = 0.1;

/// A training in progress, and what the learner was when it last took its state.
struct Fit {
    trainer: Trainer<'static>,
    end: u64,
    changes: u64,
}

impl Learner {
    /// See the method of Python.
    pub(crate) fn train<'py>(
        &self,
        py: Python<'py>,
        source: &Source,
        (iterations, meta_batch, seed): (u64, usize, u64),
        callback: Option<&Bound<'py, PyAny>>,
        every: Option<u64>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let mut fit = self.begin(py, source, iterations, (meta_batch, seed))?;
        let (mut losses, mut len) = (Vec::new(), 1);
        while fit.trainer.iteration() < fit.end {
            let done = fit.trainer.iteration();
            let next = every.map_or(fit.end, |n| fit.end.min((done / n.max(1) + 1) * n.max(1)));
            let block = self.block(py, &mut fit, len.min(next - done))?;
            losses.extend(block.losses.iter().map(|losses| losses.query));
            len = ((len as f64 * BLOCK / block.time.as_secs_f64().max(1e-6)) as u64).clamp(1, 4 * len);
            py.check_signals()?;
            let due = every.is_none() || block.end() == next;
            if let Some(callback) = callback.filter(|_| due) {
                let (mean, all) = (block.mean(), block.losses.iter().map(|losses| losses.query).collect());
                let seen = (block.end(), fit.end, mean.query, mean.support, block.rate(), array1(py, all));
                if callback.call1(seen)?.is_truthy()? {
                    break;
                }
            }
        }
        Ok(array1(py, losses))
    }

    fn begin(
        &self,
        py: Python<'_>,
        source: &Source,
        iterations: u64,
        (meta_batch, seed): (usize, u64),
    ) -> PyResult<Fit> {
        let backend = self.device.backend;
        self.with(py, |inside| {
            let (algorithm, state) = (inside.maml.algorithm(), inside.maml.state().clone());
            let visit = if algorithm.inner.steps == 0 { Visit::Joint } else { Visit::Split };
            let sampler = source.sampler(meta_batch, seed, visit);
            let (support, query) = sampler.points();
            let (mut outer, end) = (algorithm.outer, state.iteration.saturating_add(iterations));
            if outer.schedule == Schedule::Constant {
                outer.iterations = outer.iterations.max(end);
            } else if end > outer.iterations {
                let reason = format!(
                    "are {iterations} after {} that are done, but the schedule ends at {}",
                    state.iteration, outer.iterations
                );
                return Err(Error::recipe("iterations", reason));
            }
            let plan = TrainPlan { plan: algorithm.plan(support, query)?, sampler, outer };
            Ok(Fit { trainer: Trainer::new(backend, &plan, state)?, end, changes: inside.changes })
        })
    }

    /// Some meta-iterations, whose state the learner then has.
    fn block(&self, py: Python<'_>, fit: &mut Fit, iterations: u64) -> PyResult<Block> {
        self.device.check()?;
        let trainer = &mut fit.trainer;
        let advance = || -> fastweights::Result<(Block, TrainState)> {
            let block = trainer.advance(iterations)?;
            Ok((block, trainer.state()?))
        };
        let (block, state) = py.detach(advance).map_err(exception)?;
        let expected = fit.changes;
        fit.changes = self.with(py, |inside| {
            if inside.changes != expected {
                return Err(Error::failed(
                    "the learner was changed while it was trained, by its callback or by another thread; adapt, evaluate and \
                     predict with it meanwhile, or train a copy",
                ));
            }
            *inside.maml.state_mut() = state;
            inside.changes += 1;
            Ok(inside.changes)
        })?;
        Ok(block)
    }
}
