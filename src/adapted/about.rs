//! What an adapted model says of where it comes from.

use crate::meta::LayerRate;
use serde::{Deserialize, Serialize};

/// What a model is adapted from: a checkpoint of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The run's directory, as it was named.
    pub run: String,
    /// The recipe's name.
    pub recipe: String,
    /// The checkpoint's file within the run's directory.
    pub checkpoint: String,
    /// SHA-256 of that file.
    pub checkpoint_sha256: String,
    /// The seed of the training's draws.
    pub seed: u64,
    /// Meta-iterations of the training.
    pub iterations: u64,
}

/// How a model came to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// What it was adapted from.
    pub origin: Origin,
    /// The program that adapted it.
    pub program: String,
    /// The file or folder that it was adapted on, by its name alone; empty if it was not adapted.
    pub support: String,
    /// Points that it was adapted on, or that its batch norms are frozen on.
    pub points: usize,
    /// Inner steps.
    pub steps: usize,
    /// The rule of an inner step.
    pub optimizer: String,
    /// Inner rates.
    pub inner_lr: Vec<LayerRate>,
}
