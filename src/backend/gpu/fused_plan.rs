//! Sizes and addresses of the fused pass: pure arithmetic, so that what does not fit is refused before a device
//! exists.

use super::adapter::{AdapterKind, AdapterReport, Capacity};
use super::fused::DECLARATION;
use super::fused_program::{self, Block, Op, Program, Wanted};
use crate::error::{Error, Result};
use crate::meta::{Loss, MetaGradient, Plan};
use crate::model::Operations;
use bytemuck::{Pod, Zeroable};

/// Tiles of four query points that evaluation looks at together.
const EVALUATION_TILES: usize = 8;
/// Workgroup memory is asked for in steps of this many vec4, so that plans of about one size share a kernel.
const FAST_STEP: u64 = 64;

/// Operations that one dispatch, or a tile of the layered path, may take: a third of a second on a slow integrated GPU.
pub(super) const DISPATCH_FLOPS: u64 = 50_000_000_000;

/// `Shape` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Shape {
    pub(super) ops: u32,
    pub(super) tasks: u32,
    pub(super) group: u32,
    pub(super) first_group: u32,
    pub(super) columns: u32,
    pub(super) spill: u32,
    pub(super) loss: u32,
    pub(super) inputs: u32,
    pub(super) targets: u32,
    pub(super) support: u32,
    pub(super) query: u32,
    pub(super) data_support_y: u32,
    pub(super) data_query_x: u32,
    pub(super) data_query_y: u32,
    pub(super) pool: u32,
    pub(super) points: u32,
    pub(super) seed: [u32; 2],
    pub(super) shuffled: u32,
    pub(super) params: u32,
    pub(super) ranges: [[f32; 4]; 2],
    pub(super) series: [u32; 4],
}

/// What is wanted of a fused pass.
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

/// How the work is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Most vec4 of workgroup memory that are used.
    pub fast: u32,
    /// Most groups of tasks in one dispatch; no result depends on it.
    pub groups_per_dispatch: u32,
    /// Most groups of tasks, the rows of partial sums: the order of the sums depends on it.
    pub groups: u32,
}

impl Tuning {
    /// For an adapter.
    #[must_use]
    pub fn of(report: &AdapterReport) -> Self {
        let capacity = &report.capacity;
        // On a processor a workgroup's lanes run in turns: twice its vectors measured best.
        let workgroup = if report.kind == AdapterKind::Software { 16 } else { 128 };
        Self {
            workgroup: workgroup.min(capacity.invocations),
            // More would leave room for few workgroups at once, even where an adapter has it.
            fast: 48 * 1024 / 16,
            groups_per_dispatch: capacity.workgroups,
            // Enough workgroups to fill a large GPU, few enough that the sums stay in its cache.
            groups: 1024,
        }
    }
}

/// Addresses in a task's memory, in vec4. A *record* holds one forward and backward pass over a set of points:
/// outputs h and cotangents dz of every layer, [rows, tiles].
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) support_tiles: u32,
    pub(super) query_tiles: u32,
    pub(super) gram: u32,
    pub(super) loss: u32,
    pub(super) support_x: u32,
    pub(super) support_y: u32,
    pub(super) query_x: u32,
    pub(super) query_y: u32,
    query_records: u32,
    step_records: u32,
    tangent_records: u32,
    rows: u32,
    outputs: Vec<u32>,
    h: Vec<u32>,
    slots: Vec<u32>,
    /// Where θ₀ᵀ begins in the parameters.
    pub(super) transposed: u32,
    words: u64,
}

