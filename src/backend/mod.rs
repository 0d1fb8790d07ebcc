//! The devices: the same mathematics on threads and vector units, and on a GPU.

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod open;
pub mod oracle;

pub use open::{Opened, open, open_cpu};
