//! From meta-parameters and a support set to an adapted model, and how well it does.

use super::about::{About, Origin};
use super::examples::Examples;
use super::freeze::statistics;
use super::predictions::largest;
use super::signature::Signature;
use super::{Adapted, outputs};
use crate::error::{Error, Result};
use crate::meta::{Backend, Plan};
use crate::task::TaskBatch;

/// What a model is adapted from.
#[derive(Clone, Debug)]
pub struct Start {
    /// The checkpoint.
    pub origin: Origin,
    /// The plan of training.
    pub plan: Plan,
    /// Meta-parameters `[P + R]`.
    pub params: Vec<f32>,
    /// What goes in and comes out.
    pub signature: Signature,
}

/// How to adapt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptation {
    /// Inner steps; 0 leaves the weights as they are.
    pub steps: usize,
    /// The inner rate in place of the trained ones.
    pub rate: Option<f64>,
}

/// How well a model does on examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Share of examples that are classified rightly, where there are classes.
    pub accuracy: Option<f64>,
}

impl Start {
    /// Adapts to a support set, and freezes batch norms on it. Without steps and without batch norms the set may be empty.
    ///
    /// # Errors
    /// [`NotFinite`](crate::ErrorKind::NotFinite) if a weight is none then, [`Failed`](crate::ErrorKind::Failed) if there are
    /// batch norms and no points to freeze them on, and as [`Backend::adapt`].
    pub fn adapt(&self, device: &dyn Backend, support: &Examples, how: Adaptation) -> Result<Adapted> {
        let model = &self.plan.model;
        let theta = &self.params[..model.param_count()];
        let plan = self.plan.for_evaluation(&self.params, support.points, 1, how.steps, how.rate);
        let fast = match how.steps {
            0 => theta.to_vec(),
            _ => device.adapt(&plan, theta, &task(&plan, support))?,
        };
        let (model, theta) = model.at_step(&fast, how.steps);
        if support.points == 0 && model.norms().next().is_some() {
            return Err(Error::failed(
                "the model has batch norms, which must be frozen on some points before a single one can be predicted",
            ));
        }
        let norms = statistics(device, &model, &theta, &support.x)?;
        let name = support.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let about = About {
            origin: self.origin.clone(),
            program: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            support: name,
            points: support.points,
            steps: how.steps,
            optimizer: plan.inner.rule.name().to_owned(),
            inner_lr: plan.layer_rates(&plan.rates.values),
        };
        Adapted::new((about, self.signature.clone(), self.plan.loss), (model, theta), norms)
    }
}

/// A support set as the one task of a batch.
fn task(plan: &Plan, support: &Examples) -> TaskBatch {
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    let mut task = TaskBatch::zeros(1, support.points, 1, inputs, targets);
    task.support_x.copy_from_slice(&support.x);
    task.support_y.copy_from_slice(&support.y);
    // Nobody looks at the query; the first point is as good as any.
    task.query_x.copy_from_slice(&support.x[..inputs]);
    task.query_y.copy_from_slice(&support.y[..targets]);
    task
}

impl Adapted {
    /// How well it does on examples, each judged by itself.
    ///
    /// # Errors
    /// As [`Adapted::outputs`].
    pub fn judge(&self, device: &dyn Backend, examples: &Examples) -> Result<Score> {
        Ok(self.score(&self.outputs(device, &examples.x)?, &examples.y))
    }

    /// How well it does where batch norms take the statistics of all the examples together (transductive); nothing where there
    /// are no batch norms.
    ///
    /// # Errors
    /// As [`Adapted::outputs`].
    pub fn judge_together(&self, device: &dyn Backend, examples: &Examples) -> Result<Option<Score>> {
        if self.norms.is_empty() {
            return Ok(None);
        }
        let found = outputs(device, &self.model, &self.theta, &examples.x)?;
        Ok(Some(self.score(&found, &examples.y)))
    }

    fn score(&self, outputs: &[f32], y: &[f32]) -> Score {
        let width = self.model.outputs();
        let points = outputs.len() / width;
        let (mut loss, mut right) = (0.0, 0);
        // An output that no class belongs to is never taken.
        let classes = Some(self.signature.classes().len()).filter(|&n| n > 0).unwrap_or(width);
        for (row, y) in outputs.chunks_exact(width).zip(y.chunks_exact(y.len() / points)) {
            let wide: Vec<f64> = row.iter().map(|&output| output.into()).collect();
            let targets: Vec<f64> = y.iter().map(|&target| target.into()).collect();
            loss += self.loss.value(&wide, &targets);
            right += usize::from(largest(&row[..classes]) == y[0] as usize);
        }
        let share = |count: usize| count as f64 / points as f64;
        let accuracy = self.signature.is_classification().then(|| share(right));
        Score { loss: loss / points as f64, accuracy }
    }
}
