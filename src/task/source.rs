//! The families of tasks that there are.

use super::{ImageTasks, SeriesTable, Sinusoid, TaskFamily};
use std::sync::Arc;

/// A family of tasks.
#[derive(Clone, Debug)]
pub enum TaskSource {
    /// Sinusoids; with a pool, `pool` tasks are fixed by the seed and visited in order,
    /// their points shuffled at each visit.
    Sinusoid {
        /// The distribution.
        family: Sinusoid,
        /// Number of tasks of a fixed pool; `None` draws fresh tasks.
        pool: Option<u32>,
    },
    /// Windows of series.
    Series(SeriesTable),
    /// n-way k-shot classification of images.
    Images(ImageTasks),
    /// Any other, drawn on the host. Two are equal if they are the same object.
    Custom(Arc<dyn TaskFamily>),
}

impl PartialEq for TaskSource {
    fn eq(&self, other: &Self) -> bool {
        match self {
            Self::Sinusoid { family, pool } => {
                matches!(other, Self::Sinusoid { family: f, pool: p } if (family, pool) == (f, p))
            }
            Self::Series(table) => matches!(other, Self::Series(t) if table == t),
            Self::Images(tasks) => matches!(other, Self::Images(t) if tasks == t),
            Self::Custom(family) => matches!(other, Self::Custom(f) if Arc::ptr_eq(family, f)),
        }
    }
}

impl TaskSource {
    /// Features of a point.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::Sinusoid { .. } => 1,
            Self::Series(table) => table.window(),
            Self::Images(tasks) => tasks.inputs(),
            Self::Custom(family) => family.inputs(),
        }
    }

    /// Targets of a point.
    #[must_use]
    pub fn targets(&self) -> usize {
        match self {
            Self::Custom(family) => family.targets(),
            Self::Sinusoid { .. } | Self::Series(_) | Self::Images(_) => 1,
        }
    }
}
