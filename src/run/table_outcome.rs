//! How the rows of a table were classified.

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
    /// The classes, sorted.
    pub classes: Vec<String>,
    /// As it was meta-trained, θ₀, without a step of adaptation.
    pub initial: Judgement,
    /// After the last step of adaptation on training rows.
    pub adapted: Judgement,
    /// The control, without adaptation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<Judgement>,
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
