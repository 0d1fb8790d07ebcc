//! Where the numbers of a layered pass lie: which are kept, and how long each slice is.

use super::adapter::Capacity;
use super::arena::{Layout, Slice};
use super::fused_plan::Purpose;
use super::layer::Place;
use super::layered_plan::Role;
use super::pass::Places;
use crate::error::{Error, Result};
use crate::meta::{MetaGradient, Plan};

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
    pub(super) fn new(plan: &Plan, purpose: Purpose, drawn: bool) -> Self {
        let (gradient, losses, predictions) = match purpose {
            Purpose::Gradient { report } => (true, report, false),
            Purpose::Evaluation { predictions } => (false, true, predictions),
        };
        Self { gradient, losses, fast: gradient && losses && plan.track_all, predictions, drawn }
    }
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
    pub(super) fn new(plan: &'a Plan, tasks: usize, wanted: Wanted) -> Self {
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

    /// Lays out every slice for tiles of `tile` tasks.
    pub(super) fn slices(
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

/// Where a role's numbers of a tile begin, for those that hold all tasks.
pub(super) fn from_task(place: Place, first: usize) -> Place {
    place.plus(first * place.stride as usize)
}
