//! The fused pass on a device: one dispatch for every task's meta-gradient (`shaders/fused.wgsl`), as many as there
//! are tiles of groups.

use super::arena::{Layout, Slice};
use super::device::Device;
use super::draw::{self, Draws};
use super::fused_plan::{FusedPlan, Shape, Tuning};
use super::fused_program::Block;
use super::kernel::{Binding, Declaration, Kernels};
use super::pass::{Partials, Pass, Places, Recorded, Region, Request, Source, State};
use super::recording::Recording;
use crate::error::Result;
use std::borrow::Cow;
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
    constants: &[
        ("WORKGROUP", 64.0),
        ("FAST", 640.0),
        ("SCRATCH", 256.0),
        ("SPILLS", 0.0),
        ("LOSS", 0.0),
        ("SOURCE", 1.0),
    ],
    workgroup_bytes: (640 + 256) * 16 + 64 * 4,
};

/// Lays out, compiles, allocates and records.
///
/// # Errors
/// As [`FusedPlan::new`], and failures of the device.
pub(super) fn record(
    device: &Arc<Device>,
    kernels: &Kernels,
    tuning: &Tuning,
    request: &Request<'_>,
) -> Result<Pass> {
    let Request { plan: meta_plan, tasks, purpose, source, .. } = *request;
    let capacity = device.capacity();
    let mut plan = FusedPlan::new(meta_plan, tasks, purpose, capacity, tuning)?;
    let given = set_source(&mut plan, source)?;

    let mut layout = Layout::new("constants", capacity);
    let tiles = plan.groups.div_ceil(plan.groups_per_dispatch);
    let shapes = (0..tiles)
        .map(|_| layout.words("shape", size_of::<Shape>() as u64 / 4))
        .collect::<Result<Vec<_>>>()?;
    let ops = layout.words("operations", size_of_val(&plan.ops[..]) as u64 / 4)?;
    // Without a step there is no block, but a binding has room for one.
    let blocks = size_of_val(&plan.blocks[..]).max(size_of::<Block>()) as u64 / 4;
    let blocks = layout.words("blocks", blocks)?;
    let data = layout.words("tasks", given.len().max(plan.data_words as usize) as u64)?;
    let constants = layout.build(device)?;
    for (tile, &slice) in shapes.iter().enumerate() {
        let mut shape = plan.shape;
        shape.first_group = tile as u32 * plan.groups_per_dispatch;
        constants.write(device, slice, &[shape])?;
    }
    constants.write(device, ops, &plan.ops)?;
    constants.write(device, blocks, &plan.blocks)?;
    constants.write(device, data, &given)?;
    let state = State::new(device, request, plan.wanted.columns)?;

    let mut layout = Layout::new("scratch", capacity);
    let partial = layout.words("partial sums", u64::from(plan.groups) * u64::from(plan.wanted.columns))?;
    let spill =
        layout.words("spilled factors", 4 * u64::from(plan.spill) * u64::from(plan.groups_per_dispatch))?;
    let report = layout.words("report", plan.report_words)?;
    let scratch = layout.build(device)?;

    let mut constants_of = plan.constants.clone();
    constants_of.push(("SOURCE", draw::source_code(source)));
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
    let places = Places {
        query_losses: plan.wanted.query_losses,
        support_losses: plan.wanted.support_losses,
        fast: plan.wanted.fast,
        predictions: plan.wanted.predictions,
    };
    let given = matches!(source, Source::Given).then(|| {
        let (support, query) = (tasks * meta_plan.support, tasks * meta_plan.query);
        let (inputs, targets) = (meta_plan.model.inputs(), meta_plan.targets());
        let mut offset = data.offset;
        [support * inputs, support * targets, query * inputs, query * targets].map(|words| {
            let slice = Slice { offset, bytes: 4 * words as u64 };
            offset += slice.bytes;
            (Region::new(&constants, slice), words)
        })
    });
    let report = Region::new(&scratch, report);
    let submission = usize::from(tiles > 1);
    let recorded = Recorded { recording, data: given, partials, report, places, submission };
    Pass::new(state, kernels, request, recorded)
}

/// Puts the task source into the shape; returns what it reads.
fn set_source<'a>(plan: &mut FusedPlan, source: Source<'a>) -> Result<Cow<'a, [f32]>> {
    let Source::Sampler(sampler) = source else { return Ok(Cow::Borrowed(&[])) };
    let (draws, table) = Draws::of(sampler)?;
    plan.data_words = 0;
    let shape = &mut plan.shape;
    (shape.pool, shape.points, shape.shuffled) = (draws.pool, draws.points, draws.shuffled);
    (shape.seed, shape.ranges, shape.series) = (draws.seed, draws.ranges, draws.series);
    Ok(table)
}
