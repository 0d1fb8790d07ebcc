//! Everything about the layered pass that does not need a device: where each number lies, how tasks are cut into
//! tiles, and every dispatch with what it binds.
//!
//! One dispatch is one operation of one layer over all tasks of a tile. Numbers are kept apart by role, so that no
//! dispatch reads and writes one arena; activations and their like lie in two arenas in turn, by layer, the fast
//! weights by step.

use super::adapter::Capacity;
use super::arena::{Layout, Slice};
use super::fused_plan::Purpose;
use super::kernel::Declaration;
use super::layer::Place;
use super::layered_ops::Emitter;
use super::pass::Places;
use crate::error::{Error, Result};
use crate::meta::{MetaGradient, Plan};

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
    /// A row a task: v, gradients of the rates, query and support loss.
    Rows,
    /// Sums of rows over groups of tasks; with one task a group these are the rows themselves.
    Partials,
    /// Parts of the gradients of shared rates.
    RateSums,
    /// Losses, fast weights and predictions for the host.
    Report,
}

impl Role {
    /// Roles whose arenas the pass has of its own.
    pub const OWN: [Self; 15] = [
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
        Self::Rows,
        Self::Partials,
        Self::RateSums,
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
            Self::Rows => "rows of tasks",
            Self::Partials => "partial sums",
            Self::RateSums => "sums for rates",
            Self::Report => "report",
        }
    }

    pub(super) fn index(self) -> usize {
        Self::OWN.iter().position(|&role| role == self).unwrap_or(0)
    }
}

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The meta-gradient; without it nothing is kept from one step to the next.
    pub(super) gradient: bool,
    /// Losses of each task.
    pub(super) losses: bool,
    /// θ_K of each task.
    pub(super) fast: bool,
    /// Outputs on the query points after each step.
    pub(super) predictions: bool,
    /// Whether tasks are drawn for each tile, rather than given for all.
    pub(super) drawn: bool,
}

impl Wanted {
    fn new(plan: &Plan, purpose: Purpose, drawn: bool) -> Self {
        let (gradient, losses, predictions) = match purpose {
            Purpose::Gradient { report } => (true, report, false),
            Purpose::Evaluation { predictions } => (false, true, predictions),
        };
        Self { gradient, losses, fast: gradient && losses && plan.track_all, predictions, drawn }
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

/// Where the numbers of a task lie.
#[derive(Clone, Debug)]
pub(super) struct Slices {
    pub(super) support_x: Slice,
    pub(super) support_y: Slice,
    pub(super) query_x: Slice,
    pub(super) query_y: Slice,
    /// `[step kept][adapted parameters]`.
    pub(super) fast: Vec<Slice>,
    /// `[pass kept][layer]`, each `[tasks, points, outputs]`.
    pub(super) outputs: Vec<Vec<Slice>>,
    pub(super) cotangents: Vec<Vec<Slice>>,
    /// `[layer]`.
    pub(super) output_tangents: Vec<Slice>,
    pub(super) cotangent_tangents: Vec<Slice>,
    pub(super) rows: Slice,
    pub(super) partials: Slice,
    pub(super) rate_sums: Slice,
    pub(super) report: Slice,
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
    /// Slices by name.
    slices: Slices,
    /// Places in the report.
    pub(super) report: Places,
}

/// What is kept and computed, derived once from the plan.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tasks: usize,
    pub(super) wanted: Wanted,
    /// The lowest layer that the inner loop moves.
    pub(super) first_adapted: Option<usize>,
    /// Whether the inner steps have Hessian terms.
    pub(super) second: bool,
    /// Whether the inner rates have gradients.
    pub(super) learned: bool,
    /// Place of each layer in a slice of fast weights.
    pub(super) fast_offsets: Vec<usize>,
    /// Floats of a task in a slice of fast weights.
    pub(super) fast_words: usize,
    pub(super) columns: usize,
    /// Most workgroups that a layer's update takes.
    pub(super) rate_parts: usize,
}

impl<'a> Facts<'a> {
    fn new(plan: &'a Plan, tasks: usize, wanted: Wanted) -> Self {
        let first_adapted = plan.adapted.iter().position(|&a| a).filter(|_| plan.steps > 0);
        let second = wanted.gradient && plan.order == MetaGradient::SecondOrder && first_adapted.is_some();
        let learned = wanted.gradient && plan.learned_rates() > 0;
        let (mut fast_offsets, mut fast_words, mut rate_parts) = (Vec::new(), 0, 0);
        for (dense, &adapted) in plan.model.dense().iter().zip(&plan.adapted) {
            fast_offsets.push(fast_words);
            fast_words += if adapted { dense.len() } else { 0 };
            let (rows, columns) = (dense.outputs as u32, dense.inputs as u32 + 1);
            rate_parts = rate_parts.max(super::product::Cut::of(rows, columns).workgroups(rows, columns));
        }
        Self {
            plan,
            tasks,
            wanted,
            first_adapted,
            second,
            learned,
            fast_offsets,
            fast_words,
            columns: if wanted.gradient { plan.meta_len() } else { 0 } + 2,
            rate_parts: rate_parts as usize,
        }
    }

    /// Whether the passes of the inner steps are kept for a way back.
    pub(super) fn kept(&self) -> bool {
        self.second || self.learned
    }

    /// Whether many parameters share a learned rate.
    pub(super) fn shared_rates(&self) -> bool {
        self.learned && !self.plan.per_parameter_rates()
    }

