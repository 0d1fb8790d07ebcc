//! The fused pass on a device: one dispatch for every task's meta-gradient, one for the mean and the outer update
//! (`shaders/fused.wgsl`).

use super::adapter::Capacity;
use super::arena::{Arena, Layout, Slice};
use super::clipped_update;
use super::device::Device;
use super::fused_plan::{FusedPlan, Purpose, Shape, Tuning};
use super::fused_program::Wanted;
use super::kernel::{Binding, Declaration, Kernels};
use super::recording::Recording;
use super::reduce;
use crate::error::{Error, Result};
use crate::meta::{OuterKind, OuterOptimizer, Plan};
use crate::task::{Sampler, TaskBatch, TaskSource};
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

/// The kernel.
pub(super) const DECLARATION: Declaration = Declaration {
    shader: "fused",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", 64.0), ("FAST", 960.0), ("SPILLS", 0.0), ("LOSS", 0.0), ("SOURCE", 1.0)],
    workgroup_bytes: 960 * 16 + 64 * 4,
};

/// Bytes from one `Now` to the next: the largest alignment that WebGPU allows an adapter to ask for.
pub(super) const NOW_STRIDE: u64 = 256;

/// `Now` of the shaders: what changes from one meta-iteration to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Now {
    pub(super) iteration: u32,
    pub(super) first_task: u32,
    pub(super) query_first: u32,
    pub(super) first_visit: u32,
    pub(super) step: f32,
    pub(super) root: f32,
    pub(super) slot: u32,
    pub(super) unused: u32,
}

/// Where the tasks come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// Uploaded with [`Fused::upload`].
    Given,
    /// Drawn on the device.
    Sampler(&'a Sampler),
}

/// The buffers and dispatches of one plan.
#[derive(Debug)]
pub(super) struct Fused {
    device: Arc<Device>,
    plan: FusedPlan,
    meta: usize,
    constants: Arena,
    state: Arena,
    scratch: Arena,
    now: Arena,
    data: Slice,
    params: Slice,
    moments: Slice,
    gradient: Slice,
    log: Slice,
    report: Slice,
    partial: Slice,
    recording: Recording,
}

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tasks: usize,
    pub(super) purpose: Purpose,
    pub(super) source: Source<'a>,
    /// Without an outer optimizer the gradient is left for the host.
    pub(super) outer: Option<&'a OuterOptimizer>,
    /// Meta-iterations that may be under way at once.
    pub(super) slots: usize,
}

