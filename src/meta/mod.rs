//! The inner loop as data, outer optimizers and schedules, training and evaluation, written once over
//! [`Backend`].

mod algorithm;
mod annealing;
mod backend;
mod choices;
mod evaluation;
mod inner;
mod inner_loop;
pub(crate) mod inner_step;
mod layer_rates;
mod outer;
mod plan;
mod shared_training;
mod shares;
mod stages;
mod state;
mod sum_tree;
mod trainer;

pub use crate::exchange::Exchange;
pub use crate::losses::Loss;
pub use algorithm::Algorithm;
pub use annealing::Annealing;
pub use backend::{Backend, Evaluation, Forecast, KernelTime, Losses, MetaOutput, Prepared, Training};
pub use choices::{Adapt, MetaGradient, RateShape, Rates};
pub use evaluation::{Curve, accuracy};
pub use inner::{InnerOptimizer, InnerRule, StepFactors};
pub use inner_loop::InnerLoop;
pub use layer_rates::LayerRate;
pub use outer::{OuterKind, OuterOptimizer, Schedule, StepScalars};
pub use plan::{Plan, TrainPlan};
pub use shared_training::{SharedTraining, TaskSums};
pub use shares::Shares;
pub use state::TrainState;
pub use sum_tree::SumTree;
pub use trainer::{Block, Trainer};