impl Memory {
    fn new(plan: &Plan, wanted: &Wanted, gram: u32) -> Self {
        let (mut rows, mut h, mut outputs) = (0, Vec::new(), Vec::new());
        for layer in plan.model.dense() {
            h.push(rows);
            outputs.push(layer.outputs as u32);
            rows += 2 * layer.outputs as u32;
        }
        // A pass whose gradient is not kept uses the record that the next kept one will overwrite.
        let (mut kept, mut records) = (0, 1);
        let mut slots = Vec::new();
        for &weight in &plan.loss_weights {
            let keeps = wanted.train && weight as f32 != 0.0;
            if keeps || plan.track_all {
                records = records.max(kept + 1);
            }
            slots.push(kept);
            kept += u32::from(keeps);
        }
        let support_tiles = plan.support.div_ceil(4);
        let all = plan.query.div_ceil(4);
        let query_tiles = if wanted.train { all } else { all.min(EVALUATION_TILES) };
        // What is touched most comes first: it stays in workgroup memory when the rest does not fit.
        let mut words = 0_u64;
        let mut place = |rows: usize, tiles: usize| {
            let at = words;
            words += (rows as u64) * (tiles as u64);
            at as u32
        };
        let (inputs, targets, steps) = (plan.model.inputs(), plan.targets(), plan.steps);
        let tangents = if wanted.second || wanted.learned { steps } else { 0 };
        Self {
            support_tiles: support_tiles as u32,
            query_tiles: query_tiles as u32,
            gram: place(gram as usize, 1),
            loss: place(1, support_tiles.max(query_tiles)),
            support_x: place(inputs, support_tiles),
            support_y: place(targets, support_tiles),
            query_x: place(inputs, query_tiles),
            query_y: place(targets, query_tiles),
            query_records: place(records as usize * rows as usize, query_tiles),
            step_records: place(steps * rows as usize, support_tiles),
            tangent_records: place(tangents * rows as usize, support_tiles),
            rows,
            outputs,
            h,
            slots,
            transposed: (plan.model.param_count() + plan.rate_count()) as u32,
            words,
        }
    }

    /// Which record the query pass at θ_step has.
    pub(super) fn slot(&self, step: usize) -> u32 {
        self.slots[step]
    }

    pub(super) fn query_record(&self, slot: u32) -> u32 {
        self.query_records + slot * self.rows * self.query_tiles
    }

    pub(super) fn step_record(&self, step: usize) -> u32 {
        self.step_records + step as u32 * self.rows * self.support_tiles
    }

    pub(super) fn tangent_record(&self, step: usize) -> u32 {
        self.tangent_records + step as u32 * self.rows * self.support_tiles
    }

    pub(super) fn output(&self, record: u32, layer: usize, tiles: u32) -> u32 {
        record + self.h[layer] * tiles
    }

    pub(super) fn dz(&self, record: u32, layer: usize, tiles: u32) -> u32 {
        record + (self.h[layer] + self.outputs[layer]) * tiles
    }

    /// The inputs of a layer: the outputs of the one below, or the points themselves.
    pub(super) fn input(&self, record: u32, layer: usize, tiles: u32, x: u32) -> u32 {
        if layer == 0 { x } else { self.output(record, layer - 1, tiles) }
    }
}

