//! The plans that a recipe stands for.

use super::settings::{ControlVisit, EvaluationSettings, Family, LearnedRate, Recipe};
use crate::error::Result;
use crate::meta::{OuterOptimizer, Plan, RateShape, Rates, TrainPlan, TrainState};
use crate::model::Model;
use crate::task::{Sampler, SeriesTable, Sinusoid, TaskBatch, TaskSource, Visit};

impl Recipe {
    /// The network.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn model(&self) -> Result<Model> {
        let inputs = match self.task.family {
            Family::Sinusoid { .. } => 1,
            Family::Series { window, .. } => window,
        };
        Model::mlp(inputs, &self.model.hidden, 1, self.model.output_relu)
    }

    /// The meta-gradient that training follows.
    ///
    /// # Errors
    /// As [`Plan::check`].
    pub fn plan(&self) -> Result<Plan> {
        let (model, task, inner) = (self.model()?, &self.task, &self.inner);
        // Without an inner step the support points are not looked at by the loop.
        let support = if inner.steps == 0 { 0 } else { task.support };
        let rates = Rates::fixed(inner.lr);
        let plan = Plan::new(model, self.model.loss, support, self.query_points(), inner.steps, rates)?;
        let mut plan = plan.adapt(inner.adapt);
        plan.order = inner.order;
        plan.loss_weights = inner.loss_weights.clone();
        if let Some(shape) = rate_shape(inner.learned_lr) {
            plan.rates.shape = shape;
            plan.rates.learned = true;
            plan.rates.values = vec![inner.lr; plan.rate_count()];
        }
        plan.check()?;
        Ok(plan)
    }

    fn query_points(&self) -> usize {
        let joint = if self.inner.steps == 0 { self.task.support } else { 0 };
        self.task.query + joint
    }

    /// The tasks of training.
    #[must_use]
    pub fn sampler(&self, visit: Visit) -> Sampler {
        let source = match self.task.family {
            Family::Sinusoid { pool, .. } => {
                TaskSource::Sinusoid { family: self.sinusoid(), pool: (pool > 0).then_some(pool) }
            }
            Family::Series { series, length, window } => {
                TaskSource::Series(SeriesTable::generate(self.seed, series, length, window))
            }
        };
        Sampler {
            source,
            seed: self.seed,
            meta_batch: self.outer.meta_batch,
            support: self.task.support,
            query: self.task.query,
            visit,
        }
    }

    fn sinusoid(&self) -> Sinusoid {
        let narrow = |[low, high]: [f64; 2]| [low as f32, high as f32];
        match self.task.family {
            Family::Sinusoid { amplitude, phase, x, .. } => {
                Sinusoid { amplitude: narrow(amplitude), phase: narrow(phase), x: narrow(x) }
            }
            Family::Series { .. } => Sinusoid::default(),
        }
    }

    fn optimizer(&self, meta_lr: f64, iterations: u64) -> OuterOptimizer {
        let (outer, on) = (&self.outer, |clip: f64| (clip > 0.0).then_some(clip as f32));
        OuterOptimizer {
            kind: outer.optimizer,
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
        let outer = self.optimizer(self.outer.meta_lr, self.outer.iterations);
        let plan = TrainPlan { plan: self.plan()?, sampler: self.sampler(visit), outer };
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
        let sampler = self.sampler(visit);
        let rates = Rates::fixed(self.control.lr);
        let plan = Plan::new(self.model()?, self.model.loss, 0, sampler.points().1, 0, rates)?;
        let updates = self.outer.iterations * self.control_updates();
        let outer = self.optimizer(self.control.meta_lr, updates);
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

    /// New tasks, none of which training sees. Sinusoids are judged on dense points, series on their last
    /// `task.query` windows, adapted on those just before.
    ///
    /// # Errors
    /// As [`EvaluationSettings::check`].
    pub fn evaluation_tasks(&self, settings: &EvaluationSettings) -> Result<TaskBatch> {
        settings.check(&self.task)?;
        let &EvaluationSettings { tasks, points, dense, .. } = settings;
        match self.task.family {
            Family::Sinusoid { .. } => {
                let sampler = Sampler { support: points, ..self.sampler(Visit::Split) };
                Ok(sampler.evaluation(&self.sinusoid(), tasks, dense))
            }
            Family::Series { series, length, window } => {
                let all = SeriesTable::generate(self.seed, series + tasks, length, window);
                let held_out = &all.values()[series * length..];
                let (query, mut batch) =
                    (self.task.query, TaskBatch::zeros(tasks, points, self.task.query, window, 1));
                batch.support_x.clear();
                batch.support_y.clear();
                batch.query_x.clear();
                batch.query_y.clear();
                for values in held_out.chunks_exact(length) {
                    let first = length - window - points - query;
                    for p in 0..points + query {
                        let (x, y) = if p < points {
                            (&mut batch.support_x, &mut batch.support_y)
                        } else {
                            (&mut batch.query_x, &mut batch.query_y)
                        };
                        x.extend_from_slice(&values[first + p..][..window]);
                        y.push(values[first + p + window]);
                    }
                }
                Ok(batch)
            }
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
