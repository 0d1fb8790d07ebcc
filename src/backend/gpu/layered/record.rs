//! The layered pass on a device: the dispatches of a [`LayeredPlan`], recorded.

use super::emit::UNIFORM_STRIDE;
use super::layout::Role;
use super::plan::{LayeredPlan, LayeredTuning};
use crate::backend::gpu::device::Device;
use crate::backend::gpu::device::arena::{Arena, Layout, Slice};
use crate::backend::gpu::device::kernel::{Kernel, Kernels};
use crate::backend::gpu::device::recording::Recording;
use crate::backend::gpu::resident::draw::Drawer;
use crate::backend::gpu::resident::pass::{Pass, Recorded, State};
use crate::backend::gpu::resident::request::{Partials, Region, Request, Source};
use crate::error::Result;
use crate::meta::Plan;
use crate::task::Sampler;
use crate::wgsl::lower::Bound;
use std::sync::Arc;

/// Lays out, compiles, allocates and records.
///
/// # Errors
/// As [`LayeredPlan::new`], and failures of the device.
pub(crate) fn record(
    device: &Arc<Device>,
    kernels: &Kernels,
    tuning: &LayeredTuning,
    request: &Request<'_>,
) -> Result<Pass> {
    let Request { plan: meta_plan, tasks, purpose, source, .. } = *request;
    let capacity = device.capacity();
    let drawn = matches!(source, Source::Sampler(_));
    let plan = LayeredPlan::new(meta_plan, tasks, purpose, [drawn, request.weighted], capacity, tuning)?;
    let state = State::new(device, request, plan.columns as u32)?;
    let arenas = plan.layouts.iter().map(|layout| layout.build(device)).collect::<Result<Vec<_>>>()?;
    let arena = |role: Role| &arenas[role.index()];

    // One binding never sees them all, so only the buffer's size is limited.
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let uniforms = device.buffer("uniforms", plan.uniforms.len() as u64, usage)?;
    device.queue().write_buffer(&uniforms, 0, &plan.uniforms);
    let bind = |bound: &Bound| match *bound {
        Bound::Params => state.params(),
        Bound::Slice(buffer, slice) => arenas[buffer].bind(slice),
        Bound::Uniform(at) => wgpu::BufferBinding {
            buffer: &uniforms,
            offset: at as u64,
            size: wgpu::BufferSize::new(UNIFORM_STRIDE as u64),
        },
    };

    let wanted = plan.tiles.iter().flatten();
    kernels.compile(device, wanted.map(|dispatch| (dispatch.kernel, &dispatch.constants[..])))?;
    let drawing = match source {
        Source::Sampler(sampler) => Some(Drawing::new(device, kernels, meta_plan, sampler, &plan)?),
        Source::Given => None,
    };
    let mut recording = Recording::default();
    for (tile, dispatches) in plan.tiles.iter().enumerate() {
        if let Some(drawing) = &drawing {
            let points = plan.points().map(|slice| arena(Role::Points).bind(slice));
            let bindings = drawing.kernel.bind(device, &drawing.bindings(tile, state.now(), points))?;
            let count = plan.tile.min(tasks - tile * plan.tile);
            recording.push(&drawing.kernel, bindings, drawing.workgroups(meta_plan, count));
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
    let data = (!drawn).then(|| given(meta_plan, tasks, request.weighted, arena(Role::Points), &plan));
    let submission = plan.submission(recording.len());
    let recorded = Recorded { recording, data, partials, report, places: plan.report, submission };
    Pass::new(state, kernels, request, recorded)
}

/// Tasks drawn on the device, tile by tile.
struct Drawing<'a> {
    drawer: Drawer<'a>,
    constants: Arena,
    /// The uniform of each tile.
    shapes: Vec<Slice>,
    data: Slice,
    kernel: Arc<Kernel>,
}

impl<'a> Drawing<'a> {
    fn new(
        device: &Device,
        kernels: &Kernels,
        plan: &Plan,
        sampler: &'a Sampler,
        layered: &LayeredPlan,
    ) -> Result<Self> {
        let drawer = Drawer::new(plan, sampler)?;
        let uniforms: Vec<_> =
            (0..layered.tiles.len()).map(|tile| drawer.uniform((tile * layered.tile) as u32)).collect();
        let mut layout = Layout::new("draws", device.capacity());
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
        Ok(Self { drawer, constants, shapes, data, kernel })
    }

    fn bindings<'b>(
        &'b self,
        tile: usize,
        now: wgpu::BufferBinding<'b>,
        points: [wgpu::BufferBinding<'b>; 4],
    ) -> Vec<wgpu::BufferBinding<'b>> {
        let own = [self.constants.bind(self.shapes[tile]), now, self.constants.bind(self.data)];
        own.into_iter().chain(points).collect()
    }

    fn workgroups(&self, plan: &Plan, tasks: usize) -> [u32; 3] {
        self.drawer.workgroups((plan.support + plan.query) as u32, tasks as u32)
    }
}

/// Where given tasks go, and how many floats of each.
fn given(
    plan: &Plan,
    tasks: usize,
    weighted: bool,
    points: &Arena,
    layered: &LayeredPlan,
) -> Vec<(Region, usize)> {
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    let (support, query) = (tasks * plan.support, tasks * plan.query);
    let words = [support * inputs, support * targets, query * inputs, query * targets];
    let mut all: Vec<_> = layered.points().into_iter().zip(words).collect();
    if weighted {
        all.extend(layered.shares().into_iter().zip([support, query]));
    }
    all.into_iter().map(|(slice, words)| (Region::new(points, slice), words)).collect()
}
