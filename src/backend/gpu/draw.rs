//! Tasks drawn on the device, for a pass that reads them from buffers (`shaders/draw.wgsl`).

use super::kernel::{Binding, Declaration};
use super::pass::Source;
use crate::error::{Error, Result};
use crate::task::{Sampler, TaskSource};
use bytemuck::{Pod, Zeroable};

/// Points of a workgroup.
pub(super) const WORKGROUP: u32 = 64;

/// The kernel.
pub(super) const DECLARATION: Declaration = Declaration {
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
pub(super) struct DrawPass {
    pub(super) first: u32,
    pub(super) inputs: u32,
    pub(super) targets: u32,
    pub(super) support: u32,
    pub(super) query: u32,
    pub(super) unused: u32,
    pub(super) draws: Draws,
}

/// What the draws of `shaders/task_draws.wgsl` depend on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Draws {
    pub(super) pool: u32,
    pub(super) points: u32,
    pub(super) seed: [u32; 2],
    pub(super) shuffled: u32,
    pub(super) unused: u32,
    pub(super) ranges: [[f32; 4]; 2],
    pub(super) series: [u32; 4],
}

/// The value of `SOURCE`.
pub(super) fn source_code(source: Source<'_>) -> f64 {
    match source {
        Source::Given => 0.0,
        Source::Sampler(sampler) => match sampler.source {
            TaskSource::Sinusoid { .. } => 1.0,
            TaskSource::Series(_) => 2.0,
            TaskSource::Images(_) => 3.0,
        },
    }
}

impl Draws {
    /// The settings of a sampler, and the table that it reads.
    ///
    /// # Errors
    /// A pool or a table that cannot be drawn from.
    pub(super) fn of(sampler: &Sampler) -> Result<(Self, &[f32])> {
        let mut draws = Self {
            seed: [sampler.seed as u32, (sampler.seed >> 32) as u32],
            points: (sampler.support + sampler.query) as u32,
            shuffled: sampler.support as u32,
            ..Self::default()
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
                Ok((draws, &[]))
            }
            TaskSource::Series(table) => {
                let starts = table.length() as i64 - table.window() as i64 - i64::from(draws.points) + 1;
                if starts < 1 {
                    let needed = table.window() + draws.points as usize;
                    return Err(Error::shape("values of a series", &[needed], &[table.length()]));
                }
                draws.series =
                    [table.count() as u32, table.length() as u32, starts as u32, table.window() as u32];
                Ok((draws, table.values()))
            }
            TaskSource::Images(_) => {
                Err(Error::unsupported("the GPU draws no image tasks so far; use --device cpu"))
            }
        }
    }
}
