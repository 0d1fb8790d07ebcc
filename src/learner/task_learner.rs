//! One task's adapted model.

use crate::error::{Error, Result};
use crate::meta::{Backend, Plan, RateShape, accuracy};
use crate::model::Model;
use crate::task::TaskBatch;
use std::sync::Arc;

/// Points with their targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// `[points, inputs]`.
    pub x: Vec<f32>,
    /// `[points, outputs]` of numbers, `[points]` of class indices.
    pub y: Vec<f32>,
}

impl Points {
    /// Points with their targets.
    #[must_use]
    pub fn new(x: impl Into<Vec<f32>>, y: impl Into<Vec<f32>>) -> Self {
        Self { x: x.into(), y: y.into() }
    }

    /// The support points of one task of a batch.
    ///
    /// # Panics
    /// If the batch has no such task.
    #[must_use]
    pub fn support_of(tasks: &TaskBatch, task: usize) -> Self {
        let one = tasks.slice(task..task + 1);
        Self { x: one.support_x.into_vec(), y: one.support_y.into_vec() }
    }

    /// The query points of one task of a batch.
    ///
    /// # Panics
    /// If the batch has no such task.
    #[must_use]
    pub fn query_of(tasks: &TaskBatch, task: usize) -> Self {
        let one = tasks.slice(task..task + 1);
        Self { x: one.query_x.into_vec(), y: one.query_y.into_vec() }
    }

    /// Number of points, if `x` and `y` are whole and of one number.
    fn count(&self, plan: &Plan) -> Result<usize> {
        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        let count = self.x.len() / inputs;
        if count == 0 || self.x.len() != count * inputs || self.y.len() != count * targets {
            let (expected, found) = ([count.max(1), inputs, targets], [count, self.x.len(), self.y.len()]);
            return Err(Error::shape("points [points, inputs, targets]", &expected, &found));
        }
        Ok(count)
    }
}

/// How a learner does on points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f32,
    /// Share of points that are judged rightly, where targets are classes, or for `bce_with_logits` all 0 or 1: see
    /// [`accuracy`].
    pub accuracy: Option<f32>,
}

/// A model on its way from the meta-parameters to one task: a clone of its own, adapted as often as wanted.
///
/// Batch norms take the statistics of the points they are given, here as in training.
#[derive(Clone)]
pub struct Learner<'a> {
    backend: &'a dyn Backend,
    plan: Plan,
    /// What it was cloned from, `[P + R]`: the learned rates of all steps are there.
    meta: Arc<[f32]>,
    theta: Vec<f32>,
    taken: usize,
}

impl<'a> Learner<'a> {
    pub(super) fn new(backend: &'a dyn Backend, plan: Plan, meta: Arc<[f32]>) -> Self {
        let theta = meta[..plan.model.param_count()].to_vec();
        Self { backend, plan, meta, theta, taken: 0 }
    }

    pub(super) fn adapted(self, theta: Vec<f32>, steps: usize) -> Self {
        Self { theta, taken: self.taken + steps, ..self }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.plan.model
    }

    /// Fast weights `[P]`, in the order of [`Model::params`].
    #[must_use]
    pub fn fast_weights(&self) -> &[f32] {
        &self.theta
    }

    /// The meta-parameters that it was cloned from, `[P + R]`.
    #[must_use]
    pub fn meta_parameters(&self) -> &[f32] {
        &self.meta
    }

