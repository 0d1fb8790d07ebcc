//! Where tasks come from: generators, counter-based sampling, batches of tasks.
//!
//! A task is a support set it is adapted on and a query set it is judged on (Finn, Abbeel and
//! Levine 2017, section 2.1). Every draw is a pure function of (seed, purpose, meta-iteration, task),
//! so a run gives the same tasks on every device, for any tiling, and wherever it was resumed.

mod batch;
mod family;
mod fields;
mod images;
mod minibatch;
mod phantom;
mod rows;
mod sampler;
mod series;
mod signal;
mod sine;
mod source;
mod traits;
mod uneven;
mod values;

pub use crate::philox::{Philox, Purpose, below, philox4x32_10, unit};
pub use batch::{PointWeights, TaskBatch};
pub use family::{TaskFamily, Turn};
pub use fields::{FieldTasks, QueryPoints, Rays};
pub use images::ImageTasks;
pub use minibatch::Minibatches;
pub use phantom::Phantom;
pub use rows::Rows;
pub(crate) use rows::split_classes;
pub use sampler::{Sampler, Visit};
pub use series::SeriesTable;
pub use signal::{MeasuredFields, Signals};
pub use sine::{Sinusoid, sine};
pub use source::TaskSource;
pub use traits::Traits;
pub use uneven::UnevenImages;
pub use values::Values;
