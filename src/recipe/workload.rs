//! The trainings that speed is measured on, by name: the same for `bench` and `cargo bench`.

use super::{Recipe, parse_setting};
use crate::error::Result;

/// A training to measure, without its control.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Name on the command line.
    pub name: &'static str,
    /// The recipe it is.
    recipe: &'static str,
    /// Settings on top of it.
    settings: &'static [&'static str],
    /// Tasks a meta-iteration that are measured if nothing else is asked for.
    pub meta_batches: &'static [u32],
}

/// All of them.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "sine", recipe: "sinusoid", settings: &[], meta_batches: &[10, 25, 256, 2048, 16384] },
    Workload { name: "sine-paper", recipe: "sinusoid-paper", settings: &[], meta_batches: &[25] },
    Workload {
        name: "sine-paper-5steps",
        recipe: "sinusoid-paper-5steps",
        settings: &[],
        meta_batches: &[25],
    },
    Workload {
        name: "sine-paper-first-order",
        recipe: "sinusoid-paper",
        settings: &["inner.order=first"],
        meta_batches: &[25],
    },
    Workload { name: "series", recipe: "series", settings: &[], meta_batches: &[32, 1024] },
];

impl Workload {
    /// The recipe of the training, without end, with `meta_batch` tasks a meta-iteration.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn recipe(&self, meta_batch: u32) -> Result<Recipe> {
        let mut settings = vec![
            parse_setting(&format!("outer.meta_batch={meta_batch}"))?,
            parse_setting(&format!("outer.iterations={}", u32::MAX))?,
            parse_setting("control.enabled=false")?,
        ];
        for text in self.settings {
            settings.push(parse_setting(text)?);
        }
        Recipe::load(self.recipe, &settings)
    }
}