impl Fused {
    /// Lays out, compiles, allocates and records.
    ///
    /// # Errors
    /// As [`FusedPlan::new`], and failures of the device.
    pub(super) fn new(
        device: &Arc<Device>,
        kernels: &Kernels,
        tuning: &Tuning,
        request: &Request<'_>,
    ) -> Result<Self> {
        let Request { plan: meta_plan, tasks, purpose, source, outer, slots } = *request;
        let capacity = device.capacity();
        let mut plan = FusedPlan::new(meta_plan, tasks, purpose, capacity, tuning)?;
        let given = set_source(&mut plan, source)?;
        let (p, meta) = (meta_plan.model.param_count(), meta_plan.meta_len());
        let norm_parts = plan.wanted.columns.div_ceil(reduce::WIDTH);

        let mut layout = Layout::new("constants", capacity);
        let tiles = plan.groups.div_ceil(plan.groups_per_dispatch);
        let shapes = (0..tiles)
            .map(|_| layout.words("shape", size_of::<Shape>() as u64 / 4))
            .collect::<Result<Vec<_>>>()?;
        let outer_at = layout.words("outer", size_of::<reduce::Outer>() as u64 / 4)?;
        let table = layout.words("transposition", p as u64)?;
        let ops = layout.words("operations", size_of_val(&plan.ops[..]) as u64 / 4)?;
        let blocks = layout.words("blocks", size_of_val(&plan.blocks[..]) as u64 / 4)?;
        let data = layout.words("tasks", given.len().max(plan.data_words as usize) as u64)?;
        let constants = layout.build(device)?;
        for (tile, &slice) in shapes.iter().enumerate() {
            let mut shape = plan.shape;
            shape.first_group = tile as u32 * plan.groups_per_dispatch;
            constants.write(device, slice, &[shape])?;
        }
        constants.write(device, ops, &plan.ops)?;
        constants.write(device, blocks, &plan.blocks)?;
        constants.write(device, data, given)?;
        constants.write(device, table, &transposition(meta_plan))?;
        let settings = reduce::Outer::new(outer, &plan, [p, meta], tasks, norm_parts);
        constants.write(device, outer_at, &[settings])?;

        let mut layout = Layout::new("state", capacity);
        let params = layout.words("meta-parameters", plan.params_words)?;
        let moments = layout.words("moments", if outer.is_some() { 2 * meta as u64 } else { 0 })?;
        let gradient = layout.words("gradient", meta as u64 + u64::from(norm_parts))?;
        let log = layout.words("losses", 2 * slots as u64)?;
        let state = layout.build(device)?;

        let mut layout = Layout::new("scratch", capacity);
        let partial =
            layout.words("partial sums", u64::from(plan.groups) * u64::from(plan.wanted.columns))?;
        let spill = layout
            .words("spilled factors", 4 * u64::from(plan.spill) * u64::from(plan.groups_per_dispatch))?;
        let report = layout.words("report", plan.report_words)?;
        let scratch = layout.build(device)?;

        let mut layout =
            Layout::new("iterations", &Capacity { storage_binding_bytes: u64::MAX, ..*capacity });
        let nows = layout.words("iterations", slots as u64 * NOW_STRIDE / 4)?;
        let now = layout.build(device)?;
        let now_at = || now.bind(Slice { bytes: size_of::<Now>() as u64, ..nows });

        let mut constants_of = plan.constants.clone();
        constants_of.push(("SOURCE", f64::from(source_code(source))));
        let kernel = kernels.get(device, &DECLARATION, &constants_of)?;
        let mut recording = Recording::default();
        for (tile, &shape) in shapes.iter().enumerate() {
            let bindings = kernel.bind(
                device,
                &[
                    constants.bind(shape),
                    now_at(),
                    state.bind(params),
                    constants.bind(data),
                    constants.bind(ops),
                    constants.bind(blocks),
                    scratch.bind(partial),
                    scratch.bind(report),
                    scratch.bind(spill),
                ],
            )?;
            let first = tile as u32 * plan.groups_per_dispatch;
            let groups = plan.groups_per_dispatch.min(plan.groups - first);
            recording.push(&kernel, bindings, [groups, 1, 1]);
        }
        if matches!(purpose, Purpose::Gradient { .. }) {
            let common = || {
                [
                    constants.bind(outer_at),
                    now_at(),
                    state.bind(params),
                    state.bind(moments),
                    constants.bind(table),
                    state.bind(gradient),
                ]
            };
            let clips_norm = outer.is_some_and(|outer| outer.clip_norm.is_some());
            let update = f64::from(u8::from(outer.is_some() && !clips_norm));
            let kernel = kernels.get(device, &reduce::DECLARATION, &[("UPDATE", update)])?;
            let mut bindings = common().to_vec();
            bindings.extend([scratch.bind(partial), state.bind(log)]);
            recording.push(&kernel, kernel.bind(device, &bindings)?, [norm_parts, 1, 1]);
            if clips_norm {
                let kernel = kernels.get(device, &clipped_update::DECLARATION, &[])?;
                let workgroups = (meta as u32).div_ceil(clipped_update::WORKGROUP);
                recording.push(&kernel, kernel.bind(device, &common())?, [workgroups, 1, 1]);
            }
        }
        Ok(Self {
            device: Arc::clone(device),
            plan,
            meta,
            constants,
            state,
            scratch,
            now,
            data,
            params,
            moments,
            gradient,
            log,
            report,
            partial,
            recording,
        })
    }