/// Everything about a fused pass that does not need a device.
#[derive(Clone, Debug)]
pub struct FusedPlan {
    /// The uniform of the first dispatch.
    pub(super) shape: Shape,
    /// What each task goes through.
    pub(super) ops: Vec<Op>,
    /// The blocks that the operations refer to.
    pub(super) blocks: Vec<Block>,
    /// Overrides of the kernel but `SOURCE`.
    pub(super) constants: Vec<(&'static str, f64)>,
    /// Places in the report.
    pub(super) wanted: Wanted,
    /// Groups of tasks: rows of partial sums.
    pub groups: u32,
    /// Groups in one dispatch.
    pub groups_per_dispatch: u32,
    /// Floats that the report takes.
    pub report_words: u64,
    /// vec4 of workgroup memory.
    pub fast: u32,
    /// vec4 of storage that each workgroup of a dispatch takes beyond its own memory.
    pub spill: u32,
    /// Floats of `params`: θ₀, rates, θ₀ᵀ.
    pub params_words: u64,
    /// Floats of given tasks.
    pub data_words: u64,
}

impl FusedPlan {
    /// Lays out a plan over `tasks` tasks.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for what is not low-rank (the layered path takes it),
    /// [`Limit`](crate::ErrorKind::Limit) for what the adapter cannot hold.
    pub fn new(
        plan: &Plan,
        tasks: usize,
        purpose: Purpose,
        capacity: &Capacity,
        tuning: &Tuning,
    ) -> Result<Self> {
        plan.check()?;
        if !plan.is_plain() {
            return Err(Error::unsupported(
                "the fused path takes steps of plain gradient descent; take the layered one",
            ));
        }
        if !plan.model.is_mlp() {
            return Err(Error::unsupported(
                "the fused path computes multi-layer perceptrons only; the layered path computes every model",
            ));
        }
        if plan.per_parameter_rates() {
            return Err(Error::unsupported(
                "the fused path has no inner rates for each parameter: such updates are not of low rank",
            ));
        }
        let (mut wanted, report_words) = wanted(plan, tasks, purpose);
        let p = plan.model.param_count();
        wanted.columns = if wanted.train { plan.meta_len() as u32 } else { 0 } + 2;

        // Addresses depend on the room for Gram matrices, which depends on the operations: list them twice.
        let draft = fused_program::build(plan, &Memory::new(plan, &wanted, 0), &wanted);
        let memory = Memory::new(plan, &wanted, draft.gram);
        let Program { ops, blocks, .. } = fused_program::build(plan, &memory, &wanted);

        // A float a lane, and the one vec4 that an array has at least.
        let reserve = 4 * tuning.workgroup + 16;
        let lanes = u64::from(tuning.workgroup);
        let room = u64::from(tuning.fast.min(capacity.workgroup_bytes.saturating_sub(reserve) / 16));
        // Shares of sums take what a task leaves over, up to four vec4 a lane; where it overflows anyway, one.
        let (fast, shares) = if memory.words > room {
            let shares = lanes.min(room / 2);
            (room - shares, shares)
        } else {
            let fast = memory.words.next_multiple_of(FAST_STEP).min(room);
            (fast, (room - fast).min(4 * lanes))
        };
        let spill = memory.words.saturating_sub(fast);
        let bytes = 16 * (fast + shares) as u32 + reserve;
        capacity.require(DECLARATION.storage_buffers(), tuning.workgroup, bytes)?;

        let binding = capacity.storage_binding_bytes;
        let short = |needed: u64| {
            let hint = "the plan is too large for the fused path";
            Error::limit("bytes of a storage binding", needed, binding, hint)
        };
        let row_bytes = 4 * u64::from(wanted.columns);
        if row_bytes > binding || 16 * spill > binding || memory.words > u64::from(u32::MAX) / 2 {
            return Err(short(row_bytes.max(16 * memory.words)));
        }
        // The grouping, and with it the order of every sum, depends on the number of tasks and on the
        // adapter, never on how dispatches are cut.
        let most_groups = (binding / row_bytes).min(u64::from(tuning.groups)).max(1) as usize;
        let group = tasks.div_ceil(most_groups).max(1);
        let groups = tasks.div_ceil(group) as u32;
        let spill_room = binding.checked_div(16 * spill).unwrap_or(u64::MAX).min(u64::from(u32::MAX)) as u32;
        let second = plan.order == MetaGradient::SecondOrder;
        let flops =
            Operations::meta_gradient(&plan.model, plan.support, plan.query, plan.steps, second).per_task;
        let in_time = (DISPATCH_FLOPS / (flops.max(1) * group as u64)).clamp(1, u64::from(u32::MAX)) as u32;
        let groups_per_dispatch =
            groups.min(in_time).min(tuning.groups_per_dispatch).min(capacity.workgroups).min(spill_room);

        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        let [support_x, support_y, query_x, query_y] =
            [plan.support * inputs, plan.support * targets, plan.query * inputs, plan.query * targets]
                .map(|count| (tasks * count) as u64);
        let data_words = support_x + support_y + query_x + query_y;
        if data_words.max(report_words) > u64::from(u32::MAX) / 4 {
            return Err(short(4 * data_words.max(report_words)));
        }
        let shape = Shape {
            ops: ops.len() as u32,
            tasks: tasks as u32,
            group: group as u32,
            columns: wanted.columns,
            spill: spill as u32,
            params: if wanted.train { p as u32 } else { 0 },
            loss: memory.loss,
            inputs: inputs as u32,
            targets: targets as u32,
            support: plan.support as u32,
            query: plan.query as u32,
            data_support_y: support_x as u32,
            data_query_x: (support_x + support_y) as u32,
            data_query_y: (support_x + support_y + query_x) as u32,
            ..Shape::default()
        };
        let constants = vec![
            ("WORKGROUP", f64::from(tuning.workgroup)),
            ("FAST", fast as f64),
            ("SCRATCH", (shares + 1) as f64),
            ("SPILLS", f64::from(u8::from(spill > 0))),
            ("LOSS", f64::from(u8::from(plan.loss == Loss::CrossEntropy))),
        ];
        Ok(Self {
            shape,
            ops,
            blocks,
            constants,
            wanted,
            groups,
            groups_per_dispatch: groups_per_dispatch.max(1),
            report_words,
            fast: fast as u32,
            spill: spill as u32,
            params_words: (2 * p + plan.rate_count()) as u64,
            data_words,
        })
    }
}

/// What a purpose asks for, and the floats of its report.
fn wanted(plan: &Plan, tasks: usize, purpose: Purpose) -> (Wanted, u64) {
    let mut words = 0_u64;
    let mut place = |wanted: bool, count: usize| {
        let at = words;
        words += if wanted { count as u64 } else { 0 };
        wanted.then_some(at as u32)
    };
    let (train, losses, predictions) = match purpose {
        Purpose::Gradient { report } => (true, report, false),
        Purpose::Evaluation { predictions } => (false, true, predictions),
    };
    let steps = plan.steps;
    let wanted = Wanted {
        train,
        second: train && plan.order == MetaGradient::SecondOrder && steps > 0,
        learned: train && plan.learned_rates() > 0 && steps > 0,
        columns: 0,
        query_losses: place(losses, tasks * (steps + 1)),
        support_losses: place(losses, tasks * steps),
        fast: place(train && losses && plan.track_all, tasks * plan.model.param_count()),
        predictions: place(predictions, (steps + 1) * tasks * plan.query * plan.model.outputs()),
        tasks: tasks as u32,
    };
    (wanted, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Rates;
    use crate::model::Model;

    fn sinusoid(tasks: usize, support: usize, steps: usize, capacity: &Capacity) -> Result<FusedPlan> {
        let model = Model::mlp(1, &[40, 40], 1, false)?;
        let plan = Plan::new(model, Loss::Mse, support, support, steps, Rates::fixed(0.01))?;
        let tuning =
            Tuning { workgroup: 64, fast: 3072, groups_per_dispatch: capacity.workgroups, groups: 1024 };
        FusedPlan::new(&plan, tasks, Purpose::Gradient { report: false }, capacity, &tuning)
    }

    #[test]
    fn the_default_experiment_fits_the_portable_floor_and_five_steps_spill() {
        let capacity = Capacity::portable();
        let plan = sinusoid(10, 5, 1, &capacity).unwrap();
        assert_eq!((plan.spill, plan.groups, plan.groups_per_dispatch), (0, 10, 10));
        assert!(sinusoid(25, 10, 5, &capacity).unwrap().spill > 0);
    }

    #[test]
    fn large_batches_share_groups_and_long_ones_are_cut() {
        let capacity = Capacity::portable();
        let plan = sinusoid(16_384, 5, 1, &capacity).unwrap();
        assert_eq!((plan.shape.group, plan.groups, plan.groups_per_dispatch), (16, 1024, 1024));
        let plan = sinusoid(2_000_000, 5, 1, &capacity).unwrap();
        assert!(plan.groups <= 1024 && plan.groups_per_dispatch < plan.groups, "{plan:?}");
    }

    #[test]
    fn what_one_binding_cannot_hold_is_refused_with_numbers() {
        let capacity = Capacity { storage_binding_bytes: 4096, ..Capacity::portable() };
        let error = sinusoid(10, 5, 1, &capacity).unwrap_err().to_string();
        assert!(error.contains("storage binding") && error.contains("4096 available"), "{error}");
    }
}
