//! Gradient-based meta-learning (MAML and its family) on any GPU and on CPUs with wide SIMD.

pub mod backend;
pub mod case;
mod error;
pub mod meta;
pub mod model;
pub mod recipe;
pub mod run;
pub mod task;

pub use error::{Error, ErrorKind, Result};
