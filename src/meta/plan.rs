//! What is to be computed, resolved and checked: nothing below recomputes a shape.

use super::{Adapt, Annealing, InnerOptimizer, MetaGradient, OuterOptimizer, RateShape, Rates};
use crate::error::{Error, Result};
use crate::losses::{Loss, Truth};
use crate::model::Model;
use crate::task::{Sampler, TaskBatch, TaskSource};

/// One meta-gradient: a model, an inner loop and the points of a task.
///
/// Meta-parameters are one vector: θ₀ `[P]`, then the learned rates `[R]` (none if they are fixed).
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The model.
    pub model: Model,
    /// The loss of support and query alike.
    pub loss: Loss,
    /// Support points a task; 0 where `steps` is 0.
    pub support: usize,
    /// Query points a task.
    pub query: usize,
    /// Inner steps `K`; 0 is plain training on the query points.
    pub steps: usize,
    /// First or second order.
    pub order: MetaGradient,
    /// For each of the model's [parameters](Model::params), whether the inner loop adapts it.
    pub adapted: Vec<bool>,
    /// Inner rates.
    pub rates: Rates,
    /// How a gradient becomes an inner step.
    pub inner: InnerOptimizer,
    /// Weights of the query losses of θ₀ … θ_K, `[steps + 1]`.
    pub loss_weights: Vec<f64>,
    /// How order and weights change over training; [`Trainer`](super::Trainer) sees to it.
    pub annealing: Annealing,
    /// Report query losses of weight zero as well, at the cost of a forward pass each.
    pub track_all: bool,
}

impl Plan {
    /// A plan with the last query loss alone, every layer adapted, second order.
    ///
    /// # Errors
    /// As [`Plan::check`].
    pub fn new(
        model: Model,
        loss: Loss,
        support: usize,
        query: usize,
        steps: usize,
        rates: Rates,
    ) -> Result<Self> {
        let mut loss_weights = vec![0.0; steps + 1];
        loss_weights[steps] = 1.0;
        let adapted = (0..model.params().len()).map(|p| may_adapt(&model, p)).collect();
        let order = MetaGradient::SecondOrder;
        let plan = Self {
            model,
            loss,
            support,
            query,
            steps,
            order,
            adapted,
            rates,
            inner: InnerOptimizer::default(),
            loss_weights,
            annealing: Annealing::default(),
            track_all: false,
        };
        plan.check()?;
        Ok(plan)
    }

    /// The same plan with another choice of adapted parameters.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming a pattern that matches no parameter.
    pub fn adapt(mut self, adapt: &Adapt) -> Result<Self> {
        let chosen = adapt.choose(&self.model)?;
        for (p, (adapted, chosen)) in self.adapted.iter_mut().zip(chosen).enumerate() {
            *adapted = chosen && may_adapt(&self.model, p);
        }
        Ok(self)
    }

    /// The same plan with whole blocks adapted or not, `[blocks]`.
    #[must_use]
    pub fn adapt_blocks(mut self, blocks: &[bool]) -> Self {
        for (p, adapted) in self.adapted.iter_mut().enumerate() {
            *adapted = blocks[self.model.params()[p].block] && may_adapt(&self.model, p);
        }
        self
    }

    /// Whether the inner loop adapts any parameter of a block.
    #[must_use]
    pub fn adapts(&self, block: usize) -> bool {
        self.model.params().iter().zip(&self.adapted).any(|(param, &adapted)| adapted && param.block == block)
    }

    /// Whether the inner loop adapts some parameters of a block and leaves others.
    #[must_use]
    pub fn splits_a_block(&self) -> bool {
        let params = self.model.params().iter().zip(&self.adapted).take(self.model.once());
        let mut blocks = params.filter(|(_, adapted)| !**adapted).map(|(param, _)| param.block);
        blocks.any(|block| self.adapts(block))
    }

    /// The same plan with the scales and shifts of batch norms meta-learned only, not adapted.
    #[must_use]
    pub fn keep_batch_norm(mut self) -> Self {
        for (param, adapted) in self.model.params().iter().zip(&mut self.adapted) {
            *adapted &= !self.model.is_norm(param.block);
        }
        self
    }

