//! Losses over training, a JSON object a line.

use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::meta::Losses;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One line: means since the line before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsLine {
    /// Meta-iterations done.
    pub iteration: u64,
    /// Support loss before adaptation.
    pub support_loss: f64,
    /// Weighted query loss, which is minimised.
    pub query_loss: f64,
    /// Loss of the control over the same tasks, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_loss: Option<f64>,
    /// Rate of the outer optimizer in the last of these meta-iterations.
    pub meta_lr: f64,
}

/// Reads a file of metrics.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the line.
pub fn read_metrics(path: &Path) -> Result<Vec<MetricsLine>> {
    read_lines(path)
}

/// Reads a file of JSON objects, one a line.
pub(super) fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
    lines_of(path, &text)
}

/// The objects of such a file's text.
pub(super) fn lines_of<T: DeserializeOwned>(path: &Path, text: &str) -> Result<Vec<T>> {
    (text.lines().enumerate())
        .map(|(n, line)| {
            serde_json::from_str(line)
                .map_err(|e| Error::file_caused(path, format!("line {} is not as expected", n + 1), e))
        })
        .collect()
}

/// Writes metrics as training goes on.
#[derive(Debug)]
pub(super) struct MetricsWriter {
    path: PathBuf,
    file: std::fs::File,
}

impl MetricsWriter {
    /// Goes on after meta-iteration `done`: later lines, and an early last one, are dropped.
    pub(super) fn resume(path: PathBuf, done: u64, every: u64) -> Result<Self> {
        if path.is_file() {
            let text =
                std::fs::read_to_string(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
            // Whole lines are kept as they are, so that no digit can change; half a line is dropped.
            let kept: String = (text.split_inclusive('\n'))
                .filter(|line| line.ends_with('\n'))
                .filter(|line| {
                    let line: Result<MetricsLine, _> = serde_json::from_str(line);
                    line.is_ok_and(|line| line.iteration <= done && line.iteration.is_multiple_of(every))
                })
                .collect();
            write_atomic(&path, kept.as_bytes())?;
        }
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(|e| Error::file_caused(&path, "cannot be written", e))?;
        Ok(Self { path, file })
    }

    pub(super) fn write(&mut self, lines: &[MetricsLine]) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            let line = serde_json::to_string(line).map_err(|e| Error::failed(e.to_string()))?;
            text.push_str(&line);
            text.push('\n');
        }
        self.file
            .write_all(text.as_bytes())
            .map_err(|e| Error::file_caused(&self.path, "cannot be written", e))
    }

    /// Sees to it that all lines are on the disk.
    pub(super) fn flush(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::file_caused(&self.path, "cannot be written", e))
    }
}

/// Sums of losses since the last line, one addition after another, so that cuts into blocks or runs
/// change nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    support: f64,
    query: f64,
    control: f64,
    iterations: f64,
    updates: f64,
}

impl Sums {
    pub(super) fn from_saved(saved: &[f64]) -> Self {
        match *saved {
            [support, query, control, iterations, updates] => {
                Self { support, query, control, iterations, updates }
            }
            _ => Self::default(),
        }
    }

    pub(super) fn to_saved(&self) -> Vec<f64> {
        vec![self.support, self.query, self.control, self.iterations, self.updates]
    }

    /// Adds a meta-iteration; what was skipped counts for nothing.
    pub(super) fn add(&mut self, losses: Option<Losses>, control: &[Option<Losses>]) {
        if let Some(losses) = losses {
            self.support += f64::from(losses.support);
            self.query += f64::from(losses.query);
            self.iterations += 1.0;
        }
        for update in control.iter().flatten() {
            self.control += f64::from(update.query);
            self.updates += 1.0;
        }
    }

    pub(super) fn line(&self, iteration: u64, meta_lr: f64) -> MetricsLine {
        MetricsLine {
            iteration,
            support_loss: self.support / self.iterations,
            query_loss: self.query / self.iterations,
            control_loss: (self.updates > 0.0).then(|| self.control / self.updates),
            meta_lr,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iterations == 0.0
    }
}
