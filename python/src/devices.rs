//! Devices, each opened once a process and kept for its life, so that learners may share it.

use crate::errors::{DeviceError, exception};
use fastweights::backend::gpu::adapter;
use fastweights::backend::{Opened, open};
use fastweights::meta::Backend;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// An opened device.
#[pyclass(frozen, module = "fastweights._engine")]
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) backend: &'static dyn Backend,
    #[pyo3(get)]
    pub(crate) is_cpu: bool,
    /// Why this one.
    #[pyo3(get)]
    why: String,
    /// The process that opened it.
    process: u32,
}

/// What is open: what it was called by, threads, device.
static OPEN: Mutex<Vec<(String, Option<usize>, Device)>> = Mutex::new(Vec::new());

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (name, threads = None))]
    fn new(py: Python<'_>, name: String, threads: Option<usize>) -> PyResult<Self> {
        py.detach(|| {
            let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            let process = std::process::id();
            let known = all.iter().find(|(n, t, device)| {
                (n, t) == (&name, &threads) && (device.is_cpu || device.process == process)
            });
            if let Some((.., device)) = known {
                return Ok(device.clone());
            }
            let Opened { backend, why, is_cpu } = open(&name, threads, None)?;
            let device = Self { backend: Box::leak(backend), is_cpu, why, process };
            all.push((name, threads, device.clone()));
            Ok(device)
        })
        .map_err(exception)
    }

    /// What it is, for people.
    #[getter]
    fn name(&self) -> String {
        self.backend.name()
    }

    fn __repr__(&self) -> String {
        format!("<fastweights device: {}>", self.backend.name())
    }
}

impl Device {
    /// Refuses a GPU that another process opened: a driver does not survive a fork.
    pub(crate) fn check(&self) -> PyResult<()> {
        if self.is_cpu || self.process == std::process::id() {
            return Ok(());
        }
        Err(DeviceError::new_err(format!(
            "{} was opened before this process was forked, and a GPU does not survive that; start processes by \
             multiprocessing's `spawn` or `forkserver`, or make the learner in the new process",
            self.backend.name()
        )))
    }
}

/// GPU adapters, as (index, name, kind, API): what `device=` may name.
#[pyfunction]
pub(crate) fn adapters(py: Python<'_>) -> Vec<(usize, String, String, String)> {
    let describe = |report: adapter::AdapterReport| {
        (report.index, report.name.clone(), report.kind.to_string(), report.backend.to_string())
    };
    py.detach(|| adapter::list().into_iter().map(describe).collect())
}
