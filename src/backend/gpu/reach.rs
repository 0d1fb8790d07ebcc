//! How far an adapter reaches: what is planned by its limits before it is asked for anything.

use super::device::adapter::Capacity;
use super::fused::{FusedPlan, Tuning};
use super::layered::LayeredTuning;
use super::resident::request::Purpose;
use crate::error::Result;
use crate::meta::Plan;

/// Widest layer of the fused path: beyond, a task is worth more than one workgroup.
const FUSED_WIDTH: usize = 128;

/// Most support points of all inner steps on the fused path: its weights are sums of as many outer products, and every
/// step goes through those of all steps before it.
const FUSED_RANK: usize = 1024;

/// How a meta-gradient is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// One workgroup a task runs everything; fast weights are kept as low-rank updates.
    Fused,
    /// A dispatch for each operation of each layer, over all tasks; every task has its own weights.
    Layered,
}

/// An adapter's limits, and how work is cut by them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) capacity: Capacity,
    pub(super) tuning: Tuning,
    pub(super) layered: LayeredTuning,
    /// Most bytes of device memory that a training or an evaluation may take.
    pub(super) memory: Option<u64>,
    /// The path that is forced; else fused where the plan fits it.
    pub(super) path: Option<Path>,
}

impl Reach {
    /// That of an adapter with the limits that every implementation of WebGPU has.
    pub(super) fn portable() -> Self {
        Self::of(Capacity::portable())
    }

    /// That of an adapter with these limits.
    pub(super) fn of(capacity: Capacity) -> Self {
        let tuning = Tuning {
            workgroup: 128.min(capacity.invocations),
            fast: 48 * 1024 / 16,
            groups_per_dispatch: capacity.workgroups,
            groups: 1024,
        };
        Self { capacity, tuning, layered: LayeredTuning::default(), memory: None, path: None }
    }

    /// The path that a plan over `tasks` tasks takes: layered where every parameter has its own rate, where the fused
    /// path does not fit the adapter, where layers are so wide that one workgroup a task would be the bottleneck, and
    /// where steps are so many that low rank is none. `only_layered` says that points have weights or are drawn images.
    ///
    /// # Errors
    /// As [`Plan::check`].
    pub(super) fn path(
        &self,
        plan: &Plan,
        tasks: usize,
        purpose: Purpose,
        only_layered: bool,
    ) -> Result<Path> {
        plan.check()?;
        if let Some(forced) = self.path {
            return Ok(forced);
        }
        let wide = plan.model.chain().iter().any(|d| d.inputs.max(d.outputs) > FUSED_WIDTH);
        let long = plan.steps * plan.support > FUSED_RANK;
        let fused = || FusedPlan::new(plan, tasks, purpose, &self.capacity, &self.tuning);
        Ok(if only_layered || wide || long || fused().is_err() { Path::Layered } else { Path::Fused })
    }

    /// The layered path's tuning where so many bytes go to other things.
    pub(super) fn layered_tuning(&self, others: u64) -> LayeredTuning {
        let allowed = self.memory.map_or(u64::MAX, |bytes| bytes.saturating_sub(others));
        LayeredTuning { memory: self.layered.memory.min(allowed), ..self.layered }
    }
}
