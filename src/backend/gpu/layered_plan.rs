//! Everything about the layered pass that does not need a device: where each number lies, how tasks are cut into
//! tiles, and every dispatch with what it binds.
//!
//! One dispatch is one operation of one layer over all tasks of a tile. Numbers are kept apart by role, so that no
//! dispatch reads and writes one arena; activations and their like lie in two arenas in turn, by layer, the fast
//! weights by step.

use super::adapter::Capacity;
use super::arena::{Layout, Slice};
use super::fused_plan::{DISPATCH_FLOPS, Purpose};
use super::kernel::Declaration;
use super::layered_layout::{Facts, Slices, Wanted};
use super::layered_ops::Emitter;
use super::pass::Places;
use crate::error::{Error, Result};
use crate::meta::Plan;
use crate::model::Operations;

/// Bytes from one uniform to the next.
pub const UNIFORM_STRIDE: usize = 256;

/// The buffers by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// θ₀ and the inner rates; the caller's.
    Params,
    /// Points of tasks: given ones of all tasks, or drawn ones of a tile.
    Points,
    /// θ_1 … θ_K, by step.
    Fast(usize),
    /// Outputs of layers, by layer.
    Outputs(usize),
    /// Cotangents dz, by layer.
    Cotangents(usize),
    /// Tangents of outputs, by layer.
    OutputTangents(usize),
    /// Tangents of cotangents, by layer.
    CotangentTangents(usize),
    /// Gradients of inner steps, of optimizers that need them whole.
    Gradients,
    /// Moments of inner optimizers, by step.
    Moments(usize),
    /// The direction of tangents and the adjoints of the moments.
    Adjoints,
    /// Statistics of batch norms.
    Stats,
    /// What a batch norm's tangent leaves for the way back.
    Records,
    /// A row a task: v, gradients of the rates, query and support loss.
    Rows,
    /// Sums of rows over groups of tasks; with one task a group these are the rows themselves.
    Partials,
    /// Parts of the gradients of shared rates.
    RateSums,
    /// Stretches of sums that workgroups share.
    Stretches,
    /// Losses, fast weights and predictions for the host.
    Report,
}

impl Role {
    /// Roles whose arenas the pass has of its own.
    pub const OWN: [Self; 22] = [
        Self::Points,
        Self::Fast(0),
        Self::Fast(1),
        Self::Outputs(0),
        Self::Outputs(1),
        Self::Cotangents(0),
        Self::Cotangents(1),
        Self::OutputTangents(0),
        Self::OutputTangents(1),
        Self::CotangentTangents(0),
        Self::CotangentTangents(1),
        Self::Gradients,
        Self::Moments(0),
        Self::Moments(1),
        Self::Adjoints,
        Self::Stats,
        Self::Records,
        Self::Rows,
        Self::Partials,
        Self::RateSums,
        Self::Stretches,
        Self::Report,
    ];

    /// The label of its buffer.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Params => "meta-parameters",
            Self::Points => "points of tasks",
            Self::Fast(_) => "fast weights",
            Self::Outputs(_) => "outputs of layers",
            Self::Cotangents(_) => "cotangents",
            Self::OutputTangents(_) => "tangents of outputs",
            Self::CotangentTangents(_) => "tangents of cotangents",
            Self::Gradients => "inner gradients",
            Self::Moments(_) => "inner moments",
            Self::Adjoints => "adjoints of inner steps",
            Self::Stats => "statistics of batch norms",
            Self::Records => "records of batch norms",
            Self::Rows => "rows of tasks",
            Self::Partials => "partial sums",
            Self::RateSums => "sums for rates",
            Self::Stretches => "stretches of sums",
            Self::Report => "report",
        }
    }

    pub(super) fn index(self) -> usize {
        Self::OWN.iter().position(|&role| role == self).unwrap_or(0)
    }
}

