//! The plans that a recipe stands for.

use super::settings::{
    ControlVisit, EvaluationSettings, Family, Inner, InnerKind, LearnedRate, Network, Recipe,
};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::meta::{
    Annealing, InnerOptimizer, InnerRule, OuterKind, OuterOptimizer, Plan, RateShape, Rates, TrainPlan,
    TrainState,
};
use crate::model::{Graph, Model, NamedOp, Op, Shape};
use crate::ops::elementwise::Function;
use crate::ops::flatten::Flatten;
use crate::ops::linear::Linear;
use crate::task::{Sampler, Sinusoid, TaskBatch, TaskSource, Visit};
use std::ops::Range;

impl Recipe {
    /// The network.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn model(&self) -> Result<Model> {
        let (input, outputs) = match self.task.family {
            Family::Sinusoid { .. } => (Shape::Vector(1), 1),
            Family::Series { window, .. } => (Shape::Vector(window), 1),
            Family::Images { ways, channels, side, .. } => {
                (Shape::Image { channels, height: side, width: side }, ways)
            }
            Family::Table(ref table) => {
                let (features, outputs) = table.shape()?;
                (Shape::Vector(features), outputs)
            }
        };
        let mut layers = Vec::<NamedOp>::new();
        let mut last: Vec<Op> = vec![Linear::to(outputs).into()];
        match &self.model.network {
            Network::Layers { layers: given } => layers.clone_from(given),
            Network::Mlp { hidden, output_relu } => {
                if matches!(input, Shape::Image { .. }) {
                    layers.push(Op::from(Flatten {}).into());
                }
                for &outputs in hidden {
                    layers.push(Op::from(Linear::to(outputs)).into());
                    layers.push(Op::from(Function::Relu {}).into());
                }
                if *output_relu {
                    last.push(Function::Relu {}.into());
                }
            }
        }
        layers.extend(last.into_iter().map(NamedOp::from));
        let mut graph = Graph::new(input)?;
        graph.add_named(&layers)?;
        graph.finish()
    }

    /// The meta-gradient that training follows.
    ///
    /// # Errors
    /// As [`Plan::check`].
    pub fn plan(&self) -> Result<Plan> {
        let (mut model, task, inner) = (self.model()?, &self.task, &self.inner);
        if inner.per_step_batch_norm {
            model = model.with_norm_steps(inner.steps);
        }
        // Without an inner step the support points are not looked at by the loop.
        let support = if inner.steps == 0 { 0 } else { task.support };
        let rates = Rates::fixed(inner.lr);
        let plan = Plan::new(model, self.model.loss, support, self.query_points(), inner.steps, rates)?;
        let mut plan = plan.adapt(&inner.adapt)?;
        if !inner.adapt_batch_norm {
            plan = plan.keep_batch_norm();
        }
        plan.order = inner.order;
        plan.inner = inner.rule();
        plan.annealing = Annealing {
            first_order: inner.first_order_iterations,
            multi_step_loss: inner.multi_step_loss_iterations,
        };
        plan.loss_weights = inner.loss_weights.clone();
        if let Some(shape) = rate_shape(inner.learned_lr) {
            plan.rates.shape = shape;
            plan.rates.learned = true;
            let rates = plan.rate_count();
            if rates > 1 << 28 {
                let reason = format!("means {rates} rates; at most {} fit", 1 << 28);
                return Err(Error::recipe("inner.learned_lr", reason));
            }
            plan.rates.values = vec![inner.lr; rates];
        }
        plan.check()?;
        Ok(plan)
    }

    fn query_points(&self) -> usize {
        let joint = if self.inner.steps == 0 { self.task.support } else { 0 };
        self.task.query + joint
    }

    /// The tasks of training.
    ///
    /// # Errors
    /// As [`Recipe::load_data`], if the recipe is of images and they are not loaded or do not fit.
    pub fn sampler(&self, visit: Visit) -> Result<Sampler> {
        let source = match self.task.family {
            Family::Sinusoid { pool, .. } => {
                TaskSource::Sinusoid { family: self.sinusoid(), pool: (pool > 0).then_some(pool) }
            }
            Family::Series { window, scale, ref source } => {
                TaskSource::Series(self.train_table(window, scale, source)?)
            }
            Family::Images { .. } => TaskSource::Images(self.image_tasks(Split::Train)?),
            Family::Table(_) => self.table_source()?,
        };
        Ok(Sampler {
            source,
            seed: self.seed,
            meta_batch: self.outer.meta_batch,
            support: self.task.support,
            query: self.task.query,
            visit,
        })
    }

    fn sinusoid(&self) -> Sinusoid {
        let narrow = |[low, high]: [f64; 2]| [low as f32, high as f32];
        match self.task.family {
            Family::Sinusoid { amplitude, phase, x, .. } => {
                Sinusoid { amplitude: narrow(amplitude), phase: narrow(phase), x: narrow(x) }
            }
            Family::Series { .. } | Family::Images { .. } | Family::Table(_) => Sinusoid::default(),
        }
    }

    fn optimizer(&self, kind: OuterKind, meta_lr: f64, iterations: u64) -> OuterOptimizer {
        let (outer, on) = (&self.outer, |clip: f64| (clip > 0.0).then_some(clip as f32));
        OuterOptimizer {
            kind,
            meta_lr,
            schedule: outer.schedule,
            iterations,
            beta1: outer.betas[0],
            beta2: outer.betas[1],
            epsilon: outer.eps,
            clip_value: on(outer.clip_value),
            clip_norm: on(outer.clip_norm),
        }
    }

    /// The meta-training.
    ///
    /// # Errors
    /// As [`TrainPlan::check`].
    pub fn train_plan(&self) -> Result<TrainPlan> {
        let visit = if self.inner.steps == 0 { Visit::Joint } else { Visit::Split };
        let outer = self.optimizer(self.outer.optimizer, self.outer.meta_lr, self.outer.iterations);
        let plan = TrainPlan { plan: self.plan()?, sampler: self.sampler(visit)?, outer };
        plan.check()?;
        Ok(plan)
    }

    /// The training of the control, if there is one: the mean gradient of the plain network (K = 0).
    ///
    /// # Errors
    /// As [`TrainPlan::check`].
    pub fn control_plan(&self) -> Result<Option<TrainPlan>> {
        if !self.control.enabled {
            return Ok(None);
        }
        let visit = match self.control.visit {
            ControlVisit::Halves => Visit::Halves,
            ControlVisit::Joint => Visit::Joint,
        };
        let sampler = self.sampler(visit)?;
        let rates = Rates::fixed(self.control.lr);
        let plan = Plan::new(self.model()?, self.model.loss, 0, sampler.points().1, 0, rates)?;
        let updates = self.outer.iterations * self.control_updates();
        let outer = self.optimizer(self.control.optimizer, self.control.meta_lr, updates);
        let plan = TrainPlan { plan, sampler, outer };
        plan.check()?;
        Ok(Some(plan))
    }

    /// Updates of the control for each meta-iteration.
    #[must_use]
    pub fn control_updates(&self) -> u64 {
        match self.control.visit {
            ControlVisit::Halves => 2 * self.outer.meta_batch as u64,
            ControlVisit::Joint => 1,
        }
    }

    /// Where meta-training begins.
    ///
    /// # Errors
    /// As [`Recipe::plan`].
    pub fn start(&self) -> Result<TrainState> {
        let plan = self.plan()?;
        let theta = self.model.init.draw(&plan.model, self.seed);
        Ok(TrainState::start(plan.meta_params(&theta)))
    }

    /// Where the control begins: at the same parameters.
    ///
    /// # Errors
    /// As [`Recipe::plan`].
    pub fn control_start(&self) -> Result<TrainState> {
        Ok(TrainState::start(self.model.init.draw(&self.model()?, self.seed)))
    }

    /// The new tasks `range` of a fixed sequence, none of which training sees. Sinusoids are judged on dense points,
    /// series on their last windows (see
    /// [`Protocol`](super::Protocol)), images on those of the meta-test
    /// classes.
    ///
    /// # Errors
    /// As [`EvaluationSettings::check`] and [`Recipe::sampler`].
    pub fn evaluation_tasks(&self, settings: &EvaluationSettings, range: Range<usize>) -> Result<TaskBatch> {
        settings.check(&self.task)?;
        let &EvaluationSettings { points, dense, .. } = settings;
        match self.task.family {
            Family::Sinusoid { .. } => {
                let sampler = Sampler { support: points, ..self.sampler(Visit::Split)? };
                Ok(sampler.evaluation(&self.sinusoid(), range, dense))
            }
            Family::Series { .. } => self.series_batch(settings, range),
            Family::Images { ways, .. } => {
                let query = ways * settings.queries.unwrap_or(1);
                self.image_batch(Split::Test, 0, query, range)
            }
            Family::Table(_) => self.table_batch(Split::Test, 0, self.few_shot_queries(settings), range),
        }
    }

    /// The tasks `range` of a trial during training, of meta-validation or, for comparison, of meta-training classes:
    /// as many query images as the final evaluation takes.
    ///
    /// # Errors
    /// As [`Recipe::sampler`].
    pub fn validation_tasks(&self, split: Split, range: Range<usize>) -> Result<TaskBatch> {
        if let Family::Table(_) = self.task.family {
            return self.table_batch(split, 1, self.few_shot_queries(&self.evaluation), range);
        }
        let query = match self.task.family {
            Family::Images { ways, .. } => ways * self.evaluation.queries.unwrap_or(1),
            _ => self.task.query,
        };
        self.image_batch(split, 1, query, range)
    }

    fn image_batch(
        &self,
        split: Split,
        sequence: u32,
        query: usize,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let tasks = self.image_tasks(split)?;
        tasks.check(self.task.support + query)?;
        let sampler = Sampler { query, ..self.sampler(Visit::Split)? };
        Ok(sampler.image_evaluation(&tasks, sequence, range))
    }
}

