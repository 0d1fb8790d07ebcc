//! Whole runs, as from the command line.

use crate::devices::Device;
use crate::errors::exception;
use fastweights::recipe::{ControlVisit, Recipe, builtins, parse_setting};
use fastweights::run::{Ending, EventFile, Experiment, Progress, RunDir, conclude};
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Settings from `key=value`.
pub(crate) fn settings(overrides: &[String]) -> fastweights::Result<Vec<(String, toml::Value)>> {
    overrides.iter().map(|text| parse_setting(text)).collect()
}

/// Names of the recipes that are compiled in.
#[pyfunction]
pub(crate) fn recipes() -> Vec<&'static str> {
    builtins().iter().map(|recipe| recipe.name).collect()
}

/// Where a run is.
enum Place<'a> {
    New(Option<&'a Path>),
    Resumed(&'a Path),
}

/// Trains a recipe into a directory, judges it and draws pictures; the directory, the evaluation as JSON, and meta-iterations
/// done. `callback` is called between blocks and ends the training, with a checkpoint, by a true value.
#[pyfunction]
#[pyo3(signature = (recipe, overrides, device, cpu, out = None, data = None, resume = None, callback = None))]
#[expect(clippy::too_many_arguments, reason = "arguments of a function of Python")]
pub(crate) fn train(
    py: Python<'_>,
    recipe: String,
    overrides: Vec<String>,
    device: &Device,
    cpu: &Device,
    out: Option<PathBuf>,
    data: Option<PathBuf>,
    resume: Option<PathBuf>,
    callback: Option<Py<PyAny>>,
) -> PyResult<(PathBuf, Option<String>, u64)> {
    device.check()?;
    let place = match &resume {
        Some(run) => Place::Resumed(run),
        None => Place::New(out.as_deref()),
    };
    py.detach(|| {
        let settings = settings(&overrides).map_err(exception)?;
        let (mut recipe, dir) = match place {
            Place::Resumed(run) => {
                let dir = RunDir::open(run).map_err(exception)?;
                (dir.recipe_with(&settings).map_err(exception)?, Some(dir))
            }
            Place::New(path) => {
                path.map_or(Ok(()), RunDir::check_free).map_err(exception)?;
                (Recipe::load(&recipe, &settings).map_err(exception)?, None)
            }
        };
        recipe.load_data(data.as_deref()).map_err(exception)?;
        run(&recipe, dir, out.as_deref(), (device, cpu), callback.as_ref())
    })
}

fn run(
    recipe: &Recipe,
    resumed: Option<RunDir>,
    out: Option<&Path>,
    (device, cpu): (&Device, &Device),
    callback: Option<&Py<PyAny>>,
) -> PyResult<(PathBuf, Option<String>, u64)> {
    let backend = device.backend;
    // The control's updates on half a task are too small for a GPU.
    let halves = recipe.control.enabled && recipe.control.visit == ControlVisit::Halves;
    let control = if halves { cpu.backend } else { backend };
    let lock = resumed.as_ref().map(RunDir::lock).transpose().map_err(exception)?;
    let experiment = match &resumed {
        Some(dir) => Experiment::resume(recipe.clone(), dir, backend, control, &mut |_| {}),
        None => Experiment::new(recipe.clone(), backend, control),
    };
    let mut experiment = experiment.map_err(exception)?;
    let dir = match (resumed, out) {
        (Some(dir), _) => Ok(dir),
        (None, Some(path)) => RunDir::create(path),
        (None, None) => RunDir::numbered("runs", &recipe.name),
    };
    let dir = dir.map_err(exception)?;
    let _lock = match lock {
        Some(lock) => lock,
        None => dir.lock().map_err(exception)?,
    };
    dir.begin(recipe, backend.name(), experiment.iteration()).map_err(exception)?;
    let mut events = match recipe.run.tensorboard {
        true => Some(EventFile::resume(&dir, experiment.iteration()).map_err(exception)?),
        false => None,
    };
    let mut raised = None;
    let ending = experiment.run(&dir, backend, None, &mut |progress| {
        let unwritten = events.as_mut().and_then(|events| events.add(progress).err());
        match unwritten.map_or_else(|| look(callback, progress), |error| Err(exception(error))) {
            Ok(true) => ControlFlow::Break(()),
            Ok(false) => ControlFlow::Continue(()),
            Err(error) => {
                raised = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let (path, iteration) = (dir.path().to_owned(), experiment.iteration());
    if ending.map_err(exception)? == Ending::Stopped {
        return Ok((path, None, iteration));
    }
    events.map_or(Ok(()), |events| events.close(&dir)).map_err(exception)?;
    let (report, _) = conclude(&experiment, &dir, backend, &mut |_| {}).map_err(exception)?;
    Ok((path, Some(report.to_json().map_err(exception)?), experiment.iteration()))
}

/// Signals, and the callback: whether training is to end.
fn look(callback: Option<&Py<PyAny>>, progress: &Progress) -> PyResult<bool> {
    Python::attach(|py| {
        py.check_signals()?;
        let Some(callback) = callback else { return Ok(false) };
        let accuracy = progress.validation.as_ref().and_then(|line| line.accuracy);
        let seen = (
            progress.iteration,
            progress.total,
            progress.losses.query,
            progress.losses.support,
            progress.rate,
            accuracy,
        );
        callback.bind(py).call1(seen)?.is_truthy()
    })
}
