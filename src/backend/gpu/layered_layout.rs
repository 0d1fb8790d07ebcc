//! Where the numbers of a layered pass lie: which are kept, and how long each slice is.

use super::adapter::Capacity;
use super::arena::{Layout, Slice};
use super::conv_stretch::Stretches;
use super::conv2d_update_sums;
use super::fused_plan::Purpose;
use super::inner;
use super::layer::Place;
use super::layered_nodes::Node;
use super::layered_plan::Role;
use super::norm::{NormCut, RECORD};
use super::pass::Places;
use super::product::Cut;
use crate::error::{Error, Result};
use crate::meta::{MetaGradient, Plan};
use crate::model::{Block, Layer};

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
    /// `[step kept]`: gradients, moments after the step; adjoints. Empty where the optimizer is plain.
    pub(super) gradients: Vec<Slice>,
    pub(super) moments: Vec<Slice>,
    pub(super) adjoints: Slice,
    /// Statistics of batch norms, `[pass kept][layer]`, and their records of the tangent pass, `[layer]`.
    pub(super) stats: Vec<Vec<Slice>>,
    pub(super) records: Vec<Slice>,
    pub(super) rows: Slice,
    pub(super) partials: Slice,
    pub(super) rate_sums: Slice,
    /// What the dispatch before the last left of a weight gradient.
    pub(super) stretches: Slice,
    pub(super) report: Slice,
}

/// Appends so many floats to a role's arena.
type Words<'a> = &'a mut dyn FnMut(Role, &str, usize) -> Result<Slice>;

/// What is kept and computed, derived once from the plan.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tasks: usize,
    pub(super) wanted: Wanted,
    pub(super) nodes: Vec<Node>,
    /// The lowest layer that the inner loop moves.
    pub(super) first_adapted: Option<usize>,
    /// The lowest layer with parameters.
    pub(super) first_block: usize,
    /// Whether the inner steps have Hessian terms.
    pub(super) second: bool,
    /// Whether the inner rates have gradients.
    pub(super) learned: bool,
    /// Place of each block in a slice of fast weights.
    pub(super) fast_offsets: Vec<usize>,
    /// Floats of a task in a slice of fast weights.
    pub(super) fast_words: usize,
    pub(super) columns: usize,
    /// Most workgroups that a layer's update takes.
    pub(super) rate_parts: usize,
}

impl<'a> Facts<'a> {
    pub(super) fn new(plan: &'a Plan, tasks: usize, wanted: Wanted) -> Self {
        let nodes = Node::all(&plan.model);
        let holds = |wanted: &dyn Fn(usize) -> bool| nodes.iter().position(|n| n.block.is_some_and(wanted));
        let first_adapted = holds(&|block| plan.adapts(block)).filter(|_| plan.steps > 0);
        let first_block = holds(&|_| true).unwrap_or(0);
        let second = wanted.gradient && plan.order == MetaGradient::SecondOrder && first_adapted.is_some();
        let learned = wanted.gradient && plan.learned_rates() > 0;
        let (mut fast_offsets, mut fast_words) = (Vec::new(), 0);
        for (index, block) in plan.model.blocks().iter().enumerate() {
            fast_offsets.push(fast_words);
            fast_words += if plan.adapts(index) { block.len() } else { 0 };
        }
        let whole = !plan.inner.is_plain();
        let rate_parts = nodes.iter().filter(|node| node.block.is_some()).map(|node| {
            let layer = node.sizes(plan.support);
            let (rows, columns) = (layer.outputs, layer.inputs + 1);
            match node.layer {
                _ if whole => (rows * columns).div_ceil(inner::WORKGROUP),
                Layer::Conv2d { .. } => match Stretches::of(&layer, tasks as u32, true) {
                    Stretches { cut, count: 1, .. } => cut.workgroups(rows, columns),
                    _ => (rows * columns).div_ceil(conv2d_update_sums::WORKGROUP),
                },
                Layer::BatchNorm { .. } => NormCut::of(&layer).workgroups(layer.channels),
                _ => Cut::of(rows, columns).workgroups(rows, columns),
            }
        });
        Self {
            plan,
            tasks,
            wanted,
            first_adapted,
            first_block,
            second,
            learned,
            fast_offsets,
            fast_words,
            columns: if wanted.gradient { plan.meta_len() } else { 0 } + 2,
            rate_parts: rate_parts.max().unwrap_or(0) as usize,
            nodes,
        }
    }

    /// The parameters of a layer.
    pub(super) fn block(&self, l: usize) -> Option<(usize, Block)> {
        self.nodes[l].block.map(|block| (block, self.plan.model.blocks()[block]))
    }

    /// Whether the inner loop moves a layer.
    pub(super) fn adapted(&self, l: usize) -> bool {
        self.plan.steps > 0 && self.nodes[l].block.is_some_and(|block| self.plan.adapts(block))
    }

    /// Whether a layer's input depends on what the inner loop moves.
    pub(super) fn input_moves(&self, l: usize) -> bool {
        self.first_adapted.is_some_and(|lowest| l > lowest)
    }

    /// Whether the passes of the inner steps are kept for a way back.
    pub(super) fn kept(&self) -> bool {
        self.second || self.learned
    }

    /// Floats of a task's moments after a step: first and second, and of its norm.
    pub(super) fn moment_words(&self) -> usize {
        2 * self.fast_words + 2
    }