    /// Number of slices of fast weights.
    fn fast_slices(&self) -> usize {
        if self.kept() { self.plan.steps } else { self.plan.steps.min(2) }
    }

    /// Slice of θ_j, and its arena's turn.
    pub(super) fn fast_slice(&self, step: usize) -> (usize, usize) {
        (if self.kept() { step - 1 } else { step % 2 % self.fast_slices() }, step % 2)
    }

    /// Index of a step's pass over the support points among those kept, and of the passes over query points.
    pub(super) fn pass(&self, step: Option<usize>) -> usize {
        match step {
            Some(step) if self.kept() => step,
            None if self.kept() => self.plan.steps,
            _ => 0,
        }
    }

    fn slices(
        &self,
        capacity: &Capacity,
        tile: usize,
        group: usize,
        groups: usize,
    ) -> Result<(Vec<Layout>, Slices, Places)> {
        let plan = self.plan;
        let mut layouts: Vec<_> = Role::OWN.iter().map(|role| Layout::new(role.label(), capacity)).collect();
        let mut words =
            |role: Role, what: &str, count: usize| layouts[role.index()].words(what, count as u64);
        let held = if self.wanted.drawn { tile } else { self.tasks };
        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        let support_x = words(Role::Points, "support_x", held * plan.support * inputs)?;
        let support_y = words(Role::Points, "support_y", held * plan.support * targets)?;
        let query_x = words(Role::Points, "query_x", held * plan.query * inputs)?;
        let query_y = words(Role::Points, "query_y", held * plan.query * targets)?;
        let mut fast = Vec::new();
        if self.first_adapted.is_some() {
            for slice in 0..self.fast_slices() {
                // Kept: θ_{slice + 1}; else θ_j of all j with the same turn.
                let turn = if self.kept() {
                    (slice + 1) % 2
                } else {
                    (slice + usize::from(self.plan.steps == 1)) % 2
                };
                fast.push(words(Role::Fast(turn), "weights", tile * self.fast_words)?);
            }
        }
        let most = plan.support.max(plan.query);
        let points: Vec<_> = match self.kept() {
            true => (0..plan.steps).map(|_| plan.support).chain([plan.query]).collect(),
            false => vec![if plan.steps > 0 { most } else { plan.query }],
        };
        let mut of_layers = |points: usize, role: fn(usize) -> Role| -> Result<Vec<Slice>> {
            let dense = plan.model.dense().iter().enumerate();
            dense.map(|(l, d)| words(role(l % 2), "layer", tile * points * d.outputs)).collect()
        };
        let (mut outputs, mut cotangents) = (Vec::new(), Vec::new());
        for &points in &points {
            outputs.push(of_layers(points, Role::Outputs)?);
        }
        if self.wanted.gradient || self.first_adapted.is_some() {
            for &points in &points {
                cotangents.push(of_layers(points, Role::Cotangents)?);
            }
        }
        let (mut output_tangents, mut cotangent_tangents) = (Vec::new(), Vec::new());
        if self.second {
            output_tangents = of_layers(plan.support, Role::OutputTangents)?;
            cotangent_tangents = of_layers(plan.support, Role::CotangentTangents)?;
        }
        let gradient = usize::from(self.wanted.gradient);
        let rows = words(Role::Rows, "rows", gradient * usize::from(group > 1) * tile * self.columns)?;
        let partials = words(Role::Partials, "groups", gradient * groups * self.columns)?;
        let parts = if self.shared_rates() {
            tile * plan.steps * plan.model.dense().len() * self.rate_parts
        } else {
            0
        };
        let rate_sums = words(Role::RateSums, "parts", parts)?;
        let mut report_words = 0;
        let mut report = |wanted: bool, count: usize| {
            let at = report_words;
            report_words += if wanted { count } else { 0 };
            wanted.then_some(at as u32)
        };
        let predictions = (plan.steps + 1) * self.tasks * plan.query * plan.model.outputs();
        let places = Places {
            query_losses: report(self.wanted.losses, self.tasks * (plan.steps + 1)),
            support_losses: report(self.wanted.losses, self.tasks * plan.steps),
            fast: report(self.wanted.fast, self.tasks * plan.model.param_count()),
            predictions: report(self.wanted.predictions, predictions),
        };
        let report = words(Role::Report, "report", report_words)?;
        for (role, layout) in Role::OWN.iter().zip(&layouts) {
            if layout.bytes() > capacity.buffer_bytes {
                return Err(Error::limit(
                    format!("bytes of a buffer ({})", role.label()),
                    layout.bytes(),
                    capacity.buffer_bytes,
                    "use a smaller model, fewer points or inner steps, or --device cpu",
                ));
            }
        }
        let slices = Slices {
            support_x,
            support_y,
            query_x,
            query_y,
            fast,
            outputs,
            cotangents,
            output_tangents,
            cotangent_tangents,
            rows,
            partials,
            rate_sums,
            report,
        };
        Ok((layouts, slices, places))
    }
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
        // The largest tile that fits, by halving an interval: bytes grow with the tile.
        let most = tasks.min(tuning.tile.max(1)).min(capacity.workgroups as usize);
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
        let this =
            Self { tile, group, groups, columns: facts.columns, layouts, uniforms, tiles, slices, report };
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

/// Where a role's numbers of a tile begin, for those that hold all tasks.
pub(super) fn from_task(place: Place, first: usize) -> Place {
    place.plus(first * place.stride as usize)
}
