//! A meta-learner over arrays.

use crate::arrays::{Array, Batch, array, array1};
use crate::devices::Device;
use crate::errors::exception;
use crate::model::Model;
use crate::settings::Settings;
use crate::sources::Source;
use crate::task_learners::TaskLearners;
use fastweights::Error;
use fastweights::learner::{Maml, MetaLearner as _};
use fastweights::meta::{InnerLoop, Losses, accuracy};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A learner and how often it was changed.
pub(crate) struct Inside {
    pub(crate) maml: Maml<'static>,
    pub(crate) changes: u64,
}

/// A meta-learner. Threads may share it: calls wait for one another, with the interpreter's lock given back.
#[pyclass(frozen, module = "fastweights._engine")]
pub(crate) struct Learner {
    inside: Mutex<Inside>,
    pub(crate) device: Device,
}

/// Meta-iterations, meta-parameters and both moments.
type State<'py> = (u64, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>);

impl Learner {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        // What a panic left behind is a state that it began with: steps change it last.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something without the interpreter's lock.
    pub(crate) fn with<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut Inside) -> fastweights::Result<T> + Send,
    ) -> PyResult<T> {
        self.device.check()?;
        py.detach(|| run(&mut self.lock())).map_err(exception)
    }

    /// The same with what changes the state.
    fn change<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut Maml<'static>) -> fastweights::Result<T> + Send,
    ) -> PyResult<T> {
        self.with(py, |inside| {
            let done = run(&mut inside.maml)?;
            inside.changes += 1;
            Ok(done)
        })
    }
}

#[pymethods]
impl Learner {
    #[new]
    fn new(py: Python<'_>, model: &Model, settings: &str, device: &Device) -> PyResult<Self> {
        device.check()?;
        let algorithm = Settings::read(settings)?.algorithm(&model.0)?;
        let maml = py.detach(|| Maml::new(algorithm, device.backend)).map_err(exception)?;
        Ok(Self { inside: Mutex::new(Inside { maml, changes: 0 }), device: device.clone() })
    }

    /// One meta-iteration: mean query and support loss.
    fn step(&self, py: Python<'_>, batch: Batch<'_>) -> PyResult<(f32, f32)> {
        let tasks = batch.tasks()?;
        let Losses { support, query } = self.change(py, |maml| maml.step(&tasks))?;
        Ok((query, support))
    }

