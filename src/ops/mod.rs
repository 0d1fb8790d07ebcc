//! Ops, the nodes of a model's graph: a room each.
//!
//! A room holds everything of its op: shapes, parameters, counted operations and the plain arithmetic of the oracle in
//! `mod.rs`, its CPU kernels in `cpu.rs`, the host's side of its shaders (`shaders/<op>/`) in `gpu.rs`. `registry.rs`
//! lists the rooms; nothing else does.

pub mod add;
pub mod avg_pool2d;
pub mod batch_norm;
mod broadcast;
pub mod concat;
pub mod conv2d;
pub(crate) mod cpu;
pub mod elementwise;
pub mod flatten;
pub mod fourier;
pub mod global_avg_pool2d;
pub mod group_norm;
pub mod latent;
pub mod layer_norm;
pub mod linear;
pub mod max_pool2d;
pub mod mul;
mod named;
mod normalise;
mod operation;
mod param;
mod registry;
pub(crate) mod row_norm;
pub mod scalar;
mod shape;
mod short;
pub mod window;

pub use operation::{Arity, Backward, Curvature, Operation, Site};
pub use param::{ParamSpec, Role};
pub use registry::Op;
pub(crate) use registry::each;
pub use shape::{Rows, Shape};
