//! What a training will take of a device, before anything of it is allocated.

use super::backend::{GpuBackend, Path};
use super::fused_plan::{FusedPlan, Purpose};
use super::layered_plan::LayeredPlan;
use super::pass::NOW_STRIDE;
use super::resident::{BLOCK, DEPTH};
use crate::error::Result;
use crate::meta::TrainPlan;
use crate::task::TaskSource;

/// What a training takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// How the meta-gradients are computed.
    pub path: Path,
    /// Bytes of device memory, but for what the driver adds.
    pub bytes: u64,
    /// Tiles that the tasks of a meta-iteration are cut into.
    pub tiles: usize,
    /// Dispatches of a meta-iteration.
    pub dispatches: usize,
}

impl GpuBackend {
    /// What a training will take of this device.
    ///
    /// # Errors
    /// As [`Backend::training`](crate::meta::Backend::training), so far as no device is needed to see it.
    pub fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        plan.check()?;
        let (purpose, tasks) = (Purpose::Gradient { report: false }, plan.sampler.tasks());
        let data = match &plan.sampler.source {
            TaskSource::Images(images) => images.set().pixels().len() as u64,
            TaskSource::Series(table) => 4 * table.device_len() as u64,
            TaskSource::Sinusoid { .. } => 0,
        };
        let (p, meta) = (plan.plan.model.param_count() as u64, plan.plan.meta_len() as u64);
        // θ₀, rates, θ₀ᵀ and the table of its places; two moments and the gradient; what changes by the meta-iteration.
        let state = 4 * (3 * p + plan.plan.rate_count() as u64 + 3 * meta);
        let shared = data + state + (DEPTH * BLOCK) as u64 * (NOW_STRIDE + 8);
        let updates = if plan.outer.clip_norm.is_some() { 2 } else { 1 };
        let path = self.path_of_drawn(&plan.plan, &plan.sampler, tasks)?;
        let capacity = self.device().capacity();
        Ok(match path {
            Path::Layered => {
                let laid =
                    LayeredPlan::new(&plan.plan, tasks, purpose, true, capacity, &self.layered_tuning())?;
                let dispatches = laid.tiles.iter().map(|tile| 1 + tile.len()).sum::<usize>() + updates;
                Forecast { path, bytes: shared + laid.bytes(), tiles: laid.tiles.len(), dispatches }
            }
            Path::Fused | Path::Auto => {
                let laid = FusedPlan::new(&plan.plan, tasks, purpose, capacity, &self.tuning())?;
                let tiles = laid.groups.div_ceil(laid.groups_per_dispatch) as usize;
                let spill = 16 * u64::from(laid.spill) * u64::from(laid.groups_per_dispatch);
                let sums = 4 * u64::from(laid.groups) * (meta + 2);
                Forecast { path, bytes: shared + spill + sums, tiles, dispatches: tiles + updates }
            }
        })
    }
}
