//! Several devices that share meta-batches and evaluations: those of one process, each on a thread, or those of many
//! processes.

mod devices;
mod local;
mod sharing;

pub use devices::{Devices, MakeDevice};
pub use local::local_exchange;
pub use sharing::Sharing;
