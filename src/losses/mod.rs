//! Losses: a room each.
//!
//! A room holds everything of its loss: settings, targets and the plain arithmetic of the oracle in `mod.rs`, its CPU
//! kernels in `cpu.rs`. Shaders share one file, `shaders/loss/loss_functions.wgsl`. `registry.rs` lists the rooms; nothing
//! else does. Losses of single elements share one room and one table.

pub(crate) mod cpu;
mod criterion;
pub mod cross_entropy;
pub mod elementwise;
mod registry;
mod truth;

pub use criterion::Criterion;
pub use registry::Loss;
pub use truth::Truth;
