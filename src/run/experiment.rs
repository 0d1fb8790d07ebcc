//! A meta-learner and its control, trained side by side into a directory.

use super::checkpoint::Saved;
use super::dir::RunDir;
use super::metrics::{MetricsLine, MetricsWriter, Sums};
use super::models::Models;
use super::times::Times;
use super::trial::{Trials, ValidationLine, validate};

use crate::error::{Error, ErrorKind, Result};
use crate::meta::{Backend, Losses, TrainPlan, Trainer};
use crate::recipe::Recipe;
use std::ops::ControlFlow;
use std::time::Duration;

/// How long a block should take: short enough to be looked at, long enough to keep a device busy.
const BLOCK_SECONDS: f64 = 0.2;

/// A training that is set up, not yet or not fully run.
pub struct Experiment<'a> {
    recipe: Recipe,
    maml: Learning<'a>,
    control: Option<Learning<'a>>,
    sums: Sums,
    /// What earlier processes took.
    before: Times,
}

struct Learning<'a> {
    plan: TrainPlan,
    trainer: Trainer<'a>,
}

/// What is seen between blocks.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Meta-iterations done.
    pub iteration: u64,
    /// Meta-iterations asked for.
    pub total: u64,
    /// Mean losses of the block.
    pub losses: Losses,
    /// Mean loss of the control in the block.
    pub control_loss: Option<f32>,
    /// Meta-iterations a second in the block, the control's updates included.
    pub rate: f64,
    /// The newest trial, if there was one.
    pub validation: Option<ValidationLine>,
}

/// Why [`Experiment::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of the recipe's meta-iterations are done.
    Finished,
    /// It was told to stop, or reached the iteration to stop at; resuming goes on here.
    Stopped,
}

/// Says of a loss that is not finite that it is the control's.
fn of_control(error: Error) -> Error {
    match error.kind() {
        // What else the message says is about keys of the meta-learner.
        ErrorKind::NotFinite(what) => Error::not_finite(format!(
            "of the control, {}; a smaller control.meta_lr or another control.optimizer may help, and \
             control.enabled=false leaves it out",
            what.split(';').next().unwrap_or(what).replace("meta-iteration", "update")
        )),
        _ => error,
    }
}

