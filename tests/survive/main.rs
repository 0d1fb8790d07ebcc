//! Trainings whose device, numbers or files fail, on purpose: each ends with the bytes of one that nothing happened to, or
//! with an error that says what to do.

mod trials;

use fastweights::backend::cpu::CpuBackend;
use fastweights::meta::{
    Backend, Evaluation, Forecast, Losses, MetaOutput, Plan, Prepared, TrainPlan, TrainState, Training,
};
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::run::{Ending, Experiment, Recovery, RunDir, read_metrics};
use fastweights::task::TaskBatch;
use fastweights::{Error, ErrorKind, Result};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A CPU that fails at chosen meta-iterations, counted from 1; 0 is never.
struct Faulty {
    cpu: CpuBackend,
    /// The device is lost, once.
    lost: Arc<AtomicU64>,
    /// The losses are not finite, whenever it is computed.
    nan: u64,
}

struct FaultyTraining {
    inner: Box<dyn Training>,
    done: u64,
    lost: Arc<AtomicU64>,
    nan: u64,
}

impl Backend for Faulty {
    fn name(&self) -> String {
        "faulty".into()
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        let (done, lost, nan) = (state.iteration, Arc::clone(&self.lost), self.nan);
        Ok(Box::new(FaultyTraining { inner: self.cpu.training(plan, state)?, done, lost, nan }))
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        self.cpu.forecast(plan)
    }

    fn meta_gradient(&self, plan: &Plan, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput> {
        // It is asked only for the task that went wrong.
        let mut output = self.cpu.meta_gradient(plan, params, tasks)?;
        output.query_loss[3 * (plan.steps + 1) + 1] = f32::NAN;
        Ok(output)
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        self.cpu.prepare(plan, tasks, weighted)
    }

    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        self.cpu.evaluate(plan, theta, tasks, predictions)
    }
}

impl Training for FaultyTraining {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        let within = self.done + 1..=self.done + iterations;
        if within.contains(&self.lost.load(Ordering::Relaxed)) {
            self.lost.store(0, Ordering::Relaxed);
            return Err(Error::device("the device was lost, on purpose"));
        }
        let mut losses = self.inner.advance(iterations)?;
        if within.contains(&self.nan) {
            losses[(self.nan - self.done - 1) as usize].query = f32::NAN;
            return Err(Error::not_finite("on purpose"));
        }
        self.done += iterations;
        Ok(losses)
    }

    fn state(&mut self) -> Result<TrainState> {
        self.inner.state()
    }
}

fn faulty(nan: u64, lost: u64) -> Faulty {
    Faulty { cpu: CpuBackend::new(Some(1)), lost: Arc::new(AtomicU64::new(lost)), nan }
}

fn recipe(settings: &[&str]) -> Recipe {
    let usual =
        ["outer.iterations=20", "run.report_every=4", "run.checkpoint_every=5", "control.enabled=false"];
    let settings: Vec<_> = usual.iter().chain(settings).map(|s| parse_setting(s).unwrap()).collect();
    Recipe::load("sinusoid", &settings).unwrap()
}

/// Trains a directory on, from where it is.
fn train(
    recipe: &Recipe,
    dir: &RunDir,
    device: &Faulty,
    stop_at: Option<u64>,
) -> Result<(Ending, Vec<String>)> {
    let mut told = Vec::new();
    let mut experiment =
        Experiment::resume(recipe.clone(), dir, device, &device.cpu, &mut |e| told.push(e.to_string()))?;
    dir.begin(recipe, device.name(), experiment.iteration())?;
    let ending = experiment.run(dir, device, stop_at, &mut |progress| {
        told.extend(progress.skipped.iter().cloned());
        ControlFlow::Continue(())
    })?;
    Ok((ending, told))
}

fn place(root: &Path, name: &str) -> RunDir {
    RunDir::create(root.join(name)).unwrap()
}

