//! Learners as a library: a model that learns to adapt, whatever the tasks, without recipes, files or global state.
//!
//! An [`Algorithm`] is the settings, [`Maml`] or another [`MetaLearner`] trains them, and a [`Learner`] is one task's clone:
//!
//! ```
//! use fastweights::backend::cpu::CpuBackend;
//! use fastweights::learner::{Algorithm, Maml, MetaLearner, Points};
//! use fastweights::meta::{Loss, OuterOptimizer};
//! use fastweights::model::Model;
//! use fastweights::task::{Sampler, Sinusoid, TaskSource, Visit};
//! use std::ops::ControlFlow;
//!
//! # fn main() -> fastweights::Result<()> {
//! let cpu = CpuBackend::new(Some(1));
//! let algorithm = Algorithm::maml(Model::mlp(1, &[40, 40], 1, false)?, Loss::mse());
//! let outer = OuterOptimizer::adam(1e-3, 500);
//! let mut maml = Maml::new(Algorithm { outer, ..algorithm }, &cpu)?;
//!
//! // Tasks may come from a source, drawn where the training runs, ...
//! let source = TaskSource::Sinusoid { family: Sinusoid::default(), pool: None };
//! let tasks = Sampler { source, seed: 1, meta_batch: 16, support: 10, query: 10, visit: Visit::Split };
//! maml.train(&tasks, &mut |block| {
//!     println!("{:>4}: {:.3}", block.end(), block.mean().query);
//!     ControlFlow::Continue(())
//! })?;
//! // ... or be given, a meta-iteration at a time.
//! let losses = maml.step(&tasks.batch(500))?;
//! assert!(losses.query.is_finite());
//!
//! let task = tasks.batch(501);
//! let mut learner = maml.learner();
//! let before = learner.evaluate(&Points::query_of(&task, 0))?;
//! learner.adapt(&Points::support_of(&task, 0), 3)?;
//! let after = learner.evaluate(&Points::query_of(&task, 0))?;
//! println!("{:.3} -> {:.3}, f(0) = {:.3}", before.loss, after.loss, learner.predict(&[0.0])?[0]);
//! # Ok(())
//! # }
//! ```

mod file;
mod maml;
mod reptile;
mod task_learner;

pub use crate::meta::Algorithm;
pub use file::note;
pub use maml::Maml;
pub use reptile::Reptile;
pub use task_learner::{Learner, Points, Score};

use crate::error::{Error, Result};
use crate::meta::{Backend, Block, Evaluation, Losses, TrainPlan, TrainState, Trainer};
use crate::model::Model;
use crate::task::{Sampler, TaskBatch};
use std::ops::ControlFlow;
use std::path::Path;

/// Something that learns to adapt. An algorithm of one's own says where its settings and state are and how it steps; the rest
/// follows.
pub trait MetaLearner {
    /// The settings.
    fn algorithm(&self) -> &Algorithm;

    /// Where it computes.
    fn backend(&self) -> &dyn Backend;

    /// Meta-parameters, and what the outer optimizer keeps.
    fn state(&self) -> &TrainState;

    /// The same, to be changed.
    fn state_mut(&mut self) -> &mut TrainState;

    /// One meta-iteration on given tasks: their meta-gradient and the outer update. Returns mean losses over the tasks.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where tasks and model do not fit,
    /// [`NotFinite`](crate::ErrorKind::NotFinite), with the state as it was, or a failure of the backend.
    fn step(&mut self, tasks: &TaskBatch) -> Result<Losses>;

    /// The model.
    fn model(&self) -> &Model {
        &self.algorithm().model
    }

