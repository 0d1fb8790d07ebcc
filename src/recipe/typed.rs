//! A recipe as it was typed: everything may be absent, unknown keys are errors.

use super::edit;
use super::series::{Missing, Protocol, Scale};
use super::settings::{ControlVisit, InnerKind, LearnedRate};
use super::table::Batch;
use crate::error::{Error, Result};
use crate::meta::{Adapt, Loss, MetaGradient, OuterKind, Schedule};
use crate::model::{Init, NamedOp};
use serde::Deserialize;

/// Which family of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    #[default]
    Sinusoid,
    Series,
    Images,
    Table,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sinusoid => "sinusoid",
            Self::Series => "series",
            Self::Images => "images",
            Self::Table => "table",
        }
    }
}

/// Declares a section whose keys may all be absent.
macro_rules! section {
    ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$type>,)+
        }
    };
}

section!(Task {
    kind: Kind,
    support: usize,
    query: usize,
    amplitude: [f64; 2],
    phase: [f64; 2],
    x: [f64; 2],
    pool: u32,
    series: usize,
    length: usize,
    window: usize,
    scale: Scale,
    csv: String,
    sha256: String,
    id_column: String,
    value_column: String,
    time_column: String,
    missing: Missing,
    train_series: usize,
    data: String,
    data_sha256: String,
    ways: usize,
    shots: usize,
    queries: usize,
    rotations: bool,
    channels: usize,
    side: usize,
    train: String,
    train_sha256: String,
    label: String,
    ignore: Vec<String>,
    batch: Batch,
    rows: usize,
    epochs: u64,
    test: String,
    test_sha256: String,
    held_out: f64,
    split: [usize; 3],
    features: usize,
    classes: usize,
});
section!(Model { hidden: Vec<usize>, output_relu: bool, layers: Vec<NamedOp>, init: Init, loss: Loss });
section!(Inner {
    steps: usize,
    lr: f64,
    order: MetaGradient,
    adapt: Adapt,
    adapt_batch_norm: bool,
    learned_lr: LearnedRate,
    loss_weights: Vec<f64>,
    optimizer: InnerKind,
    momentum: f64,
    decay: f64,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    clip_value: f64,
    clip_norm: f64,
    per_step_batch_norm: bool,
    first_order_iterations: u64,
    multi_step_loss_iterations: u64,
});
section!(Outer {
    meta_batch: usize,
    iterations: u64,
    optimizer: OuterKind,
    meta_lr: f64,
    schedule: Schedule,
    betas: [f64; 2],
    eps: f64,
    clip_value: f64,
    clip_norm: f64,
});
section!(Control { enabled: bool, visit: ControlVisit, optimizer: OuterKind, meta_lr: f64, lr: f64 });
section!(Validation { every: u64, tasks: usize, steps: usize });
section!(Evaluation {
    tasks: usize,
    points: usize,
    dense: usize,
    queries: usize,
    protocol: Protocol,
    steps: usize
});
section!(Run { checkpoint_every: u64, report_every: u64 });

/// The whole of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Recipe {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) task: Task,
    pub(super) model: Model,
    pub(super) inner: Inner,
    pub(super) outer: Outer,
    pub(super) control: Control,
    pub(super) validation: Validation,
    pub(super) evaluation: Evaluation,
    pub(super) run: Run,
}

impl Recipe {
    /// Types a table; an error names the key, the value and what is allowed.
    pub(super) fn from_table(table: toml::Table) -> Result<Self> {
        let shown = table.clone();
        serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().message().to_owned();
            let (key, reason) = edit::explain(&shown, &path, &message);
            Error::recipe(key, reason)
        })
    }
}
