//! Learners adapted to many tasks, a few at a time, and the trials during training that choose the best checkpoint.

use super::models::{Models, adapt};
use super::table_report::{Tried, try_rows};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::meta::{Backend, Curve, accuracy};
use crate::model::Operations;
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

/// One trial, a line of `validation.jsonl`; what it says is meant after the last step of adaptation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationLine {
    /// Meta-iterations done.
    pub iteration: u64,
    /// Mean accuracy on meta-validation tasks, or on rows, where targets are classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Half the width of its 95 % interval, or of the loss's where there is no accuracy; NaN, in JSON null, of one task.
    #[serde(deserialize_with = "number_or_nan")]
    pub ci95: f64,
    /// Mean loss on the same; NaN, in JSON null, where it was finite on no task.
    #[serde(deserialize_with = "number_or_nan")]
    pub loss: f64,
    /// Mean accuracy on as many tasks of meta-training classes, where a task has classes of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<f64>,
    /// Whether no trial before was as good.
    pub best: bool,
}

impl ValidationLine {
    /// What trials are compared by, the more the better.
    fn worth(&self) -> f64 {
        self.accuracy.unwrap_or(-self.loss)
    }

    /// Whether it is better than the best before. The first of equal ones is, whatever the rounding of the mean.
    fn beats(&self, before: Option<f64>) -> bool {
        let (worth, least) = (self.worth(), if self.accuracy.is_some() { 1.0 } else { self.loss.abs() });
        worth.is_finite() && before.is_none_or(|before| worth > before + 1e-9 * least)
    }
}

fn number_or_nan<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Operations that a trial makes between two looks at whether an end is asked for: half a second of two cores.
const OPERATIONS: u64 = 50_000_000_000;

/// Tasks of a trial that are tried at a time. It follows from the recipe alone, so that no machine's speed can change a bit.
fn tried_at_once(recipe: &Recipe) -> Result<usize> {
    let (evaluation, steps) = (&recipe.evaluation, recipe.validation.steps);
    let points = (recipe.evaluation_support(evaluation), recipe.evaluation_query(evaluation));
    let (model, query) = (recipe.model()?, points.1 * (steps + 1));
    let cost = Operations::meta_gradient(&model, points.0, query, steps, false).per_task;
    Ok(usize::try_from(OPERATIONS / cost.max(1)).unwrap_or(usize::MAX).max(1))
}

/// Tries the meta-parameters on the recipe's validation tasks; nothing if an end was asked for meanwhile.
pub(super) fn validate(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    best: Option<f64>,
    asked: &dyn Fn() -> bool,
) -> Result<Option<ValidationLine>> {
    let steps = recipe.validation.steps;
    let at_once = tried_at_once(recipe)?;
    let of = |split: Split| -> Result<Option<Tried>> {
        if let Some(found) = try_rows(recipe, models, device)? {
            return Ok(Some(found));
        }
        let mut all = Outcomes::default();
        let tasks = recipe.validation_count();
        for first in (0..tasks).step_by(at_once) {
            if asked() {
                return Ok(None);
            }
            let size = (at_once.min(tasks - first), steps);
            let some = adapt_all(recipe, size, models, device, None, |range| {
                recipe.validation_tasks(split, first + range.start..first + range.end)
            })?;
            all.maml_accuracy.extend(some.maml_accuracy);
            all.maml_loss.extend(some.maml_loss);
        }
        let accuracy = (!all.maml_accuracy.is_empty()).then(|| Curve::of_values(&all.maml_accuracy, steps));
        Ok(Some((accuracy, Curve::of_values(&all.maml_loss, steps))))
    };
    let Some((accuracy, loss)) = of(Split::Validation)? else { return Ok(None) };
    let train_accuracy = match recipe.task.family.is_few_shot() {
        true => match of(Split::Train)? {
            Some((train, _)) => train.map(|train| train.mean[steps]),
            None => return Ok(None),
        },
        false => None,
    };
    let line = ValidationLine {
        iteration: models.iterations,
        ci95: accuracy.as_ref().unwrap_or(&loss).ci95[steps],
        accuracy: accuracy.map(|accuracy| accuracy.mean[steps]),
        loss: loss.mean[steps],
        train_accuracy,
        best: false,
    };
    Ok(Some(ValidationLine { best: line.beats(best), ..line }))
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

    /// What the best so far was worth.
    pub(super) fn best(&self) -> Option<f64> {
        self.best.map(|line| line.worth())
    }

    /// Whether after so many meta-iterations the best trial is `patience` meta-iterations or more behind; with a patience of
    /// 0 never. Where no trial was finite yet, that counts from the start.
    pub(super) fn is_exhausted(&self, iteration: u64, patience: u64) -> bool {
        let best = self.best.map_or(0, |line| line.iteration);
        patience > 0 && self.last.is_some() && iteration >= best.saturating_add(patience)
    }

    /// Whether there is to be a trial after so many meta-iterations, and was none.
    pub(super) fn owe(&self, recipe: &Recipe, done: u64) -> bool {
        let every = recipe.validation.every;
        let due = every > 0 && done > 0 && (done.is_multiple_of(every) || done == recipe.outer.iterations);
        due && self.last.is_none_or(|last| last.iteration < done)
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
        let (accuracy, ci95, loss) = (Some(0.2), 0.0, f64::NAN);
        let line =
            ValidationLine { iteration: 5, accuracy, ci95, loss, train_accuracy: accuracy, best: false };
        let text = serde_json::to_string(&line).unwrap();
        let again: ValidationLine = serde_json::from_str(&text).unwrap();
        assert!(again.loss.is_nan() && again.iteration == 5);
    }

    #[test]
    fn less_loss_is_better_where_there_is_no_accuracy_and_none_at_all_is_never() {
        let line = |accuracy, loss| ValidationLine {
            iteration: 5,
            accuracy,
            ci95: 0.0,
            loss,
            train_accuracy: None,
            best: false,
        };
        assert!(line(None, 3.0).beats(None) && line(None, 2.0).beats(Some(-3.0)));
        assert!(!line(None, 3.0).beats(Some(-3.0)) && !line(None, 4.0).beats(Some(-3.0)));
        assert!(!line(None, f64::NAN).beats(None) && !line(None, f64::INFINITY).beats(Some(-3.0)));
        // Losses of a part in a million are compared as others are.
        assert!(line(None, 1.0e-6).beats(Some(-1.1e-6)));
        assert!(line(Some(0.5), 9.0).beats(Some(0.4)) && !line(Some(0.5), 0.1).beats(Some(0.5)));
        let trials = Trials { path: None, text: String::new(), best: None, last: None };
        assert!(!trials.is_exhausted(100, 10));
        let trials = Trials { last: Some(line(None, f64::NAN)), ..trials };
        assert!(trials.is_exhausted(10, 10) && !trials.is_exhausted(9, 10) && !trials.is_exhausted(10, 0));
    }
}
