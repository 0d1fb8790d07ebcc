//! A meta-learner and its control, trained side by side into a directory.

use super::checkpoint::{Saved, newest};
use super::dir::RunDir;
use super::files::Files;
use super::learning::{Advance, Learning, not_finite};
use super::metrics::{MetricsLine, Sums};
use super::models::Models;
use super::rates::learned_rates;
use super::times::Times;
use super::together;
use super::trial::{Trials, ValidationLine, validate};

use crate::error::{Error, Result};
use crate::meta::{Backend, Exchange, LayerRate, Losses};
use crate::recipe::Recipe;
use std::ops::ControlFlow;
use std::sync::Arc;
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
    /// Others that train the same, if meta-batches are shared.
    exchange: Option<Arc<dyn Exchange>>,
    /// Whether its end is asked for.
    asked: &'a dyn Fn() -> bool,
}

/// What is seen between blocks.
#[derive(Clone, Debug)]
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
    /// Of meta-iterations in the block that were skipped, why.
    pub skipped: Vec<String>,
    /// The lines of metrics that the block filled.
    pub lines: Vec<MetricsLine>,
    /// Learned rates after the block, where it filled a line and rates are learned.
    pub rates: Vec<LayerRate>,
}

/// Why [`Experiment::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of the recipe's meta-iterations are done.
    Finished,
    /// No trial of the last `validation.patience` meta-iterations was the best: training is through before its time.
    Early,
    /// It was told to stop, or reached the iteration to stop at; resuming goes on here.
    Stopped,
}

impl<'a> Experiment<'a> {
    /// Sets up a training from its start. Nothing is written; whatever a device refuses is refused here.
    ///
    /// # Errors
    /// As [`Trainer::new`](crate::meta::Trainer::new).
    pub fn new(recipe: Recipe, device: &'a dyn Backend, control_device: &'a dyn Backend) -> Result<Self> {
        let start = Saved { state: recipe.start()?, sums: Vec::new() };
        let control = Saved { state: recipe.control_start()?, sums: Vec::new() };
        Self::from_saved(recipe, device, control_device, start, control)
    }

    /// Sets up the continuation of a run from its newest checkpoint that is whole and that both learners have; what is
    /// damaged is passed over, and told to `warn`. A run that had no time for its first checkpoint starts anew.
    ///
    /// # Errors
    /// As [`Trainer::new`](crate::meta::Trainer::new) and [`Checkpoints::load`](super::Checkpoints::load).
    pub fn resume(
        recipe: Recipe,
        dir: &RunDir,
        device: &'a dyn Backend,
        control_device: &'a dyn Backend,
        warn: &mut dyn FnMut(&Error),
    ) -> Result<Self> {
        let (plan, updates, control_plan) =
            (recipe.plan()?, recipe.control_updates(), recipe.control_plan()?);
        let (place, beside) = (dir.checkpoints(), dir.control_checkpoints());
        let load = |step: u64| {
            let control =
                control_plan.as_ref().map(|plan| beside.load(&plan.plan, step * updates)).transpose()?;
            Ok((place.load(&plan, step)?, control.unwrap_or_default()))
        };
        let Some((saved, control)) = newest(dir.resumable(&recipe)?, load, warn)? else {
            let begun = std::fs::metadata(dir.metrics()).is_ok_and(|metrics| metrics.len() > 0);
            return match begun {
                true => {
                    Err(Error::file(dir.path(), "holds no checkpoint to go on from, though it was trained"))
                }
                false => Self::new(recipe, device, control_device),
            };
        };
        let mut resumed = Self::from_saved(recipe, device, control_device, saved, control)?;
        resumed.before = dir.times().of(resumed.iteration()).unwrap_or_default();
        Ok(resumed)
    }

