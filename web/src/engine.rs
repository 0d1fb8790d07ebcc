//! Where the page computes.

use crate::{Thrown, thrown};
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::{Choice, Device, GpuBackend};
use fastweights::case::Case;
use fastweights::meta::{Backend, Evaluation, MetaOutput, Plan};
use fastweights::task::TaskBatch;
use fastweights::wgsl::{Library, SOURCES};
use std::path::Path;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// A device.
#[derive(Clone)]
pub(crate) enum Kind {
    Gpu(Rc<GpuBackend>),
    Cpu(Rc<CpuBackend>),
}

impl Kind {
    pub(crate) async fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
    ) -> fastweights::Result<Evaluation> {
        match self {
            Self::Gpu(gpu) => gpu.evaluate_async(plan, theta, tasks, true).await,
            Self::Cpu(cpu) => cpu.evaluate(plan, theta, tasks, true),
        }
    }

    async fn meta_gradient(
        &self,
        plan: &Plan,
        params: &[f32],
        tasks: &TaskBatch,
    ) -> fastweights::Result<MetaOutput> {
        match self {
            Self::Gpu(gpu) => gpu.meta_gradient_async(plan, params, tasks).await,
            Self::Cpu(cpu) => cpu.meta_gradient(plan, params, tasks),
        }
    }
}

/// A device that is open.
#[wasm_bindgen]
pub struct Engine {
    pub(crate) kind: Kind,
}

#[wasm_bindgen]
impl Engine {
    /// The browser's GPU, with the limits that every one has.
    pub async fn gpu() -> Result<Engine, Thrown> {
        let device = Device::open_async(&Choice::Any).await.map_err(thrown)?;
        Ok(Self { kind: Kind::Gpu(Rc::new(GpuBackend::new(device))) })
    }

    /// The processor, by one thread.
    pub fn cpu() -> Engine {
        Self { kind: Kind::Cpu(Rc::new(CpuBackend::new(Some(1)))) }
    }

    /// What it is.
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Gpu(gpu) => gpu.name(),
            Kind::Cpu(cpu) => cpu.name(),
        }
    }

    /// Loses the GPU on purpose, for tests.
    pub fn lose(&self) {
        if let Kind::Gpu(gpu) = &self.kind {
            gpu.device().raw().destroy();
        }
    }

    /// The largest error of a case with a known meta-gradient: ‖out − ref‖ / ‖ref‖ over its tensors.
    pub async fn case_error(&self, name: String, bytes: Vec<u8>) -> Result<f64, Thrown> {
        let case = Case::parse(Path::new(&name), &bytes).map_err(thrown)?;
        let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
        let tasks = case.tasks.map(|v| v as f32);
        let output = self.kind.meta_gradient(&case.plan, &params, &tasks).await.map_err(thrown)?;
        let errors = case.compare(&output.widen());
        // NaN is the largest of all.
        Ok(errors.iter().map(|(_, error)| *error).fold(0.0, |a, b| if a >= b { a } else { b }))
    }

    /// Names and texts of all kernels, one after the other, for a compiler to look at.
    pub fn kernels() -> Result<Vec<String>, Thrown> {
        let library = Library::default();
        let mut all = Vec::new();
        for (_, name, _) in SOURCES {
            let text = library.resolve(name).map_err(thrown)?;
            if text.contains("@compute") {
                all.extend([(*name).to_owned(), text]);
            }
        }
        Ok(all)
    }
}
