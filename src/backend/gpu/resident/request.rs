//! What is asked of a pass, and what its path hands back: told in one place, as both paths and the resident loop need it.

use crate::backend::gpu::device::Device;
use crate::backend::gpu::device::arena::{Arena, Slice};
use crate::error::Result;
use crate::meta::{OuterOptimizer, Plan};
use crate::task::Sampler;
use bytemuck::{Pod, Zeroable};

/// Operations that one dispatch, or a tile of the layered path, may take: a third of a second on a slow integrated GPU.
/// In a browser, which draws the page with the same device, 50 ms where a processor plays the GPU.
pub(crate) const DISPATCH_FLOPS: u64 =
    if cfg!(target_arch = "wasm32") { 200_000_000 } else { 50_000_000_000 };

/// Most meta-iterations in one submission.
pub(crate) const BLOCK: usize = 512;
/// Submissions under way at once: one runs while the host prepares the next.
pub(crate) const DEPTH: usize = 2;
/// What is wanted of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The meta-gradient; with `report` also each task's losses, and its fast weights if the plan tracks.
    Gradient {
        /// Whether each task's losses are written.
        report: bool,
    },
    /// Losses after each inner step, and predictions if asked for; nothing of the second order.
    Evaluation {
        /// Whether predictions are written.
        predictions: bool,
    },
}

/// Bytes from one `Now` to the next: the largest alignment that WebGPU allows an adapter to ask for.
pub(crate) const NOW_STRIDE: u64 = 256;

/// `Now` of the shaders: what changes from one meta-iteration to the next.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(crate) struct Now {
    pub(crate) iteration: u32,
    pub(crate) first_task: u32,
    pub(crate) query_first: u32,
    pub(crate) first_visit: u32,
    pub(crate) step: f32,
    pub(crate) root: f32,
    pub(crate) slot: u32,
    pub(crate) unused: u32,
}

/// Where the tasks come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// Uploaded by the host.
    Given,
    /// Drawn on the device.
    Sampler(&'a Sampler),
}

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) tasks: usize,
    pub(crate) purpose: Purpose,
    pub(crate) source: Source<'a>,
    /// Whether points have weights.
    pub(crate) weighted: bool,
    /// Without an outer optimizer the gradient is left for the host.
    pub(crate) outer: Option<&'a OuterOptimizer>,
    /// Meta-iterations that may be under way at once.
    pub(crate) slots: usize,
}

/// A slice with its arena.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) arena: Arena,
    pub(crate) slice: Slice,
}

impl Region {
    pub(crate) fn new(arena: &Arena, slice: Slice) -> Self {
        Self { arena: arena.clone(), slice }
    }

    pub(crate) fn bind(&self) -> wgpu::BufferBinding<'_> {
        self.arena.bind(self.slice)
    }

    pub(crate) fn poison(&self, device: &Device) -> Result<()> {
        self.arena.write(device, self.slice, &vec![f32::NAN; self.slice.bytes as usize / 4])
    }
}

/// Sums over groups of tasks, `[groups, columns]`: `P + R` of the gradient, query and support loss.
#[derive(Clone, Debug)]
pub(crate) struct Partials {
    pub(crate) region: Region,
    pub(crate) groups: u32,
    pub(crate) columns: u32,
}

/// What a path says of its report, in floats.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) query_losses: Option<u32>,
    pub(crate) support_losses: Option<u32>,
    pub(crate) fast: Option<u32>,
    pub(crate) predictions: Option<u32>,
}
