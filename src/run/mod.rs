//! The directory that a run leaves behind, and what is in it.
//!
//! | path | holds |
//! | --- | --- |
//! | `recipe.toml` | the recipe, every setting spelled out |
//! | `metrics.jsonl` | mean losses of every `run.report_every` meta-iterations, one JSON object a line |
//! | `checkpoints/<step>.safetensors` | θ₀ under PyTorch's names and shapes, nothing else: `load_state_dict` takes it as it is |
//! | `checkpoints/state/<step>.safetensors` | what continuing needs besides: optimizer moments, learned rates, counters |
//! | `checkpoints/best/` | the same two of the step that did best in a trial, if there are trials |
//! | `validation.jsonl` | the trials: accuracy on meta-validation tasks every `validation.every` meta-iterations |
//! | `checkpoints/control/` | the same two of the control; its steps are its own updates |
//! | `times.jsonl` | seconds of training up to each checkpoint, over all processes of the run |
//! | `evaluation.json` | losses on new tasks against steps of adaptation |
//! | `columns.toml` | of a table: names of columns, scaling, classes; with a checkpoint all that predicting needs |
//! | `predictions.csv` | of a table: classes and probabilities of the test or held-out rows |
//! | `plots/` | pictures, as SVG and PNG |
//!
//! All but `evaluation.json` and `times.jsonl`, which hold times, are the same bytes for the same recipe, seed and device,
//! however often the run was interrupted and resumed.

mod checkpoint;
mod experiment;
mod measure;
mod metrics;
mod model_picture;
#[cfg(feature = "plot")]
mod plot;
mod report;
mod series;
mod table_report;
mod times;
mod trial;

pub use crate::file::write_atomic;
pub use checkpoint::{Checkpoints, Saved};
pub use experiment::{Ending, Experiment, Progress};
pub use measure::Measures;
pub use metrics::{MetricsLine, read_metrics};
pub use model_picture::draw_model;
#[cfg(feature = "plot")]
pub use plot::draw_all;
pub use report::{
    Classification, Judged, Learners, Models, Points, Report, Seconds, evaluation_bytes, judge,
};
pub use series::{Against, Difference, Effect, SeriesFile, SeriesReport, Third, TraitEffect};
pub use table_report::{
    ClassJudgement, Judgement, Predictions, TableOutcome, predict_rows, table_predictions,
};
pub use trial::{ValidationLine, read_validation};

use crate::error::{Error, Result};
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
    fn times(&self) -> times::TimesFile {
        times::TimesFile::at(self.root.join("times.jsonl"))
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

    /// Notes that the run is through.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn finish(&self, experiment: &Experiment<'_>) -> Result<()> {
        self.times().note(times::Times { concluded: true, ..experiment.noted() })
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
