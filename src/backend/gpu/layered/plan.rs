//! Everything about the layered pass that does not need a device: where each number lies, how tasks are cut into
//! tiles, and every dispatch with what it binds.
//!
//! One dispatch is one operation of one node over all tasks of a tile. No dispatch reads and writes one buffer.

use super::emit::{Dispatch, Emitter};
use super::facts::{Facts, Wanted};
use super::layout::{Grouping, Slices};
use crate::backend::gpu::device::adapter::Capacity;
use crate::backend::gpu::device::arena::{Layout, Slice};
use crate::backend::gpu::resident::request::{DISPATCH_FLOPS, Places, Purpose};
use crate::error::{Error, Result};
use crate::meta::Plan;
use crate::model::Operations;
use crate::ops::mul;
use crate::program::Cut;

/// How the work is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayeredTuning {
    /// Most tasks of a tile; no result depends on it.
    pub tile: usize,
    /// Most bytes that the buffers of tasks may take together: beyond, tasks come in tiles, then support passes are computed
    /// again on the way back, then points come in chunks. What takes more all the same takes as little as it can.
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

/// Operations of a task's meta-gradient.
fn per_task(plan: &Plan, second: bool) -> u64 {
    Operations::meta_gradient(&plan.model, plan.support, plan.query, plan.steps, second).per_task
}

/// What is laid out for a tile.
type Laid = (Vec<Layout>, Slices, Places);

fn fitting(facts: &Facts<'_>, capacity: &Capacity, cut: Grouping, memory: u64) -> Result<Laid> {
    let laid = facts.slices(capacity, cut)?;
    let bytes: u64 = laid.0.iter().map(Layout::bytes).sum();
    match bytes > memory {
        true => Err(Error::limit("bytes of memory", bytes, memory, "use a smaller meta-batch")),
        false => Ok(laid),
    }
}

/// Fewest points of a chunk.
const CHUNK: usize = 8;

/// How a task may be cut, from what computes least to what takes least memory.
fn cuts(plan: &Plan) -> Vec<Cut> {
    let mut all = vec![Cut::WHOLE];
    if plan.steps > 1 {
        all.push(Cut { recompute: true, ..Cut::WHOLE });
    }
    let couples = plan.model.nodes().iter().any(|node| node.op.couples_points());
    let mut chunk = plan.support.max(plan.query).div_ceil(2);
    while !couples && chunk >= CHUNK {
        all.push(Cut { recompute: true, chunk });
        chunk = chunk.div_ceil(2);
    }
    all
}

/// The largest tile that fits, by halving an interval: bytes grow with the tile. A dispatch cannot be cut but by tiles, and
/// is a small part of what a tile computes.
fn largest(most: usize, fits: impl Fn(usize) -> Result<Laid>) -> Result<(usize, Laid)> {
    let (mut tile, mut laid) = (1, fits(1)?);
    if let Ok(whole) = fits(most) {
        return Ok((most, whole));
    }
    let mut beyond = most;
    while beyond - tile > 1 {
        let middle = tile + (beyond - tile) / 2;
        match fits(middle) {
            Ok(this) => (tile, laid) = (middle, this),
            Err(_) => beyond = middle,
        }
    }
    Ok((tile, laid))
}

/// The layered pass of one plan.
#[derive(Clone, Debug)]
pub(crate) struct LayeredPlan {
    /// How a task is cut.
    pub(crate) cut: Cut,
    /// Tasks of a tile.
    pub(crate) tile: usize,
    /// Groups of tasks: rows of partial sums.
    pub(crate) groups: usize,
    /// Columns of partial sums: `P + R`, query loss, support loss.
    pub(crate) columns: usize,
    /// Layouts by role.
    pub(crate) layouts: Vec<Layout>,
    /// Every uniform, [`UNIFORM_STRIDE`] bytes each.
    pub(crate) uniforms: Vec<u8>,
    /// The dispatches of each tile.
    pub(crate) tiles: Vec<Vec<Dispatch>>,
    /// Operations of all tiles.
    pub(crate) flops: u64,
    /// Slices by name.
    slices: Slices,
    /// Places in the report.
    pub(crate) report: Places,
}

