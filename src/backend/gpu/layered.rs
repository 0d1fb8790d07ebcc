//! The layered pass on a device: the dispatches of a [`LayeredPlan`], recorded.

use super::arena::{Arena, Layout};
use super::device::Device;
use super::draw::Drawer;
use super::kernel::Kernels;
use super::layered_plan::{Bound, LayeredPlan, LayeredTuning, Role, UNIFORM_STRIDE};
use super::pass::{Partials, Pass, Recorded, Region, Request, Source, State};
use super::recording::Recording;
use crate::error::Result;
use std::sync::Arc;

/// Lays out, compiles, allocates and records.
///
/// # Errors
/// As [`LayeredPlan::new`], and failures of the device.
pub(super) fn record(
    device: &Arc<Device>,
    kernels: &Kernels,
    tuning: &LayeredTuning,
    request: &Request<'_>,
) -> Result<Pass> {
    let Request { plan: meta_plan, tasks, purpose, source, .. } = *request;
    let capacity = device.capacity();
    let drawn = matches!(source, Source::Sampler(_));
    let plan = LayeredPlan::new(meta_plan, tasks, purpose, drawn, capacity, tuning)?;
    let state = State::new(device, request, plan.columns as u32)?;
    let arenas = plan.layouts.iter().map(|layout| layout.build(device)).collect::<Result<Vec<_>>>()?;
    let arena = |role: Role| &arenas[role.index()];

    let mut layout = Layout::new("uniforms", capacity);
    // One binding never sees them all, so only the buffer's size is limited.
    let uniforms = device.buffer(
        "uniforms",
        plan.uniforms.len() as u64,
        wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
    )?;
    device.queue().write_buffer(&uniforms, 0, &plan.uniforms);
    let bind = |bound: &Bound| match *bound {
        Bound::Params => state.params(),
        Bound::Slice(role, slice) => arena(role).bind(slice),
        Bound::Uniform(at) => wgpu::BufferBinding {
            buffer: &uniforms,
            offset: at as u64,
            size: wgpu::BufferSize::new(UNIFORM_STRIDE as u64),
        },
    };

    let mut drawing = None;
    if let Source::Sampler(sampler) = source {
        let drawer = Drawer::new(meta_plan, sampler)?;
        let uniforms: Vec<_> =
            (0..plan.tiles.len()).map(|tile| drawer.uniform((tile * plan.tile) as u32)).collect();
        let shapes = (uniforms.iter())
            .map(|words| layout.words("draws", words.len() as u64))
            .collect::<Result<Vec<_>>>()?;
        let data = layout.words("data that tasks are drawn from", drawer.table.len() as u64)?;
        let constants = layout.build(device)?;
        for (words, &slice) in uniforms.iter().zip(&shapes) {
            constants.write(device, slice, words)?;
        }
        constants.write(device, data, &drawer.table)?;
        let kernel = kernels.get(device, drawer.declaration, &drawer.constants)?;
        drawing = Some((constants, shapes, data, kernel, drawer));
    }

    let mut recording = Recording::default();
    for (tile, dispatches) in plan.tiles.iter().enumerate() {
        if let Some((constants, shapes, data, kernel, drawer)) = &drawing {
            let mut bindings = vec![constants.bind(shapes[tile]), state.now(), constants.bind(*data)];
            bindings.extend(plan.points().map(|slice| arena(Role::Points).bind(slice)));
            let points = (meta_plan.support + meta_plan.query) as u32;
            let count = plan.tile.min(tasks - tile * plan.tile) as u32;
            recording.push(kernel, kernel.bind(device, &bindings)?, drawer.workgroups(points, count));
        }
        for dispatch in dispatches {
            let kernel = kernels.get(device, dispatch.kernel, &dispatch.constants)?;
            let bindings: Vec<_> = dispatch.bindings.iter().map(bind).collect();
            recording.push(&kernel, kernel.bind(device, &bindings)?, dispatch.workgroups);
        }
    }

    let partials = Partials {
        region: Region::new(arena(Role::Partials), plan.partials()),
        groups: plan.groups as u32,
        columns: plan.columns as u32,
    };
    let report = Region::new(arena(Role::Report), plan.report_slice());
    let data = (!drawn).then(|| given(meta_plan, tasks, arena(Role::Points), &plan));
    let submission = plan.submission(recording.len());
    let recorded = Recorded { recording, data, partials, report, places: plan.report, submission };
    Pass::new(state, kernels, request, recorded)
}

/// Where given tasks go, and how many floats of each.
fn given(
    plan: &crate::meta::Plan,
    tasks: usize,
    points: &Arena,
    layered: &LayeredPlan,
) -> [(Region, usize); 4] {
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    let [support_x, support_y, query_x, query_y] = layered.points().map(|slice| Region::new(points, slice));
    [
        (support_x, tasks * plan.support * inputs),
        (support_y, tasks * plan.support * targets),
        (query_x, tasks * plan.query * inputs),
        (query_y, tasks * plan.query * targets),
    ]
}