impl Inner {
    fn rule(&self) -> InnerOptimizer {
        let [beta1, beta2] = self.betas;
        let (momentum, decay, epsilon) = (self.momentum, self.decay, self.eps);
        let on = |clip: f64| (clip > 0.0).then_some(clip);
        InnerOptimizer {
            rule: match self.optimizer {
                InnerKind::Sgd => InnerRule::Sgd,
                InnerKind::Momentum => InnerRule::Momentum { momentum },
                InnerKind::Nesterov => InnerRule::Nesterov { momentum },
                InnerKind::RmsProp => InnerRule::RmsProp { decay, epsilon },
                InnerKind::Adam => InnerRule::Adam { beta1, beta2, epsilon },
            },
            weight_decay: self.weight_decay,
            clip_value: on(self.clip_value),
            clip_norm: on(self.clip_norm),
        }
    }
}

fn rate_shape(learned: LearnedRate) -> Option<RateShape> {
    match learned {
        LearnedRate::None => None,
        LearnedRate::One => Some(RateShape::One),
        LearnedRate::PerLayerStep => Some(RateShape::PerLayerStep),
        LearnedRate::PerParameter => Some(RateShape::PerParameter),
        LearnedRate::PerParameterStep => Some(RateShape::PerParameterStep),
    }
}
