//! The CPU, with two engines: a SIMD lane a task for multi-layer
//! perceptrons, a task at a time with channels in lanes for every other model.
//!
//! | file | holds |
//! | --- | --- |
//! | `lanes` | the engine of multi-layer perceptrons |
//! | `interpreter` | the engine of models of any ops |
//! | `given` | meta-gradients of given tasks |
//! | `cut`, `engine`, `threads`, `training`, `adam` | batches cut into chunks, threads, the resident training |
//! | `by_tasks` | meta-batches shared with devices of other kinds |
//! | `pace` | whether all threads or one are the quicker |
//!
//! Vectors and what needs nothing else are in `simd`, the kernels of ops in their rooms (`ops/<op>/cpu.rs`).

mod adam;
mod arena;
mod by_tasks;
mod cut;
mod engine;
mod given;
mod interpreter;
mod lanes;
mod pace;
mod rule;
mod threads;
mod training;

use crate::error::{Error, Result};
use crate::meta::{
    Backend, Evaluation, Exchange, Forecast, MetaGradient, Plan, Prepared, SharedTraining, Shares, TrainPlan,
    TrainState, Training,
};
use crate::simd;
use crate::task::TaskBatch;
use std::sync::Arc;

/// The instruction sets the backend has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Any machine: vectors of 4 that the compiler makes, or those of WebAssembly.
    Portable,
    /// x86-64 with AVX2 and FMA: vectors of 8.
    Avx2,
    /// x86-64 with AVX-512 F, VL, DQ: vectors of 16, or of 8 for batches of up to 16 tasks.
    Avx512,
}

impl Instructions {
    /// What this machine has, best last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut, reason = "what is pushed is of x86-64"))]
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                {
                    all.push(Self::Avx512);
                }
            }
        }
        all
    }

    /// Name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable if cfg!(target_feature = "simd128") => "simd128",
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// The backend: tasks in the lanes of vectors, groups of lanes over threads.
///
/// For the same recipe, seed and instruction set, results are the same bytes for any number of threads.
#[derive(Clone, Debug)]
pub struct CpuBackend {
    threads: usize,
    instructions: Instructions,
    /// Most bytes of a training or an evaluation.
    memory: Option<u64>,
    /// Others that share the meta-batches of trainings.
    exchange: Option<Arc<dyn Exchange>>,
    /// Whether these are shared task by task.
    by_tasks: bool,
}

impl CpuBackend {
    /// Uses `threads` threads, or all the processor has, and the widest vectors there are.
    #[must_use]
    pub fn new(threads: Option<usize>) -> Self {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let best = Instructions::available();
        let instructions = best[best.len() - 1];
        Self {
            threads: threads.unwrap_or(all).max(1),
            instructions,
            memory: None,
            exchange: None,
            by_tasks: false,
        }
    }

    /// The same with the meta-batches of trainings shared by the members of an exchange, each of which makes the same calls.
    /// Results are those of one member alone, to the bit, where all have the same instruction set.
    #[must_use]
    pub fn shared(self, exchange: Arc<dyn Exchange>) -> Self {
        Self { exchange: Some(exchange), ..self }
    }

    /// The same with meta-batches shared task by task, as other devices do: with them, the bits depend on who computes what.
    #[must_use]
    pub fn by_tasks(self) -> Self {
        Self { by_tasks: true, ..self }
    }

    /// Its instruction set.
    #[must_use]
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// The same with a bound on what a training or an evaluation takes: support passes are computed again, or points
    /// taken in chunks, where that is needed and can be. Nothing but rounding depends on it.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { memory: Some(bytes), ..self }
    }

    /// What each thread may take of the memory, where `tasks` tasks are shared out.
    fn task_memory(&self, tasks: usize) -> Option<u64> {
        self.memory.map(|bytes| bytes / self.threads.min(tasks.max(1)) as u64)
    }

    /// Refuses what takes more memory than allowed.
    fn fits(&self, forecast: Forecast) -> Result<Forecast> {
        match self.memory {
            Some(most) if forecast.bytes > most => Err(Error::limit(
                "bytes of memory for training",
                forecast.bytes,
                most,
                "allow more by run.max_memory, or use fewer --threads, inner.steps, points a task or a smaller model",
            )),
            _ => Ok(forecast),
        }
    }

    /// The same with another instruction set.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) if this machine does not have it.
    pub fn with_instructions(self, instructions: Instructions) -> Result<Self> {
        if !Instructions::available().contains(&instructions) {
            return Err(Error::device(format!("this processor has no {}", instructions.name())));
        }
        Ok(Self { instructions, ..self })
    }
}

