//! What a device must be able to do. Trainers, evaluation and the self-check are written over this.

use super::{Plan, TrainPlan, TrainState};
use crate::error::{Error, Result};
use crate::task::TaskBatch;

/// A device that computes meta-gradients. Threads may share it.
pub trait Backend: Send + Sync {
    /// What it is, for people and result files, e.g. `cpu (2 threads, avx512)`.
    fn name(&self) -> String;

    /// This device by itself, where evaluations are shared with others; nothing where they are not.
    fn alone(&self) -> Option<&dyn Backend> {
        None
    }

    /// Prepares a training that keeps its state on the device.
    ///
    /// # Errors
    /// A limit of the device, or a plan that does not fit its sampler.
    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>>;

    /// What a training will take of the device, before anything of it is allocated.
    ///
    /// # Errors
    /// As [`Backend::training`], so far as no allocation is needed to see it.
    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast>;

    /// Bytes of the machine's own memory that [`Backend::evaluate`] takes for `tasks` tasks, besides the tasks and
    /// what it returns; 0 where the device has memory of its own, and cuts the work to it.
    fn forecast_evaluation(&self, plan: &Plan, tasks: usize) -> u64 {
        let _ = (plan, tasks);
        0
    }

    /// The meta-gradient of given tasks at the meta-parameters `params`, `[P + R]`, through the same code
    /// that training runs.
    ///
    /// # Errors
    /// A limit of the device, or shapes that do not fit the plan.
    fn meta_gradient(&self, plan: &Plan, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput> {
        plan.check_inputs(params.len(), tasks)?;
        self.prepare(plan, tasks.tasks, tasks.weights.is_some())?.meta_gradient(params, tasks)
    }

    /// Sets up the meta-gradient of `tasks` given tasks, with weights of points if they are `weighted`, to be taken of one
    /// batch after another.
    ///
    /// # Errors
    /// A limit of the device, or a plan that does not fit it.
    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>>;

    /// What the kernels of a meta-iteration take, where the device has kernels and a clock.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where it has not, and as [`Backend::training`].
    fn profile(&self, plan: &TrainPlan, state: TrainState) -> Result<Vec<KernelTime>> {
        let _ = (plan, state);
        Err(Error::unsupported(format!("{} has no kernels to time; --device gpu has", self.name())))
    }

    /// Adapts on the support points of every task: fast weights θ_K, `[tasks, P]`. The plan comes from
    /// [`Plan::for_evaluation`]; query points are not looked at, but there must be one.
    ///
    /// # Errors
    /// As [`Backend::meta_gradient`].
    fn adapt(&self, plan: &Plan, theta: &[f32], tasks: &TaskBatch) -> Result<Vec<f32>> {
        // What tracks a meta-gradient has θ_K among its results; its order is the first, so that is little more.
        Ok(self.meta_gradient(plan, theta, tasks)?.fast)
    }

    /// Adapts on the support points and reports the query loss before and after every step. The plan comes
    /// from [`Plan::for_evaluation`]; nothing of the second order is allocated.
    ///
    /// # Errors
    /// As [`Backend::meta_gradient`].
    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation>;
}

/// What a training will take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Bytes of its arrays, without the tasks' data that is in memory anyway.
    pub bytes: u64,
    /// Whether they are of the machine's own memory, not of a device's.
    pub host: bool,
    /// What they are and how the work is cut, for people.
    pub layout: String,
}

/// What dispatches of one kernel and size take in a meta-iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTime {
    /// Its shader.
    pub kernel: &'static str,
    /// Workgroups of one dispatch.
    pub workgroups: [u32; 3],
    /// Dispatches a meta-iteration.
    pub dispatches: usize,
    /// Seconds of them all.
    pub seconds: f64,
}

/// A meta-gradient that is set up for one number of tasks of one shape.
pub trait Prepared: Send {
    /// The meta-gradient of given tasks at the meta-parameters `params`, `[P + R]`.
    ///
    /// # Errors
    /// As [`Backend::meta_gradient`].
    fn meta_gradient(&mut self, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput>;
}

/// A training in progress, resident on a device.
pub trait Training: Send {
    /// Runs `iterations` meta-iterations; returns the losses of each.
    ///
    /// # Errors
    /// [`NotFinite`](crate::ErrorKind::NotFinite) when a loss leaves the finite range, or a device failure.
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>>;

    /// Reads the state back, e.g. for a checkpoint.
    ///
    /// # Errors
    /// A device failure.
    fn state(&mut self) -> Result<TrainState>;
}

/// Losses of one meta-iteration, means over its tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Support loss at θ₀; 0 where there is no inner step.
    pub support: f32,
    /// What is minimised: the weighted sum of query losses.
    pub query: f32,
}

/// The result of one meta-gradient over a batch of tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetaOutput<T = f32> {
    /// Mean over tasks of the weighted query loss.
    pub meta_loss: T,
    /// Its gradient: mean over tasks, `[P + R]`.
    pub gradient: Vec<T>,
    /// Query losses of θ₀ … θ_K, `[tasks, steps + 1]`; 0 where the weight is zero and the plan does not track.
    pub query_loss: Vec<T>,
    /// Support losses of θ₀ … θ_{K−1}, `[tasks, steps]`.
    pub support_loss: Vec<T>,
    /// Fast weights θ_K, `[tasks, P]`, if the plan tracks.
    pub fast: Vec<T>,
}

/// How tasks fare as they are adapted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Query losses of θ₀ … θ_K, `[tasks, steps + 1]`.
    pub query_loss: Vec<f32>,
    /// Predictions on the query points, `[steps + 1, tasks, query, outputs]`, if they were asked for.
    pub predictions: Option<Vec<f32>>,
}
