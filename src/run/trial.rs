//! Learners adapted to many tasks, a few at a time, and the trials during training that choose the best checkpoint.

use super::models::{Models, adapt};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::meta::{Backend, Curve, accuracy};
use crate::recipe::Recipe;
use crate::task::TaskBatch;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Numbers of points that are held at a time: 64 MiB.
const SLICE: usize = 1 << 24;

/// What each task gave, `[tasks, steps + 1]` each.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    pub(super) maml_loss: Vec<f32>,
    /// Accuracies; empty where targets are numbers.
    pub(super) maml_accuracy: Vec<f64>,
    pub(super) control_loss: Option<Vec<f32>>,
}

/// The tasks `0..tasks`, as many at a time as are held, where each is like `one`.
pub(super) fn turns(one: &TaskBatch, tasks: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let size = (one.support + one.query) * (one.inputs + one.targets);
    let turn = (SLICE / size.max(1)).clamp(1, tasks.max(1));
    (0..tasks).step_by(turn).map(move |first| first..tasks.min(first + turn))
}

/// Adapts learners to the tasks `0..tasks` of a sequence.
pub(super) fn adapt_all(
    recipe: &Recipe,
    (tasks, steps): (usize, usize),
    models: &Models,
    device: &dyn Backend,
    rate: Option<f64>,
    sequence: impl Fn(Range<usize>) -> Result<TaskBatch>,
) -> Result<Outcomes> {
    let classes = recipe.task.family.is_classification();
    let mut all = Outcomes::default();
    for range in turns(&sequence(0..1)?, tasks) {
        let batch = sequence(range)?;
        let (maml, control) = adapt(recipe, steps, models, device, rate, &batch, classes)?;
        all.maml_accuracy.extend(accuracy(recipe.model.loss, &maml, &batch));
        all.maml_loss.extend(maml.query_loss);
        if let Some(control) = control {
            all.control_loss.get_or_insert_default().extend(control.query_loss);
        }
    }
    Ok(all)
}

/// One trial, a line of `validation.jsonl`; accuracies after the last step of adaptation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationLine {
    /// Meta-iterations done.
    pub iteration: u64,
    /// Mean accuracy on meta-validation tasks.
    pub accuracy: f64,
    /// Half the width of its 95 % interval; NaN, in JSON null, of one task.
    #[serde(deserialize_with = "number_or_nan")]
    pub ci95: f64,
    /// Mean loss on the same; NaN, in JSON null, where it was finite on no task.
    #[serde(deserialize_with = "number_or_nan")]
    pub loss: f64,
    /// Mean accuracy on as many tasks of meta-training classes.
    pub train_accuracy: f64,
    /// Whether no trial before was as good.
    pub best: bool,
}

fn number_or_nan<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Tries the meta-parameters on the recipe's validation tasks.
pub(super) fn validate(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    best: Option<f64>,
) -> Result<ValidationLine> {
    let steps = recipe.validation.steps;
    let of = |split: Split| {
        let size = (recipe.validation.tasks, steps);
        adapt_all(recipe, size, models, device, None, |range| recipe.validation_tasks(split, range))
    };
    let validation = of(Split::Validation)?;
    let (accuracy, loss) =
        (Curve::of_values(&validation.maml_accuracy, steps), Curve::of_values(&validation.maml_loss, steps));
    let train = Curve::of_values(&of(Split::Train)?.maml_accuracy, steps);
    Ok(ValidationLine {
        iteration: models.iterations,
        accuracy: accuracy.mean[steps],
        ci95: accuracy.ci95[steps],
        loss: loss.mean[steps],
        train_accuracy: train.mean[steps],
        // The first of equal ones, whatever the rounding of the mean.
        best: best.is_none_or(|best| accuracy.mean[steps] > best + 1e-9),
    })
}

/// The file of trials; it is written anew at each, since there are few.
#[derive(Debug)]
pub(super) struct Trials {
    /// Nothing where another process writes it.
    path: Option<PathBuf>,
    /// Whole lines, kept as they are, so that no digit can change.
    text: String,
    best: Option<ValidationLine>,
    last: Option<ValidationLine>,
}

impl Trials {
    /// Goes on after meta-iteration `done`; later lines are dropped.
    pub(super) fn resume(path: PathBuf, done: u64) -> Result<Self> {
        let mut trials = Self { path: None, text: String::new(), best: None, last: None };
        if path.is_file() {
            let text =
                std::fs::read_to_string(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
            trials.read(&path, &text, done)?;
        }
        trials.path = Some(path);
        Ok(trials)
    }

    /// The same of what another process has read.
    pub(super) fn told(text: &str) -> Result<Self> {
        let mut trials = Self { path: None, text: String::new(), best: None, last: None };
        trials.read(Path::new("validation.jsonl"), text, u64::MAX)?;
        Ok(trials)
    }

    /// What is in the file.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn read(&mut self, path: &Path, text: &str, done: u64) -> Result<()> {
        let lines: Vec<ValidationLine> = super::metrics::lines_of(path, text)?;
        for (line, text) in lines.into_iter().zip(text.lines()).filter(|(line, _)| line.iteration <= done) {
            self.take(line, text);
        }
        Ok(())
    }

    fn take(&mut self, line: ValidationLine, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.best = if line.best { Some(line) } else { self.best };
        self.last = Some(line);
    }

    /// The best accuracy so far.
    pub(super) fn best(&self) -> Option<f64> {
        self.best.map(|line| line.accuracy)
    }

    /// Whether after so many meta-iterations the best trial is `patience` meta-iterations or more behind; with a patience of
    /// 0 never.
    pub(super) fn is_exhausted(&self, iteration: u64, patience: u64) -> bool {
        patience > 0 && self.best.is_some_and(|best| iteration >= best.iteration.saturating_add(patience))
    }

    pub(super) fn last(&self) -> Option<ValidationLine> {
        self.last
    }

    pub(super) fn add(&mut self, line: ValidationLine) -> Result<()> {
        let text = serde_json::to_string(&line).map_err(|e| Error::failed(e.to_string()))?;
        self.take(line, &text);
        match &self.path {
            Some(path) => write_atomic(path, self.text.as_bytes()),
            None => Ok(()),
        }
    }
}

/// Reads a file of trials.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the line.
pub fn read_validation(path: &Path) -> Result<Vec<ValidationLine>> {
    super::metrics::read_lines(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_diverged_is_read_again() {
        let (accuracy, ci95, loss) = (0.2, 0.0, f64::NAN);
        let line = ValidationLine { iteration: 5, accuracy, ci95, loss, train_accuracy: 0.2, best: false };
        let text = serde_json::to_string(&line).unwrap();
        let again: ValidationLine = serde_json::from_str(&text).unwrap();
        assert!(again.loss.is_nan() && again.iteration == 5);
    }
}