/// How the work is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayeredTuning {
    /// Most tasks of a tile; no result depends on it.
    pub tile: usize,
    /// Most bytes that the buffers of tasks may take together.
    pub memory: u64,
    /// Most groups of tasks, the rows of partial sums: the order of the sums depends on it.
    pub groups: usize,
    /// Most bytes of partial sums, if that leaves 16 groups or more.
    pub partials: u64,
}

impl Default for LayeredTuning {
    fn default() -> Self {
        Self { tile: usize::MAX, memory: 4 << 30, groups: 1024, partials: 256 << 20 }
    }
}

/// What a kernel binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The uniform at this place of [`LayeredPlan::uniforms`].
    Uniform(usize),
    /// The caller's meta-parameters.
    Params,
    /// A slice of an arena.
    Slice(Role, Slice),
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: &'static Declaration,
    /// Its overrides.
    pub constants: Vec<(&'static str, f64)>,
    /// What it binds.
    pub bindings: Vec<Bound>,
    /// Workgroups.
    pub workgroups: [u32; 3],
}

/// The layered pass of one plan.
#[derive(Clone, Debug)]
pub struct LayeredPlan {
    /// Tasks of a tile.
    pub tile: usize,
    /// Tasks of a group.
    pub group: usize,
    /// Groups of tasks: rows of partial sums.
    pub groups: usize,
    /// Columns of partial sums: `P + R`, query loss, support loss.
    pub columns: usize,
    /// Layouts by role, in the order of [`Role::OWN`].
    pub layouts: Vec<Layout>,
    /// Every uniform, [`UNIFORM_STRIDE`] bytes each.
    pub uniforms: Vec<u8>,
    /// The dispatches of each tile.
    pub tiles: Vec<Vec<Dispatch>>,
    /// Operations of all tiles.
    pub flops: u64,
    /// Slices by name.
    slices: Slices,
    /// Places in the report.
    pub(super) report: Places,
}

impl LayeredPlan {
    /// Lays out a plan over `tasks` tasks, given or drawn on the device, and lists its dispatches.
    ///
    /// # Errors
    /// As [`Plan::check`], and [`Limit`](crate::ErrorKind::Limit) where not even one task fits the adapter.
    pub fn new(
        plan: &Plan,
        tasks: usize,
        purpose: Purpose,
        drawn: bool,
        capacity: &Capacity,
        tuning: &LayeredTuning,
    ) -> Result<Self> {
        plan.check()?;
        let wanted = Wanted::new(plan, purpose, drawn);
        let facts = Facts::new(plan, tasks.max(1), wanted);
        let tasks = facts.tasks;
        // The grouping, and with it the order of every sum, depends on the number of tasks, the model and the
        // adapter, never on how tasks are cut into tiles.
        let row = 4 * facts.columns as u64;
        let groups = (tuning.partials / row).max(16).min(capacity.storage_binding_bytes / row) as usize;
        let group = tasks.div_ceil(groups.min(tuning.groups).max(1));
        let groups = tasks.div_ceil(group);
        let fits = |tile: usize| {
            let laid = facts.slices(capacity, tile, group, groups)?;
            let bytes: u64 = laid.0.iter().map(Layout::bytes).sum();
            if tile > 1 && bytes > tuning.memory {
                return Err(Error::limit(
                    "bytes of memory",
                    bytes,
                    tuning.memory,
                    "use a smaller meta-batch",
                ));
            }
            Ok(laid)
        };
        // The largest tile that fits, by halving an interval: bytes grow with the tile. A dispatch cannot be cut but by
        // tiles, and is a small part of what a tile computes.
        let per_task =
            Operations::meta_gradient(&plan.model, plan.support, plan.query, plan.steps, facts.second)
                .per_task;
        let answers = (8 * DISPATCH_FLOPS / per_task.max(1)).max(1) as usize;
        let most = tasks.min(tuning.tile.max(1)).min(capacity.workgroups as usize).min(answers);
        let mut tile = 1;
        let mut laid = fits(1)?;
        if let Ok(whole) = fits(most) {
            (tile, laid) = (most, whole);
        } else {
            let mut beyond = most;
            while beyond - tile > 1 {
                let middle = tile + (beyond - tile) / 2;
                match fits(middle) {
                    Ok(this) => (tile, laid) = (middle, this),
                    Err(_) => beyond = middle,
                }
            }
        }
        let (layouts, slices, report) = laid;
        let mut emitter = Emitter::new(&facts, &slices, report, group);
        let tiles =
            (0..tasks).step_by(tile).map(|first| emitter.tile(first, tile.min(tasks - first))).collect();
        let uniforms = emitter.uniforms();
        let flops = per_task.saturating_mul(tasks as u64);
        let columns = facts.columns;
        let this = Self { tile, group, groups, columns, layouts, uniforms, tiles, flops, slices, report };
        this.check_dispatches(capacity)?;
        Ok(this)
    }

