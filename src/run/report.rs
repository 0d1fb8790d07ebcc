//! What a final comparison finds.

use super::field_report::FieldReport;
use super::series::SeriesReport;
use super::table_outcome::TableOutcome;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::meta::Curve;
use crate::recipe::EvaluationSettings;
use serde::Serialize;

/// What `evaluation.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Number of new tasks.
    pub tasks: usize,
    /// What was measured: `mse`, `accuracy` (shares of 1) or, of fields, `psnr` (dB).
    pub metric: &'static str,
    /// Numbers of steps that the arrays below are indexed by.
    pub steps: Vec<usize>,
    /// The learners' curves.
    pub learners: Learners,
    /// The device of training and evaluation.
    pub device: String,
    /// Time taken.
    pub seconds: Seconds,
    /// Points of each task.
    pub points: Points,
    /// What the tasks were, if targets are classes.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// What became of a table's rows, if tasks were its mini-batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<TableOutcome>,
    /// What the series were, if tasks are made of series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesReport>,
    /// What the fields were, if tasks are fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldReport>,
    /// The recipe's name.
    pub recipe: String,
    /// The recipe's seed.
    pub seed: u64,
    /// Meta-iterations of training behind the parameters that were judged.
    pub iterations: u64,
    /// The inner rate, if another than the trained one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_lr: Option<f64>,
}

/// Tasks of classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// The image set, or the file of a table.
    pub data: String,
    /// SHA-256 of its classes and pixels, or of the file.
    pub data_sha256: String,
    /// What a class has: `image` or `row`.
    #[serde(skip)]
    pub of: &'static str,
    /// Which of its classes.
    pub split: Split,
    /// Classes a task.
    pub ways: usize,
    /// Support images a class.
    pub shots: usize,
    /// Query images a class.
    pub queries: usize,
    /// Whether a rotated class is another class.
    pub rotations: bool,
    /// Where batch norms take their statistics from: always all points of the set at hand, so that the prediction
    /// of a query image depends on the others (transduction). Absent where the model has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_norm: Option<&'static str>,
    /// The meta-learner's loss.
    pub loss: Curve,
}

/// Curves of both learners, and of what needs no learning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learners {
    /// The meta-learner.
    pub maml: Curve,
    /// The control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Curve>,
    /// Of fields, the same network from a standard initialisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<Curve>,
    /// Of series, the forecast that repeats the last value of the window: the same after any step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub naive: Option<Curve>,
}

/// Points of each task of the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Points {
    /// Adapted on.
    pub support: usize,
    /// Judged on.
    pub query: usize,
}

/// Wall-clock times; of training, over all processes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Meta-training.
    pub train: f64,
    /// Training of the control.
    pub control: f64,
    /// Evaluation.
    pub evaluation: f64,
}

impl Report {
    /// Why the control stays where it is while it adapts, where it does and meta-learned parameters do not.
    #[must_use]
    pub fn why_flat(&self) -> Option<&'static str> {
        let of_kinds = self.classification.is_some() || self.series.is_some() || self.table.is_some();
        let control = self.learners.control.as_ref().filter(|_| !of_kinds && self.field.is_none())?;
        let (maml, first) = (&self.learners.maml.mean, control.mean.first()?);
        let flat = control.mean.iter().all(|mean| (mean - first).abs() <= 0.05 * first);
        (flat && maml.last()? < &(0.5 * maml.first()?)).then_some(
            "flat, as plain training on all tasks ends at their mean, with hardly a unit left that a few steps would change",
        )
    }

    /// As indented JSON with a line break at the end.
    ///
    /// # Errors
    /// None that a report can cause.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::failed(e.to_string()))?;
        Ok(text + "\n")
    }
}

/// A report with what it was made from, for pictures.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The report.
    pub report: Report,
    /// The settings it was made with.
    pub settings: EvaluationSettings,
    /// The meta-learner's losses on each task, `[tasks, steps + 1]`.
    pub maml: Vec<f32>,
}
