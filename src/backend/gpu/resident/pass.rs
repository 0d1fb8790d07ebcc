//! A recorded meta-gradient: what the fused and the layered path have in common. The paths fill partial sums over groups
//! of tasks; here are the state that they start from, the mean over tasks, and the outer update.

use super::clipped_update;
use super::reduce;
use super::request::{NOW_STRIDE, Now, Partials, Places, Purpose, Region, Request};
use super::staged::{Staged, arrays};
use crate::backend::gpu::device::Device;
use crate::backend::gpu::device::adapter::Capacity;
use crate::backend::gpu::device::arena::{Arena, Layout, Slice};
use crate::backend::gpu::device::kernel::Kernels;
use crate::backend::gpu::device::recording::Recording;
use crate::error::{Error, Result};
use crate::meta::Plan;
use crate::task::TaskBatch;
use std::sync::Arc;

/// What lives from one meta-iteration to the next.
#[derive(Debug)]
pub(crate) struct State {
    device: Arc<Device>,
    arena: Arena,
    now: Arena,
    now_slice: Slice,
    params: Slice,
    moments: Slice,
    gradient: Slice,
    log: Slice,
    meta: usize,
}

impl State {
    /// Allocates the state.
    pub(crate) fn new(device: &Arc<Device>, request: &Request<'_>, columns: u32) -> Result<Self> {
        let (plan, capacity) = (request.plan, device.capacity());
        let meta = plan.meta_len();
        // One for each workgroup of the reduction, however it is cut.
        let norm_parts = u64::from(columns.min(reduce::MOST_GROUPS));
        let params_words = 2 * plan.model.param_count() + plan.rate_count();
        let mut layout = Layout::new("state", capacity);
        let params = layout.words("meta-parameters", params_words as u64)?;
        let moments = layout.words("moments", if request.outer.is_some() { 2 * meta as u64 } else { 0 })?;
        let gradient = layout.words("gradient", meta as u64 + norm_parts)?;
        let log = layout.words("losses", 2 * request.slots as u64)?;
        let arena = layout.build(device)?;
        let mut layout =
            Layout::new("iterations", &Capacity { storage_binding_bytes: u64::MAX, ..*capacity });
        let nows = layout.words("iterations", request.slots as u64 * NOW_STRIDE / 4)?;
        let now = layout.build(device)?;
        let now_slice = Slice { bytes: size_of::<Now>() as u64, ..nows };
        Ok(Self { device: Arc::clone(device), arena, now, now_slice, params, moments, gradient, log, meta })
    }

    /// θ₀, inner rates, θ₀ᵀ.
    pub(crate) fn params(&self) -> wgpu::BufferBinding<'_> {
        self.arena.bind(self.params)
    }

    /// The dynamic uniform with the iteration.
    pub(crate) fn now(&self) -> wgpu::BufferBinding<'_> {
        self.now.bind(self.now_slice)
    }

    /// Records the mean over tasks and, with an outer optimizer, the update.
    fn reduce(
        &self,
        kernels: &Kernels,
        request: &Request<'_>,
        partials: &Partials,
        recording: &mut Recording,
    ) -> Result<()> {
        let (device, plan) = (&self.device, request.plan);
        let cut = reduce::Cut::of(partials.groups, partials.columns);
        let mut layout = Layout::new("outer", device.capacity());
        let outer_at = layout.words("outer", size_of::<reduce::Outer>() as u64 / 4)?;
        let table = layout.words("transposition", plan.model.param_count() as u64)?;
        let constants = layout.build(device)?;
        constants.write(device, table, &transposition(plan))?;
        let settings = reduce::Outer::new(request, partials, cut);
        constants.write(device, outer_at, &[settings])?;
        let common = || {
            [
                constants.bind(outer_at),
                self.now(),
                self.params(),
                self.arena.bind(self.moments),
                constants.bind(table),
                self.arena.bind(self.gradient),
            ]
        };
        let clips_norm = request.outer.is_some_and(|outer| outer.clip_norm.is_some());
        let constants_of = cut.constants(request.outer.is_some() && !clips_norm);
        let kernel = kernels.get(device, &reduce::DECLARATION, &constants_of)?;
        let mut bindings = common().to_vec();
        bindings.extend([partials.region.bind(), self.arena.bind(self.log)]);
        recording.push(&kernel, kernel.bind(device, &bindings)?, [cut.workgroups, 1, 1]);
        if clips_norm {
            let kernel = kernels.get(device, &clipped_update::DECLARATION, &[])?;
            let workgroups = clipped_update::workgroups(self.meta as u32);
            recording.push(&kernel, kernel.bind(device, &common())?, [workgroups, 1, 1]);
        }
        Ok(())
    }
}

