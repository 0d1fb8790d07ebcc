//! How the rows of a table were classified, or their numbers found.

use serde::Serialize;

/// What `evaluation.json` says of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableOutcome {
    /// The file of training rows.
    pub data: String,
    /// SHA-256 of its bytes.
    pub data_sha256: String,
    /// What was judged by: `held-out rows`, or the test file's name.
    pub judged_by: String,
    /// Rows of it.
    pub rows: usize,
    /// Rows trained on.
    pub train_rows: usize,
    /// The classes, sorted; none where numbers are predicted.
    pub classes: Vec<String>,
    /// The column whose numbers were predicted, in place of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How classes or numbers were found.
    #[serde(flatten)]
    pub found: Found,
}

/// How classes or numbers were found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Found {
    /// Classes.
    Classes(By<Judgement>),
    /// Numbers.
    Numbers {
        /// By the learners.
        #[serde(flatten)]
        by: By<Fit>,
        /// By the mean of the training rows.
        mean: Fit,
    },
}

/// By both learners.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct By<T> {
    /// As it was meta-trained, θ₀, without a step of adaptation.
    pub initial: T,
    /// After the last step of adaptation on training rows.
    pub adapted: T,
    /// The control, without adaptation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<T>,
}

/// How numbers were found, in the target's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Share of the variance that is explained, `1 − Σ (y − ŷ)² / Σ (y − ȳ)²`; none if all numbers are the same.
    pub r2: Option<f64>,
}

impl Fit {
    /// Of numbers that were found for those that are true.
    pub(super) fn of(found: impl Iterator<Item = f64> + Clone, truth: &[f64]) -> Self {
        let n = truth.len().max(1) as f64;
        let mean = truth.iter().sum::<f64>() / n;
        let errors = || found.clone().zip(truth).map(|(found, truth)| found - truth);
        let (left, all) =
            (errors().map(|e| e * e).sum::<f64>(), truth.iter().map(|y| (y - mean).powi(2)).sum::<f64>());
        Self {
            rmse: (left / n).sqrt(),
            mae: errors().map(f64::abs).sum::<f64>() / n,
            r2: (all > 0.0).then(|| 1.0 - left / all),
        }
    }
}

/// How rows were classified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// Share of rows whose class was found.
    pub accuracy: f64,
    /// Mean loss, as the model is trained by it.
    pub loss: f64,
    /// Rows whose largest output several classes share, of which the first is taken: an output behind a ReLU is silent.
    pub ties: usize,
    /// Rows by true class and by the class that they were taken for, `[classes, classes]`.
    pub confusion: Vec<Vec<usize>>,
    /// Class by class.
    pub per_class: Vec<ClassJudgement>,
}

/// How the rows of one class were classified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassJudgement {
    /// Its name.
    pub class: String,
    /// Rows of it.
    pub rows: usize,
    /// Of the rows taken for it, the share that are; none if there are no such rows.
    pub precision: Option<f64>,
    /// Of its rows, the share that were found; none if there are no such rows.
    pub recall: Option<f64>,
}