    /// Sets the meta-parameters `[P + R]`; fixed rates come from the plan.
    pub(super) fn set_params(&self, plan: &Plan, params: &[f32]) -> Result<()> {
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
        self.state.write(&self.device, self.params, &all)
    }

    /// Sets Adam's moments, `[P + R]` each.
    pub(super) fn set_moments(&self, m: &[f32], v: &[f32]) -> Result<()> {
        if m.len() != self.meta || v.len() != self.meta {
            return Err(Error::shape("moments", &[self.meta, self.meta], &[m.len(), v.len()]));
        }
        self.state.write(&self.device, self.moments, &[m, v].concat())
    }

    /// Uploads given tasks.
    pub(super) fn upload(&self, tasks: &TaskBatch) -> Result<()> {
        tasks.check()?;
        let all = [&tasks.support_x[..], &tasks.support_y, &tasks.query_x, &tasks.query_y].concat();
        if all.len() as u64 != self.plan.data_words {
            return Err(Error::shape("tasks", &[self.plan.data_words as usize], &[all.len()]));
        }
        self.constants.write(&self.device, self.data, &all)
    }

    /// Writes what the iterations from `slot` on need.
    pub(super) fn set_now(&self, slot: usize, nows: &[Now]) {
        let mut bytes = vec![0_u8; nows.len() * NOW_STRIDE as usize];
        for (now, to) in nows.iter().zip(bytes.chunks_exact_mut(NOW_STRIDE as usize)) {
            to[..size_of::<Now>()].copy_from_slice(bytemuck::bytes_of(now));
        }
        self.device.queue().write_buffer(self.now.buffer(), slot as u64 * NOW_STRIDE, &bytes);
    }

    /// Submits the iterations `slots`, with a copy of their losses to `losses` behind them.
    ///
    /// A batch that was cut into several dispatches is submitted dispatch by dispatch: each may take long, and a
    /// driver resets a device that does not answer for about two seconds.
    pub(super) fn submit(
        &self,
        slots: std::ops::Range<usize>,
        losses: Option<&wgpu::Buffer>,
    ) -> wgpu::SubmissionIndex {
        let raw = self.device.raw();
        let new_encoder = || raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut encoder = new_encoder();
        let is_cut = self.plan.groups > self.plan.groups_per_dispatch;
        if is_cut {
            for (slot, step) in
                slots.clone().flat_map(|slot| (0..self.recording.len()).map(move |s| (slot, s)))
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.recording.encode_one(step, &mut pass, slot as u32 * NOW_STRIDE as u32);
                drop(pass);
                let full = std::mem::replace(&mut encoder, new_encoder());
                self.device.queue().submit([full.finish()]);
            }
        } else {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for slot in slots.clone() {
                self.recording.encode(&mut pass, slot as u32 * NOW_STRIDE as u32);
            }
        }
        if let Some(to) = losses {
            let from = self.log.offset + 8 * slots.start as u64;
            encoder.copy_buffer_to_buffer(self.state.buffer(), from, to, 0, 8 * slots.len() as u64);
        }
        self.device.queue().submit([encoder.finish()])
    }

    /// Fills everything that a pass should write with NaN, so that an element nobody writes is seen.
    pub(super) fn poison(&self) -> Result<()> {
        for (arena, slice) in [
            (&self.scratch, self.partial),
            (&self.scratch, self.report),
            (&self.state, self.gradient),
            (&self.state, self.log),
        ] {
            arena.write(&self.device, slice, &vec![f32::NAN; slice.bytes as usize / 4])?;
        }
        Ok(())
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.plan.wanted
    }

    /// The gradient, `[P + R]`.
    pub(super) fn gradient(&self) -> Result<Vec<f32>> {
        self.state.read(&self.device, self.gradient, 0, self.meta)
    }

    /// The query and the support loss of the first slot.
    pub(super) fn losses(&self) -> Result<[f32; 2]> {
        let losses: Vec<f32> = self.state.read(&self.device, self.log, 0, 2)?;
        Ok([losses[0], losses[1]])
    }

    /// `count` floats of the report from `at`.
    pub(super) fn report(&self, at: u32, count: usize) -> Result<Vec<f32>> {
        self.scratch.read(&self.device, self.report, at as usize, count)
    }

    /// Meta-parameters and moments, each `[P + R]`.
    pub(super) fn read_state(&self) -> Result<[Vec<f32>; 3]> {
        Ok([
            self.state.read(&self.device, self.params, 0, self.meta)?,
            self.state.read(&self.device, self.moments, 0, self.meta)?,
            self.state.read(&self.device, self.moments, self.meta, self.meta)?,
        ])
    }
}

