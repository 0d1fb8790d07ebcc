//! The sections of a recipe as typed; that of the tasks is typed by their kind.

use super::evaluation::Protocol;
use super::section::section;
use super::settings::{ControlVisit, OnNonfinite};
use crate::meta::{Adapt, InnerRule, Loss, MetaGradient, OuterKind, RateShape, Schedule};
use crate::model::{Activation, Downsample, Init, NamedOp};
use bytesize::ByteSize;
use serde::de::{Error as _, IntoDeserializer as _};
use serde::{Deserialize, Deserializer};

/// Which rates are learned: `none`, or their shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learned(pub(super) Option<RateShape>);

impl<'de> Deserialize<'de> for Learned {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        if word == "none" {
            return Ok(Self(None));
        }
        let shape = RateShape::deserialize(word.as_str().into_deserializer());
        shape.map(|shape| Self(Some(shape))).map_err(|error: serde::de::value::Error| {
            D::Error::custom(error.to_string().replacen("one of ", "one of `none`, ", 1))
        })
    }
}

/// The rule of inner steps by its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule(pub(super) InnerRule);

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        InnerRule::ALL.into_iter().find(|rule| rule.name() == word).map(Self).ok_or_else(|| {
            let names: Vec<_> = InnerRule::ALL.iter().map(|rule| format!("`{}`", rule.name())).collect();
            D::Error::custom(format!("unknown variant `{word}`, expected one of {}", names.join(", ")))
        })
    }
}

/// Channels of a network's blocks: a number for all, or a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a number, or a list, e.g. [64, 160, 320, 640],")]
pub(super) enum Channels {
    All(usize),
    Each(Vec<usize>),
}

section!(Model {
    input: [usize; 3],
    preset: String,
    layers: Vec<NamedOp>,
    hidden: Vec<usize>,
    activation: Activation,
    output_relu: bool,
    channels: Channels,
    downsample: Downsample,
    omega: f64,
    first_omega: f64,
    latent: usize,
    init: Init,
    loss: Loss,
});
section!(Inner {
    steps: usize,
    lr: f64,
    order: MetaGradient,
    adapt: Adapt,
    adapt_batch_norm: bool,
    learned_lr: Learned,
    lr_range: [f64; 2],
    loss_weights: Vec<f64>,
    optimizer: Rule,
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
section!(Validation { every: u64, tasks: usize, steps: usize, patience: u64 });
section!(Evaluation {
    tasks: usize,
    points: usize,
    dense: usize,
    queries: usize,
    protocol: Protocol,
    steps: usize
});
section!(Run {
    checkpoint_every: u64,
    report_every: u64,
    keep: u64,
    on_nonfinite: OnNonfinite,
    tensorboard: bool,
    max_memory: ByteSize,
});

/// The whole of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Recipe {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) task: toml::Table,
    pub(super) model: Model,
    pub(super) inner: Inner,
    pub(super) outer: Outer,
    pub(super) control: Control,
    pub(super) validation: Validation,
    pub(super) evaluation: Evaluation,
    pub(super) run: Run,
}
