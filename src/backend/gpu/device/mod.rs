//! An opened adapter, and what lives on it: buffers, kernels, recorded dispatches.

pub mod adapter;
pub mod arena;
mod handle;
pub mod kernel;
pub(crate) mod open;
pub mod recording;
pub(crate) mod wait;

pub use handle::Device;