    /// Mean query loss and its gradient, `[P + R]`, at the meta-parameters or at those given.
    #[pyo3(signature = (batch, params = None))]
    fn meta_gradient<'py>(
        &self,
        py: Python<'py>,
        batch: Batch<'py>,
        params: Option<PyReadonlyArray1<'py, f32>>,
    ) -> PyResult<(f32, Bound<'py, PyArray1<f32>>)> {
        let tasks = batch.tasks()?;
        let params = params.as_ref().map(|params| params.as_slice()).transpose()?;
        let out = self.with(py, |inside| {
            if let Some(params) = params {
                let place = &mut inside.maml.state_mut().params;
                if place.len() != params.len() {
                    return Err(Error::shape("meta-parameters", &[place.len()], &[params.len()]));
                }
                place.copy_from_slice(params);
            }
            inside.maml.meta_gradient(&tasks)
        })?;
        Ok((out.meta_loss, array1(py, out.gradient)))
    }

    /// Trains for `iterations` more; query losses of them. `callback` is called between blocks, or every so many
    /// meta-iterations, with their number, the last one's, mean query and support loss, meta-iterations a second and all query
    /// losses of the block; it ends the training by a true value.
    #[pyo3(signature = (source, iterations, meta_batch, seed, callback = None, every = None))]
    #[expect(clippy::too_many_arguments, reason = "arguments of a function of Python")]
    fn fit<'py>(
        &self,
        py: Python<'py>,
        source: &Source,
        iterations: u64,
        meta_batch: usize,
        seed: u64,
        callback: Option<Bound<'py, PyAny>>,
        every: Option<u64>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        self.train(py, source, (iterations, meta_batch, seed), callback.as_ref(), every)
    }

    /// Query losses after 0 … `steps` steps, `[tasks, steps + 1]`; accuracies alike, where targets are decisions; and
    /// predictions `[steps + 1, tasks, query, outputs]`.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        batch: Batch<'py>,
        steps: usize,
    ) -> PyResult<(Array<'py>, Option<Array<'py>>, Array<'py>)> {
        let tasks = batch.tasks()?;
        let (found, right, outputs) = self.with(py, |inside| {
            let found = inside.maml.evaluate(&tasks, steps, true)?;
            let right = accuracy(inside.maml.algorithm().loss, &found, &tasks);
            Ok((found, right, inside.maml.model().outputs()))
        })?;
        let rows = [tasks.tasks, steps + 1];
        let right = right.into_iter().map(|share| share as f32).collect::<Vec<_>>();
        let right = if right.is_empty() { None } else { Some(array(py, right, &rows)?) };
        let shape = [steps + 1, tasks.tasks, tasks.query, outputs];
        let predictions = array(py, found.predictions.unwrap_or_default(), &shape)?;
        Ok((array(py, found.query_loss, &rows)?, right, predictions))
    }

    /// A learner for each task, adapted.
    fn adapt(&self, py: Python<'_>, batch: Batch<'_>, steps: usize) -> PyResult<TaskLearners> {
        let tasks = batch.tasks()?;
        let learners = self.with(py, |inside| inside.maml.learners(&tasks, steps))?;
        TaskLearners::new(learners, self.device.clone())
    }

    /// Learners with these fast weights `[tasks, P]`, after so many steps.
    fn with_fast_weights(
        &self,
        py: Python<'_>,
        fast: PyReadonlyArray1<'_, f32>,
        steps: usize,
    ) -> PyResult<TaskLearners> {
        let fast = fast.as_slice()?;
        let learners = self.with(py, |inside| inside.maml.with_fast_weights(fast, steps))?;
        TaskLearners::new(learners, self.device.clone())
    }

    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<State<'py>> {
        let state = self.with(py, |inside| Ok(inside.maml.state().clone()))?;
        Ok((state.iteration, array1(py, state.params), array1(py, state.m), array1(py, state.v)))
    }

    /// Takes meta-parameters and, where they are given, the outer optimizer's state.
    #[pyo3(signature = (params, iteration = None, moments = None))]
    fn set_state(
        &self,
        py: Python<'_>,
        params: PyReadonlyArray1<'_, f32>,
        iteration: Option<u64>,
        moments: Option<(PyReadonlyArray1<'_, f32>, PyReadonlyArray1<'_, f32>)>,
    ) -> PyResult<()> {
        let params = params.as_slice()?.to_vec();
        let moments = match &moments {
            Some((m, v)) => Some((m.as_slice()?.to_vec(), v.as_slice()?.to_vec())),
            None => None,
        };
        self.change(py, |maml| {
            let needed = maml.state().params.len();
            let (m, v) = moments.unwrap_or_else(|| (maml.state().m.clone(), maml.state().v.clone()));
            if let Some(other) = [&params, &m, &v].into_iter().find(|part| part.len() != needed) {
                return Err(Error::shape("meta-parameters", &[needed], &[other.len()]));
            }
            let state = maml.state_mut();
            (state.params, state.m, state.v) = (params, m, v);
            state.iteration = iteration.unwrap_or(state.iteration);
            Ok(())
        })
    }

    fn save(&self, py: Python<'_>, path: PathBuf, note: String) -> PyResult<()> {
        self.with(py, |inside| inside.maml.save_with(&path, Some(note)))
    }

    fn load(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.change(py, |maml| maml.load(&path))
    }

    /// The parameters of the algorithm's model, which may have more than the one it was made of: name, shape, whether it is fixed.
    fn params(&self, py: Python<'_>) -> PyResult<Vec<(String, Vec<usize>, bool)>> {
        self.with(py, |inside| {
            let describe = |param: &fastweights::model::Param| {
                (param.name.clone(), param.shape.clone(), param.is_fixed())
            };
            Ok(inside.maml.model().params().iter().map(describe).collect())
        })
    }

    /// The settings of the inner loop, as JSON.
    fn inner(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |inside| {
            let inner: &InnerLoop = &inside.maml.algorithm().inner;
            serde_json::to_string(inner).map_err(|e| Error::failed(e.to_string()))
        })
    }
}

/// The note in a learner's file.
#[pyfunction]
pub(crate) fn note(py: Python<'_>, path: PathBuf) -> PyResult<Option<String>> {
    py.detach(|| fastweights::learner::note(&path)).map_err(exception)
}