impl<'a> Experiment<'a> {
    /// Sets up a training from its start. Nothing is written; whatever a device refuses is refused here.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn new(recipe: Recipe, device: &'a dyn Backend, control_device: &'a dyn Backend) -> Result<Self> {
        let start = Saved { state: recipe.start()?, sums: Vec::new() };
        let control = Saved { state: recipe.control_start()?, sums: Vec::new() };
        Self::from_saved(recipe, device, control_device, start, control)
    }

    /// Sets up the continuation of a run from its newest checkpoint that both learners have.
    ///
    /// # Errors
    /// As [`Trainer::new`] and [`Checkpoints::load`](super::Checkpoints::load).
    pub fn resume(
        recipe: Recipe,
        dir: &RunDir,
        device: &'a dyn Backend,
        control_device: &'a dyn Backend,
    ) -> Result<Self> {
        let (plan, updates) = (recipe.plan()?, recipe.control_updates());
        let Some(control_plan) = recipe.control_plan()? else {
            let saved = dir.checkpoints().load_newest(&plan, u64::MAX)?;
            let resumed = Self::from_saved(recipe, device, control_device, saved, Saved::default())?;
            return Ok(resumed.after(dir));
        };
        // A crash may fall between the two writes, so the newest step is the control's.
        let control = dir.control_checkpoints().load_newest(&control_plan.plan, u64::MAX)?;
        let saved = dir.checkpoints().load(&plan, control.state.iteration / updates)?;
        Ok(Self::from_saved(recipe, device, control_device, saved, control)?.after(dir))
    }

    /// Takes over what the run took so far.
    fn after(mut self, dir: &RunDir) -> Self {
        self.before = dir.times().of(self.iteration()).unwrap_or_default();
        self
    }

    fn from_saved(
        recipe: Recipe,
        device: &'a dyn Backend,
        control_device: &'a dyn Backend,
        saved: Saved,
        control: Saved,
    ) -> Result<Self> {
        let learning = |device: &'a dyn Backend, plan: TrainPlan, state| {
            Ok::<_, Error>(Learning { trainer: Trainer::new(device, &plan, state)?, plan })
        };
        let sums = Sums::from_saved(&saved.sums);
        let maml = learning(device, recipe.train_plan()?, saved.state)?;
        let control = match recipe.control_plan()? {
            Some(plan) => Some(learning(control_device, plan, control.state)?),
            None => None,
        };
        Ok(Self { recipe, maml, control, sums, before: Times::default() })
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Meta-iterations done.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.maml.trainer.iteration()
    }

    /// Seconds spent in training up to here, those of earlier processes included: of the meta-learner, and of the
    /// control.
    #[must_use]
    pub fn times(&self) -> (f64, f64) {
        let control = self.control.as_ref().map_or(Duration::ZERO, |c| c.trainer.time());
        let train = self.maml.trainer.time();
        (self.before.train + train.as_secs_f64(), self.before.control + control.as_secs_f64())
    }

    pub(super) fn noted(&self) -> Times {
        let (train, control) = self.times();
        Times { iteration: self.iteration(), train, control, concluded: false }
    }

    /// Trains to the recipe's last meta-iteration, or to `stop_at`, writing metrics and checkpoints;
    /// `watch` is called between blocks and can end it there, with a checkpoint. Trials run on `device`.
    ///
    /// # Errors
    /// As [`Trainer::advance`], and where files cannot be written.
    pub fn run(
        &mut self,
        dir: &RunDir,
        device: &dyn Backend,
        stop_at: Option<u64>,
        watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Ending> {
        let total = self.recipe.outer.iterations;
        let end = stop_at.map_or(total, |stop| stop.min(total));
        let every = self.recipe.run.report_every;
        let mut metrics = MetricsWriter::resume(dir.metrics(), self.iteration(), every)?;
        let mut trials = Trials::resume(dir.validation(), self.iteration())?;
        if self.iteration() == 0 {
            self.save(dir)?;
        }
        let (mut len, mut stopped) = (16, false);
        while self.iteration() < end && !stopped {
            let done = self.iteration();
            let next = |every: u64| done.checked_div(every).map_or(end, |n| end.min((n + 1) * every));
            let checkpoint = next(self.recipe.run.checkpoint_every);
            let trial = next(self.recipe.validation.every);
            let (mut progress, lines, seconds) = self.block(len.min(checkpoint.min(trial) - done))?;
            metrics.write(&lines)?;
            let every = self.recipe.validation.every;
            if every > 0 && (self.iteration().is_multiple_of(every) || self.iteration() == total) {
                self.trial(dir, device, &mut trials)?;
            }
            progress.validation = trials.last();
            stopped = watch(&progress).is_break();
            if self.iteration() == checkpoint || stopped {
                self.save(dir)?;
            }
            let ran = self.iteration() - done;
            let wanted = ran as f64 * BLOCK_SECONDS / seconds.max(1e-6);
            len = (wanted as u64).clamp(1, 4 * ran);
        }
        if self.iteration() < total {
            return Ok(Ending::Stopped);
        }
        if !self.iteration().is_multiple_of(every) && !self.sums.is_empty() {
            metrics.write(&[self.line(self.iteration())])?;
        }
        Ok(Ending::Finished)
    }

    /// Advances both learners over the same tasks.
    fn block(&mut self, iterations: u64) -> Result<(Progress, Vec<MetricsLine>, f64)> {
        let block = self.maml.trainer.advance(iterations)?;
        let updates = self.recipe.control_updates();
        let control = match &mut self.control {
            Some(control) => Some(control.trainer.advance(iterations * updates).map_err(of_control)?),
            None => None,
        };
        let mut lines = Vec::new();
        for (i, losses) in block.losses.iter().enumerate() {
            let n = updates as usize;
            let beside = control.as_ref().map_or(&[][..], |c| &c.losses[i * n..(i + 1) * n]);
            self.sums.add(*losses, beside);
            let iteration = block.first + i as u64 + 1;
            if iteration.is_multiple_of(self.recipe.run.report_every) {
                lines.push(self.line(iteration));
                self.sums = Sums::default();
            }
        }
        let time = block.time + control.as_ref().map_or(Duration::ZERO, |c| c.time);
        let seconds = time.as_secs_f64();
        let progress = Progress {
            iteration: block.end(),
            total: self.recipe.outer.iterations,
            losses: block.mean(),
            control_loss: control.map(|c| c.mean().query),
            rate: block.losses.len() as f64 / seconds.max(1e-9),
            validation: None,
        };
        Ok((progress, lines, seconds))
    }

    /// Tries the learner on meta-validation tasks; the best so far is kept.
    fn trial(&mut self, dir: &RunDir, device: &dyn Backend, trials: &mut Trials) -> Result<()> {
        let models = self.models()?;
        let line = validate(&self.recipe, &models, device, trials.best())?;
        if line.best {
            let saved = Saved { state: self.maml.trainer.state()?, sums: self.sums.to_saved() };
            dir.best_checkpoint().save_only(&self.maml.plan.plan, self.recipe.seed, &saved)?;
        }
        trials.add(line)
    }

    fn line(&self, iteration: u64) -> MetricsLine {
        self.sums.line(iteration, self.maml.plan.outer.rate(iteration - 1))
    }

    fn save(&mut self, dir: &RunDir) -> Result<()> {
        let seed = self.recipe.seed;
        // A crash before the checkpoint is there leaves a line that the next process drops.
        dir.times().note(self.noted())?;
        let saved = Saved { state: self.maml.trainer.state()?, sums: self.sums.to_saved() };
        dir.checkpoints().save(&self.maml.plan.plan, seed, &saved)?;
        if let Some(control) = &mut self.control {
            let saved = Saved { state: control.trainer.state()?, sums: Vec::new() };
            dir.control_checkpoints().save(&control.plan.plan, seed, &saved)?;
        }
        Ok(())
    }

    /// The learners as they are now.
    ///
    /// # Errors
    /// As [`Trainer::state`].
    pub fn models(&mut self) -> Result<Models> {
        let control = match &mut self.control {
            Some(control) => Some(control.trainer.state()?.params),
            None => None,
        };
        Ok(Models { maml: self.maml.trainer.state()?.params, control, iterations: self.iteration() })
    }
}

impl RunDir {
    /// Notes that the run is through.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn finish(&self, experiment: &Experiment<'_>) -> Result<()> {
        self.times().note(Times { concluded: true, ..experiment.noted() })
    }
}