/// What a path has recorded.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) recording: Recording,
    /// Where what [`arrays`] gives goes and its floats, where tasks are given.
    pub(crate) data: Option<Vec<(Region, usize)>>,
    pub(crate) partials: Partials,
    pub(crate) report: Region,
    pub(crate) places: Places,
    /// Dispatches that are submitted together; 0 if all are.
    pub(crate) submission: usize,
}

/// The buffers and dispatches of one plan.
#[derive(Debug)]
pub(crate) struct Pass {
    state: State,
    recorded: Recorded,
}

impl Pass {
    /// Appends the mean over tasks and the outer update to what a path has recorded.
    pub(crate) fn new(
        state: State,
        kernels: &Kernels,
        request: &Request<'_>,
        mut recorded: Recorded,
    ) -> Result<Self> {
        if matches!(request.purpose, Purpose::Gradient { .. }) {
            state.reduce(kernels, request, &recorded.partials, &mut recorded.recording)?;
        }
        Ok(Self { state, recorded })
    }

    /// Sets the meta-parameters `[P + R]`; fixed rates come from the plan.
    pub(crate) fn set_params(&self, plan: &Plan, params: &[f32]) -> Result<()> {
        let p = plan.model.param_count();
        let expected = plan.meta_len();
        if params.len() != expected {
            return Err(Error::shape("meta-parameters", &[expected], &[params.len()]));
        }
        let mut all = params.to_vec();
        if plan.learned_rates() == 0 {
            all.extend(plan.rates.values.iter().map(|&rate| rate as f32));
        }
        let mut transposed = vec![0.0; p];
        for (value, &to) in params.iter().zip(&transposition(plan)) {
            transposed[to as usize] = *value;
        }
        all.extend(transposed);
        self.state.arena.write(&self.state.device, self.state.params, &all)
    }

    /// Sets Adam's moments, `[P + R]` each.
    pub(crate) fn set_moments(&self, m: &[f32], v: &[f32]) -> Result<()> {
        let meta = self.state.meta;
        if m.len() != meta || v.len() != meta {
            return Err(Error::shape("moments", &[meta, meta], &[m.len(), v.len()]));
        }
        self.state.arena.write(&self.state.device, self.state.moments, &[m, v].concat())
    }

    /// Uploads given tasks.
    pub(crate) fn upload(&self, tasks: &TaskBatch) -> Result<()> {
        tasks.check()?;
        let Some(data) = &self.recorded.data else {
            return Err(Error::shape("given tasks", &[0], &[tasks.tasks]));
        };
        for ((region, words), array) in data.iter().zip(arrays(tasks)) {
            if array.len() != *words {
                return Err(Error::shape("tasks", &[*words], &[array.len()]));
            }
            region.arena.write(&self.state.device, region.slice, &array)?;
        }
        Ok(())
    }

    /// Writes what the iterations from `slot` on need.
    pub(crate) fn set_now(&self, slot: usize, nows: &[Now]) {
        let mut bytes = vec![0_u8; nows.len() * NOW_STRIDE as usize];
        for (now, to) in nows.iter().zip(bytes.chunks_exact_mut(NOW_STRIDE as usize)) {
            to[..size_of::<Now>()].copy_from_slice(bytemuck::bytes_of(now));
        }
        let queue = self.state.device.queue();
        queue.write_buffer(self.state.now.buffer(), slot as u64 * NOW_STRIDE, &bytes);
    }

