//! What predicts: a run, or an adapted model.

use super::failure::warn;
use fastweights::adapted::{Adapted, Start};
use fastweights::meta::Backend;
use fastweights::recipe::Recipe;
use fastweights::run::{RunDir, needs_points, ready};
use fastweights::{Error, Result};
use std::path::Path;

/// A run, or an adapted model.
pub(super) enum Source {
    /// A run with its recipe and what it has learned.
    Run(RunDir, Box<Recipe>, Box<Start>),
    /// An adapted model.
    Adapted(Box<Adapted>),
}

impl Source {
    /// Opens what a path names: a run's directory, or an adapted model's file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            return Ok(Self::Adapted(Box::new(Adapted::load(path)?)));
        }
        if !path.is_dir() {
            let reason = "is not there; give the directory of a run, e.g. runs/sinusoid-1, or the file of an adapted model";
            return Err(Error::file(path, reason));
        }
        let dir = RunDir::open(path)?;
        let mut recipe = dir.recipe()?;
        // The control is not asked, and to know it would take the training file.
        recipe.control.enabled = false;
        let start = dir.start(&recipe, &mut warn)?;
        Ok(Self::Run(dir, Box::new(recipe), Box::new(start)))
    }

    /// Most memory to take.
    pub(super) fn memory(&self) -> Option<u64> {
        match self {
            Self::Run(_, recipe, _) => recipe.run.max_memory.map(|size| size.as_u64()),
            Self::Adapted(_) => None,
        }
    }
}

/// The model of a run as it is, after `steps` steps on training rows, which are read where they are needed.
pub(super) fn model_of_run(
    (dir, recipe, start): (&RunDir, &mut Recipe, &Start),
    device: &dyn Backend,
    steps: usize,
) -> Result<Adapted> {
    if recipe.task.family.is_few_shot() {
        let reason = format!(
            "is a run of `{}`, whose classes mean nothing before it is adapted to a task: fastweights adapt {} --support INPUT \
             --out adapted.safetensors, then give that file",
            recipe.name,
            dir.path().display()
        );
        return Err(Error::file(dir.path(), reason));
    }
    if (steps > 0 || needs_points(start)) && recipe.needs_data() {
        recipe.load_data(None)?;
    }
    ready(recipe, start, device, steps)
}
