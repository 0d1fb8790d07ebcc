//! The inner loop of a recipe as typed, resolved.

use super::limits::{positive, within};
use super::settings::Inner;
use super::tasks::Tasks;
use super::typed;
use crate::error::{Error, Result};
use crate::meta::{Annealing, InnerLoop, InnerOptimizer, InnerRule};
use toml::{Table, Value};

/// A rule as TOML: its name and the keys of its numbers.
fn keys(rule: InnerRule) -> Result<Table> {
    Table::try_from(rule).map_err(|e| Error::failed(format!("a rule that TOML cannot hold: {e}")))
}

impl typed::Inner {
    /// The rule of inner steps. Refuses numbers of other rules, and impossible ones; a number that has its usual value is of no
    /// rule in particular.
    fn rule(&self) -> Result<InnerRule> {
        let rule = self.optimizer.map_or(InnerRule::Sgd, |rule| rule.0);
        let mut own = keys(rule)?;
        let number = |value: Option<f64>| value.map(Value::Float);
        let betas = self.betas.map(|betas| Value::Array(betas.map(Value::Float).into()));
        for (key, given) in [
            ("momentum", number(self.momentum)),
            ("decay", number(self.decay)),
            ("betas", betas),
            ("eps", number(self.eps)),
        ] {
            let Some(given) = given else { continue };
            if own.contains_key(key) {
                own.insert(key.to_owned(), given);
                continue;
            }
            let (mut users, mut usual) = (Vec::new(), false);
            for rule in InnerRule::ALL {
                if let Some(value) = keys(rule)?.get(key) {
                    users.push(rule.name());
                    usual |= *value == given;
                }
            }
            if !usual {
                let reason = format!(
                    "is not a setting of inner.optimizer = \"{}\"; {} {} it",
                    rule.name(),
                    users.join(" and "),
                    if users.len() == 1 { "uses" } else { "use" }
                );
                return Err(Error::recipe(format!("inner.{key}"), reason));
            }
        }
        self.check_numbers()?;
        own.try_into().map_err(|e| Error::failed(format!("no rule of inner steps: {e}")))
    }

    fn check_numbers(&self) -> Result<()> {
        let below_one = |key: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::recipe(key, format!("is {value}; at least 0 and less than 1 is needed"))),
        };
        self.momentum.map_or(Ok(()), |value| below_one("inner.momentum", value))?;
        self.decay.map_or(Ok(()), |value| below_one("inner.decay", value))?;
        for beta in self.betas.into_iter().flatten() {
            below_one("inner.betas", beta)?;
        }
        self.eps.map_or(Ok(()), |value| positive("inner.eps", value, false).map(drop))
    }

    /// Weights of the query losses after 0 … `steps` steps: as typed, or the last alone.
    fn loss_weights(&mut self, steps: usize) -> Result<Vec<f64>> {
        let loss_weights = self.loss_weights.take().unwrap_or_else(|| {
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
        Ok(loss_weights)
    }

    pub(super) fn resolve(mut self, task: &Tasks) -> Result<Inner> {
        let steps = within("inner.steps", self.steps.unwrap_or(1), 0..=1000)?;
        let rule = self.rule()?;
        if steps > 0 && task.support == 0 {
            let reason = format!("is 0, but inner.steps is {steps}; adaptation needs support points");
            return Err(Error::recipe("task.support", reason));
        }
        let learned_lr = self.learned_lr.and_then(|learned| learned.0);
        if steps == 0 && learned_lr.is_some() {
            return Err(Error::recipe(
                "inner.learned_lr",
                "needs inner.steps of at least 1; there is no rate to learn",
            ));
        }
        let lr = positive("inner.lr", self.lr.unwrap_or(0.01), true)?;
        if let Some([low, high]) = self.lr_range {
            if learned_lr.is_none() {
                let reason = "is what learned rates are held in, and inner.learned_lr is none";
                return Err(Error::recipe("inner.lr_range", reason));
            }
            if !(low <= lr && lr <= high && (high as f32).is_finite() && (low as f32).is_finite()) {
                let reason =
                    format!("is [{low}, {high}]; [low, high] with low ≤ inner.lr = {lr} ≤ high is needed");
                return Err(Error::recipe("inner.lr_range", reason));
            }
        }
        let loss_weights = Some(self.loss_weights(steps)?);
        let per_step_batch_norm = self.per_step_batch_norm.unwrap_or(false);
        if per_step_batch_norm && self.adapt_batch_norm == Some(true) {
            let reason = "and inner.adapt_batch_norm exclude each other: what every step has its own of is meta-learned, not adapted";
            return Err(Error::recipe("inner.per_step_batch_norm", reason));
        }
        let clip = |key: &str, value: Option<f64>| {
            let value = positive(key, value.unwrap_or(0.0), true)?;
            Ok::<_, Error>((value > 0.0).then_some(value))
        };
        let settings = InnerLoop {
            steps,
            lr,
            order: self.order.unwrap_or_default(),
            adapt: self.adapt.unwrap_or_default(),
            adapt_batch_norm: self.adapt_batch_norm.unwrap_or(!per_step_batch_norm),
            learned_lr,
            lr_range: self.lr_range,
            loss_weights,
            optimizer: InnerOptimizer {
                rule,
                weight_decay: positive("inner.weight_decay", self.weight_decay.unwrap_or(0.0), true)?,
                clip_value: clip("inner.clip_value", self.clip_value)?,
                clip_norm: clip("inner.clip_norm", self.clip_norm)?,
            },
            annealing: Annealing {
                first_order: self.first_order_iterations.unwrap_or(0),
                multi_step_loss: self.multi_step_loss_iterations.unwrap_or(0),
            },
        };
        Ok(Inner { settings, per_step_batch_norm })
    }
}
