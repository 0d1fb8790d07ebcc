//! The engine of multi-layer perceptrons with any functions: a task in each lane of a vector, fast weights as they are or as factors of low
//! rank, whichever is cheaper by count.
//!
//! | file | holds |
//! | --- | --- |
//! | `kernels`, `product` | the vector kernels |
//! | `mode`, `layout` | how each layer's fast weights are kept, and where a group's arrays lie |
//! | `group`, `passes`, `loss`, `sweep` | the inner loop and the backward sweep of one group of tasks |
//! | `rule` | inner rules beyond plain gradient descent |
//! | `bend` | functions beyond ReLU in all passes |
//! | `sample` | points into lanes |
//! | `engine`, `given`, `evaluate` | batches of tasks |

mod bend;
mod engine;
mod evaluate;
mod given;
mod group;
mod kernels;
mod layout;
mod loss;
mod mode;
mod passes;
mod product;
mod rule;
mod sample;
mod sweep;

use super::engine::forecast as forecast_of;
use super::training::CpuTraining;
use crate::error::Result;
use crate::meta::{Exchange, Forecast, TrainPlan, TrainState, Training};
use crate::simd::Isa;
use engine::Lanes;
pub(super) use evaluate::{evaluate, evaluation_bytes};
pub(super) use given::Given;
use std::sync::Arc;

/// What a training through this engine takes.
pub(super) fn forecast<I: Isa>(train: &TrainPlan, threads: usize, members: usize) -> Forecast {
    forecast_of(&Lanes::<I>::new(train), train.plan.meta_len(), threads, members)
}

/// A training through this engine.
pub(super) fn training<I: Isa>(
    train: &TrainPlan,
    state: TrainState,
    threads: usize,
    exchange: Option<&Arc<dyn Exchange>>,
) -> Result<Box<dyn Training>> {
    Ok(Box::new(CpuTraining::new(train, state, exchange, |_| threads, || Lanes::<I>::new(train))?))
}