    /// A clone for one task, at the meta-parameters as they are now.
    ///
    /// # Panics
    /// If the state is not that of the algorithm, which no learner of this crate allows.
    fn learner(&self) -> Learner<'_> {
        let plan = self.algorithm().plan(1, 1).expect("checked when the learner was made");
        Learner::new(self.backend(), plan, self.state().params.as_slice().into())
    }

    /// Adapts to the support points of every task at once, the fast way to many [`Learner`]s.
    ///
    /// # Errors
    /// As [`Backend::adapt`].
    fn adapt(&self, tasks: &TaskBatch, steps: usize) -> Result<Vec<Learner<'_>>> {
        let p = self.model().param_count();
        let (plan, theta) = (self.evaluation_plan(tasks, steps)?, &self.state().params[..p]);
        let fast = self.backend().adapt(&plan, theta, tasks)?;
        let learner = self.learner();
        Ok(fast.chunks_exact(p).map(|theta| learner.clone().adapted(theta.to_vec(), steps)).collect())
    }

    /// Adapts to every task and reports query losses after 0 … `steps` steps, and predictions if they are asked for.
    ///
    /// # Errors
    /// As [`Backend::evaluate`].
    fn evaluate(&self, tasks: &TaskBatch, steps: usize, predictions: bool) -> Result<Evaluation> {
        let plan = self.evaluation_plan(tasks, steps)?;
        self.backend().evaluate(&plan, &self.state().params[..self.model().param_count()], tasks, predictions)
    }

    /// The plan of adapting to given tasks.
    ///
    /// # Errors
    /// As [`Plan::check`](crate::meta::Plan::check).
    fn evaluation_plan(&self, tasks: &TaskBatch, steps: usize) -> Result<crate::meta::Plan> {
        possible(steps)?;
        let plan = self.algorithm().plan(tasks.support.max(1), tasks.query)?;
        Ok(plan.for_evaluation(&self.state().params, tasks.support, tasks.query, steps, None))
    }

    /// A training on tasks that are drawn where it runs, to step through: an iterator of blocks of meta-iterations up to the
    /// outer optimizer's last. [`Trainer::state`] is for [`MetaLearner::state_mut`] in the end; [`MetaLearner::train`] does both.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    fn trainer(&self, tasks: &Sampler) -> Result<Trainer<'_>> {
        let (support, query) = tasks.points();
        let plan = self.algorithm().plan(support, query)?;
        let plan = TrainPlan { plan, sampler: tasks.clone(), outer: self.algorithm().outer };
        Trainer::new(self.backend(), &plan, self.state().clone())
    }

    /// Trains on tasks that are drawn where it runs, until `watch`, called between blocks, breaks it off, or to the outer
    /// optimizer's last meta-iteration. Until then the state is what it was.
    ///
    /// # Errors
    /// As [`Trainer::advance`].
    fn train(&mut self, tasks: &Sampler, watch: &mut dyn FnMut(&Block) -> ControlFlow<()>) -> Result<()> {
        let mut trainer = self.trainer(tasks)?;
        for block in trainer.by_ref() {
            if watch(&block?).is_break() {
                break;
            }
        }
        let state = trainer.state()?;
        drop(trainer);
        *self.state_mut() = state;
        Ok(())
    }

    /// Writes meta-parameters, under the names that PyTorch gives them, learned rates and the outer optimizer's state into one
    /// safetensors file, whole or not at all.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file.
    fn save(&self, path: &Path) -> Result<()> {
        self.save_with(path, None)
    }

    /// The same with a note, for who reads the file: what the learner is, say. [`note`] reads it.
    ///
    /// # Errors
    /// As [`MetaLearner::save`].
    fn save_with(&self, path: &Path, note: Option<String>) -> Result<()> {
        file::save(self.algorithm(), self.state(), path, note)
    }

    /// Takes the state that [`MetaLearner::save`] wrote.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file and the tensor that is not as the model has it; the state is then what
    /// it was.
    fn load(&mut self, path: &Path) -> Result<()> {
        *self.state_mut() = file::load(self.algorithm(), path)?;
        Ok(())
    }
}

/// Most inner steps of one call.
const MOST_STEPS: usize = 100_000;

/// Refuses steps that nobody waits for.
fn possible(steps: usize) -> Result<()> {
    match steps <= MOST_STEPS {
        true => Ok(()),
        false => {
            Err(Error::recipe("steps", format!("is {steps}; at most {MOST_STEPS} are taken in one call")))
        }
    }
}

/// Refuses losses and parameters that an update must not spread.
fn finite(what: &str, values: &[f32]) -> Result<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => {
            Err(Error::not_finite(format!("{what} is not finite; a smaller inner or outer rate may help")))
        }
    }
}
