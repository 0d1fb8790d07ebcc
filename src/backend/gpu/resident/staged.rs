//! Tasks that the host draws for a resident training: those of a whole submission wait in one buffer, and each
//! meta-iteration begins with a copy of its own to where the dispatches look.

use super::request::{BLOCK, DEPTH, Region};
use crate::backend::gpu::device::Device;
use crate::error::Result;
use crate::meta::{Plan, TrainPlan};
use rayon::prelude::*;

/// Bytes of tasks that wait for one submission, unless one meta-iteration has more.
const ROOM: usize = 32 << 20;

/// The tasks of one submission.
#[derive(Debug)]
pub(crate) struct Staged {
    buffer: wgpu::Buffer,
    /// Support x and y, query x and y of all tasks of a meta-iteration, and their floats.
    to: [(Region, usize); 4],
    len: usize,
}

/// Meta-iterations that wait at a time, of `words` floats each.
fn waiting(words: usize) -> usize {
    (ROOM / (4 * words).max(1)).clamp(1, BLOCK)
}

/// Bytes of all buffers of a training over `tasks` tasks.
pub(crate) fn bytes(plan: &Plan, tasks: usize) -> u64 {
    let words = tasks * (plan.support + plan.query) * (plan.model.inputs() + plan.targets());
    (DEPTH * waiting(words) * 4 * words) as u64
}

impl Staged {
    /// Room for a submission of meta-iterations whose tasks go to `to`.
    ///
    /// # Errors
    /// As [`Device::buffer`].
    pub(crate) fn new(device: &Device, to: &[(Region, usize); 4]) -> Result<Self> {
        let words = to.iter().map(|(_, words)| words).sum();
        let len = waiting(words);
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = device.buffer("tasks of the host", (len * words * 4) as u64, usage)?;
        Ok(Self { buffer, to: to.clone(), len })
    }

    /// Meta-iterations that there is room for.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Draws the tasks of `count` meta-iterations from `first` on, ahead of what is submitted next.
    ///
    /// # Errors
    /// As [`Plan::check_inputs`], if a family gives labels that are no classes.
    pub(crate) fn fill(&self, device: &Device, plan: &TrainPlan, first: u64, count: usize) -> Result<()> {
        let drawn: Vec<_> = (first..first + count as u64)
            .into_par_iter()
            .map(|iteration| {
                let tasks = plan.sampler.batch(iteration);
                plan.plan.check_inputs(plan.plan.meta_len(), &tasks)?;
                Ok([tasks.support_x, tasks.support_y, tasks.query_x, tasks.query_y].concat())
            })
            .collect::<Result<_>>()?;
        device.queue().write_buffer(&self.buffer, 0, bytemuck::cast_slice(&drawn.concat()));
        Ok(())
    }

    /// Encodes the copy of the tasks of the meta-iteration `at` of a submission.
    pub(crate) fn copy(&self, at: usize, encoder: &mut wgpu::CommandEncoder) {
        let words: usize = self.to.iter().map(|(_, words)| words).sum();
        let mut from = (at * words * 4) as u64;
        for (region, words) in &self.to {
            let bytes = 4 * *words as u64;
            if bytes > 0 {
                let to = region.arena.buffer();
                encoder.copy_buffer_to_buffer(&self.buffer, from, to, region.slice.offset, bytes);
            }
            from += bytes;
        }
    }
}
