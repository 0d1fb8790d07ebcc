//! The engine as Python has it: models, learners and sources of tasks over NumPy arrays. What a user sees is written in
//! Python around it, `python/fastweights`; arrays come here as contiguous float32, their shapes checked.

mod arrays;
mod devices;
mod errors;
mod fit;
mod learner;
mod model;
mod recipes;
mod settings;
mod sources;
mod task_learners;

use pyo3::prelude::*;

#[pymodule]
mod _engine {
    #[pymodule_export]
    use super::devices::Device;
    #[pymodule_export]
    use super::devices::adapters;
    #[pymodule_export]
    use super::errors::DeviceError;
    #[pymodule_export]
    use super::learner::{Learner, note};
    #[pymodule_export]
    use super::model::{Model, check_loss, losses, ops};
    #[pymodule_export]
    use super::recipes::{recipes, train};
    #[pymodule_export]
    use super::sources::Source;
    #[pymodule_export]
    use super::task_learners::TaskLearners;
}
