//! Gradient-based meta-learning (MAML and its family) on any GPU and on CPUs with wide SIMD.

pub mod backend;
mod error;
pub mod meta;
pub mod model;
pub mod task;

pub use error::{Error, ErrorKind, Result};
