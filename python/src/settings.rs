//! An algorithm from the settings that Python gives, as JSON: what is left out is as its constructor has it.

use crate::errors::{exception, read};
use fastweights::learner::Algorithm;
use fastweights::losses::Loss;
use fastweights::meta::{Adapt, InnerRule, MetaGradient, OuterKind, RateShape, Schedule};
use fastweights::model::{Init, Model};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;

/// The settings of a learner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    algorithm: String,
    loss: Loss,
    init: Option<Init>,
    seed: u64,
    /// Meta-iterations of the whole training, where something follows from them.
    iterations: Option<u64>,
    #[serde(default)]
    inner: Inner,
    outer: Option<Outer>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    steps: Option<usize>,
    lr: Option<f64>,
    order: Option<MetaGradient>,
    adapt: Option<Adapt>,
    adapt_batch_norm: Option<bool>,
    per_step_batch_norm: Option<bool>,
    learned_lr: Option<RateShape>,
    loss_weights: Option<Vec<f64>>,
    rule: Option<InnerRule>,
    weight_decay: Option<f64>,
    clip_value: Option<f64>,
    clip_norm: Option<f64>,
    first_order_iterations: Option<u64>,
    multi_step_loss_iterations: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    kind: OuterKind,
    lr: f64,
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    schedule: Option<Schedule>,
    clip_value: Option<f32>,
    clip_norm: Option<f32>,
}

fn put<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

impl Settings {
    pub(crate) fn read(text: &str) -> PyResult<Self> {
        read("the setting", text)
    }

    /// The algorithm that they stand for.
    pub(crate) fn algorithm(self, model: &Model) -> PyResult<Algorithm> {
        let Self { algorithm, loss, init, seed, iterations, inner, outer } = self;
        let (model, steps) =
            (model.clone(), inner.steps.unwrap_or(if algorithm == "reptile" { 5 } else { 1 }));
        let needed = |what: &str| {
            PyValueError::new_err(format!(
                "{what} needs `iterations`, the meta-iterations of the whole training"
            ))
        };
        let mut all = match algorithm.as_str() {
            "maml" => Algorithm::maml(model, loss),
            "fomaml" => Algorithm::first_order_maml(model, loss),
            "anil" => Algorithm::anil(model, loss),
            "boil" => Algorithm::boil(model, loss),
            "meta_sgd" => Algorithm::meta_sgd(model, loss),
            "maml_plus_plus" => Algorithm::maml_plus_plus(
                model,
                loss,
                steps,
                iterations.ok_or_else(|| needed("MAMLPlusPlus"))?,
            ),
            "reptile" => Algorithm::reptile(model, loss, steps, 0.1),
            other => return Err(PyValueError::new_err(format!("there is no algorithm `{other}`"))),
        };
        if inner.per_step_batch_norm == Some(true) {
            all.model = all.model.with_norm_steps(steps);
            all.inner.adapt_batch_norm = false;
        }
        all.inner.steps = steps;
        inner.put_into(&mut all);
        if let Some(outer) = outer {
            outer.put_into(&mut all);
        }
        if let Some(iterations) = iterations {
            all.outer.iterations = iterations;
        } else if all.outer.schedule != Schedule::Constant {
            return Err(needed("a schedule"));
        }
        put(&mut all.init, init);
        all.seed = seed;
        all.plan(1, 1).map_err(exception)?;
        Ok(all)
    }
}

impl Inner {
    fn put_into(self, all: &mut Algorithm) {
        let inner = &mut all.inner;
        put(&mut inner.lr, self.lr);
        put(&mut inner.order, self.order);
        put(&mut inner.adapt, self.adapt);
        put(&mut inner.adapt_batch_norm, self.adapt_batch_norm);
        put(&mut inner.optimizer.rule, self.rule);
        put(&mut inner.optimizer.weight_decay, self.weight_decay);
        put(&mut inner.annealing.first_order, self.first_order_iterations);
        put(&mut inner.annealing.multi_step_loss, self.multi_step_loss_iterations);
        inner.learned_lr = self.learned_lr.or(inner.learned_lr);
        inner.loss_weights = self.loss_weights.or(inner.loss_weights.take());
        inner.optimizer.clip_value = self.clip_value.or(inner.optimizer.clip_value);
        inner.optimizer.clip_norm = self.clip_norm.or(inner.optimizer.clip_norm);
    }
}

impl Outer {
    fn put_into(self, all: &mut Algorithm) {
        let outer = &mut all.outer;
        (outer.kind, outer.meta_lr) = (self.kind, self.lr);
        if let Some(betas) = self.betas {
            [outer.beta1, outer.beta2] = betas;
        }
        put(&mut outer.epsilon, self.eps);
        put(&mut outer.schedule, self.schedule);
        (outer.clip_value, outer.clip_norm) = (self.clip_value, self.clip_norm);
    }
}
