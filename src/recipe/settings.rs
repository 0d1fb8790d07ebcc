//! Settings with nothing left open.

use crate::meta::{Adapt, Loss, MetaGradient, OuterKind, Schedule};
use crate::model::Init;
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
    /// How both are judged.
    pub evaluation: EvaluationSettings,
    /// What is written down, how often.
    pub run: RunSettings,
}

/// The tasks: counts of points, and the family.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tasks {
    /// Support points a task (default 5).
    pub support: usize,
    /// Query points a task (default 5).
    pub query: usize,
    /// The family, by its `kind` (default `sinusoid`).
    #[serde(flatten)]
    pub family: Family,
}

/// A family of tasks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Family {
    /// `y = a · sin(x + b)`.
    Sinusoid {
        /// Range of `a` (default `[0.1, 5.0]`).
        amplitude: [f64; 2],
        /// Range of `b`, radians (default `[0, 2π]`).
        phase: [f64; 2],
        /// Range of `x` (default `[-5.0, 5.0]`).
        x: [f64; 2],
        /// Tasks of a fixed pool that is visited in order; 0 (the default) draws every task fresh.
        pool: u32,
    },
    /// Generated series; a task is one series, a point a window and the value that follows.
    Series {
        /// Number of series to learn from (default 3000).
        series: usize,
        /// Values a series (default 200).
        length: usize,
        /// Values a window (default 30).
        window: usize,
    },
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSettings {
    /// Widths of the hidden layers (default `[40, 40]`); may be empty.
    pub hidden: Vec<usize>,
    /// Whether the output passes a ReLU (default no).
    pub output_relu: bool,
    /// How parameters are drawn (default `he`).
    pub init: Init,
    /// The loss (default `mse`).
    pub loss: Loss,
}

/// How a task is learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inner {
    /// Gradient steps (default 1).
    pub steps: usize,
    /// Their rate, or where learned rates start (default 0.01).
    pub lr: f64,
    /// First or second order (default `second`).
    pub order: MetaGradient,
    /// Which layers adapt (default `all`).
    pub adapt: Adapt,
    /// Which rates are learned (default `none`).
    pub learned_lr: LearnedRate,
    /// Weights of the query losses after 0 … `steps` steps (default: the last alone).
    pub loss_weights: Vec<f64>,
}

/// Which inner rates are learned along with the initial parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnedRate {
    /// The rate is fixed.
    #[default]
    None,
    /// One for all.
    One,
    /// One for each linear layer and step (MAML++; Antoniou et al. 2019).
    PerLayerStep,
    /// One for each parameter (Meta-SGD; Li et al. 2017).
    PerParameter,
    /// One for each parameter and step.
    PerParameterStep,
}

/// How the initial parameters are learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outer {
    /// Tasks a meta-iteration (default 10).
    pub meta_batch: usize,
    /// Meta-iterations (default 50000).
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
    /// Whether there is one (default yes).
    pub enabled: bool,
    /// What one update looks at (default `halves` where support and query are equally many, else `joint`).
    pub visit: ControlVisit,
    /// The rate of its optimizer, which is otherwise the outer one (default: `outer.meta_lr`).
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
}

/// How learners are judged: new tasks, adapted step by step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationSettings {
    /// New tasks (default 600).
    pub tasks: usize,
    /// Points that each is adapted on (default: `task.support`).
    pub points: usize,
    /// Points that the sinusoid is judged on, evenly spread (default 200).
    pub dense: usize,
    /// Most steps of adaptation (default 10).
    pub steps: usize,
}

/// What is written down, how often, in meta-iterations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSettings {
    /// A checkpoint (default 10000); 0 writes the last one only.
    pub checkpoint_every: u64,
    /// A line of metrics, means since the line before (default 100).
    pub report_every: u64,
}
