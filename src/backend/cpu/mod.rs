//! The CPU: a float64 oracle for tests, and a backend with a SIMD lane a task for use.

pub mod oracle;
mod scalar;

pub use scalar::{Dual, Scalar};
