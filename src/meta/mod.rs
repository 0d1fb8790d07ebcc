//! The inner loop as data, outer optimizers and schedules, training and evaluation, written once over
//! [`Backend`].

mod annealing;
mod backend;
mod choices;
mod evaluation;
mod inner;
pub(crate) mod inner_step;
mod outer;
mod plan;
mod trainer;

pub use annealing::Annealing;
pub use backend::{Backend, Evaluation, Forecast, KernelTime, Losses, MetaOutput, TrainState, Training};
pub use choices::{Adapt, Loss, MetaGradient, RateShape, Rates};
pub use evaluation::{Curve, accuracy};
pub use inner::{InnerOptimizer, InnerRule, StepFactors};
pub use outer::{OuterKind, OuterOptimizer, Schedule, StepScalars};
pub use plan::{Plan, TrainPlan};
pub use trainer::{Block, Trainer};
