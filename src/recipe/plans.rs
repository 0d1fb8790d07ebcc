//! The plans that a recipe stands for.

use super::evaluation::EvaluationSettings;
use super::settings::{ControlVisit, Network, Recipe};
use super::tasks::Draw;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::meta::{Algorithm, InnerLoop, OuterKind, OuterOptimizer, Plan, TrainPlan, TrainState};
use crate::model::{Graph, Model, NamedOp, Op, Shape};
use crate::task::{Sampler, TaskBatch, TaskSource, Visit};
use std::ops::Range;

impl Recipe {
    /// The network.
    ///
    /// # Errors
    /// As [`Preset::graph`](crate::model::Preset::graph) or [`Graph::add_named`].
    pub fn model(&self) -> Result<Model> {
        let (values, outputs) = self.task.family.as_kind().shape()?;
        let input = self.input(values)?;
        let graph = match &self.model.network {
            Network::Preset(preset) => preset.graph(input, outputs)?,
            Network::Layers { layers } => {
                let mut graph = Graph::new(input)?;
                let last = NamedOp::from(Op::linear(outputs));
                graph.add_named(&layers.iter().cloned().chain([last]).collect::<Vec<_>>())?;
                graph
            }
        };
        graph.finish()
    }

    /// What a point is to the network: as the tasks have it, or laid out as an image.
    fn input(&self, values: Shape) -> Result<Shape> {
        let Some(sides) = self.model.input else { return Ok(values) };
        let len = sides.iter().try_fold(1_usize, |len, &side| len.checked_mul(side));
        if len != Some(values.len()) {
            let reason = format!("is {sides:?}, but a point of these tasks has {} values", values.len());
            return Err(Error::recipe("model.input", reason));
        }
        let [channels, height, width] = sides;
        Ok(Shape::Image { channels, height, width })
    }

    /// What is to be learned and how, as a learner of the library has it.
    ///
    /// # Errors
    /// As [`Recipe::model`].
    pub fn algorithm(&self) -> Result<Algorithm> {
        let (mut model, inner) = (self.model()?, self.inner.settings.clone());
        if self.inner.per_step_batch_norm {
            model = model.with_norm_steps(inner.steps);
        }
        let outer = self.optimizer(self.outer.optimizer, self.outer.meta_lr, self.outer.iterations);
        Ok(Algorithm { model, loss: self.model.loss, inner, outer, init: self.model.init, seed: self.seed })
    }

    /// The plain network (K = 0) that the control is.
    fn control_algorithm(&self) -> Result<Algorithm> {
        let updates = self.outer.iterations * self.control_updates();
        Ok(Algorithm {
            model: self.model()?,
            inner: InnerLoop { steps: 0, lr: self.control.lr, ..InnerLoop::default() },
            outer: self.optimizer(self.control.optimizer, self.control.meta_lr, updates),
            ..self.algorithm()?
        })
    }

    /// The plain network (K = 0) on a task's query points: that of the control, whether there is one or not.
    ///
    /// # Errors
    /// As [`Algorithm::plan`].
    pub fn plain_plan(&self) -> Result<Plan> {
        self.control_algorithm()?.plan(0, self.task.query)
    }

    /// The meta-gradient that training follows.
    ///
    /// # Errors
    /// As [`Algorithm::plan`].
    pub fn plan(&self) -> Result<Plan> {
        let (support, query) = (self.task.support, self.task.query);
        // Without an inner step all points are query points.
        let (support, query) =
            if self.inner.settings.steps == 0 { (0, support + query) } else { (support, query) };
        self.algorithm()?.plan(support, query)
    }

    /// The tasks of training.
    ///
    /// # Errors
    /// As [`Recipe::load_data`], if the recipe is of images and they are not loaded or do not fit.
    pub fn sampler(&self, visit: Visit) -> Result<Sampler> {
        Ok(self.sampler_of(self.task.family.as_kind().source(self.seed)?, visit))
    }

    fn sampler_of(&self, source: TaskSource, visit: Visit) -> Sampler {
        let Draw { seed, meta_batch, support, query } = self.draw();
        Sampler { source, seed, meta_batch, support, query, visit }
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
        self.train_plan_on(self.task.family.as_kind().source(self.seed)?)
    }

    fn train_plan_on(&self, source: TaskSource) -> Result<TrainPlan> {
        let visit = if self.inner.settings.steps == 0 { Visit::Joint } else { Visit::Split };
        let outer = self.algorithm()?.outer;
        let plan = TrainPlan { plan: self.plan()?, sampler: self.sampler_of(source, visit), outer };
        plan.check()?;
        Ok(plan)
    }

