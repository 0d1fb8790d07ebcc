//! The pipelines of a training, before there is a device: what a compiler may be asked about.

use super::device::adapter::Capacity;
use super::fused::{self, FusedPlan};
use super::layered::LayeredPlan;
use super::reach::{Path, Reach};
use super::resident::draw::{self, Drawer, Drawn, draws_here};
use super::resident::request::Purpose;
use super::resident::{clipped_update, reduce};
use crate::error::Result;
use crate::meta::TrainPlan;
use crate::task::TaskSource;
use crate::wgsl::Declaration;

/// A pipeline, and how much of a meta-iteration it runs.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The kernel.
    pub kernel: &'static Declaration,
    /// Its constants that differ from what is declared.
    pub constants: Vec<(&'static str, f64)>,
    /// Dispatches of a meta-iteration.
    pub dispatches: usize,
    /// Workgroups of all of them.
    pub workgroups: u64,
}

/// The pipelines of a training, in the order of their first dispatch, on an adapter with a current card's limits.
///
/// # Errors
/// As [`GpuBackend::footprint`](super::GpuBackend::footprint).
pub fn pipelines(plan: &TrainPlan) -> Result<Vec<Pipeline>> {
    let reach = Reach::of(Capacity::card());
    plan.check()?;
    let (purpose, tasks) = (Purpose::Gradient { report: false }, plan.sampler.tasks());
    let drawn = draws_here(&plan.sampler, &reach.capacity);
    let images = drawn && matches!(plan.sampler.source, TaskSource::Images(_));
    let weighs = plan.sampler.weighs();
    let mut all = Uses::default();
    let (groups, columns) = match reach.path(&plan.plan, tasks, purpose, images || weighs)? {
        Path::Layered => {
            let tuning = reach.layered_tuning(0);
            let laid =
                LayeredPlan::new(&plan.plan, tasks, purpose, [drawn, weighs], &reach.capacity, &tuning)?;
            let drawer = if drawn { Some(Drawer::new(&plan.plan, &plan.sampler)?) } else { None };
            for (tile, dispatches) in laid.tiles.iter().enumerate() {
                if let Some(drawer) = &drawer {
                    let points = (plan.plan.support + plan.plan.query) as u32;
                    let count = laid.tile.min(tasks - tile * laid.tile);
                    all.add(drawer.declaration, &drawer.constants, drawer.workgroups(points, count as u32));
                }
                for dispatch in dispatches {
                    all.add(dispatch.kernel, &dispatch.constants, dispatch.workgroups);
                }
            }
            (laid.groups as u32, laid.columns as u32)
        }
        Path::Fused => {
            let laid = FusedPlan::new(&plan.plan, tasks, purpose, &reach.capacity, &reach.tuning)?;
            let source = if drawn { Drawn::of(&plan.sampler)?.source } else { draw::GIVEN };
            let mut constants = laid.constants.clone();
            constants.push(("SOURCE", source));
            for first in (0..laid.groups).step_by(laid.groups_per_dispatch as usize) {
                let groups = laid.groups_per_dispatch.min(laid.groups - first);
                all.add(&fused::kernel::DECLARATION, &constants, [groups, 1, 1]);
            }
            (laid.groups, laid.wanted.columns)
        }
    };
    let clips = plan.outer.clip_norm.is_some();
    let cut = reduce::Cut::of(groups, columns);
    all.add(&reduce::DECLARATION, &cut.constants(!clips), [cut.workgroups, 1, 1]);
    if clips {
        let workgroups = clipped_update::workgroups(plan.plan.meta_len() as u32);
        all.add(&clipped_update::DECLARATION, &[], [workgroups, 1, 1]);
    }
    Ok(all.0)
}

/// Pipelines, each once.
#[derive(Default)]
struct Uses(Vec<Pipeline>);

impl Uses {
    fn add(&mut self, kernel: &'static Declaration, constants: &[(&'static str, f64)], workgroups: [u32; 3]) {
        let workgroups = workgroups.map(u64::from).iter().product();
        let same =
            |known: &&mut Pipeline| known.kernel.shader == kernel.shader && known.constants == constants;
        match self.0.iter_mut().find(same) {
            Some(known) => {
                known.dispatches += 1;
                known.workgroups += workgroups;
            }
            None => {
                self.0.push(Pipeline { kernel, constants: constants.to_vec(), dispatches: 1, workgroups })
            }
        }
    }
}
