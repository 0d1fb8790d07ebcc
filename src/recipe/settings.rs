//! Settings with nothing left open.

use super::series::{self, Protocol, Scale, SeriesSource};
use super::table::TableSettings;
use super::table_rows::Loaded;
use crate::data::ImageSet;
use crate::meta::{Adapt, Loss, MetaGradient, OuterKind, Schedule};
use crate::model::{Init, NamedOp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// The images, once [loaded](Recipe::load_data).
    #[serde(skip)]
    pub(super) images: Images,
    /// The table, likewise.
    #[serde(skip)]
    pub(super) table: Loaded,
    /// The series of a file, likewise.
    #[serde(skip)]
    pub(super) series: series::Loaded,
}

/// Images that a recipe holds once they are loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Images(pub(super) Option<Arc<ImageSet>>);

impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        let sum = |images: &Self| images.0.as_ref().map(|set| set.checksum().to_owned());
        sum(self) == sum(other)
    }
}

/// The tasks: counts of points, and the family.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "WrittenTasks")]
pub struct Tasks {
    /// Support points a task (default 5; `ways × shots` of images).
    pub support: usize,
    /// Query points a task (default 5; `ways × queries` of images).
    pub query: usize,
    /// The family, by its `kind` (default `sinusoid`).
    pub family: Family,
}

/// Tasks as TOML: the points of images follow from other keys.
#[derive(Serialize)]
struct WrittenTasks {
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<usize>,
    #[serde(flatten)]
    family: Family,
}

impl From<Tasks> for WrittenTasks {
    fn from(Tasks { support, query, family }: Tasks) -> Self {
        let given = !matches!(family, Family::Images { .. } | Family::Table(_));
        Self { support: given.then_some(support), query: given.then_some(query), family }
    }
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
    /// Series; a task is one series, a point a window and the value that follows.
    Series {
        /// Values a window (default 30).
        window: usize,
        /// How values are scaled (default `none`, of a file `standard`).
        scale: Scale,
        /// Where they come from (default: generated).
        #[serde(flatten)]
        source: SeriesSource,
    },
    /// n-way k-shot classification of images.
    Images {
        /// Name of an imported image set, or `glyphs` (the default): characters that the program draws itself.
        data: String,
        /// SHA-256 of its classes and pixels, noted when it is loaded; later another set of the name is refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_sha256: Option<String>,
        /// Classes a task (default 5).
        ways: usize,
        /// Support images a class (default 1).
        shots: usize,
        /// Query images a class (default 1).
        queries: usize,
        /// Whether a class turned by 90°, 180° or 270° is another class (default no).
        rotations: bool,
        /// Channels that the images must have (default 1).
        channels: usize,
        /// Height and width that they must have, pixels (default 28).
        side: usize,
    },
    /// Rows of a table, a class each: mini-batches of all of them, or n-way k-shot tasks.
    Table(TableSettings),
}

impl Family {
    /// What `kind` says.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sinusoid { .. } => "sinusoid",
            Self::Series { .. } => "series",
            Self::Images { .. } => "images",
            Self::Table(_) => "table",
        }
    }

    /// Whether targets are classes, and accuracy what counts.
    #[must_use]
    pub fn is_classification(&self) -> bool {
        matches!(self, Self::Images { .. } | Self::Table(_))
    }

    /// Whether a label means another class in every task.
    #[must_use]
    pub fn is_few_shot(&self) -> bool {
        match self {
            Self::Images { .. } => true,
            Self::Table(table) => table.is_few_shot(),
            _ => false,
        }
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSettings {
    /// Its layers.
    #[serde(flatten)]
    pub network: Network,
    /// How parameters are drawn (default `he`, with several inner steps `torch`).
    pub init: Init,
    /// The loss (default `mse`, of images `cross_entropy`).
    pub loss: Loss,
}

/// The layers of a network. The last one, linear, to as many outputs as the tasks have, is always added.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Network {
    /// A multi-layer perceptron.
    Mlp {
        /// Widths of the hidden layers (default `[40, 40]`); may be empty.
        hidden: Vec<usize>,
        /// Whether the output passes a ReLU (default no).
        output_relu: bool,
    },
    /// Any layers; the last of them must give a vector.
    Layers {
        /// In order.
        layers: Vec<NamedOp>,
    },
}