    /// Refuses what a training or its control would refuse, without making what tasks are drawn from.
    pub(super) fn check_plans(&self) -> Result<()> {
        let source = self.task.family.as_kind().sketch(self.seed)?;
        self.train_plan_on(source.clone())?;
        self.control_plan_on(&|| Ok(source.clone())).map(drop)
    }

    /// The training of the control, if there is one: the mean gradient of the plain network (K = 0).
    ///
    /// # Errors
    /// As [`TrainPlan::check`].
    pub fn control_plan(&self) -> Result<Option<TrainPlan>> {
        self.control_plan_on(&|| self.task.family.as_kind().source(self.seed))
    }

    fn control_plan_on(&self, source: &dyn Fn() -> Result<TaskSource>) -> Result<Option<TrainPlan>> {
        if !self.control.enabled {
            return Ok(None);
        }
        let visit = match self.control.visit {
            ControlVisit::Halves => Visit::Halves,
            ControlVisit::Joint => Visit::Joint,
            ControlVisit::Query => Visit::Query,
        };
        let (sampler, algorithm) = (self.sampler_of(source()?, visit), self.control_algorithm()?);
        let plan = algorithm.plan(0, sampler.points().1)?;
        let plan = TrainPlan { plan, sampler, outer: algorithm.outer };
        plan.check()?;
        Ok(Some(plan))
    }

    /// Updates of the control for each meta-iteration.
    #[must_use]
    pub fn control_updates(&self) -> u64 {
        match self.control.visit {
            ControlVisit::Halves => 2 * self.outer.meta_batch as u64,
            ControlVisit::Joint | ControlVisit::Query => 1,
        }
    }

    /// Where meta-training begins.
    ///
    /// # Errors
    /// As [`Recipe::plan`].
    pub fn start(&self) -> Result<TrainState> {
        self.algorithm()?.start()
    }

    /// Where the control begins: at the same parameters.
    ///
    /// # Errors
    /// As [`Recipe::plan`].
    pub fn control_start(&self) -> Result<TrainState> {
        Ok(TrainState::start(self.model.init.draw(&self.model()?, self.seed)))
    }

    /// The new tasks `range` of a fixed sequence, none of which training sees. Sinusoids are judged on dense points,
    /// series on their last windows (see [`Protocol`](super::Protocol)), images and rows on those of the meta-test classes.
    ///
    /// # Errors
    /// As [`Tasks::check_evaluation`](super::Tasks::check_evaluation) and [`Recipe::sampler`].
    pub fn evaluation_tasks(&self, settings: &EvaluationSettings, range: Range<usize>) -> Result<TaskBatch> {
        self.task.check_evaluation(settings)?;
        self.task.family.as_kind().evaluation_tasks(self.draw(), settings, range)
    }

    /// The tasks `range` of a trial during training, drawn as those of the final evaluation are: of meta-validation or, of few-shot
    /// tasks for comparison, of meta-training classes.
    ///
    /// # Errors
    /// As [`Recipe::sampler`].
    pub fn validation_tasks(&self, split: Split, range: Range<usize>) -> Result<TaskBatch> {
        self.task.family.as_kind().validation_tasks(self.draw(), &self.evaluation, split, range)
    }

    /// Tasks of a trial: as many as asked for, or as there are.
    #[must_use]
    pub fn validation_count(&self) -> usize {
        self.task.family.as_kind().validation_count(self.validation.tasks)
    }

    /// Whether trials take away from what there is to learn from, so that a run has them from its start or never.
    #[must_use]
    pub fn trials_cost(&self) -> bool {
        self.task.family.as_kind().trials_cost()
    }

    /// New tasks of an evaluation: as many as asked for, or as there are held-out series.
    #[must_use]
    pub fn evaluation_count(&self, settings: &EvaluationSettings) -> usize {
        self.task.family.as_kind().evaluation_count(settings.tasks)
    }

    /// Support points of a task of an evaluation.
    #[must_use]
    pub fn evaluation_support(&self, settings: &EvaluationSettings) -> usize {
        self.task.family.as_kind().evaluation_support((self.task.support, self.task.query), settings)
    }

    /// Query points of a task of an evaluation.
    #[must_use]
    pub fn evaluation_query(&self, settings: &EvaluationSettings) -> usize {
        self.task.family.as_kind().evaluation_query(self.task.query, settings)
    }

    fn draw(&self) -> Draw {
        let (support, query) = (self.task.support, self.task.query);
        Draw { seed: self.seed, meta_batch: self.outer.meta_batch, support, query }
    }
}
