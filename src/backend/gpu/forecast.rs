//! What a training will take of a device, before anything of it is allocated.

use super::backend::{GpuBackend, Path};
use super::fused::FusedPlan;
use super::layered::LayeredPlan;
use super::resident::request::{BLOCK, DEPTH, NOW_STRIDE, Purpose};
use super::resident::staged;
use crate::error::Result;
use crate::meta::{Forecast, TrainPlan};
use crate::task::TaskSource;

/// What a training takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// How the meta-gradients are computed.
    pub path: Path,
    /// Bytes of device memory, but for what the driver adds.
    pub bytes: u64,
    /// Tiles that the tasks of a meta-iteration are cut into.
    pub tiles: usize,
    /// Dispatches of a meta-iteration.
    pub dispatches: usize,
}

impl From<Footprint> for Forecast {
    fn from(footprint: Footprint) -> Self {
        let Footprint { path, bytes, tiles, dispatches } = footprint;
        let path = match path {
            Path::Layered => "layered",
            Path::Fused => "fused",
        };
        let cut = if tiles > 1 { format!(", the meta-batch in {tiles} tiles") } else { String::new() };
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
        plan.check()?;
        let (purpose, tasks) = (Purpose::Gradient { report: false }, plan.sampler.tasks());
        let data = match &plan.sampler.source {
            TaskSource::Images(images) => images.set().pixels().len() as u64,
            TaskSource::Series(table) => 4 * table.device_len() as u64,
            TaskSource::Sinusoid { .. } => 0,
            TaskSource::Custom(_) => staged::bytes(&plan.plan, tasks, plan.sampler.weighs()),
        };
        let (p, meta) = (plan.plan.model.param_count() as u64, plan.plan.meta_len() as u64);
        // θ₀, rates, θ₀ᵀ and the table of its places; two moments and the gradient; what changes by the meta-iteration.
        let state = 4 * (3 * p + plan.plan.rate_count() as u64 + 3 * meta);
        let shared = data + state + (DEPTH * BLOCK) as u64 * (NOW_STRIDE + 8);
        let images = matches!(plan.sampler.source, TaskSource::Images(_));
        let updates = if plan.outer.clip_norm.is_some() { 2 } else { 1 };
        let path = self.path(&plan.plan, tasks, purpose, images)?;
        let capacity = self.device().capacity();
        Ok(match path {
            Path::Layered => {
                let drawn = !matches!(plan.sampler.source, TaskSource::Custom(_));
                let laid = LayeredPlan::new(
                    &plan.plan,
                    tasks,
                    purpose,
                    [drawn, plan.sampler.weighs()],
                    capacity,
                    &self.layered_tuning(),
                )?;
                let draws = usize::from(drawn);
                let dispatches = laid.tiles.iter().map(|tile| draws + tile.len()).sum::<usize>() + updates;
                Footprint { path, bytes: shared + laid.bytes(), tiles: laid.tiles.len(), dispatches }
            }
            Path::Fused => {
                let laid = FusedPlan::new(&plan.plan, tasks, purpose, capacity, &self.tuning())?;
                let tiles = laid.groups.div_ceil(laid.groups_per_dispatch) as usize;
                let spill = 16 * u64::from(laid.spill) * u64::from(laid.groups_per_dispatch);
                let sums = 4 * u64::from(laid.groups) * (meta + 2);
                Footprint { path, bytes: shared + spill + sums, tiles, dispatches: tiles + updates }
            }
        })
    }
}
