//! The devices: the same mathematics on threads and vector units, and on a GPU.

pub mod cpu;
pub mod gpu;
pub mod oracle;
