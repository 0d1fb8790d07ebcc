//! Settings with nothing left open.

use super::evaluation::EvaluationSettings;
use super::tasks::Tasks;
use crate::meta::{InnerLoop, Loss, OuterKind, Schedule};
use crate::model::{Init, NamedOp, Preset};
use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// A resolved and checked experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Names the run's directory: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// All draws follow from it (default 0).
    pub seed: u64,
    /// Where tasks come from.
    pub task: Tasks,
    /// The network.
    pub model: ModelSettings,
    /// How a task is learned.
    pub inner: Inner,
    /// How the initial parameters are learned.
    pub outer: Outer,
    /// What it is compared with.
    pub control: Control,
    /// How the best of training's checkpoints is found.
    pub validation: Validation,
    /// How learners are judged.
    pub evaluation: EvaluationSettings,
    /// What is written down, how often.
    pub run: RunSettings,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSettings {
    /// Channels, height and width of the image that a point's values are, in that order (default: as the tasks have
    /// them). A series of `n` values is `[1, 1, n]`, one of `c` columns `[c, 1, n]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<[usize; 3]>,
    /// Its layers.
    #[serde(flatten)]
    pub network: Network,
    /// How parameters are drawn (default: as the preset has it, else `he`, with several inner steps `torch`).
    pub init: Init,
    /// The loss (default `mse`, of images `cross_entropy`).
    pub loss: Loss,
}

/// The layers of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Network {
    /// A network that has a name (default [`Mlp`](crate::model::Mlp)).
    Preset(Preset),
    /// Any layers; the last of them must give a vector. A linear layer to as many outputs as the tasks have is
    /// always added.
    Layers {
        /// In order.
        layers: Vec<NamedOp>,
    },
}

/// How a task is learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inner {
    /// The settings of the loop.
    #[serde(flatten)]
    pub settings: InnerLoop,
    /// Whether batch norms have a scale and a shift for every step; they are meta-learned then, not adapted (default no).
    pub per_step_batch_norm: bool,
}

/// How the initial parameters are learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outer {
    /// Tasks a meta-iteration (default 10).
    pub meta_batch: usize,
    /// Meta-iterations (default 50000; 0, the default of a table's mini-batches, stands for `task.epochs`).
    pub iterations: u64,
    /// The optimizer (default `adam`).
    pub optimizer: OuterKind,
    /// Its rate (default 0.001).
    pub meta_lr: f64,
    /// How the rate changes (default `constant`).
    pub schedule: Schedule,
    /// Adam's β₁ and β₂ (default `[0.9, 0.999]`).
    pub betas: [f64; 2],
    /// Adam's ε (default 1e-8).
    pub eps: f64,
    /// Clips each element of the meta-gradient to ± this; 0 (the default) does not.
    pub clip_value: f64,
    /// Scales the meta-gradient down to this norm; 0 (the default) does not.
    pub clip_norm: f64,
}

/// The plain network that meta-learning is compared with: trained on all tasks, then fine-tuned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Control {
    /// Whether there is one (default yes; never of few-shot tasks, whose labels mean something else in every task).
    pub enabled: bool,
    /// What one update looks at (default `halves` where support and query are equally many, else `joint`; of tables `joint`; of
    /// fields `query` where it is the support once more, else `joint`).
    pub visit: ControlVisit,
    /// Its optimizer (default: `outer.optimizer`, but `adam` where `inner.order` is `reptile`, whose outer step is a
    /// share of a way and not along a gradient); betas, ε, schedule and clipping are the outer ones.
    pub optimizer: OuterKind,
    /// Its rate (default: `outer.meta_lr`, but 0.001 where `inner.order` is `reptile` or the optimizer is not the outer one).
    pub meta_lr: f64,
    /// The rate of its fine-tuning at evaluation (default: `inner.lr`).
    pub lr: f64,
}

/// What one update of the control looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlVisit {
    /// Half a task: two updates a task, on its support points, then on its query points.
    Halves,
    /// All points of a whole meta-batch: one update a meta-iteration.
    Joint,
    /// The query points of a whole meta-batch, where they are the support points once more: one update a meta-iteration.
    Query,
}

/// Trials on meta-validation tasks during training, by which the best checkpoint is chosen: on classes, fields, series or rows that are
/// held out of training and are none of those judged by, or on tasks drawn from a sequence of their own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Meta-iterations between trials (default 500 of few-shot tasks, else 0); 0 makes none.
    pub every: u64,
    /// Tasks a trial, the same ones each time (default 200, at most `evaluation.tasks` where those are no few-shot tasks).
    pub tasks: usize,
    /// Steps of adaptation (default: `evaluation.steps`; of the rows of a table 0).
    pub steps: usize,
    /// Meta-iterations without a better trial after which training ends early (default 0: never).
    pub patience: u64,
}

/// What is written down, how often, in meta-iterations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSettings {
    /// A checkpoint (default 10000); 0 writes the last one only.
    pub checkpoint_every: u64,
    /// A line of metrics, means since the line before (default 100).
    pub report_every: u64,
    /// Checkpoints that are kept, the newest ones; 0 (the default) keeps all. With 2 or more there is one to fall back to.
    pub keep: u64,
    /// What happens where a loss or a parameter is not finite (default `stop`).
    pub on_nonfinite: OnNonfinite,
    /// Whether event files for TensorBoard are written (default no).
    pub tensorboard: bool,
    /// Most memory of a training or an evaluation, e.g. `"2GB"` (default: as it comes). What does not fit is computed
    /// again, in chunks of points or in tiles of tasks, where that can be; nothing but rounding depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<ByteSize>,
}

/// What happens where a loss or a parameter is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNonfinite {
    /// Training ends, with a checkpoint of the last meta-iteration before.
    #[default]
    Stop,
    /// The meta-iteration is left out, as if its tasks had not been drawn; 100 of them one after another end training.
    Skip,
}