    /// Checks that all counts and lengths fit one another.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key, [`Shape`](crate::ErrorKind::Shape) naming the array.
    pub fn check(&self) -> Result<()> {
        if self.query == 0 {
            return Err(Error::recipe("task.query", "is 0; a task needs at least one query point"));
        }
        self.inner.check()?;
        self.loss.check()?;
        if self.order == MetaGradient::Displacement && self.steps == 0 {
            return Err(Error::recipe(
                "inner.steps",
                "is 0; Reptile learns from the way that inner steps go",
            ));
        }
        if self.order == MetaGradient::Displacement && self.rates.learned {
            return Err(Error::recipe(
                "inner.learned_lr",
                "is not for Reptile, which has no gradient of a rate",
            ));
        }
        if self.steps > 0 && self.support == 0 {
            return Err(Error::recipe(
                "task.support",
                "is 0, but inner.steps is not; adaptation needs support points",
            ));
        }
        let mut adapted = self.model.params().iter().zip(&self.adapted).filter(|(_, adapted)| **adapted);
        if let Some((param, _)) = adapted.clone().find(|(param, _)| param.is_fixed()) {
            return Err(Error::recipe("inner.adapt", format!("has `{}`, which is fixed", param.name)));
        }
        if self.model.norm_sets() > 1 && adapted.any(|(param, _)| self.model.is_norm(param.block)) {
            let reason = "is true, but scales and shifts of batch norms are adapted; set inner.adapt_batch_norm to false";
            return Err(Error::recipe("inner.per_step_batch_norm", reason));
        }
        let (rates, weights) = (self.rate_count(), self.steps + 1);
        for (what, needed, found) in [
            ("inner rates", rates, self.rates.values.len()),
            ("inner.loss_weights", weights, self.loss_weights.len()),
            ("adapted parameters", self.model.params().len(), self.adapted.len()),
        ] {
            if needed != found {
                return Err(Error::shape(what, &[needed], &[found]));
            }
        }
        if let Some([low, high]) =
            self.rates.range.filter(|[low, high]| !(low <= high && (high - low).is_finite()))
        {
            let reason =
                format!("is [{low}, {high}]; [low, high] with finite numbers, low ≤ high, is needed");
            return Err(Error::recipe("inner.lr_range", reason));
        }
        if let Some(rate) = self.rates.values.iter().chain(&self.loss_weights).find(|v| !v.is_finite()) {
            return Err(Error::recipe(
                "inner",
                format!("a rate or loss weight is {rate}; finite numbers are needed"),
            ));
        }
        Ok(())
    }

    /// Checks that meta-parameters and tasks have the plan's shapes, and targets the range of its loss.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) or [`Failed`](crate::ErrorKind::Failed), naming what does not fit.
    pub fn check_inputs<T: Copy + Default + Into<f64>>(
        &self,
        params: usize,
        tasks: &TaskBatch<T>,
    ) -> Result<()> {
        self.check()?;
        tasks.check()?;
        if params != self.meta_len() {
            return Err(Error::shape("meta-parameters", &[self.meta_len()], &[params]));
        }
        let expected = [self.support, self.query, self.model.inputs(), self.targets()];
        let found = [tasks.support, tasks.query, tasks.inputs, tasks.targets];
        if expected != found {
            return Err(Error::shape("tasks [support, query, inputs, targets]", &expected, &found));
        }
        if tasks.tasks == 0 {
            return Err(Error::shape("tasks", &[1], &[0]));
        }
        let (truth, outputs, weights) = (self.loss.truth(), self.model.outputs(), tasks.weights.as_ref());
        for (targets, weights) in [
            (&tasks.support_y, weights.map(|weights| &weights.support)),
            (&tasks.query_y, weights.map(|weights| &weights.query)),
        ] {
            for (i, &target) in targets.iter().enumerate() {
                // What does not count may be anything.
                let counts = weights.is_none_or(|weights| weights[i / self.targets()].into() > 0.0);
                if let (true, Err(reason)) = (counts, truth.check(target.into(), outputs)) {
                    return Err(Error::failed(format!("{reason}, which {} needs", self.loss.name())));
                }
            }
        }
        Ok(())
    }

