//! What a run's directory says of it.

use crate::error::{Error, Result};
use crate::run::process::{Process, settings};
use crate::run::trial::ValidationLine;
use crate::run::{MetricsLine, RunDir, read_metrics, read_validation};
use serde_json::Value;
use std::path::Path;

/// A run as a page shows it.
pub(super) struct Found {
    /// The directory's name, or its path where two have the same.
    pub(super) name: String,
    /// Settings by their keys.
    pub(super) settings: Vec<(String, String)>,
    pub(super) processes: Vec<Process>,
    pub(super) metrics: Vec<MetricsLine>,
    pub(super) trials: Vec<ValidationLine>,
    /// `evaluation.json`; null of a run that is not through.
    pub(super) evaluation: Value,
    /// Pictures: stem, and the file's bytes as SVG or PNG.
    pub(super) pictures: Vec<(String, Picture)>,
}

/// A picture that stands in the page itself.
pub(super) enum Picture {
    Svg(String),
    Png(Vec<u8>),
}

/// The largest SVG that is taken: those of photographs are larger than their PNG.
const SVG_BYTES: usize = 400_000;

impl Found {
    pub(super) fn read(dir: &RunDir, name: String) -> Result<Self> {
        // Refuses what is no recipe, or another than the run was trained with.
        dir.recipe()?;
        let text = |path: &Path| {
            std::fs::read_to_string(path).map_err(|e| Error::file_caused(path, "cannot be read", e))
        };
        let evaluation = match dir.evaluation().is_file() {
            true => serde_json::from_str(&text(&dir.evaluation())?)
                .map_err(|e| Error::file_caused(dir.evaluation(), "is not as expected", e))?,
            false => Value::Null,
        };
        Ok(Self {
            name,
            settings: settings(&text(&dir.recipe_file())?),
            processes: dir.processes()?,
            metrics: if dir.metrics().is_file() { read_metrics(&dir.metrics())? } else { Vec::new() },
            trials: if dir.validation().is_file() { read_validation(&dir.validation())? } else { Vec::new() },
            evaluation,
            pictures: pictures(dir)?,
        })
    }

    /// A setting, as TOML has it.
    pub(super) fn setting(&self, key: &str) -> &str {
        self.settings.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value.trim_matches('"'))
    }

    /// Whether losses are judged by shares of right answers.
    pub(super) fn has_accuracy(&self) -> bool {
        self.evaluation["metric"] == "accuracy"
    }

    /// A learner's mean and half the width of its interval after each number of steps; not finite where no task was.
    pub(super) fn curve(&self, learner: &str) -> Vec<[f64; 3]> {
        let learner = &self.evaluation["learners"][learner];
        let numbers =
            |key: &str| learner[key].as_array().into_iter().flatten().map(|v| v.as_f64().unwrap_or(f64::NAN));
        let points = numbers("mean").zip(numbers("ci95")).enumerate();
        points
            .map(|(step, (mean, ci95))| [step as f64, mean, if ci95.is_finite() { ci95 } else { 0.0 }])
            .collect()
    }
}

/// The pictures of a run, by name.
fn pictures(dir: &RunDir) -> Result<Vec<(String, Picture)>> {
    let Ok(entries) = std::fs::read_dir(dir.plots()) else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::file_caused(dir.plots(), "cannot be read", e))?.path();
        let drawn = |extension: &str| path.extension().is_some_and(|found| found == extension);
        // Photographs have no other file.
        if drawn("svg") || drawn("png") && !path.with_extension("svg").is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &Path| std::fs::read(path).map_err(|e| Error::file_caused(path, "cannot be read", e));
    let mut found = Vec::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Drawn anew by the page itself, for all runs together.
        if ["training", "adaptation", "accuracy"].contains(&&*stem) {
            continue;
        }
        let png = path.with_extension("png");
        if path == png {
            found.push((stem, Picture::Png(read(&png)?)));
            continue;
        }
        let picture = match String::from_utf8(read(&path)?) {
            Ok(svg) if svg.len() <= SVG_BYTES || !png.is_file() => Picture::Svg(svg),
            _ => Picture::Png(read(&png)?),
        };
        found.push((stem, picture));
    }
    Ok(found)
}