/// Calls a function with the kernels for an instruction set and a number of tasks.
macro_rules! with_isa {
    ($self:expr, $tasks:expr, $isa:ident => $call:expr) => {
        match ($self.instructions, $tasks) {
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx512, 17..) => {
                type $isa = simd::Avx512;
                $call
            }
            // Two narrow groups keep two threads busy where one wide group would keep one.
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx512, _) => {
                type $isa = simd::Avx512Narrow;
                $call
            }
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx2, _) => {
                type $isa = simd::Avx2;
                $call
            }
            _ => {
                type $isa = simd::Basic;
                $call
            }
        }
    };
}

/// The same for the engine that takes tasks one by one: always the widest vectors.
macro_rules! with_widest_isa {
    ($self:expr, $isa:ident => $call:expr) => {
        match $self.instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => {
                type $isa = simd::Avx512;
                $call
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => {
                type $isa = simd::Avx2;
                $call
            }
            _ => {
                type $isa = simd::Basic;
                $call
            }
        }
    };
}

/// Numbers of a task's values from which on it is too large to lie in one lane beside others: eight such tasks leave a cache.
const LARGE: usize = 1 << 17;

/// Whether a plan goes to the engine that can compute any: the lanes are for multi-layer perceptrons on few points.
fn takes_tasks_one_by_one(plan: &Plan) -> bool {
    let widths = plan.model.nodes().iter().map(|node| node.shape.len()).sum::<usize>();
    let large = plan.support.max(plan.query).saturating_mul(widths) > LARGE;
    let displaced = plan.order == MetaGradient::Displacement;
    large || displaced || !plan.model.is_chain() || plan.splits_a_block()
}

/// Whether a training does: lanes have no weights of points either.
fn trains_one_by_one(train: &TrainPlan) -> bool {
    takes_tasks_one_by_one(&train.plan) || train.sampler.weighs()
}

/// What there is to fill lanes with: tasks, or points where all share their weights.
fn points_in_lanes(plan: &TrainPlan) -> usize {
    plan.sampler.tasks() * if plan.plan.steps == 0 { plan.plan.query } else { 1 }
}

impl CpuBackend {
    /// A meta-gradient of given tasks that is set up.
    fn given(&self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared>> {
        plan.check()?;
        if takes_tasks_one_by_one(plan) || weighted {
            return with_widest_isa!(self, I => {
                let given = interpreter::Given::<I>::new(plan, (tasks, weighted), self.threads, self.memory);
                Ok(Box::new(given))
            });
        }
        with_isa!(self, tasks, I => Ok(Box::new(lanes::Given::<I>::new(plan, tasks, self.threads))))
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> String {
        let threads =
            if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        format!("cpu ({threads}, {})", self.instructions.name())
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        self.forecast(plan)?;
        let exchange = self.exchange.as_ref();
        if self.by_tasks {
            let shares = Shares::new(plan.sampler.tasks(), exchange);
            let this = self.clone();
            let given = move |plan: &Plan, tasks, weighted| this.given(plan, tasks, weighted);
            let share = by_tasks::Share::new(plan, Box::new(given));
            return Ok(Box::new(SharedTraining::new(plan, state, shares, share)?));
        }
        if trains_one_by_one(plan) {
            return with_widest_isa!(self, I => {
                Ok(interpreter::training::<I>(plan, state, (self.threads, self.memory), exchange)?)
            });
        }
        let points = points_in_lanes(plan);
        with_isa!(self, points, I => Ok(lanes::training::<I>(plan, state, self.threads, exchange)?))
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        plan.check()?;
        let members = self.exchange.as_ref().map_or(1, |exchange| exchange.members());
        if trains_one_by_one(plan) {
            return with_widest_isa!(self, I => {
                self.fits(interpreter::forecast::<I>(plan, (self.threads, self.memory), members))
            });
        }
        let points = points_in_lanes(plan);
        with_isa!(self, points, I => self.fits(lanes::forecast::<I>(plan, self.threads, members)))
    }

    fn forecast_evaluation(&self, plan: &Plan, tasks: usize) -> u64 {
        let (threads, points) = (self.threads as u64, tasks);
        if takes_tasks_one_by_one(plan) {
            let one = with_widest_isa!(self, I => interpreter::evaluation_bytes::<I>(plan, self.task_memory(tasks)));
            return one * threads.min(tasks as u64);
        }
        with_isa!(self, points, I => {
            threads.min(tasks.div_ceil(<I as simd::Isa>::LANES) as u64) * lanes::evaluation_bytes::<I>(plan)
        })
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        self.given(plan, tasks, weighted)
    }

    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        plan.check_inputs(theta.len(), tasks)?;
        if takes_tasks_one_by_one(plan) || tasks.weights.is_some() {
            return with_widest_isa!(self, I => {
                let cut = (self.threads, self.task_memory(tasks.tasks));
                Ok(interpreter::evaluate::<I>(plan, theta, tasks, cut, predictions))
            });
        }
        with_isa!(self, tasks.tasks, I => Ok(lanes::evaluate::<I>(plan, theta, tasks, self.threads, predictions)))
    }
}