    fn from_saved(
        recipe: Recipe,
        device: &'a dyn Backend,
        control_device: &'a dyn Backend,
        saved: Saved,
        control: Saved,
    ) -> Result<Self> {
        let sums = Sums::from_saved(&saved.sums);
        let maml = Learning::new(device, recipe.train_plan()?, saved.state)?;
        let control = match recipe.control_plan()? {
            Some(plan) => Some(Learning::new(control_device, plan, control.state)?),
            None => None,
        };
        let (before, asked) = (Times::default(), &|| false);
        Ok(Self { recipe, maml, control, sums, before, exchange: None, asked })
    }

    /// Goes on as member 0 of an exchange, whose devices share meta-batches. From here on every member must make the same
    /// calls; those but member 0 have no directory.
    ///
    /// # Errors
    /// If a member is gone.
    pub fn join(&mut self, exchange: Arc<dyn Exchange>) -> Result<()> {
        self.maml.follow(&*exchange)?;
        if let Some(control) = &mut self.control {
            control.follow(&*exchange)?;
        }
        self.exchange = Some(exchange);
        Ok(())
    }

    /// Has [`Experiment::run`] look at `asked` wherever it can end: between blocks, and within trials.
    pub fn listen(&mut self, asked: &'a dyn Fn() -> bool) {
        self.asked = asked;
    }

