//! Sizes and addresses of the fused pass: pure arithmetic, so that what does not fit is refused before a device
//! exists.

use super::curve;
use super::kernel::DECLARATION;
use super::memory::{Memory, Wanted};
use super::ops::{Block, Op};
use super::program::{self, Program};
use crate::backend::gpu::device::adapter::{AdapterKind, AdapterReport, Capacity};
use crate::backend::gpu::resident::request::{DISPATCH_FLOPS, Purpose};
use crate::error::{Error, Result};
use crate::meta::{MetaGradient, Plan};
use crate::model::Operations;
use bytemuck::{Pod, Zeroable};

/// Workgroup memory is asked for in steps of this many vec4, so that plans of about one size share a kernel.
const FAST_STEP: u64 = 64;
/// The least that is asked for, for the same reason: 4 KiB. Tasks that need less are those of tests; what it costs them on a
/// card was not measured.
const FAST_LEAST: u64 = 256;

/// `Shape` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(crate) struct Shape {
    pub(crate) ops: u32,
    pub(crate) tasks: u32,
    pub(crate) group: u32,
    pub(crate) first_group: u32,
    pub(crate) columns: u32,
    pub(crate) spill: u32,
    pub(crate) loss: u32,
    pub(crate) inputs: u32,
    pub(crate) targets: u32,
    pub(crate) support: u32,
    pub(crate) query: u32,
    pub(crate) data_support_y: u32,
    pub(crate) data_query_x: u32,
    pub(crate) data_query_y: u32,
    pub(crate) pool: u32,
    pub(crate) points: u32,
    pub(crate) seed: [u32; 2],
    pub(crate) shuffled: u32,
    pub(crate) params: u32,
    pub(crate) ranges: [[f32; 4]; 2],
    pub(crate) series: [u32; 4],
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