    /// Submits the iterations `slots`, with a copy of their losses to `losses` behind them; `staged` holds their tasks
    /// where the host drew them.
    ///
    /// A meta-iteration of much work is submitted in parts: a driver resets a device that does not answer for about two
    /// seconds.
    pub(crate) fn submit(
        &self,
        slots: std::ops::Range<usize>,
        losses: Option<&wgpu::Buffer>,
        staged: Option<&Staged>,
    ) -> wgpu::SubmissionIndex {
        let (device, state) = (&self.state.device, &self.state);
        let new_encoder = || device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut encoder = new_encoder();
        let all = 0..self.recorded.recording.len();
        let together = match self.recorded.submission {
            0 => all.len().max(1),
            some => some,
        };
        let mut pass = None;
        for slot in slots.clone() {
            if let Some(staged) = staged {
                pass = None;
                staged.copy(slot - slots.start, &mut encoder);
            }
            for step in all.clone() {
                if step > 0 && step % together == 0 {
                    pass = None;
                    let full = std::mem::replace(&mut encoder, new_encoder());
                    device.queue().submit([full.finish()]);
                }
                let pass = pass.get_or_insert_with(|| {
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime()
                });
                self.recorded.recording.encode_one(step, pass, slot as u32 * NOW_STRIDE as u32);
            }
        }
        drop(pass);
        if let Some(to) = losses {
            let from = state.log.offset + 8 * slots.start as u64;
            encoder.copy_buffer_to_buffer(state.arena.buffer(), from, to, 0, 8 * slots.len() as u64);
        }
        device.queue().submit([encoder.finish()])
    }

    /// Cuts a meta-iteration into twice as many submissions, as far as it has dispatches.
    pub(crate) fn cut(&mut self) {
        self.recorded.submission = self.recorded.recording.len().div_ceil(2 * self.parts()).max(1);
    }

    /// Submissions of a meta-iteration.
    pub(crate) fn parts(&self) -> usize {
        match self.recorded.submission {
            0 => 1,
            some => self.recorded.recording.len().div_ceil(some).max(1),
        }
    }

    /// Fills everything that a pass should write with NaN, so that an element nobody writes is seen.
    pub(crate) fn poison(&self) -> Result<()> {
        let State { device, arena, gradient, log, .. } = &self.state;
        for region in [
            &self.recorded.partials.region,
            &self.recorded.report,
            &Region::new(arena, *gradient),
            &Region::new(arena, *log),
        ] {
            region.poison(device)?;
        }
        Ok(())
    }

    /// Where given tasks go, with their floats.
    pub(crate) fn given(&self) -> Option<&[(Region, usize)]> {
        self.recorded.data.as_deref()
    }

    /// The dispatches of a meta-iteration.
    pub(crate) fn recording(&self) -> &Recording {
        &self.recorded.recording
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.state.device
    }

    /// Where each part of the report is.
    pub(crate) fn places(&self) -> Places {
        self.recorded.places
    }

    /// The gradient, `[P + R]`.
    pub(crate) async fn gradient(&self) -> Result<Vec<f32>> {
        self.state.arena.read(&self.state.device, self.state.gradient, 0, self.state.meta).await
    }

    /// Rows of sums over groups of tasks.
    pub(crate) fn rows(&self) -> usize {
        self.recorded.partials.groups as usize
    }

    /// These sums, `[rows, P + R + 2]`: the gradient, query and support loss.
    pub(crate) async fn sums(&self) -> Result<Vec<f32>> {
        let Partials { region, groups, columns } = &self.recorded.partials;
        region.arena.read(&self.state.device, region.slice, 0, (groups * columns) as usize).await
    }

    /// The query and the support loss of the first slot.
    pub(crate) async fn losses(&self) -> Result<[f32; 2]> {
        let losses: Vec<f32> = self.state.arena.read(&self.state.device, self.state.log, 0, 2).await?;
        Ok([losses[0], losses[1]])
    }

    /// `count` floats of the report from `at`.
    pub(crate) async fn report(&self, at: u32, count: usize) -> Result<Vec<f32>> {
        self.recorded
            .report
            .arena
            .read(&self.state.device, self.recorded.report.slice, at as usize, count)
            .await
    }

    /// Meta-parameters and moments, each `[P + R]`.
    pub(crate) async fn read_state(&self) -> Result<[Vec<f32>; 3]> {
        let State { device, arena, params, moments, meta, .. } = &self.state;
        Ok([
            arena.read(device, *params, 0, *meta).await?,
            arena.read(device, *moments, 0, *meta).await?,
            arena.read(device, *moments, *meta, *meta).await?,
        ])
    }
}

/// Place in θ₀ᵀ of each element of θ₀; models that do not go the fused path need no transposition.
fn transposition(plan: &Plan) -> Vec<u32> {
    if !plan.model.is_chain() {
        return (0..plan.model.param_count() as u32).collect();
    }
    let mut table = Vec::with_capacity(plan.model.param_count());
    for block in plan.model.chain() {
        for o in 0..block.outputs {
            table.extend((0..block.inputs).map(|k| (block.weight + k * block.outputs + o) as u32));
        }
        table.extend((block.bias..block.bias + block.outputs).map(|b| b as u32));
    }
    table
}