/// Place in θ₀ᵀ of each element of θ₀.
fn transposition(plan: &Plan) -> Vec<u32> {
    let mut table = Vec::with_capacity(plan.model.param_count());
    for block in plan.model.dense() {
        for o in 0..block.outputs {
            table.extend((0..block.inputs).map(|k| (block.weight + k * block.outputs + o) as u32));
        }
        table.extend((block.bias..block.bias + block.outputs).map(|b| b as u32));
    }
    table
}

fn source_code(source: Source<'_>) -> u8 {
    match source {
        Source::Given => 0,
        Source::Sampler(sampler) => match sampler.source {
            TaskSource::Sinusoid { .. } => 1,
            TaskSource::Series(_) => 2,
        },
    }
}

/// Puts the task source into the shape; returns what it reads.
fn set_source<'a>(plan: &mut FusedPlan, source: Source<'a>) -> Result<&'a [f32]> {
    let Source::Sampler(sampler) = source else { return Ok(&[]) };
    let shape = &mut plan.shape;
    plan.data_words = 0;
    shape.seed = [sampler.seed as u32, (sampler.seed >> 32) as u32];
    shape.points = (sampler.support + sampler.query) as u32;
    shape.shuffled = sampler.support as u32;
    match &sampler.source {
        TaskSource::Sinusoid { family, pool } => {
            let width = |[low, high]: [f32; 2]| [low, high - low];
            let ([a, aw], [b, bw], [x, xw]) = (width(family.amplitude), width(family.phase), width(family.x));
            shape.ranges = [[a, aw, b, bw], [x, xw, 0.0, 0.0]];
            shape.pool = pool.unwrap_or(0);
            if *pool == Some(0) || shape.pool > 1 << 31 {
                return Err(Error::recipe(
                    "task.pool",
                    format!("is {}; 1 to 2147483648 are allowed", shape.pool),
                ));
            }
            Ok(&[])
        }
        TaskSource::Series(table) => {
            let starts = table.length() as i64 - table.window() as i64 - i64::from(shape.points) + 1;
            if starts < 1 {
                let needed = table.window() + shape.points as usize;
                return Err(Error::shape("values of a series", &[needed], &[table.length()]));
            }
            shape.series =
                [table.count() as u32, table.length() as u32, starts as u32, table.window() as u32];
            Ok(table.values())
        }
    }
}

impl reduce::Outer {
    fn new(
        outer: Option<&OuterOptimizer>,
        plan: &FusedPlan,
        [params, meta]: [usize; 2],
        tasks: usize,
        norm_parts: u32,
    ) -> Self {
        let fallback = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(0.0, 1) };
        let outer = outer.unwrap_or(&fallback);
        Self {
            groups: plan.groups,
            columns: plan.wanted.columns,
            params: params as u32,
            meta: meta as u32,
            transposed: plan.params_words as u32 - params as u32,
            rule: (outer.kind == OuterKind::Adam).into(),
            clips_value: outer.clip_value.is_some().into(),
            norm_parts,
            inverse_tasks: (1.0 / tasks as f64) as f32,
            beta1: outer.beta1 as f32,
            rest1: (1.0 - outer.beta1) as f32,
            beta2: outer.beta2 as f32,
            rest2: (1.0 - outer.beta2) as f32,
            epsilon: outer.epsilon as f32,
            clip_value: outer.clip_value.unwrap_or(0.0),
            clip_norm: outer.clip_norm.unwrap_or(0.0),
        }
    }
}