    fn check_dispatches(&self, capacity: &Capacity) -> Result<()> {
        for dispatch in self.tiles.iter().flatten() {
            dispatch.kernel.check(capacity)?;
            let most = dispatch.workgroups.iter().copied().max().unwrap_or(0);
            if most > capacity.workgroups {
                let what = format!("workgroups in one dimension ({})", dispatch.kernel.shader);
                let hint = "the model is too large for this adapter";
                return Err(Error::limit(what, most.into(), capacity.workgroups.into(), hint));
            }
        }
        Ok(())
    }

    /// Bytes of all buffers of the pass, without meta-parameters and moments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.layouts.iter().map(Layout::bytes).sum::<u64>() + self.uniforms.len() as u64
    }

    /// Dispatches, of `all`, that are submitted together; 0 if all are. A driver resets a device that does not answer for
    /// about two seconds.
    #[must_use]
    pub(super) fn submission(&self, all: usize) -> usize {
        let submissions = self.flops.div_ceil(DISPATCH_FLOPS).max(1) as usize;
        if submissions > 1 { all.div_ceil(submissions) } else { 0 }
    }

    /// Slice of the partial sums, `[groups, columns]`.
    #[must_use]
    pub fn partials(&self) -> Slice {
        self.slices.partials
    }

    /// Slice of the report.
    #[must_use]
    pub fn report_slice(&self) -> Slice {
        self.slices.report
    }

    /// Slices of the points: support x and y, query x and y.
    #[must_use]
    pub fn points(&self) -> [Slice; 4] {
        let Slices { support_x, support_y, query_x, query_y, .. } = self.slices;
        [support_x, support_y, query_x, query_y]
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Binding;
    use super::*;
    use crate::meta::{Loss, RateShape, Rates};
    use crate::model::Model;

    const GRADIENT: Purpose = Purpose::Gradient { report: true };

    fn plan(steps: usize, rates: RateShape, learned: bool) -> Plan {
        let model = Model::mlp(30, &[40, 50], 7, false).unwrap();
        let fixed = Rates { shape: RateShape::One, learned: false, values: vec![0.1] };
        let mut plan = Plan::new(model, Loss::Mse, 5, 6, steps, fixed).unwrap();
        plan.rates = Rates { shape: rates, learned, values: Vec::new() };
        plan.rates.values = vec![0.1; plan.rate_count()];
        plan
    }

    fn laid(plan: &Plan, tasks: usize, purpose: Purpose, capacity: &Capacity) -> Result<LayeredPlan> {
        LayeredPlan::new(plan, tasks, purpose, false, capacity, &LayeredTuning::default())
    }

    #[test]
    fn no_dispatch_reads_and_writes_one_arena() {
        for rates in
            [RateShape::One, RateShape::PerLayerStep, RateShape::PerParameter, RateShape::PerParameterStep]
        {
            for (steps, learned) in [(0, false), (1, false), (2, true), (5, true)] {
                for purpose in [GRADIENT, Purpose::Evaluation { predictions: true }] {
                    let plan = plan(steps, rates, learned);
                    let laid = laid(&plan, 5, purpose, &Capacity::portable()).unwrap();
                    for dispatch in laid.tiles.iter().flatten() {
                        let roles = |kind: Binding| {
                            let bound = dispatch.kernel.bindings.iter().zip(&dispatch.bindings);
                            bound
                                .filter(|(binding, _)| **binding == kind)
                                .filter_map(|(_, bound)| match bound {
                                    Bound::Slice(role, _) => Some(*role),
                                    Bound::Params => Some(Role::Params),
                                    Bound::Uniform(_) => None,
                                })
                                .collect::<Vec<_>>()
                        };
                        let (reads, writes) = (roles(Binding::Read), roles(Binding::Write));
                        assert_eq!(dispatch.kernel.bindings.len(), dispatch.bindings.len());
                        assert!(!writes.contains(&Role::Params), "{}", dispatch.kernel.shader);
                        assert!(
                            !reads.iter().any(|role| writes.contains(role)),
                            "{}: reads {reads:?}, writes {writes:?}",
                            dispatch.kernel.shader
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn memory_is_what_a_pencil_says() {
        let capacity = Capacity { alignment: 16, ..Capacity::portable() };
        let laid = laid(&plan(2, RateShape::One, false), 4, GRADIENT, &capacity).unwrap();
        let (p, widths) = (30 * 40 + 40 + 40 * 50 + 50 + 50 * 7 + 7, 40 + 50 + 7);
        let points = 5 * (30 + 7) + 6 * (30 + 7);
        // Outputs of two steps and of the query pass, cotangents of the steps, tangents of one pass. Where only the
        // latest layer's are needed, layers take turns: the first and the third, and the second.
        let passes = (2 * 5 + 6 + 2 * 5 + 5) * widths + (6 + 5) * (40 + 50);
        let words = 4 * (points + 2 * p + passes + (p + 2) + (3 + 2));
        let without_padding = laid.bytes() - laid.uniforms.len() as u64;
        assert!(without_padding >= 4 * words as u64 && without_padding < 4 * words as u64 + 1024);
    }

    #[test]
    fn evaluation_keeps_nothing_of_the_second_order() {
        let bytes = |steps: usize| {
            let plan = plan(steps, RateShape::One, false).for_evaluation(&[], 5, 6, steps, Some(0.1));
            let purpose = Purpose::Evaluation { predictions: false };
            let laid = laid(&plan, 8, purpose, &Capacity::portable()).unwrap();
            for role in [Role::OutputTangents(0), Role::CotangentTangents(1)] {
                assert_eq!(laid.layouts[role.index()].bytes(), 0, "{role:?}");
            }
            for role in [Role::Rows, Role::Partials, Role::RateSums] {
                assert!(laid.layouts[role.index()].bytes() <= 16, "{role:?}");
            }
            laid.layouts.iter().map(Layout::bytes).sum::<u64>() - laid.layouts[Role::Report.index()].bytes()
        };
        // Weights of two steps in turn, however many there are.
        assert_eq!(bytes(2), bytes(50));
    }

    #[test]
    fn short_memory_makes_tiles_and_none_is_an_error_with_both_numbers() {
        let plan = plan(1, RateShape::One, false);
        let tuning = LayeredTuning { memory: 3 << 20, ..LayeredTuning::default() };
        let cut = LayeredPlan::new(&plan, 100, GRADIENT, false, &Capacity::portable(), &tuning).unwrap();
        assert!(cut.tile > 1 && cut.tile < 100, "{}", cut.tile);
        assert_eq!(cut.tiles.len(), 100_usize.div_ceil(cut.tile));
        let tiny = Capacity { storage_binding_bytes: 10_000, ..Capacity::portable() };
        let error = laid(&plan, 1, GRADIENT, &tiny).unwrap_err().to_string();
        assert!(error.contains("needed, 10000 available"), "{error}");
    }
}