fn checkpoint(dir: &RunDir, step: u64) -> [Vec<u8>; 2] {
    let place = dir.checkpoints();
    [place.model_path(step), place.state_path(step)].map(|path| std::fs::read(path).unwrap())
}

/// The whole training on a device without faults.
fn untroubled(root: &Path) -> RunDir {
    let dir = place(root, "untroubled");
    assert_eq!(train(&recipe(&[]), &dir, &faulty(0, 0), None).unwrap(), (Ending::Finished, vec![]));
    dir
}

#[test]
fn a_lost_device_says_what_happened_and_the_run_goes_on_to_the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let whole = untroubled(root.path());
    let (dir, device, recipe) = (place(root.path(), "a"), faulty(0, 12), recipe(&[]));
    let error = train(&recipe, &dir, &device, None).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Device(_)) && error.to_string().contains("on purpose"),
        "{error}"
    );
    let newest = dir.checkpoints().steps().unwrap().pop();
    assert_eq!(newest, Some(10));
    assert!(Recovery::default().takes(&error, newest));
    train(&recipe, &dir, &device, None).unwrap();
    for step in [0, 5, 10, 15, 20] {
        assert_eq!(checkpoint(&dir, step), checkpoint(&whole, step), "{step}");
    }
    assert_eq!(std::fs::read(dir.metrics()).unwrap(), std::fs::read(whole.metrics()).unwrap());
    let processes = dir.processes().unwrap();
    assert_eq!(processes.iter().map(|p| p.from).collect::<Vec<_>>(), [0, 10]);
}

#[test]
fn numbers_that_are_not_finite_end_a_training_behind_its_last_good_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let whole = untroubled(root.path());
    let (dir, device) = (place(root.path(), "a"), faulty(8, 0));
    let error = train(&recipe(&[]), &dir, &device, None).unwrap_err().to_string();
    for words in [
        "not finite at meta-iteration 8",
        "the query loss of task 4 of 10 is NaN after 1 of 1 inner steps",
        "inner.lr = 0.01",
        "outer.meta_lr = 0.001",
        "the checkpoint of meta-iteration 7 is the last good one",
        "--on-nonfinite skip",
    ] {
        assert!(error.contains(words), "{error}, without {words}");
    }
    assert_eq!(dir.checkpoints().steps().unwrap(), [0, 5, 7]);
    assert_eq!(checkpoint(&dir, 5), checkpoint(&whole, 5));
    // Its lines of metrics up to there are written.
    assert_eq!(read_metrics(&dir.metrics()).unwrap().len(), 1);
    // What goes on from there by leaving it out comes to the same as what did so at once.
    let skip = recipe(&["run.on_nonfinite=skip"]);
    let (_, told) = train(&skip, &dir, &device, None).unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("meta-iteration 8") && told[0].contains("task 4 of 10"), "{told:?}");
    let at_once = place(root.path(), "b");
    train(&skip, &at_once, &device, None).unwrap();
    for step in [10, 15, 20] {
        assert_eq!(checkpoint(&dir, step), checkpoint(&at_once, step), "{step}");
        assert_ne!(checkpoint(&dir, step), checkpoint(&whole, step), "{step}");
    }
    assert_eq!(std::fs::read(dir.metrics()).unwrap(), std::fs::read(at_once.metrics()).unwrap());
}

#[test]
fn a_meta_iteration_that_is_skipped_changes_nothing_wherever_blocks_are_cut() {
    let root = tempfile::tempdir().unwrap();
    let (dir, device, skip) = (place(root.path(), "a"), faulty(8, 0), recipe(&["run.on_nonfinite=skip"]));
    for stop in 6..=9 {
        train(&skip, &dir, &device, Some(stop)).unwrap();
    }
    let plan = skip.plan().unwrap();
    let at = |step| dir.checkpoints().load(&plan, step).unwrap().state;
    let (before, after) = (at(7), at(8));
    assert_eq!((&before.params, &before.m, &before.v), (&after.params, &after.m, &after.v));
    assert_ne!(at(8).params, at(9).params);
    // The line of metrics is the mean of the three that were finite.
    train(&skip, &dir, &device, None).unwrap();
    let at_once = place(root.path(), "b");
    train(&skip, &at_once, &device, None).unwrap();
    assert_eq!(std::fs::read(dir.metrics()).unwrap(), std::fs::read(at_once.metrics()).unwrap());
    assert_eq!(checkpoint(&dir, 20), checkpoint(&at_once, 20));
}

