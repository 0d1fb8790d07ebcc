//! The kernels of the layered path that belong to no op.

pub mod inner;
pub mod loss;
pub mod rows;