/// How a task is learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inner {
    /// Gradient steps (default 1).
    pub steps: usize,
    /// Their rate, or where learned rates start (default 0.01).
    pub lr: f64,
    /// `first` or `second` order, or `reptile`, the way that adaptation went in place of a gradient (default `second`).
    pub order: MetaGradient,
    /// Which layers adapt (default `all`).
    pub adapt: Adapt,
    /// Whether the inner loop adapts the scales and shifts of batch norms too, else they are meta-learned only
    /// (default yes).
    pub adapt_batch_norm: bool,
    /// Which rates are learned (default `none`).
    pub learned_lr: LearnedRate,
    /// Weights of the query losses after 0 … `steps` steps (default: the last alone).
    pub loss_weights: Vec<f64>,
    /// How a gradient becomes a step (default `sgd`).
    pub optimizer: InnerKind,
    /// μ of `momentum` and `nesterov` (default 0.9).
    pub momentum: f64,
    /// ρ of `rmsprop` (default 0.99).
    pub decay: f64,
    /// β₁ and β₂ of `adam` (default `[0.9, 0.999]`).
    pub betas: [f64; 2],
    /// ε of `rmsprop` and `adam`, squared and under the root (default 1e-8).
    pub eps: f64,
    /// λ of weight decay, added to the gradient as `λ θ_j` (default 0).
    pub weight_decay: f64,
    /// Clips each element of an inner gradient to ± this; 0 (the default) does not.
    pub clip_value: f64,
    /// Scales the inner gradient of a task down to this norm; 0 (the default) does not.
    pub clip_norm: f64,
    /// Whether batch norms have a scale and a shift for every step; they are meta-learned then, not adapted (default no).
    pub per_step_batch_norm: bool,
    /// Meta-iterations of first order ahead of those of second order (default 0).
    pub first_order_iterations: u64,
    /// Meta-iterations over which the loss weights go from equal ones after each step to `loss_weights` (default 0).
    pub multi_step_loss_iterations: u64,
}

/// The rules of inner steps, see [`InnerRule`](crate::meta::InnerRule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InnerKind {
    /// Gradient descent.
    #[default]
    Sgd,
    /// Heavy ball.
    Momentum,
    /// Nesterov's momentum.
    Nesterov,
    /// RMSprop.
    RmsProp,
    /// Adam.
    Adam,
}

impl InnerKind {
    /// Its name in a recipe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum => "momentum",
            Self::Nesterov => "nesterov",
            Self::RmsProp => "rmsprop",
            Self::Adam => "adam",
        }
    }
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
    /// What one update looks at (default `halves` where support and query are equally many, else `joint`; of tables `joint`).
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
}

/// Trials on meta-validation tasks during training, by which the best checkpoint is chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Meta-iterations between trials (default 500 of few-shot tasks); 0, and always 0 of other tasks, makes none.
    pub every: u64,
    /// Tasks a trial, the same ones each time (default 200).
    pub tasks: usize,
    /// Steps of adaptation (default: `evaluation.steps`).
    pub steps: usize,
}

/// How learners are judged: new tasks, adapted step by step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationSettings {
    /// New tasks (default 600; 1 of a table's mini-batches: the rows that were held out).
    pub tasks: usize,
    /// Points that each is adapted on (default: `task.support`; of a table's mini-batches at most as many training rows,
    /// default 1024).
    pub points: usize,
    /// Points that the sinusoid is judged on, evenly spread (default 200).
    pub dense: usize,
    /// Query images or rows a class (default: `task.queries`); absent where there are no classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<usize>,
    /// What series are judged on (default `ahead`); absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
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
