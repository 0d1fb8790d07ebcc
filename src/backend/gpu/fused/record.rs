//! The fused pass on a device: one dispatch for every task's meta-gradient (`shaders/fused.wgsl`), as many as there
//! are tiles of groups.

use super::kernel::DECLARATION;
use super::memory::Wanted;
use super::ops::Block;
use super::plan::{FusedPlan, Shape, Tuning};
use crate::backend::gpu::device::Device;
use crate::backend::gpu::device::arena::{Arena, Layout, Slice};
use crate::backend::gpu::device::kernel::Kernels;
use crate::backend::gpu::device::recording::Recording;
use crate::backend::gpu::resident::draw::{self, Drawn};
use crate::backend::gpu::resident::pass::{Pass, Recorded, State};
use crate::backend::gpu::resident::request::{Partials, Places, Region, Request, Source};
use crate::error::Result;
use crate::meta::Plan;
use std::borrow::Cow;
use std::sync::Arc;

/// What tasks share: the uniform of each tile, operations and blocks, data.
struct Constants {
    arena: Arena,
    shapes: Vec<Slice>,
    ops: Slice,
    blocks: Slice,
    data: Slice,
}

impl Constants {
    fn new(device: &Device, plan: &FusedPlan, given: &[f32]) -> Result<Self> {
        let mut layout = Layout::new("constants", device.capacity());
        let tiles = plan.groups.div_ceil(plan.groups_per_dispatch);
        let shapes = (0..tiles)
            .map(|_| layout.words("shape", size_of::<Shape>() as u64 / 4))
            .collect::<Result<Vec<_>>>()?;
        let ops = layout.words("operations", size_of_val(&plan.ops[..]) as u64 / 4)?;
        // Without a step there is no block, but a binding has room for one.
        let blocks = size_of_val(&plan.blocks[..]).max(size_of::<Block>()) as u64 / 4;
        let blocks = layout.words("blocks", blocks)?;
        let data = layout.words("tasks", given.len().max(plan.data_words as usize) as u64)?;
        let arena = layout.build(device)?;
        for (tile, &slice) in shapes.iter().enumerate() {
            let mut shape = plan.shape;
            shape.first_group = tile as u32 * plan.groups_per_dispatch;
            arena.write(device, slice, &[shape])?;
        }
        arena.write(device, ops, &plan.ops)?;
        arena.write(device, blocks, &plan.blocks)?;
        arena.write(device, data, given)?;
        Ok(Self { arena, shapes, ops, blocks, data })
    }
}

/// Lays out, compiles, allocates and records.
///
/// # Errors
/// As [`FusedPlan::new`], and failures of the device.
pub(crate) fn record(
    device: &Arc<Device>,
    kernels: &Kernels,
    tuning: &Tuning,
    request: &Request<'_>,
) -> Result<Pass> {
    let Request { plan: meta_plan, tasks, purpose, source, .. } = *request;
    let capacity = device.capacity();
    let mut plan = FusedPlan::new(meta_plan, tasks, purpose, capacity, tuning)?;
    let (given, source_code) = set_source(&mut plan, source)?;

    let Constants { arena: constants, shapes, ops, blocks, data } = Constants::new(device, &plan, &given)?;
    let state = State::new(device, request, plan.wanted.columns)?;

    let mut layout = Layout::new("scratch", capacity);
    let partial = layout.words("partial sums", u64::from(plan.groups) * u64::from(plan.wanted.columns))?;
    let spill =
        layout.words("spilled factors", 4 * u64::from(plan.spill) * u64::from(plan.groups_per_dispatch))?;
    let report = layout.words("report", plan.report_words)?;
    let scratch = layout.build(device)?;

    let mut constants_of = plan.constants.clone();
    constants_of.push(("SOURCE", source_code));
    let kernel = kernels.get(device, &DECLARATION, &constants_of)?;
    let mut recording = Recording::default();
    for (tile, &shape) in shapes.iter().enumerate() {
        let bindings = kernel.bind(
            device,
            &[
                constants.bind(shape),
                state.now(),
                state.params(),
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
    let partials = Partials {
        region: Region::new(&scratch, partial),
        groups: plan.groups,
        columns: plan.wanted.columns,
    };
    let Wanted { query_losses, support_losses, fast, predictions, .. } = plan.wanted;
    let places = Places { query_losses, support_losses, fast, predictions };
    let given = matches!(source, Source::Given).then(|| given_at(meta_plan, tasks, &constants, data.offset));
    let report = Region::new(&scratch, report);
    let submission = usize::from(shapes.len() > 1);
    let recorded = Recorded { recording, data: given, partials, report, places, submission };
    Pass::new(state, kernels, request, recorded)
}

/// Puts the task source into the shape; returns what it reads, and the value of `SOURCE`.
fn set_source<'a>(plan: &mut FusedPlan, source: Source<'a>) -> Result<(Cow<'a, [f32]>, f64)> {
    let Source::Sampler(sampler) = source else { return Ok((Cow::Borrowed(&[]), draw::GIVEN)) };
    let Drawn { draws, table, source } = Drawn::of(sampler)?;
    plan.data_words = 0;
    let shape = &mut plan.shape;
    (shape.pool, shape.points, shape.shuffled) = (draws.pool, draws.points, draws.shuffled);
    (shape.seed, shape.ranges, shape.series) = (draws.seed, draws.ranges, draws.series);
    Ok((table, source))
}

/// Where given tasks go, from byte `offset` on, and how many floats of each.
fn given_at(plan: &Plan, tasks: usize, constants: &Arena, mut offset: u64) -> Vec<(Region, usize)> {
    let (support, query) = (tasks * plan.support, tasks * plan.query);
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    let at = |words: usize| {
        let slice = Slice { offset, bytes: 4 * words as u64 };
        offset += slice.bytes;
        (Region::new(constants, slice), words)
    };
    [support * inputs, support * targets, query * inputs, query * targets].map(at).into()
}