#[test]
fn a_damaged_checkpoint_costs_the_meta_iterations_since_the_one_before() {
    let root = tempfile::tempdir().unwrap();
    let whole = untroubled(root.path());
    let (dir, device, recipe) = (place(root.path(), "a"), faulty(0, 0), recipe(&[]));
    train(&recipe, &dir, &device, Some(15)).unwrap();
    let state = dir.checkpoints().state_path(15);
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&state, bytes).unwrap();
    let (_, told) = train(&recipe, &dir, &device, None).unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("state/15.safetensors") && told[0].contains("damaged"), "{told:?}");
    for step in [10, 15, 20] {
        assert_eq!(checkpoint(&dir, step), checkpoint(&whole, step), "{step}");
    }
    assert_eq!(std::fs::read(dir.metrics()).unwrap(), std::fs::read(whole.metrics()).unwrap());
}

#[test]
fn a_control_falls_back_together_with_its_learner() {
    let root = tempfile::tempdir().unwrap();
    let (recipe, device) = (recipe(&["control.enabled=true"]), faulty(0, 0));
    let (whole, dir) = (place(root.path(), "whole"), place(root.path(), "a"));
    train(&recipe, &whole, &device, None).unwrap();
    train(&recipe, &dir, &device, Some(15)).unwrap();
    let control = dir.control_checkpoints();
    std::fs::write(control.model_path(*control.steps().unwrap().last().unwrap()), "damaged").unwrap();
    let (_, told) = train(&recipe, &dir, &device, None).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(checkpoint(&dir, 20), checkpoint(&whole, 20));
    let last = *control.steps().unwrap().last().unwrap();
    let bytes = |run: &RunDir| std::fs::read(run.control_checkpoints().model_path(last)).unwrap();
    assert_eq!(bytes(&dir), bytes(&whole));
    // What a disk that fills up between both leaves.
    std::fs::remove_file(control.model_path(last)).unwrap();
    assert_eq!(dir.resumable(&recipe).unwrap(), [0, 5, 10, 15]);
}

#[test]
fn the_newest_checkpoints_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let (recipe, device) = (recipe(&["run.keep=2", "control.enabled=true"]), faulty(0, 0));
    let dir = place(root.path(), "a");
    train(&recipe, &dir, &device, Some(13)).unwrap();
    assert_eq!(dir.checkpoints().steps().unwrap(), [10, 13]);
    train(&recipe, &dir, &device, None).unwrap();
    assert_eq!(dir.checkpoints().steps().unwrap(), [15, 20]);
    let updates = recipe.control_updates();
    assert_eq!(dir.control_checkpoints().steps().unwrap(), [15 * updates, 20 * updates]);
}

#[test]
fn a_recipe_edited_in_the_directory_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let (dir, device) = (place(root.path(), "a"), faulty(0, 0));
    train(&recipe(&[]), &dir, &device, Some(5)).unwrap();
    assert_eq!(dir.recipe().unwrap(), recipe(&[]));
    let text = std::fs::read_to_string(dir.recipe_file()).unwrap();
    std::fs::write(dir.recipe_file(), text.replace("meta_batch = 10", "meta_batch = 11")).unwrap();
    let error = dir.recipe().unwrap_err().to_string();
    assert!(error.contains("outer.meta_batch was 10, is 11") && error.contains("put it back"), "{error}");
    std::fs::write(dir.recipe_file(), text).unwrap();
    dir.recipe().unwrap();
}
