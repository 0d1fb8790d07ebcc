//! What a run took, added up over the processes that worked on it.
//!
//! It is no part of a checkpoint, since checkpoints are the same bytes however long they took.

use crate::error::{Error, Result};
use crate::file::write_atomic;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A line of `times.jsonl`: seconds up to a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Times {
    /// Meta-iterations of the checkpoint.
    pub(super) iteration: u64,
    /// Meta-training.
    pub(super) train: f64,
    /// Training of the control.
    pub(super) control: f64,
    /// Whether the parameters were judged and everything was drawn, which ends a run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) concluded: bool,
}

/// The file of times.
#[derive(Clone, Debug)]
pub(super) struct TimesFile(PathBuf);

impl TimesFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The lines up to a meta-iteration. Half a line and those behind it are lost, which costs a figure, not a run.
    fn until(&self, iteration: u64) -> Vec<Times> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let lines = text.lines().map_while(|line| serde_json::from_str::<Times>(line).ok());
        lines.take_while(|times| times.iteration <= iteration).collect()
    }

    /// What is noted of a checkpoint, or of the nearest one before.
    pub(super) fn of(&self, iteration: u64) -> Option<Times> {
        self.until(iteration).pop()
    }

    /// Notes a checkpoint; what was noted of it and of later ones is dropped.
    pub(super) fn note(&self, times: Times) -> Result<()> {
        let mut lines = times.iteration.checked_sub(1).map_or_else(Vec::new, |last| self.until(last));
        lines.push(times);
        let mut text = String::new();
        for line in lines {
            text += &serde_json::to_string(&line).map_err(|e| Error::failed(e.to_string()))?;
            text.push('\n');
        }
        write_atomic(&self.0, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_checkpoints_that_never_came_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let file = TimesFile::at(dir.path().join("times.jsonl"));
        assert_eq!(file.of(5), None);
        let at = |iteration, train| Times { iteration, train, ..Times::default() };
        for times in [at(0, 0.0), at(10, 1.5), at(20, 3.0)] {
            file.note(times).unwrap();
        }
        assert_eq!(file.of(15), Some(at(10, 1.5)));
        file.note(at(12, 2.0)).unwrap();
        assert_eq!(file.of(u64::MAX), Some(at(12, 2.0)));
        file.note(Times { concluded: true, ..at(12, 2.0) }).unwrap();
        assert_eq!(std::fs::read_to_string(&file.0).unwrap().lines().count(), 3);
    }
}
