//! The devices: the same mathematics on threads and vector units, and on a GPU.

#[cfg(feature = "mpi")]
mod cluster;
pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod open;
pub mod oracle;
mod together;

#[cfg(feature = "mpi")]
pub use cluster::Cluster;
pub use open::{DeviceKind, Opened, device_names, open, open_cpu, open_devices, open_shared};
pub use together::{Devices, MakeDevice, Sharing, local_exchange};