/// Everything about a fused pass that does not need a device.
#[derive(Clone, Debug)]
pub(crate) struct FusedPlan {
    /// The uniform of the first dispatch.
    pub(crate) shape: Shape,
    /// What each task goes through.
    pub(crate) ops: Vec<Op>,
    /// The blocks that the operations refer to.
    pub(crate) blocks: Vec<Block>,
    /// Overrides of the kernel but `SOURCE`.
    pub(crate) constants: Vec<(&'static str, f64)>,
    /// Places in the report.
    pub(crate) wanted: Wanted,
    /// Groups of tasks: rows of partial sums.
    pub(crate) groups: u32,
    /// Groups in one dispatch.
    pub(crate) groups_per_dispatch: u32,
    /// Floats that the report takes.
    pub(crate) report_words: u64,
    /// vec4 of storage that each workgroup of a dispatch takes beyond its own memory.
    pub(crate) spill: u32,
    /// Floats of given tasks.
    pub(crate) data_words: u64,
}

impl FusedPlan {
    /// Lays out a plan over `tasks` tasks.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for what is not low-rank (the layered path takes it),
    /// [`Limit`](crate::ErrorKind::Limit) for what the adapter cannot hold.
    pub(crate) fn new(
        plan: &Plan,
        tasks: usize,
        purpose: Purpose,
        capacity: &Capacity,
        tuning: &Tuning,
    ) -> Result<Self> {
        plan.check()?;
        refuse_others(plan)?;
        let (mut wanted, report_words) = wanted(plan, tasks, purpose);
        wanted.columns = if wanted.train { plan.meta_len() as u32 } else { 0 } + 2;

        // Addresses depend on the room for Gram matrices, that on the operations: list them twice.
        let draft = program::build(plan, &Memory::new(plan, &wanted, 0), &wanted);
        let memory = Memory::new(plan, &wanted, draft.gram);
        let Program { ops, blocks, .. } = program::build(plan, &memory, &wanted);

        let (fast, shares, bytes) = room(memory.words, tuning, capacity);
        let spill = memory.words.saturating_sub(fast);
        capacity.require(DECLARATION.storage_buffers(), tuning.workgroup, bytes)?;

        let row_bytes = 4 * u64::from(wanted.columns);
        let binding = capacity.storage_binding_bytes;
        if row_bytes > binding || 16 * spill > binding || memory.words > u64::from(u32::MAX) / 2 {
            return Err(too_large(row_bytes.max(16 * memory.words), binding));
        }
        let Cut { group, groups, per_dispatch: groups_per_dispatch } =
            Cut::of(plan, tasks, [row_bytes, 16 * spill], capacity, tuning);
        let [support_x, support_y, query_x, query_y] = given_words(plan, tasks);
        let data_words = support_x + support_y + query_x + query_y;
        if data_words.max(report_words) > u64::from(u32::MAX) / 4 {
            return Err(too_large(4 * data_words.max(report_words), binding));
        }
        let shape = Shape {
            ops: ops.len() as u32,
            tasks: tasks as u32,
            group: group as u32,
            columns: wanted.columns,
            spill: spill as u32,
            params: if wanted.train { plan.model.param_count() as u32 } else { 0 },
            loss: memory.loss,
            data_support_y: support_x as u32,
            data_query_x: (support_x + support_y) as u32,
            data_query_y: (support_x + support_y + query_x) as u32,
            ..Shape::sizes(plan)
        };
        let constants = constants(tuning, [fast, shares, spill], plan);
        Ok(Self {
            shape,
            ops,
            blocks,
            constants,
            wanted,
            groups,
            groups_per_dispatch,
            report_words,
            spill: spill as u32,
            data_words,
        })
    }
}

impl FusedPlan {
    /// Bytes of what spills and of partial sums.
    pub(crate) fn bytes(&self, plan: &Plan) -> u64 {
        let spill = 16 * u64::from(self.spill) * u64::from(self.groups_per_dispatch);
        spill + 4 * u64::from(self.groups) * (plan.meta_len() as u64 + 2)
    }
}

fn too_large(needed: u64, binding: u64) -> Error {
    let hint = "the plan is too large for the fused path";
    Error::limit("bytes of a storage binding", needed, binding, hint)
}

/// The overrides: vec4 of workgroup memory, those for shares of sums, and those of storage.
fn constants(tuning: &Tuning, [fast, shares, spill]: [u64; 3], plan: &Plan) -> Vec<(&'static str, f64)> {
    let mut all = vec![
        ("WORKGROUP", f64::from(tuning.workgroup)),
        ("FAST", fast as f64),
        ("SCRATCH", (shares + 1) as f64),
        ("SPILLS", f64::from(u8::from(spill > 0))),
        ("LOSS", plan.loss.code().into()),
        ("SETTING", plan.loss.setting()),
    ];
    all.extend(curve::constants(&plan.model));
    all
}

/// How tasks are cut into groups, and groups into dispatches.
struct Cut {
    group: usize,
    groups: u32,
    per_dispatch: u32,
}

impl Cut {
    /// From the bytes of a row of partial sums and of what a workgroup spills.
    fn of(plan: &Plan, tasks: usize, [row, spill]: [u64; 2], capacity: &Capacity, tuning: &Tuning) -> Self {
        // The grouping, and with it the order of every sum, depends on the number of tasks and on the
        // adapter, never on how dispatches are cut.
        let binding = capacity.storage_binding_bytes;
        let most = (binding / row).min(u64::from(tuning.groups)).max(1) as usize;
        let group = tasks.div_ceil(most).max(1);
        let groups = tasks.div_ceil(group) as u32;
        let spill_room = binding.checked_div(spill).unwrap_or(u64::MAX).min(u64::from(u32::MAX)) as u32;
        let second = plan.order == MetaGradient::SecondOrder;
        let flops =
            Operations::meta_gradient(&plan.model, plan.support, plan.query, plan.steps, second).per_task;
        let in_time = (DISPATCH_FLOPS / (flops.max(1) * group as u64)).clamp(1, u64::from(u32::MAX)) as u32;
        let per_dispatch =
            groups.min(in_time).min(tuning.groups_per_dispatch).min(capacity.workgroups).min(spill_room);
        Self { group, groups, per_dispatch: per_dispatch.max(1) }
    }
}

/// Floats of given tasks: support x and y, query x and y.
fn given_words(plan: &Plan, tasks: usize) -> [u64; 4] {
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    [plan.support * inputs, plan.support * targets, plan.query * inputs, plan.query * targets]
        .map(|count| (tasks * count) as u64)
}

/// What is not low-rank, or not a chain.
fn refuse_others(plan: &Plan) -> Result<()> {
    if !plan.is_plain() {
        return Err(Error::unsupported(
            "the fused path takes steps of plain gradient descent; take the layered one",
        ));
    }
    if !plan.model.is_chain() {
        return Err(Error::unsupported(
            "the fused path computes multi-layer perceptrons only; the layered path computes every model",
        ));
    }
    if plan.splits_a_block() {
        return Err(Error::unsupported(
            "the fused path adapts a weight with its bias or neither; take the layered one",
        ));
    }
    if plan.per_parameter_rates() {
        return Err(Error::unsupported(
            "the fused path has no inner rates for each parameter: such updates are not of low rank",
        ));
    }
    Ok(())
}

/// vec4 of workgroup memory that a task's `words` get and those for shares of sums, and bytes of workgroup memory.
fn room(words: u64, tuning: &Tuning, capacity: &Capacity) -> (u64, u64, u32) {
    // A float a lane, and the one vec4 that an array has at least.
    let reserve = 4 * tuning.workgroup + 16;
    let lanes = u64::from(tuning.workgroup);
    let room = u64::from(tuning.fast.min(capacity.workgroup_bytes.saturating_sub(reserve) / 16));
    // Shares of sums take what a task leaves over, up to four vec4 a lane; where it overflows anyway, one.
    let (fast, shares) = if words > room {
        let shares = lanes.min(room / 2);
        (room - shares, shares)
    } else {
        let fast = words.next_multiple_of(FAST_STEP).max(FAST_LEAST).min(room);
        (fast, (room - fast).min(4 * lanes))
    };
    (fast, shares, 16 * (fast + shares) as u32 + reserve)
}

impl Shape {
    /// Sizes of a task.
    fn sizes(plan: &Plan) -> Self {
        Self {
            inputs: plan.model.inputs() as u32,
            targets: plan.targets() as u32,
            support: plan.support as u32,
            query: plan.query as u32,
            ..Self::default()
        }
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
    use crate::meta::{Loss, Rates};
    use crate::model::Model;

    fn sinusoid(tasks: usize, support: usize, steps: usize, capacity: &Capacity) -> Result<FusedPlan> {
        let model = Model::mlp(1, &[40, 40], 1, false)?;
        let plan = Plan::new(model, Loss::mse(), support, support, steps, Rates::fixed(0.01))?;
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
