//! What is told of an evaluation on fields besides the learners' curves.

use serde::Serialize;

/// The part of a report that is about fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldReport {
    /// What they are: `phantoms`, an image set or a file.
    pub data: String,
    /// SHA-256 of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
    /// Pixels of a row and of a column, where they are images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
    /// Angles of the rays that they are known by, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub angles: Option<usize>,
    /// Names of the held-out fields in the order of their rows below, where they have some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_out: Vec<String>,
    /// PSNR of each task after each number of steps, dB, from the meta-learned start.
    pub maml: Vec<Vec<f64>>,
    /// The same from a standard initialisation.
    pub standard: Vec<Vec<f64>>,
    /// Inner rates of the standard initialisation: the best after as many steps as were trained, and after all; at each number of
    /// steps that of the two counts which does better.
    pub standard_lr: Vec<f64>,
    /// The same of the control.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub control_lr: Vec<f64>,
    /// The standard initialisation once more, after many steps at the best rate for so many.
    pub standard_longer: Longer,
}

/// A start after many steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Longer {
    /// Steps.
    pub steps: usize,
    /// Inner rate, the best of those around the best after the evaluation's steps.
    pub lr: f64,
    /// PSNR, dB: mean over tasks.
    pub mean: f64,
    /// Half the width of its 95 % interval.
    pub ci95: f64,
    /// PSNR of each task, dB.
    pub tasks: Vec<f64>,
}
