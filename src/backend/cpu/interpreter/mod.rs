//! The engine of models of any ops: a program run for a task at a time on each thread, so that its weights and activations
//! stay in the processor's cache, with channels in the lanes of vectors.
//!
//! | file | holds |
//! | --- | --- |
//! | `target` | what the CPU's kernels keep and fuse |
//! | `graph` | how rows of values lie, and the packed order of parameters |
//! | `memory` | where the arrays of a task lie |
//! | `places`, `lower`, `inner`, `loss` | instructions as calls of kernels, those of inner rules and losses among them |
//! | `task` | one task run |
//! | `engine`, `given` | batches of tasks |

mod engine;
mod given;
mod graph;
mod inner;
mod loss;
mod lower;
mod memory;
mod places;
mod target;
mod task;

use super::engine::forecast as forecast_of;
use super::training::CpuTraining;
use crate::error::Result;
use crate::meta::{Exchange, Forecast, Plan, TrainPlan, TrainState, Training};
use crate::simd::Isa;
pub(super) use engine::evaluate;
pub(super) use given::Given;
use std::sync::Arc;

/// What a training through this engine takes.
pub(super) fn forecast<I: Isa>(
    train: &TrainPlan,
    (threads, memory): (usize, Option<u64>),
    members: usize,
) -> Forecast {
    let tasks = engine::Tasks::<I>::new(train, threads, memory, members);
    let forecast = forecast_of(&tasks, train.plan.meta_len(), threads / tasks.threads_a_task(), members);
    Forecast { layout: format!("{}{}", forecast.layout, tasks.cut_in_words()), ..forecast }
}

/// What a thread takes to adapt tasks, bytes.
pub(super) fn evaluation_bytes<I: Isa>(plan: &Plan, memory: Option<u64>) -> u64 {
    4 * engine::evaluation_len::<I>(plan, memory) as u64
}

/// A training through this engine.
pub(super) fn training<I: Isa>(
    train: &TrainPlan,
    state: TrainState,
    (threads, memory): (usize, Option<u64>),
    exchange: Option<&Arc<dyn Exchange>>,
) -> Result<Box<dyn Training>> {
    let with = |tasks: &engine::Tasks<I>| threads / tasks.threads_a_task();
    let members = exchange.map_or(1, |exchange| exchange.members());
    let engine = || engine::Tasks::<I>::new(train, threads, memory, members);
    Ok(Box::new(CpuTraining::new(train, state, exchange, with, engine)?))
}