    /// Inner steps taken so far.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.taken
    }

    /// Takes `steps` inner steps on support points. Where rates or batch norms are learned for each step, each call goes on
    /// with those of the next, and the last ones stay; moments of an inner optimizer begin anew with each call.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the points are not whole, and as [`Backend::adapt`];
    /// [`NotFinite`](crate::ErrorKind::NotFinite), with the learner as it was, if a weight leaves the finite range.
    pub fn adapt(&mut self, support: &Points, steps: usize) -> Result<()> {
        let count = support.count(&self.plan)?;
        if steps == 0 {
            return Ok(());
        }
        super::possible(steps)?;
        let (inputs, targets) = (self.plan.model.inputs(), self.plan.targets());
        let mut task = TaskBatch::zeros(1, count, 1, inputs, targets);
        task.support_x.copy_from_slice(&support.x);
        task.support_y.copy_from_slice(&support.y);
        // Nobody looks at the query; the first point is as good as any.
        task.query_x.copy_from_slice(&support.x[..inputs]);
        task.query_y.copy_from_slice(&support.y[..targets]);
        let (plan, theta) = self.here(count, 1, steps);
        let fast = self.backend.adapt(&plan, &theta, &task)?;
        if !fast.iter().all(|weight| weight.is_finite()) {
            return Err(Error::not_finite("a fast weight is not finite; a smaller inner rate may help"));
        }
        self.take(&fast);
        self.taken += steps;
        Ok(())
    }

    /// Loss and accuracy on points.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the points are not whole, and as [`Backend::evaluate`].
    pub fn evaluate(&self, query: &Points) -> Result<Score> {
        let (task, evaluation) = self.outputs(query, self.plan.loss.decides())?;
        Ok(Score {
            loss: evaluation.query_loss[0],
            accuracy: accuracy(self.plan.loss, &evaluation, &task).first().map(|&share| share as f32),
        })
    }

    /// Outputs `[points, outputs]` at `x: [points, inputs]`; of classes they are scores ahead of the softmax, for
    /// `bce_with_logits` ahead of the logistic function.
    ///
    /// # Errors
    /// As [`Learner::evaluate`].
    pub fn predict(&self, x: &[f32]) -> Result<Vec<f32>> {
        let points = x.len() / self.plan.model.inputs();
        let query = Points::new(x, vec![0.0; points * self.plan.targets()]);
        Ok(self.outputs(&query, true)?.1.predictions.unwrap_or_default())
    }

    fn outputs(&self, query: &Points, predictions: bool) -> Result<(TaskBatch, crate::meta::Evaluation)> {
        let count = query.count(&self.plan)?;
        let mut task = TaskBatch::zeros(1, 0, count, self.plan.model.inputs(), self.plan.targets());
        task.query_x.copy_from_slice(&query.x);
        task.query_y.copy_from_slice(&query.y);
        let (plan, theta) = self.here(0, count, 0);
        let evaluation = self.backend.evaluate(&plan, &theta, &task, predictions)?;
        Ok((task, evaluation))
    }

    /// The plan of the next `steps` steps, and the parameters that it starts from: those of the steps behind are left out.
    fn here(&self, support: usize, query: usize, steps: usize) -> (Plan, Vec<f32>) {
        let mut plan = self.plan.for_evaluation(&self.meta, support, query, self.taken + steps, None);
        let row = match plan.rates.shape {
            RateShape::One | RateShape::PerParameter => 0,
            RateShape::PerLayerStep => plan.model.blocks().len(),
            RateShape::PerParameterStep => plan.model.param_count(),
        };
        plan.rates.values.drain(..self.taken * row);
        plan.loss_weights.drain(..self.taken);
        plan.steps = steps;
        let (model, mut theta) = (&self.plan.model, self.theta.clone());
        for block in (0..model.blocks().len()).filter(|&block| model.is_norm(block)) {
            for step in 0..model.norm_sets() {
                let from = model.block_at(block, step + self.taken).range();
                theta[model.block_at(block, step).range()].copy_from_slice(&self.theta[from]);
            }
        }
        (plan, theta)
    }

    /// Takes over what the inner loop moves.
    fn take(&mut self, fast: &[f32]) {
        let params = self.plan.model.params().iter().zip(&self.plan.adapted);
        for (param, _) in params.filter(|(_, adapted)| **adapted) {
            self.theta[param.range()].copy_from_slice(&fast[param.range()]);
        }
    }
}
