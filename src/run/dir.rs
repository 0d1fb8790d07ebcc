//! A run's directory.

use super::checkpoint::Checkpoints;
use super::report::Report;
use super::times::TimesFile;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::recipe::Recipe;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A run's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Makes a directory for a new run.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if there is one already: no run is ever overwritten.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| Error::file_caused(parent, "cannot be made", e))?;
        }
        match std::fs::create_dir(path) {
            Ok(()) => Ok(Self { root: path.to_owned() }),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Self::occupied(path)),
            Err(e) => Err(Error::file_caused(path, "cannot be made", e)),
        }
    }

    /// The error of a path that is taken.
    fn occupied(path: &Path) -> Error {
        let way_out = if path.join("recipe.toml").is_file() {
            "choose another --out, or go on with that run: train --resume"
        } else {
            "choose another --out"
        };
        Error::file(path, format!("exists already, and a run never overwrites anything; {way_out}"))
    }

    /// Whether [`RunDir::create`] would find the path free; for checks before long work.
    ///
    /// # Errors
    /// As [`RunDir::create`].
    pub fn check_free(path: &Path) -> Result<()> {
        if path.symlink_metadata().is_ok() { Err(Self::occupied(path)) } else { Ok(()) }
    }

    /// Makes the first free one of `parent/name-1`, `parent/name-2`, …
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if none can be made.
    pub fn numbered(parent: impl AsRef<Path>, name: &str) -> Result<Self> {
        let parent = parent.as_ref();
        std::fs::create_dir_all(parent).map_err(|e| Error::file_caused(parent, "cannot be made", e))?;
        for n in 1_u32.. {
            let root = parent.join(format!("{name}-{n}"));
            match std::fs::create_dir(&root) {
                Ok(()) => return Ok(Self { root }),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::file_caused(root, "cannot be made", e)),
            }
        }
        Err(Error::file(parent, "has no free number left"))
    }

    /// A run that is there.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if the path holds none.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let root = path.as_ref().to_owned();
        if root.join("recipe.toml").is_file() {
            Ok(Self { root })
        } else if root.is_dir() {
            Err(Error::file(root, "is not a run: it has no recipe.toml"))
        } else {
            Err(Error::file(root, "is not there; give the directory of a run, e.g. runs/sinusoid-1"))
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The recipe it was run with.
    ///
    /// # Errors
    /// As [`Recipe::read`].
    pub fn recipe(&self) -> Result<Recipe> {
        Recipe::read(self.root.join("recipe.toml"), &[])
    }

    /// Writes the recipe, and what it knows of a table's columns.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write_recipe(&self, recipe: &Recipe) -> Result<()> {
        if let Some(table) = recipe.table() {
            write_atomic(&self.columns(), table.columns.to_toml()?.as_bytes())?;
        }
        write_atomic(&self.root.join("recipe.toml"), recipe.to_toml()?.as_bytes())
    }

    /// Writes the evaluation.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write_report(&self, report: &Report) -> Result<()> {
        write_atomic(&self.evaluation(), report.to_json()?.as_bytes())
    }

    /// Checkpoints of the meta-learner.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::at(self.root.join("checkpoints"))
    }

    /// Checkpoints of the control.
    #[must_use]
    pub fn control_checkpoints(&self) -> Checkpoints {
        Checkpoints::at(self.root.join("checkpoints").join("control"))
    }

    /// The checkpoint that did best in a trial.
    #[must_use]
    pub fn best_checkpoint(&self) -> Checkpoints {
        Checkpoints::at(self.root.join("checkpoints").join("best"))
    }

    /// The file of times.
    pub(super) fn times(&self) -> TimesFile {
        TimesFile::at(self.root.join("times.jsonl"))
    }

    /// Where its evaluation is.
    #[must_use]
    pub fn evaluation(&self) -> PathBuf {
        self.root.join("evaluation.json")
    }

    /// Whether a training of so many meta-iterations is through, evaluation and pictures included.
    ///
    /// # Errors
    /// As [`Checkpoints::steps`].
    pub fn is_finished(&self, iterations: u64) -> Result<bool> {
        let trained = self.checkpoints().steps()?.last() == Some(&iterations);
        let noted = match self.times().of(u64::MAX) {
            Some(times) => times.concluded && times.iteration == iterations,
            // Without times, by an earlier version of the program.
            None => true,
        };
        Ok(trained && noted && self.evaluation().is_file())
    }

    /// The file of trials.
    #[must_use]
    pub fn validation(&self) -> PathBuf {
        self.root.join("validation.jsonl")
    }

    /// The file of a table's columns: names, scaling, classes.
    #[must_use]
    pub fn columns(&self) -> PathBuf {
        self.root.join("columns.toml")
    }

    /// The file of a table's predictions.
    #[must_use]
    pub fn predictions(&self) -> PathBuf {
        self.root.join("predictions.csv")
    }

    /// The file of metrics.
    #[must_use]
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The directory of pictures.
    #[must_use]
    pub fn plots(&self) -> PathBuf {
        self.root.join("plots")
    }
}