impl LayeredPlan {
    /// Lays out a plan over `tasks` tasks, and lists its dispatches; `given` says whether tasks are drawn on the device, and
    /// whether their points have weights.
    ///
    /// # Errors
    /// As [`Plan::check`], and [`Limit`](crate::ErrorKind::Limit) where not even one task fits the adapter.
    pub(crate) fn new(
        plan: &Plan,
        tasks: usize,
        purpose: Purpose,
        given: [bool; 2],
        capacity: &Capacity,
        tuning: &LayeredTuning,
    ) -> Result<Self> {
        plan.check()?;
        let narrow = plan.model.with_products_of(mul::gpu::MOST);
        let narrow = narrow.map(|model| Plan { model, ..plan.clone() });
        let plan = narrow.as_ref().unwrap_or(plan);
        let wanted = Wanted::new(plan, purpose, given);
        let tasks = tasks.max(1);
        let cuts = cuts(plan);
        for &cut in &cuts {
            let facts = Facts::new(plan, tasks, wanted, cut);
            if let Ok(this) = Self::within(&facts, capacity, tuning) {
                return Ok(this);
            }
        }
        let facts = Facts::new(plan, tasks, wanted, cuts.last().copied().unwrap_or(Cut::WHOLE));
        Self::within(&facts, capacity, &LayeredTuning { tile: 1, memory: u64::MAX, ..*tuning })
    }

    /// The same with what is computed cut in a given way, within the memory that is allowed.
    fn within(facts: &Facts<'_>, capacity: &Capacity, tuning: &LayeredTuning) -> Result<Self> {
        let (plan, tasks) = (facts.plan, facts.tasks);
        // The grouping, and with it the order of every sum, depends on the number of tasks, the model and the
        // adapter, never on how tasks are cut into tiles.
        let row = 4 * facts.columns as u64;
        let groups = (tuning.partials / row).max(16).min(capacity.storage_binding_bytes / row) as usize;
        let group = tasks.div_ceil(groups.min(tuning.groups).max(1));
        let groups = tasks.div_ceil(group);
        let per_task = per_task(plan, facts.program.second);
        let answers = (8 * DISPATCH_FLOPS / per_task.max(1)).max(1) as usize;
        let most = tasks.min(tuning.tile.max(1)).min(capacity.workgroups as usize).min(answers);
        let cut = |tile: usize| Grouping { tile, group, groups };
        let (tile, (layouts, slices, report)) =
            largest(most, |tile| fitting(facts, capacity, cut(tile), tuning.memory))?;
        let mut emitter = Emitter::new(facts, &slices, report, group);
        let tiles =
            (0..tasks).step_by(tile).map(|first| emitter.tile(first, tile.min(tasks - first))).collect();
        let uniforms = emitter.uniforms();
        let flops = per_task.saturating_mul(tasks as u64);
        let (columns, cut) = (facts.columns, facts.cut);
        let this = Self { cut, tile, groups, columns, layouts, uniforms, tiles, flops, slices, report };
        this.check_dispatches(capacity)?;
        Ok(this)
    }

