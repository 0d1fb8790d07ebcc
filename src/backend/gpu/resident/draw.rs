//! Tasks drawn on the device, for a pass that reads them from buffers (`shaders/draw.wgsl`).

use super::draw_images::{self, DrawImages};
use crate::backend::gpu::device::adapter::Capacity;
use crate::error::{Error, Result};
use crate::meta::Plan;
use crate::task::{Sampler, TaskSource};
use crate::wgsl::{Binding, Declaration};
use bytemuck::{Pod, Zeroable};
use std::borrow::Cow;

/// Points of a workgroup.
pub(crate) const WORKGROUP: u32 = 64;

/// The kernel.
pub(crate) const DECLARATION: Declaration = Declaration {
    shader: "draw",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("SOURCE", 1.0)],
    workgroup_bytes: 0,
};

/// `DrawPass` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(crate) struct DrawPass {
    pub(crate) first: u32,
    pub(crate) inputs: u32,
    pub(crate) targets: u32,
    pub(crate) support: u32,
    pub(crate) query: u32,
    pub(crate) unused: u32,
    pub(crate) draws: Draws,
}

/// What the draws of `shaders/task_draws.wgsl` depend on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(crate) struct Draws {
    pub(crate) pool: u32,
    pub(crate) points: u32,
    pub(crate) seed: [u32; 2],
    pub(crate) shuffled: u32,
    pub(crate) unused: u32,
    pub(crate) ranges: [[f32; 4]; 2],
    pub(crate) series: [u32; 4],
}

/// The values of `SOURCE`: tasks given, or drawn here.
pub(crate) const GIVEN: f64 = 0.0;
const SINUSOIDS: f64 = 1.0;
const SERIES: f64 = 2.0;

/// What kernels need to draw a sampler's tasks.
pub(crate) struct Drawn<'a> {
    pub(crate) draws: Draws,
    /// The table that is read.
    pub(crate) table: Cow<'a, [f32]>,
    /// The value of `SOURCE`.
    pub(crate) source: f64,
}

/// The kernel that draws a sampler's tasks, with all that it reads.
pub(crate) struct Drawer<'a> {
    pub(crate) declaration: &'static Declaration,
    pub(crate) constants: Vec<(&'static str, f64)>,
    /// Words that all tasks are drawn from.
    pub(crate) table: Cow<'a, [u32]>,
    shape: Shape,
}

/// The uniform, but for the first task.
enum Shape {
    Numbers(DrawPass),
    Images(DrawImages),
}

/// Whether a device of these limits draws such tasks itself: a family of one's own it cannot, of images no more than one binding
/// holds. Else the host does.
pub(crate) fn draws_here(sampler: &Sampler, capacity: &Capacity) -> bool {
    match &sampler.source {
        TaskSource::Custom(_) => false,
        TaskSource::Images(tasks) => DrawImages::fits(sampler, tasks, capacity.storage_binding_bytes),
        TaskSource::Sinusoid { .. } | TaskSource::Series(_) => true,
    }
}

impl<'a> Drawer<'a> {
    /// The drawer of a sampler for the points that a plan looks at.
    ///
    /// # Errors
    /// As [`Drawn::of`] and [`DrawImages::of`].
    pub(crate) fn new(plan: &Plan, sampler: &'a Sampler) -> Result<Self> {
        let (support, query) = (plan.support as u32, plan.query as u32);
        if let TaskSource::Images(tasks) = &sampler.source {
            let (shape, table) = DrawImages::of(sampler, tasks)?;
            return Ok(Self {
                declaration: &draw_images::DECLARATION,
                constants: Vec::new(),
                table: Cow::Owned(table),
                shape: Shape::Images(DrawImages { support, query, ..shape }),
            });
        }
        let Drawn { draws, table, source } = Drawn::of(sampler)?;
        let (inputs, targets) = (plan.model.inputs() as u32, plan.targets() as u32);
        Ok(Self {
            declaration: &DECLARATION,
            constants: vec![("SOURCE", source)],
            table: Cow::Owned(bytemuck::cast_slice(&table).to_vec()),
            shape: Shape::Numbers(DrawPass { inputs, targets, support, query, draws, ..DrawPass::default() }),
        })
    }

    /// The uniform of a tile that begins with the task `first`.
    pub(crate) fn uniform(&self, first: u32) -> Vec<u32> {
        match self.shape {
            Shape::Numbers(shape) => bytemuck::cast_slice(&[DrawPass { first, ..shape }]).to_vec(),
            Shape::Images(shape) => bytemuck::cast_slice(&[DrawImages { first, ..shape }]).to_vec(),
        }
    }

    /// Workgroups for `points` points of each of `tasks` tasks.
    pub(crate) fn workgroups(&self, points: u32, tasks: u32) -> [u32; 3] {
        match self.shape {
            Shape::Numbers(_) => [points.div_ceil(WORKGROUP), tasks, 1],
            Shape::Images(_) => [points, tasks, 1],
        }
    }
}

impl<'a> Drawn<'a> {
    /// The settings of a sampler, and the table that it reads.
    ///
    /// # Errors
    /// A pool or a table that cannot be drawn from, tasks that are not drawn by these kernels.
    pub(crate) fn of(sampler: &'a Sampler) -> Result<Self> {
        let mut draws = Draws {
            seed: [sampler.seed as u32, (sampler.seed >> 32) as u32],
            points: (sampler.support + sampler.query) as u32,
            shuffled: sampler.support as u32,
            ..Draws::default()
        };
        match &sampler.source {
            TaskSource::Sinusoid { family, pool } => {
                let width = |[low, high]: [f32; 2]| [low, high - low];
                let ([a, aw], [b, bw], [x, xw]) =
                    (width(family.amplitude), width(family.phase), width(family.x));
                draws.ranges = [[a, aw, b, bw], [x, xw, 0.0, 0.0]];
                draws.pool = pool.unwrap_or(0);
                if *pool == Some(0) || draws.pool > 1 << 31 {
                    return Err(Error::recipe(
                        "task.pool",
                        format!("is {}; 1 to 2147483648 are allowed", draws.pool),
                    ));
                }
                Ok(Self { draws, table: Cow::Borrowed(&[]), source: SINUSOIDS })
            }
            TaskSource::Series(table) => {
                let needed = table.window() + draws.points as usize;
                if table.shortest() < needed {
                    return Err(Error::shape("values of a series", &[needed], &[table.shortest()]));
                }
                let [values, scales] = table.device_places();
                draws.series = [table.count() as u32, values, table.window() as u32, scales];
                Ok(Self { draws, table: Cow::Owned(table.device_table()), source: SERIES })
            }
            TaskSource::Custom(_) => Err(Error::unsupported("tasks of one's own are drawn on the host")),
            TaskSource::Images(_) => {
                Err(Error::unsupported("the fused path draws no images; take the layered one"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Split, glyphs};
    use crate::task::{ImageTasks, Visit};
    use std::sync::Arc;

    #[test]
    fn the_host_draws_images_that_no_binding_holds() {
        let set = Arc::new(glyphs::generate(1, 30, 4, 8));
        let bytes = set.pixels().len() as u64;
        let source = TaskSource::Images(ImageTasks::new(set, Split::Train, 5, false).unwrap());
        let sampler = Sampler { source, seed: 1, meta_batch: 2, support: 5, query: 5, visit: Visit::Split };
        for (binding, here) in [(bytes / 2, false), (2 * bytes, true)] {
            let capacity = Capacity { storage_binding_bytes: binding, ..Capacity::portable() };
            assert_eq!(draws_here(&sampler, &capacity), here);
        }
    }
}
