//! A run's directory.

use super::checkpoint::Checkpoints;
use super::report::Report;
use super::times::TimesFile;
use crate::error::{Error, Result};
use crate::file::{is_partial, write_atomic};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that a process which trains holds a lock on.
const LOCK: &str = "run.lock";

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
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if Self::is_stillborn(path) {
                    Ok(Self { root: path.to_owned() })
                } else {
                    Err(Self::occupied(path))
                }
            }
            Err(e) => Err(Error::file_caused(path, "cannot be made", e)),
        }
    }

    /// Whether a process died here before it wrote the recipe, so that nothing is lost if another begins anew.
    fn is_stillborn(path: &Path) -> bool {
        let Ok(entries) = std::fs::read_dir(path) else { return false };
        let before = ["columns.toml", "processes.jsonl", LOCK];
        let early = |path: &Path| before.iter().any(|name| path.ends_with(name)) || is_partial(path);
        path.join(LOCK).is_file()
            && entries.into_iter().all(|entry| entry.is_ok_and(|entry| early(&entry.path())))
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
        let taken = path.symlink_metadata().is_ok() && !Self::is_stillborn(path);
        if taken { Err(Self::occupied(path)) } else { Ok(()) }
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

    /// The recipe's file.
    #[must_use]
    pub fn recipe_file(&self) -> PathBuf {
        self.root.join("recipe.toml")
    }

    /// The file of the processes that worked on it.
    #[must_use]
    pub fn processes_file(&self) -> PathBuf {
        self.root.join("processes.jsonl")
    }

    /// The file that is locked while a process trains.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.root.join(LOCK)
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

    /// The directory of TensorBoard's files.
    #[must_use]
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// The directory of pictures.
    #[must_use]
    pub fn plots(&self) -> PathBuf {
        self.root.join("plots")
    }
}