    /// The exchange that it was told to join.
    pub(super) fn exchange(&self) -> Option<&dyn Exchange> {
        self.exchange.as_deref()
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Meta-iterations done.
    #[must_use]
    pub fn iteration(&self) -> u64 {
        self.maml.iteration()
    }

    /// Seconds spent in training up to here, those of earlier processes included: of the meta-learner, and of the
    /// control.
    #[must_use]
    pub fn times(&self) -> (f64, f64) {
        let control = self.control.as_ref().map_or(Duration::ZERO, Learning::time);
        let train = self.maml.time();
        (self.before.train + train.as_secs_f64(), self.before.control + control.as_secs_f64())
    }

    pub(super) fn noted(&self) -> Times {
        let (train, control) = self.times();
        Times { iteration: self.iteration(), train, control, concluded: false }
    }

    /// Trains to the recipe's last meta-iteration, or to `stop_at`, or until trials find nothing better any more, writing
    /// metrics and checkpoints; `watch` is called between blocks and can end it there, with a checkpoint. Trials run on
    /// `device`. Without a directory nothing is written, as member 0 of an exchange does it.
    ///
    /// # Errors
    /// As [`Trainer::advance`](crate::meta::Trainer::advance), with a checkpoint of the last meta-iteration at which all
    /// numbers were finite; and where files cannot be written.
    pub fn run<'d>(
        &mut self,
        dir: impl Into<Option<&'d RunDir>>,
        device: &dyn Backend,
        stop_at: Option<u64>,
        watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Ending> {
        let total = self.recipe.outer.iterations;
        let end = stop_at.map_or(total, |stop| stop.min(total));
        let dir = dir.into();
        let every = self.recipe.run.report_every;
        let mut files = Files::resume(dir, self.iteration(), every, self.exchange())?;
        if self.iteration() == 0 {
            self.save(dir, &files)?;
        }
        self.prune(dir)?;
        // The first block tells how long a meta-iteration takes. A process before may have ended within a trial.
        let (mut len, mut stopped) = (1, self.trial_if_due(dir, device, &mut files.trials)?.is_break());
        while self.iteration() < end && !stopped && !self.is_exhausted(&files) {
            let done = self.iteration();
            let next = |every: u64| done.checked_div(every).map_or(end, |n| end.min((n + 1) * every));
            let checkpoint = next(self.recipe.run.checkpoint_every);
            let trial = next(self.recipe.validation.every);
            let (mut progress, block) = self.block(dir, &mut files, len.min(checkpoint.min(trial) - done))?;
            let broken_off = self.trial_if_due(dir, device, &mut files.trials)?.is_break();
            progress.validation = files.trials.last();
            let ran = self.iteration() - done;
            let wanted = ran as f64 * BLOCK_SECONDS / block.as_secs_f64().max(1e-6);
            let wanted = (wanted as u64).clamp(1, 4 * ran.max(1));
            let stop = watch(&progress).is_break() || broken_off || (self.asked)();
            (len, stopped) = together::agreed(self.exchange(), wanted, stop)?;
            if self.iteration() == checkpoint || stopped || self.is_exhausted(&files) {
                self.save(dir, &files)?;
                self.prune(dir)?;
            }
        }
        let early = self.is_exhausted(&files);
        if (self.iteration() < total && !early) || files.trials.owe(&self.recipe, self.iteration()) {
            return Ok(Ending::Stopped);
        }
        if !self.iteration().is_multiple_of(self.recipe.run.report_every) && !self.sums.is_empty() {
            files.write(&[self.line(self.iteration())])?;
        }
        Ok(if early { Ending::Early } else { Ending::Finished })
    }

    /// Whether trials have found nothing better for as long as the recipe waits.
    fn is_exhausted(&self, files: &Files) -> bool {
        files.trials.is_exhausted(self.iteration(), self.recipe.validation.patience)
    }

    /// Advances both learners over the same tasks, and writes their metrics; what the block took.
    fn block(
        &mut self,
        dir: Option<&RunDir>,
        files: &mut Files,
        iterations: u64,
    ) -> Result<(Progress, Duration)> {
        let policy = self.recipe.run.on_nonfinite;
        let block = self.maml.advance(iterations, policy)?;
        let (ran, updates) = (block.losses.len(), self.recipe.control_updates());
        let control = match &mut self.control {
            Some(control) => Some(control.advance(ran as u64 * updates, policy)?),
            None => None,
        };
        if let Some(cause) = control.as_ref().and_then(|control| control.stopped.as_ref()) {
            return Err(self.control_not_finite(cause));
        }
        let lines = self.add(&block, control.as_ref());
        files.write(&lines)?;
        if let Some(cause) = &block.stopped {
            self.save(dir, files)?;
            return Err(self.not_finite(cause));
        }
        let time = block.time + control.as_ref().map_or(Duration::ZERO, |c| c.time);
        let of_control =
            |what: &String| format!("of the control, {}", what.replace("meta-iteration", "update"));
        let control_skips = control.iter().flat_map(|c| &c.skipped).map(of_control);
        let progress = Progress {
            iteration: self.iteration(),
            total: self.recipe.outer.iterations,
            losses: block.mean(),
            control_loss: control.as_ref().map(|c| c.mean().query),
            rate: ran as f64 / time.as_secs_f64().max(1e-9),
            validation: None,
            skipped: block.skipped.iter().cloned().chain(control_skips).collect(),
            rates: match lines.is_empty() {
                true => Vec::new(),
                false => learned_rates(&self.maml.plan.plan, &self.maml.state().params),
            },
            lines,
        };
        Ok((progress, time))
    }

    /// Adds a block to the sums; the lines that are full.
    fn add(&mut self, block: &Advance, control: Option<&Advance>) -> Vec<MetricsLine> {
        let n = self.recipe.control_updates() as usize;
        let mut lines = Vec::new();
        for (i, losses) in block.losses.iter().enumerate() {
            let beside = control.map_or(&[][..], |c| &c.losses[i * n..(i + 1) * n]);
            self.sums.add(*losses, beside);
            let iteration = block.first + i as u64 + 1;
            if iteration.is_multiple_of(self.recipe.run.report_every) {
                if !self.sums.is_empty() {
                    lines.push(self.line(iteration));
                }
                self.sums = Sums::default();
            }
        }
        lines
    }

    /// The error of a meta-learner that left the finite range, with the settings that it did so with.
    fn not_finite(&self, cause: &str) -> Error {
        let (inner, outer) = (&self.recipe.inner.settings, &self.recipe.outer);
        let settings = format!(
            "with inner.lr = {}, inner.steps = {}, outer.meta_lr = {}, outer.clip_norm = {}, outer.clip_value = {}",
            inner.lr, inner.steps, outer.meta_lr, outer.clip_norm, outer.clip_value
        );
        let kept = match self.iteration() {
            // Parameters that no step was taken from are drawn anew at will.
            0 => String::new(),
            done => format!(" the checkpoint of meta-iteration {done} is the last good one, and"),
        };
        let advice = format!(
            "a smaller inner.lr or outer.meta_lr, outer.clip_norm, or a gentler model.init (torch) may help;{kept} \
             --on-nonfinite skip leaves such meta-iterations out",
        );
        not_finite(cause, &settings, &advice)
    }

    fn control_not_finite(&self, cause: &str) -> Error {
        let control = &self.recipe.control;
        let settings = format!("with control.meta_lr = {}", control.meta_lr);
        let advice = "a smaller control.meta_lr or another control.optimizer may help, and control.enabled=false leaves it out";
        not_finite(
            &format!("of the control, {}", cause.replace("meta-iteration", "update")),
            &settings,
            advice,
        )
    }

    /// Tries the learner on meta-validation tasks where that is due; the best so far is kept. Breaks off where an end is asked
    /// for, and nothing is written.
    fn trial_if_due(
        &self,
        dir: Option<&RunDir>,
        device: &dyn Backend,
        trials: &mut Trials,
    ) -> Result<ControlFlow<()>> {
        if !trials.owe(&self.recipe, self.iteration()) {
            return Ok(ControlFlow::Continue(()));
        }
        let models = self.models();
        let asked = || together::any(self.exchange(), (self.asked)());
        let Some(line) = validate(&self.recipe, &models, device, trials.best(), &asked)? else {
            return Ok(ControlFlow::Break(()));
        };
        if let Some(dir) = dir.filter(|_| line.best) {
            let saved = Saved { state: self.maml.state().clone(), sums: self.sums.to_saved() };
            dir.best_checkpoint().save_only(&self.maml.plan.plan, self.recipe.seed, &saved)?;
        }
        trials.add(line)?;
        Ok(ControlFlow::Continue(()))
    }

    fn line(&self, iteration: u64) -> MetricsLine {
        self.sums.line(iteration, self.maml.plan.outer.rate(iteration - 1))
    }

    fn save(&self, dir: Option<&RunDir>, files: &Files) -> Result<()> {
        let Some(dir) = dir else { return Ok(()) };
        let seed = self.recipe.seed;
        // A checkpoint says that the lines before it are there.
        files.flush()?;
        // A crash before the checkpoint is there leaves a line that the next process drops.
        dir.times().note(self.noted())?;
        let saved = Saved { state: self.maml.state().clone(), sums: self.sums.to_saved() };
        dir.checkpoints().save(&self.maml.plan.plan, seed, &saved)?;
        if let Some(control) = &self.control {
            let saved = Saved { state: control.state().clone(), sums: Vec::new() };
            dir.control_checkpoints().save(&control.plan.plan, seed, &saved)?;
        }
        Ok(())
    }

    /// Removes checkpoints that are older than those to keep.
    fn prune(&self, dir: Option<&RunDir>) -> Result<()> {
        let Some(dir) = dir else { return Ok(()) };
        let (keep, done) = (self.recipe.run.keep, self.iteration());
        dir.checkpoints().keep(keep, done)?;
        match self.control {
            Some(_) => dir.control_checkpoints().keep(keep, done * self.recipe.control_updates()),
            None => Ok(()),
        }
    }

    /// The learners as they are now.
    #[must_use]
    pub fn models(&self) -> Models {
        Models {
            maml: self.maml.state().params.clone(),
            control: self.control.as_ref().map(|control| control.state().params.clone()),
            iterations: self.iteration(),
        }
    }
}
