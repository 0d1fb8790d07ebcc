//! The inner loop of a recipe as typed, resolved.

use super::resolve::{positive, within};
use super::settings::{Inner, InnerKind, LearnedRate, Tasks};
use super::typed;
use crate::error::{Error, Result};

impl typed::Inner {
    /// Refuses settings of other rules, and impossible ones. A run's own recipe spells all of them out; those that
    /// have their default value there are of no rule in particular.
    fn check_rule(&self, optimizer: InnerKind) -> Result<()> {
        use InnerKind::{Adam, Momentum, Nesterov, RmsProp};
        let below_one = |key: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::recipe(key, format!("is {value}; at least 0 and less than 1 is needed"))),
        };
        let given = |value: Option<f64>, default: f64| value.filter(|&v| v != default);
        let betas = self.betas.filter(|&betas| betas != [0.9, 0.999]);
        for (key, given, rules) in [
            ("inner.momentum", given(self.momentum, 0.9).is_some(), &[Momentum, Nesterov][..]),
            ("inner.decay", given(self.decay, 0.99).is_some(), &[RmsProp]),
            ("inner.betas", betas.is_some(), &[Adam]),
            ("inner.eps", given(self.eps, 1e-8).is_some(), &[RmsProp, Adam]),
        ] {
            if given && !rules.contains(&optimizer) {
                let names: Vec<_> = rules.iter().map(|rule| rule.name()).collect();
                let reason = format!(
                    "is not a setting of inner.optimizer = \"{}\"; {} {} it",
                    optimizer.name(),
                    names.join(" and "),
                    if names.len() == 1 { "uses" } else { "use" }
                );
                return Err(Error::recipe(key, reason));
            }
        }
        self.momentum.map_or(Ok(()), |value| below_one("inner.momentum", value))?;
        self.decay.map_or(Ok(()), |value| below_one("inner.decay", value))?;
        for beta in self.betas.into_iter().flatten() {
            below_one("inner.betas", beta)?;
        }
        self.eps.map_or(Ok(()), |value| positive("inner.eps", value, false).map(drop))
    }

    pub(super) fn resolve(self, task: &Tasks) -> Result<Inner> {
        let steps = within("inner.steps", self.steps.unwrap_or(1), 0..=1000)?;
        let optimizer = self.optimizer.unwrap_or_default();
        self.check_rule(optimizer)?;
        if steps > 0 && task.support == 0 {
            let reason = format!("is 0, but inner.steps is {steps}; adaptation needs support points");
            return Err(Error::recipe("task.support", reason));
        }
        let learned_lr = self.learned_lr.unwrap_or_default();
        if steps == 0 && learned_lr != LearnedRate::None {
            return Err(Error::recipe(
                "inner.learned_lr",
                "needs inner.steps of at least 1; there is no rate to learn",
            ));
        }
        let loss_weights = self.loss_weights.unwrap_or_else(|| {
            let mut weights = vec![0.0; steps + 1];
            weights[steps] = 1.0;
            weights
        });
        if loss_weights.len() != steps + 1 {
            let reason = format!(
                "has {} numbers, but inner.steps is {steps}: {} are needed, for the losses after 0 … {steps} steps",
                loss_weights.len(),
                steps + 1
            );
            return Err(Error::recipe("inner.loss_weights", reason));
        }
        for &weight in &loss_weights {
            positive("inner.loss_weights", weight, true)?;
        }
        if loss_weights.iter().all(|&w| w == 0.0) {
            return Err(Error::recipe("inner.loss_weights", "are all 0; nothing would be learned"));
        }
        let per_step_batch_norm = self.per_step_batch_norm.unwrap_or(false);
        if per_step_batch_norm && self.adapt_batch_norm == Some(true) {
            let reason = "and inner.adapt_batch_norm exclude each other: what every step has its own of is meta-learned, not adapted";
            return Err(Error::recipe("inner.per_step_batch_norm", reason));
        }
        Ok(Inner {
            steps,
            lr: positive("inner.lr", self.lr.unwrap_or(0.01), true)?,
            order: self.order.unwrap_or_default(),
            adapt: self.adapt.unwrap_or_default(),
            adapt_batch_norm: self.adapt_batch_norm.unwrap_or(!per_step_batch_norm),
            learned_lr,
            loss_weights,
            optimizer,
            momentum: self.momentum.unwrap_or(0.9),
            decay: self.decay.unwrap_or(0.99),
            betas: self.betas.unwrap_or([0.9, 0.999]),
            eps: self.eps.unwrap_or(1e-8),
            weight_decay: positive("inner.weight_decay", self.weight_decay.unwrap_or(0.0), true)?,
            clip_value: positive("inner.clip_value", self.clip_value.unwrap_or(0.0), true)?,
            clip_norm: positive("inner.clip_norm", self.clip_norm.unwrap_or(0.0), true)?,
            per_step_batch_norm,
            first_order_iterations: self.first_order_iterations.unwrap_or(0),
            multi_step_loss_iterations: self.multi_step_loss_iterations.unwrap_or(0),
        })
    }
}
