//! The fused path: one dispatch for every task's whole meta-gradient, fast weights as sums of outer products.

mod curve;
pub(crate) mod kernel;
mod memory;
pub(crate) mod ops;
pub(crate) mod plan;
pub(crate) mod program;
mod record;

pub(crate) use plan::FusedPlan;
pub use plan::Tuning;
pub(crate) use record::record;
