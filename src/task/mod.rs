//! Where tasks come from: generators, counter-based sampling, batches of tasks.
//!
//! A task is a support set it is adapted on and a query set it is judged on (Finn, Abbeel and
//! Levine 2017, section 2.1). Every draw is a pure function of (seed, purpose, meta-iteration, task),
//! so a run gives the same tasks on every device, for any tiling, and wherever it was resumed.

mod batch;
mod family;
mod images;
mod minibatch;
mod philox;
mod rows;
mod sampler;
mod series;
mod sine;
mod traits;

pub use batch::{PointWeights, TaskBatch};
pub use family::{TaskFamily, Turn};
pub use images::ImageTasks;
pub use minibatch::Minibatches;
pub use philox::{Philox, Purpose, philox4x32_10};
pub use rows::Rows;
pub(crate) use rows::split_classes;
pub use sampler::{Sampler, TaskSource, Visit};
pub use series::SeriesTable;
pub use sine::{Sinusoid, sine};
pub use traits::Traits;

/// A number in `[0, 1)` from the upper 24 bits of a word: the same float on every device.
#[inline(always)]
#[must_use]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// An index in `0..n` from a word: the upper half of the 64-bit product `word · n`.
#[inline(always)]
#[must_use]
pub fn below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}
