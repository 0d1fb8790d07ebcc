//! What a training will take of a device, before anything of it is allocated.

use super::backend::{GpuBackend, state_bytes};
use super::fused::FusedPlan;
use super::layered::LayeredPlan;
use super::reach::{Path, Reach};
use super::resident::draw::draws_here;
use super::resident::request::{BLOCK, DEPTH, NOW_STRIDE, Purpose};
use super::resident::staged;
use crate::error::{Error, Result};
use crate::meta::{Forecast, Plan, TrainPlan};
use crate::task::TaskSource;

/// What a training takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// How the meta-gradients are computed.
    pub path: Path,
    /// Bytes of device memory, but for what the driver adds.
    pub bytes: u64,
    /// Those of them that the path has no choice about: the data that tasks are drawn from, the state.
    pub others: u64,
    /// Whether support passes are computed again on the way back.
    pub recomputes: bool,
    /// Most points of a pass, where there are chunks of points.
    pub chunk: Option<usize>,
    /// Tiles that the tasks of a meta-iteration are cut into.
    pub tiles: usize,
    /// Dispatches of a meta-iteration.
    pub dispatches: usize,
}

impl From<Footprint> for Forecast {
    fn from(footprint: Footprint) -> Self {
        let Footprint { path, bytes, others: _, recomputes, chunk, tiles, dispatches } = footprint;
        let path = match path {
            Path::Layered => "layered",
            Path::Fused => "fused",
        };
        let mut cut = String::new();
        if tiles > 1 {
            cut += &format!(", the meta-batch in {tiles} tiles");
        }
        if recomputes {
            cut += ", support passes computed again";
        }
        if let Some(chunk) = chunk {
            cut += &format!(", points in chunks of {chunk}");
        }
        Self {
            bytes,
            host: false,
            layout: format!("{path} path, {dispatches} dispatches a meta-iteration{cut}"),
        }
    }
}

impl GpuBackend {
    /// What a training will take of this device.
    ///
    /// # Errors
    /// As [`Backend::training`](crate::meta::Backend::training), so far as no device is needed to see it.
    pub fn footprint(&self, plan: &TrainPlan) -> Result<Footprint> {
        self.reach().footprint(plan)
    }
}

/// What a training would take of an adapter with the limits that every implementation of WebGPU has; no device is needed.
///
/// # Errors
/// As [`GpuBackend::footprint`].
pub fn portable_footprint(plan: &TrainPlan) -> Result<Footprint> {
    Reach::portable().footprint(plan)
}

/// Whether such an adapter can judge `tasks` tasks at a time; no device is needed.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) naming what there is too little of.
pub fn portable_evaluation(plan: &Plan, tasks: usize) -> Result<()> {
    let (reach, purpose) = (Reach::portable(), Purpose::Evaluation { predictions: true });
    let capacity = &reach.capacity;
    match reach.path(plan, tasks, purpose, false)? {
        Path::Layered => {
            LayeredPlan::new(plan, tasks, purpose, [false; 2], capacity, &reach.layered_tuning(0)).map(drop)
        }
        Path::Fused => FusedPlan::new(plan, tasks, purpose, capacity, &reach.tuning).map(drop),
    }
}

impl Reach {
    fn footprint(&self, plan: &TrainPlan) -> Result<Footprint> {
        plan.check()?;
        let (purpose, tasks) = (Purpose::Gradient { report: false }, plan.sampler.tasks());
        let drawn = draws_here(&plan.sampler, &self.capacity);
        let data = match &plan.sampler.source {
            _ if !drawn => staged::bytes(&plan.plan, tasks, plan.sampler.weighs()),
            TaskSource::Images(images) => images.set().pixels().len() as u64,
            TaskSource::Series(table) => 4 * table.device_len() as u64,
            TaskSource::Sinusoid { .. } => 0,
            TaskSource::Custom(_) => staged::bytes(&plan.plan, tasks, plan.sampler.weighs()),
        };
        // With what changes by the meta-iteration.
        let others = data + state_bytes(&plan.plan) + (DEPTH * BLOCK) as u64 * (NOW_STRIDE + 8);
        let images = drawn && matches!(plan.sampler.source, TaskSource::Images(_));
        let only_layered = images || plan.sampler.weighs();
        let updates = if plan.outer.clip_norm.is_some() { 2 } else { 1 };
        let path = self.path(&plan.plan, tasks, purpose, only_layered)?;
        let capacity = &self.capacity;
        let footprint = match path {
            Path::Layered => {
                let laid = LayeredPlan::new(
                    &plan.plan,
                    tasks,
                    purpose,
                    [drawn, plan.sampler.weighs()],
                    capacity,
                    &self.layered_tuning(others),
                )?;
                let draws = usize::from(drawn);
                let dispatches = laid.tiles.iter().map(|tile| draws + tile.len()).sum::<usize>() + updates;
                let most = plan.plan.support.max(plan.plan.query);
                Footprint {
                    path,
                    bytes: others + laid.bytes(),
                    others,
                    recomputes: laid.cut.recompute,
                    chunk: Some(laid.cut.chunk).filter(|&chunk| chunk < most),
                    tiles: laid.tiles.len(),
                    dispatches,
                }
            }
            Path::Fused => {
                let laid = FusedPlan::new(&plan.plan, tasks, purpose, capacity, &self.tuning)?;
                let tiles = laid.groups.div_ceil(laid.groups_per_dispatch) as usize;
                let bytes = others + laid.bytes(&plan.plan);
                let dispatches = tiles + updates;
                Footprint { path, bytes, others, recomputes: false, chunk: None, tiles, dispatches }
            }
        };
        match self.memory {
            Some(most) if footprint.bytes > most => Err(Error::limit(
                "bytes of device memory for training",
                footprint.bytes,
                most,
                "allow more by run.max_memory, or use a smaller outer.meta_batch, inner.steps, points a task or model",
            )),
            Some(_) | None => Ok(footprint),
        }
    }
}
