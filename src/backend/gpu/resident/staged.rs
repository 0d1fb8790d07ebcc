//! Tasks that the host draws for a resident training: those of a whole submission wait in one buffer, and each
//! meta-iteration begins with a copy of its own to where the dispatches look.

use super::request::{BLOCK, DEPTH, Region};
use crate::backend::gpu::device::Device;
use crate::error::Result;
use crate::meta::{Plan, TrainPlan};
use crate::task::TaskBatch;
use rayon::prelude::*;
use std::borrow::Cow;

/// Bytes of tasks that wait for one submission, unless one meta-iteration has more.
const ROOM: usize = 32 << 20;

/// The tasks of one submission.
#[derive(Debug)]
pub(crate) struct Staged {
    buffer: wgpu::Buffer,
    /// Where the [`arrays`] of a meta-iteration's tasks go, and their floats.
    to: Vec<(Region, usize)>,
    len: usize,
}

/// Meta-iterations that wait at a time, of `words` floats each.
fn waiting(words: usize) -> usize {
    (ROOM / (4 * words).max(1)).clamp(1, BLOCK)
}

/// Bytes of all buffers of a training over `tasks` tasks.
pub(crate) fn bytes(plan: &Plan, tasks: usize, weighted: bool) -> u64 {
    let point = plan.model.inputs() + plan.targets() + usize::from(weighted);
    let words = tasks * (plan.support + plan.query) * point;
    (DEPTH * waiting(words) * 4 * words) as u64
}

impl Staged {
    /// Room for a submission of meta-iterations whose tasks go to `to`.
    ///
    /// # Errors
    /// As [`Device::buffer`].
    pub(crate) fn new(device: &Device, to: &[(Region, usize)]) -> Result<Self> {
        let words = to.iter().map(|(_, words)| words).sum();
        let len = waiting(words);
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = device.buffer("tasks of the host", (len * words * 4) as u64, usage)?;
        Ok(Self { buffer, to: to.to_vec(), len })
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
                Ok(arrays(&tasks).concat())
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

/// What a device is given of tasks: support x and y, query x and y, and where they have weights the shares of support and query
/// points.
pub(crate) fn arrays(tasks: &TaskBatch) -> Vec<Cow<'_, [f32]>> {
    let points = [&tasks.support_x, &tasks.support_y, &tasks.query_x, &tasks.query_y];
    let mut all: Vec<Cow<'_, [f32]>> = points.map(|array| (**array).into()).into();
    if let Some(weights) = &tasks.weights {
        all.push(shares(&weights.support, tasks.support).into());
        all.push(shares(&weights.query, tasks.query).into());
    }
    all
}

/// Of each point its share of its task's mean.
fn shares(weights: &[f32], points: usize) -> Vec<f32> {
    let task = |weights: &[f32]| {
        let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        weights.iter().map(|&weight| (f64::from(weight) / sum) as f32).collect::<Vec<_>>()
    };
    weights.chunks_exact(points.max(1)).flat_map(task).collect()
}