    /// Floats of a task's direction and adjoints, of a sum, and of a one.
    pub(super) fn adjoint_words(&self) -> usize {
        3 * self.fast_words + 2
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

    /// Most floats that the stretches of a task's weight gradient take.
    fn stretch_words(&self) -> usize {
        let (plan, wanted) = (self.plan, self.wanted);
        let learns = wanted.gradient && plan.order != MetaGradient::Displacement;
        let convolutions =
            || (0..self.nodes.len()).filter(|&l| matches!(self.nodes[l].layer, Layer::Conv2d { .. }));
        let words = |l: usize, points: usize, tangents: bool| {
            let layer = self.nodes[l].sizes(points);
            Stretches::of(&layer, self.tasks as u32, tangents).words(&layer, tangents)
        };
        let steps = convolutions().filter(|&l| self.adapted(l)).map(|l| words(l, plan.support, false));
        let queries = convolutions().filter(|_| learns).map(|l| words(l, plan.query, false));
        let back = convolutions().filter(|_| self.kept()).map(|l| words(l, plan.support, true));
        steps.chain(queries).chain(back).max().unwrap_or(0)
    }

    /// Numbers of every layer's outputs, each in a slice of its own.
    fn of_layers(&self, words: Words<'_>, role: fn(usize) -> Role, points: usize) -> Result<Vec<Slice>> {
        let nodes = self.nodes.iter().enumerate();
        nodes.map(|(l, node)| words(role(l % 2), "layer", points * node.output.len())).collect()
    }

    /// The same where only the latest layer's are needed: two slices, taken in turns.
    fn in_turns(&self, words: Words<'_>, role: fn(usize) -> Role, points: usize) -> Result<Vec<Slice>> {
        let mut turns = Vec::new();
        for turn in 0..self.nodes.len().min(2) {
            let most = self.nodes.iter().skip(turn).step_by(2).map(|node| node.output.len()).max();
            turns.push(words(role(turn), "layer", points * most.unwrap_or(0))?);
        }
        Ok((0..self.nodes.len()).map(|l| turns[l % 2]).collect())
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
        let mut words = |role: Role, what: &str, count: usize| {
            indexable(role.label(), count as u64, u32::MAX.into())?;
            layouts[role.index()].words(what, count as u64)
        };
        // Gathers go below zero on their way to a tap.
        let most = self.nodes.iter().map(|node| node.input.len().max(node.output.len())).max().unwrap_or(0);
        let a_task = plan.support.max(plan.query) as u64 * most as u64;
        indexable("numbers of a task's layer", a_task, i32::MAX as u64)?;
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
        let (mut outputs, mut cotangents, mut stats) = (Vec::new(), Vec::new(), Vec::new());
        for &points in &points {
            outputs.push(self.of_layers(&mut words, Role::Outputs, tile * points)?);
            let norms = self.nodes.iter().map(|n| words(Role::Stats, "statistics", tile * n.stats()));
            stats.push(norms.collect::<Result<_>>()?);
        }
        if self.wanted.gradient || self.first_adapted.is_some() {
            for (pass, &points) in points.iter().enumerate() {
                let of = if self.kept() && pass < plan.steps { Self::of_layers } else { Self::in_turns };
                cotangents.push(of(self, &mut words, Role::Cotangents, tile * points)?);
            }
        }
        let (mut output_tangents, mut cotangent_tangents) = (Vec::new(), Vec::new());
        let mut records = Vec::new();
        if self.second {
            let points = tile * plan.support;
            output_tangents = self.of_layers(&mut words, Role::OutputTangents, points)?;
            cotangent_tangents = self.in_turns(&mut words, Role::CotangentTangents, points)?;
            let floats = |n: &Node| if n.is_norm() { RECORD as usize * n.input.features() } else { 0 };
            let norms = self.nodes.iter().map(|n| words(Role::Records, "records", tile * floats(n)));
            records = norms.collect::<Result<_>>()?;
        }
        let (mut gradients, mut moments) = (Vec::new(), Vec::new());
        let ruled = !plan.inner.is_plain() && self.first_adapted.is_some();
        if ruled {
            let kept = if self.kept() { plan.steps } else { 1 };
            for _ in 0..kept {
                gradients.push(words(Role::Gradients, "gradients", tile * self.fast_words)?);
            }
            let kept = if self.kept() { plan.steps } else { plan.steps.min(2) };
            for step in 0..kept {
                moments.push(words(Role::Moments(step % 2), "moments", tile * self.moment_words())?);
            }
        }
        let adjoints = if ruled && self.kept() { tile * self.adjoint_words() } else { 0 };
        let adjoints = words(Role::Adjoints, "adjoints", adjoints)?;
        let gradient = usize::from(self.wanted.gradient);
        let rows = words(Role::Rows, "rows", gradient * usize::from(group > 1) * tile * self.columns)?;
        let partials = words(Role::Partials, "groups", gradient * groups * self.columns)?;
        let parts = if self.shared_rates() {
            tile * plan.steps * plan.model.blocks().len() * self.rate_parts
        } else {
            0
        };
        let rate_sums = words(Role::RateSums, "parts", parts)?;
        let stretches = words(Role::Stretches, "stretches", tile * self.stretch_words())?;
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
            gradients,
            moments,
            adjoints,
            stats,
            records,
            rows,
            partials,
            rate_sums,
            stretches,
            report,
        };
        Ok((layouts, slices, places))
    }
}

/// Kernels count in 32 bits.
fn indexable(what: &str, count: u64, most: u64) -> Result<()> {
    match count <= most {
        true => Ok(()),
        false => {
            let what = format!("elements that 32 bits can index ({what})");
            Err(Error::limit(what, count, most, "use a smaller meta-batch, smaller images or --device cpu"))
        }
    }
}

/// Where a role's numbers of a tile begin, for those that hold all tasks.
pub(super) fn from_task(place: Place, first: usize) -> Place {
    place.plus(first * place.stride as usize)
}