    /// Whether the inner loop is gradient descent with a gradient behind it, which every engine and path computes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.inner.is_plain() && self.order != MetaGradient::Displacement
    }

    /// Number of inner rates in the shape of [`Rates`], fixed or learned.
    #[must_use]
    pub fn rate_count(&self) -> usize {
        match self.rates.shape {
            RateShape::One => 1,
            RateShape::PerLayerStep => self.steps * self.model.blocks().len(),
            RateShape::PerParameter => self.model.param_count(),
            RateShape::PerParameterStep => self.steps * self.model.param_count(),
        }
    }

    /// Number of learned rates, the tail of the meta-parameters.
    #[must_use]
    pub fn learned_rates(&self) -> usize {
        if self.rates.learned { self.rate_count() } else { 0 }
    }

    /// Length of the vector of meta-parameters, `P + R`.
    #[must_use]
    pub fn meta_len(&self) -> usize {
        self.model.param_count() + self.learned_rates()
    }

    /// Whether each rate belongs to a single parameter.
    #[must_use]
    pub fn per_parameter_rates(&self) -> bool {
        matches!(self.rates.shape, RateShape::PerParameter | RateShape::PerParameterStep)
    }

    /// Index, among the rates, of step `step` and block `block`: of the one rate, or of the rate
    /// of the layer's first weight, whose other parameters follow in the order of θ₀.
    #[must_use]
    pub fn rate_index(&self, step: usize, block: usize) -> usize {
        match self.rates.shape {
            RateShape::One => 0,
            RateShape::PerLayerStep => step * self.model.blocks().len() + block,
            RateShape::PerParameter => self.model.blocks()[block].weight,
            RateShape::PerParameterStep => {
                step * self.model.param_count() + self.model.blocks()[block].weight
            }
        }
    }

    /// Targets of a point.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.loss.truth().width(self.model.outputs())
    }

    /// Initial meta-parameters: θ₀ and, where they are learned, the rates' starting values.
    #[must_use]
    pub fn meta_params(&self, theta: &[f32]) -> Vec<f32> {
        let mut params = theta.to_vec();
        if self.rates.learned {
            params.extend(self.rates.values.iter().map(|&r| r as f32));
        }
        params
    }

    /// The plan that adapts a trained model on `support` points for `steps` steps and reports the loss on
    /// `query` points after each, with the rates found in `params` (`[P + R]`), or with `rate` in their place.
    ///
    /// Steps beyond those trained use the rates of the last one. The result's rates are fixed.
    #[must_use]
    pub fn for_evaluation(
        &self,
        params: &[f32],
        support: usize,
        query: usize,
        steps: usize,
        rate: Option<f64>,
    ) -> Self {
        let mut plan = Self { support, query, steps, track_all: true, ..self.clone() };
        plan.annealing = Annealing::default();
        plan.order = MetaGradient::FirstOrder;
        plan.loss_weights = vec![0.0; steps + 1];
        plan.loss_weights[steps] = 1.0;
        plan.rates = match rate {
            Some(rate) => Rates::fixed(rate),
            None => {
                let mut values = match self.rates.learned {
                    true => params[self.model.param_count()..].iter().map(|&r| f64::from(r)).collect(),
                    false => self.rates.values.clone(),
                };
                let row = match self.rates.shape {
                    RateShape::PerLayerStep => self.model.blocks().len(),
                    RateShape::PerParameterStep => self.model.param_count(),
                    RateShape::One | RateShape::PerParameter => 0,
                };
                if row > 0 {
                    let last = values[values.len() - row..].to_vec();
                    values = (0..steps)
                        .flat_map(|j| values.get(j * row..(j + 1) * row).unwrap_or(&last).to_vec())
                        .collect();
                }
                Rates { shape: self.rates.shape, learned: false, values, range: None }
            }
        };
        plan
    }
}

/// Whether the inner loop may move a parameter: not what is fixed, and scales and shifts of which every step has its own are
/// meta-learned only.
fn may_adapt(model: &Model, param: usize) -> bool {
    let steps = model.norm_sets() > 1;
    model.params().get(param).is_none_or(|param| !(param.is_fixed() || steps && model.is_norm(param.block)))
}

/// A whole training: the meta-gradient, where tasks come from, and the outer optimizer.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainPlan {
    /// The meta-gradient.
    pub plan: Plan,
    /// The tasks.
    pub sampler: Sampler,
    /// The outer optimizer.
    pub outer: OuterOptimizer,
}

impl TrainPlan {
    /// Checks that sampler and plan hand each other the same shapes.
    ///
    /// # Errors
    /// As [`Plan::check`], and where tasks and model do not fit.
    pub fn check(&self) -> Result<()> {
        self.plan.check()?;
        let source = &self.sampler.source;
        if source.inputs() != self.plan.model.inputs() {
            return Err(Error::shape(
                "model.inputs against the task's",
                &[source.inputs()],
                &[self.plan.model.inputs()],
            ));
        }
        if source.targets() != self.plan.targets() {
            let what = match self.plan.loss.truth() {
                Truth::Numbers | Truth::Shares => "model outputs against the task's",
                Truth::Class => "class indices of a point against the task's targets",
            };
            return Err(Error::shape(what, &[source.targets()], &[self.plan.targets()]));
        }
        if self.sampler.points() != (self.plan.support, self.plan.query) {
            let (support, query) = self.sampler.points();
            return Err(Error::shape(
                "points a task",
                &[self.plan.support, self.plan.query],
                &[support, query],
            ));
        }
        self.sampler.check()?;
        if self.sampler.meta_batch == 0 {
            return Err(Error::recipe(
                "outer.meta_batch",
                "is 0; at least one task a meta-iteration is needed",
            ));
        }
        if matches!(source, TaskSource::Custom(_)) || self.plan.loss.truth() == Truth::Shares {
            // The first tasks stand for the others: labels of a family of one's own may be anything, and built-in sources
            // give any numbers.
            self.plan.check_inputs(self.plan.meta_len(), &self.sampler.batch(0))?;
        }
        Ok(())
    }
}
