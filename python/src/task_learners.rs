//! Adapted models: one for each task.

use crate::arrays::{Array, array, array1};
use crate::devices::Device;
use crate::errors::exception;
use fastweights::Error;
use fastweights::learner::{Learner, Points};
use numpy::{PyArray1, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Losses and, where targets are decisions, accuracies, `[tasks]`.
type Scores<'py> = (Bound<'py, PyArray1<f32>>, Option<Bound<'py, PyArray1<f32>>>);

/// Learners of many tasks, or of one.
#[pyclass(frozen, module = "fastweights._engine")]
pub(crate) struct TaskLearners {
    learners: Mutex<Vec<Learner<'static>>>,
    device: Device,
}

/// Runs something on each learner, on all threads where the device is the CPU; a GPU is one.
fn each<T: Send>(
    learners: &mut [Learner<'static>],
    threads: bool,
    run: impl Fn(usize, &mut Learner<'static>) -> fastweights::Result<T> + Sync,
) -> fastweights::Result<Vec<T>> {
    let threads = if threads { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let share = learners.len().div_ceil(threads).max(1);
    let run = &run;
    std::thread::scope(|scope| {
        let part = |(n, some): (usize, &mut [Learner<'static>])| {
            let indexed = some.iter_mut().enumerate();
            indexed.map(|(i, learner)| run(n * share + i, learner)).collect::<fastweights::Result<Vec<T>>>()
        };
        if learners.len() <= share {
            return part((0, learners));
        }
        let parts = learners.chunks_mut(share).enumerate();
        let started: Vec<_> = parts.map(|some| scope.spawn(move || part(some))).collect();
        let gone = |_| Err(Error::failed("a thread of the learners ended early"));
        let done: fastweights::Result<Vec<_>> =
            started.into_iter().map(|thread| thread.join().unwrap_or_else(gone)).collect();
        Ok(done?.into_iter().flatten().collect())
    })
}

impl TaskLearners {
    pub(crate) fn new(learners: Vec<Learner<'static>>, device: Device) -> PyResult<Self> {
        Ok(Self { learners: Mutex::new(learners), device })
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        run: impl FnOnce(&mut Vec<Learner<'static>>) -> fastweights::Result<T> + Send,
    ) -> PyResult<T> {
        self.device.check()?;
        py.detach(|| run(&mut self.learners.lock().unwrap_or_else(PoisonError::into_inner)))
            .map_err(exception)
    }
}

/// The numbers of one task of `[tasks, …]`.
fn of_task(all: &[f32], tasks: usize, task: usize) -> &[f32] {
    let width = all.len() / tasks.max(1);
    &all[task * width..][..width]
}

#[pymethods]
impl TaskLearners {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |learners| Ok(learners.len()))
    }

    /// One of them.
    fn one(&self, py: Python<'_>, task: usize) -> PyResult<Self> {
        let one = self.with(py, |learners| {
            let count = learners.len();
            let one = learners.get(task).cloned();
            one.ok_or_else(|| Error::shape("number of a task", &[count], &[task]))
        })?;
        Self::new(vec![one], self.device.clone())
    }

    /// Steps taken so far.
    fn steps(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |learners| Ok(learners.first().map_or(0, Learner::steps)))
    }

    /// Fast weights, `[tasks, P]`.
    fn fast_weights<'py>(&self, py: Python<'py>) -> PyResult<Array<'py>> {
        let (all, count) = self.with(py, |learners| {
            let all: Vec<f32> = learners.iter().flat_map(Learner::fast_weights).copied().collect();
            Ok((all, learners.len()))
        })?;
        let width = all.len() / count.max(1);
        array(py, all, &[count, width])
    }

    /// What they were cloned from, `[P + R]`.
    fn meta_parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let meta = self.with(py, |learners| {
            Ok(learners.first().map_or_else(Vec::new, |learner| learner.meta_parameters().to_vec()))
        })?;
        Ok(array1(py, meta))
    }

    /// Takes steps on `x: [tasks, points, …]` with targets.
    fn adapt(&self, py: Python<'_>, x: Array<'_>, y: Array<'_>, steps: usize) -> PyResult<()> {
        let (x, y) = (x.readonly(), y.readonly());
        let (x, y) = (x.as_slice()?, y.as_slice()?);
        let is_cpu = self.device.is_cpu;
        self.with(py, |learners| {
            let n = learners.len();
            let mut moved = learners.clone();
            each(&mut moved, is_cpu, |task, learner| {
                learner.adapt(&Points::new(of_task(x, n, task), of_task(y, n, task)), steps)
            })?;
            // All or none.
            *learners = moved;
            Ok(())
        })
    }

    /// Outputs `[tasks, points, outputs]` at `x: [tasks, points, …]`.
    fn predict<'py>(&self, py: Python<'py>, x: Array<'py>) -> PyResult<Array<'py>> {
        let points = x.shape().get(1).copied().unwrap_or(0);
        let x = x.readonly();
        let x = x.as_slice()?;
        let is_cpu = self.device.is_cpu;
        let (all, shape) = self.with(py, |learners| {
            let n = learners.len();
            let outputs = learners.first().map_or(0, |learner| learner.model().outputs());
            let all = each(learners, is_cpu, |task, learner| learner.predict(of_task(x, n, task)))?;
            Ok((all.concat(), [n, points, outputs]))
        })?;
        array(py, all, &shape)
    }

    /// Losses `[tasks]` and, where targets are decisions, accuracies.
    fn evaluate<'py>(&self, py: Python<'py>, x: Array<'py>, y: Array<'py>) -> PyResult<Scores<'py>> {
        let (x, y) = (x.readonly(), y.readonly());
        let (x, y) = (x.as_slice()?, y.as_slice()?);
        let is_cpu = self.device.is_cpu;
        let scores = self.with(py, |learners| {
            let n = learners.len();
            each(learners, is_cpu, |task, learner| {
                learner.evaluate(&Points::new(of_task(x, n, task), of_task(y, n, task)))
            })
        })?;
        let right: Option<Vec<f32>> = scores.iter().map(|score| score.accuracy).collect();
        let losses = scores.iter().map(|score| score.loss).collect();
        Ok((array1(py, losses), right.map(|right| array1(py, right))))
    }
}
