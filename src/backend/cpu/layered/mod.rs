//! The engine of models with convolutions, batch norm and pooling: a task at a time on each thread, so that its
//! weights and activations stay in the processor's cache, with channels in the lanes of vectors.
//!
//! | file | holds |
//! | --- | --- |
//! | `program` | a model as operations on channels-last images; the packed order of its parameters |
//! | `compiled` | a plan with its program; meta-parameters packed and unpacked |
//! | `geometry` | where a convolution's products find their operands |
//! | `tile` | the micro-kernels all products are made of |
//! | `norm`, `sweeps` | element-wise kernels |
//! | `inner` | inner optimizers beyond plain gradient descent, and their adjoints |
//! | `memory` | where the arrays of a task lie |
//! | `task`, `passes`, `tangent`, `loss` | the inner loop and the backward sweep of one task |
//! | `engine` | batches of tasks |

mod compiled;
mod engine;
mod geometry;
mod inner;
mod loss;
mod memory;
mod norm;
mod passes;
mod program;
mod sweeps;
mod tangent;
mod task;
mod tile;

use super::kernels::Isa;
use super::training::{self, CpuTraining};
use crate::error::Result;
use crate::meta::{Forecast, Plan, TrainPlan, TrainState, Training};
pub(super) use engine::{evaluate, meta_gradient};
pub(super) use tile::Kernel;

/// What a training through this engine takes.
pub(super) fn forecast<I: Isa>(train: &TrainPlan, threads: usize) -> Forecast {
    training::forecast(&engine::Tasks::<I>::new(train), train.plan.meta_len(), threads)
}

/// What a thread takes to adapt tasks, bytes.
pub(super) fn evaluation_bytes<I: Isa>(plan: &Plan) -> u64 {
    4 * engine::evaluation_len::<I>(plan) as u64
}

/// A training through this engine.
pub(super) fn training<I: Isa>(
    train: &TrainPlan,
    state: TrainState,
    threads: usize,
) -> Result<Box<dyn Training>> {
    Ok(Box::new(CpuTraining::new(train, state, threads, || engine::Tasks::<I>::new(train))?))
}