    fn check_dispatches(&self, capacity: &Capacity) -> Result<()> {
        for dispatch in self.tiles.iter().flatten() {
            capacity.takes(dispatch.kernel)?;
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
    pub(crate) fn bytes(&self) -> u64 {
        self.layouts.iter().map(Layout::bytes).sum::<u64>() + self.uniforms.len() as u64
    }

    /// Dispatches, of `all`, that are submitted together; 0 if all are. A driver resets a device that does not answer for
    /// about two seconds.
    #[must_use]
    pub(crate) fn submission(&self, all: usize) -> usize {
        let submissions = self.flops.div_ceil(DISPATCH_FLOPS).max(1) as usize;
        if submissions > 1 { all.div_ceil(submissions) } else { 0 }
    }

    /// Slice of the partial sums, `[groups, columns]`.
    #[must_use]
    pub(crate) fn partials(&self) -> Slice {
        self.slices.partials
    }

    /// Slice of the report.
    #[must_use]
    pub(crate) fn report_slice(&self) -> Slice {
        self.slices.report
    }

    /// Slices of the shares of support and of query points.
    #[must_use]
    pub(crate) fn shares(&self) -> [Slice; 2] {
        self.slices.shares
    }

    /// Slices of the points: support x and y, query x and y.
    #[must_use]
    pub(crate) fn points(&self) -> [Slice; 4] {
        self.slices.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{Adapt, Loss, RateShape, Rates};
    use crate::model::Model;
    use crate::wgsl::Binding;
    use crate::wgsl::lower::Bound;

    const GRADIENT: Purpose = Purpose::Gradient { report: true };

    fn plan(steps: usize, rates: RateShape, learned: bool) -> Plan {
        let model = Model::mlp(30, &[40, 50], 7, false).unwrap();
        let fixed = Rates::fixed(0.1);
        let mut plan = Plan::new(model, Loss::mse(), 5, 6, steps, fixed).unwrap();
        plan.rates = Rates { shape: rates, learned, values: Vec::new(), range: None };
        plan.rates.values = vec![0.1; plan.rate_count()];
        plan
    }

    fn laid(plan: &Plan, tasks: usize, purpose: Purpose, capacity: &Capacity) -> Result<LayeredPlan> {
        LayeredPlan::new(plan, tasks, purpose, [false; 2], capacity, &LayeredTuning::default())
    }

    #[test]
    fn no_dispatch_reads_and_writes_one_buffer() {
        for rates in
            [RateShape::One, RateShape::PerLayerStep, RateShape::PerParameter, RateShape::PerParameterStep]
        {
            for (steps, learned) in [(0, false), (1, false), (2, true), (5, true)] {
                for purpose in [GRADIENT, Purpose::Evaluation { predictions: true }] {
                    let plan = plan(steps, rates, learned);
                    let laid = laid(&plan, 5, purpose, &Capacity::portable()).unwrap();
                    for dispatch in laid.tiles.iter().flatten() {
                        let buffers = |kind: Binding| {
                            let bound = dispatch.kernel.bindings.iter().zip(&dispatch.bindings);
                            bound
                                .filter(|(binding, _)| **binding == kind)
                                .filter_map(|(_, bound)| match bound {
                                    Bound::Slice(buffer, _) => Some(*buffer),
                                    Bound::Params => Some(usize::MAX),
                                    Bound::Uniform(_) => None,
                                })
                                .collect::<Vec<_>>()
                        };
                        let (reads, writes) = (buffers(Binding::Read), buffers(Binding::Write));
                        assert_eq!(dispatch.kernel.bindings.len(), dispatch.bindings.len());
                        assert!(!writes.contains(&usize::MAX), "{}", dispatch.kernel.shader);
                        assert!(
                            !reads.iter().any(|buffer| writes.contains(buffer)),
                            "{}: reads {reads:?}, writes {writes:?}",
                            dispatch.kernel.shader
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn memory_is_at_most_what_a_pencil_says() {
        let capacity = Capacity { alignment: 16, ..Capacity::portable() };
        let laid = laid(&plan(2, RateShape::One, false), 4, GRADIENT, &capacity).unwrap();
        let (p, widths) = (30 * 40 + 40 + 40 * 50 + 50 + 50 * 7 + 7, 40 + 50 + 7);
        let points = 5 * (30 + 7) + 6 * (30 + 7);
        // Outputs of two steps and of the query pass, cotangents of the steps, tangents of one pass. Where only the
        // latest layer's are needed, two layers take turns.
        let passes = (2 * 5 + 6 + 2 * 5 + 5) * widths + (6 + 5) * (40 + 50);
        let words = 4 * (points + 2 * p + passes + (p + 2) + (3 + 2));
        let without_padding = laid.bytes() - laid.uniforms.len() as u64;
        assert!(without_padding < 4 * words as u64 + 1024, "{without_padding} of {}", 4 * words);
    }

    #[test]
    fn memory_of_an_evaluation_does_not_grow_with_steps() {
        let bytes = |steps: usize| {
            let plan = plan(steps, RateShape::One, false).for_evaluation(&[], 5, 6, steps, Some(0.1));
            let purpose = Purpose::Evaluation { predictions: false };
            let laid = laid(&plan, 8, purpose, &Capacity::portable()).unwrap();
            laid.layouts.iter().map(Layout::bytes).sum::<u64>() - laid.report_slice().bytes
        };
        assert_eq!(bytes(2), bytes(50));
    }

    #[test]
    fn weights_that_do_not_adapt_are_one_matrix_for_all_tasks() {
        let plan = plan(1, RateShape::One, false).adapt(&Adapt::Head).unwrap();
        let laid = laid(&plan, 5, GRADIENT, &Capacity::portable()).unwrap();
        let of = |shader: &str| -> Vec<u32> {
            let here = laid.tiles[0].iter().filter(|dispatch| dispatch.kernel.shader == shader);
            here.map(|dispatch| dispatch.workgroups[1]).collect()
        };
        // Support and query pass: two layers below the head and the head at θ₀, then at θ₁ of each task.
        assert_eq!(of("linear"), [1, 1, 1, 1, 1, 5]);
        assert!(of("linear_update").iter().all(|&tasks| tasks == 5));
    }

    #[test]
    fn short_memory_makes_tiles_and_none_is_an_error_with_both_numbers() {
        let plan = plan(1, RateShape::One, false);
        let tuning = LayeredTuning { memory: 3 << 20, ..LayeredTuning::default() };
        let cut = LayeredPlan::new(&plan, 100, GRADIENT, [false; 2], &Capacity::portable(), &tuning).unwrap();
        assert!(cut.tile > 1 && cut.tile < 100, "{}", cut.tile);
        assert_eq!(cut.tiles.len(), 100_usize.div_ceil(cut.tile));
        let tiny = Capacity { storage_binding_bytes: 10_000, ..Capacity::portable() };
        let error = laid(&plan, 1, GRADIENT, &tiny).unwrap_err().to_string();
        assert!(error.contains("needed, 10000 available"), "{error}");
    }
}
