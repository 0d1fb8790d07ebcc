//! What is computed and kept, derived once from the plan.

use super::kernels::inner;
use super::rooms;
use super::target::Layered;
use crate::backend::gpu::resident::request::Purpose;
use crate::meta::{MetaGradient, Plan};
use crate::model::Block;
use crate::program::{self, ArrayId, ArrayKind, Cut, Instr, Program, Set, colour};
use crate::wgsl::lower::{Lower, Sizes};

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
    /// Whether points count by shares of their own.
    pub(super) weighted: bool,
}

impl Wanted {
    pub(super) fn new(plan: &Plan, purpose: Purpose, [drawn, weighted]: [bool; 2]) -> Self {
        let (gradient, losses, predictions) = match purpose {
            Purpose::Gradient { report } => (true, report, false),
            Purpose::Evaluation { predictions } => (false, true, predictions),
        };
        Self { gradient, losses, fast: gradient && losses && plan.track_all, predictions, drawn, weighted }
    }
}

/// The program, and what the layered path adds to it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) plan: &'a Plan,
    pub(super) tasks: usize,
    pub(super) wanted: Wanted,
    pub(super) cut: Cut,
    pub(super) program: Program,
    /// Floats of a task in each array; none in those of points.
    pub(super) lens: Vec<usize>,
    /// The buffer of each array.
    pub(super) colours: Vec<usize>,
    /// Whether the inner loop moves anything.
    pub(super) adapts: bool,
    /// Whether directions are copies of `v`, which changes while they are needed.
    pub(super) copies: bool,
    /// Most points of a pass over support and query points.
    chunks: [usize; 2],
    /// Place of each block in a slice of fast weights.
    pub(super) fast_offsets: Vec<usize>,
    /// Floats of a task in a slice of fast weights: blocks of which anything is adapted, whole.
    pub(super) fast_words: usize,
    pub(super) columns: usize,
    /// Most parts of the gradient of a rate that a block's parameters share.
    pub(super) rate_parts: usize,
}

impl<'a> Facts<'a> {
    /// Of a plan whose products kernels can take.
    pub(super) fn new(plan: &'a Plan, tasks: usize, wanted: Wanted, cut: Cut) -> Self {
        let asked = program::Wanted {
            gradient: wanted.gradient,
            all_losses: plan.track_all && wanted.losses,
            predictions: wanted.predictions,
            fast: wanted.fast,
        };
        let program = Program::new(plan, asked, &Layered, cut);
        let chunks = [Set::Support, Set::Query].map(|set| {
            let here = program.arrays.iter().filter(|array| array.set == set);
            here.map(|array| array.points.len()).max().unwrap_or(0)
        });
        let copies = !program.keeps_gradients
            && program.instrs.iter().any(|instr| matches!(instr, Instr::Direction { copy: true, .. }));
        let adapts = program.flow.moves[plan.model.output().index()];
        let (mut fast_offsets, mut fast_words) = (Vec::new(), 0);
        for (index, block) in plan.model.blocks().iter().enumerate() {
            fast_offsets.push(fast_words);
            fast_words += if plan.adapts(index) { block.len() } else { 0 };
        }
        let mut this = Self {
            plan,
            tasks,
            wanted,
            cut,
            program,
            lens: Vec::new(),
            colours: Vec::new(),
            adapts,
            copies,
            chunks,
            fast_offsets,
            fast_words,
            columns: if wanted.gradient { plan.meta_len() } else { 0 } + 2,
            rate_parts: 0,
        };
        this.rate_parts = (0..plan.model.blocks().len()).map(|block| this.parts(block)).max().unwrap_or(0);
        this.place_arrays();
        this
    }

    /// Parts of the gradient of a rate that a block's parameters share.
    fn parts(&self, block: usize) -> usize {
        let node = self.plan.model.blocks()[block].layer;
        match self.program.keeps_gradients {
            false => self.room(node).rate_parts(&self.sizes(node, self.plan.support)) as usize,
            true => {
                let params = &self.plan.model.params()[self.plan.model.nodes()[node].params.clone()];
                params.iter().map(|param| param.len().div_ceil(inner::WORKGROUP as usize)).sum()
            }
        }
    }

    /// Lengths and buffers of arrays: no two that one dispatch reads and writes share a buffer.
    fn place_arrays(&mut self) {
        let lens = self.program.arrays.iter().map(|array| {
            let Some(node) = array.value.node() else { return 0 };
            let sizes = self.sizes(node, array.points.len());
            match array.kind {
                ArrayKind::Input => 0,
                ArrayKind::Saved => self.room(node).saved(&sizes),
                ArrayKind::SavedTangent => self.room(node).saved_dot(&sizes),
                ArrayKind::Value
                | ArrayKind::Cotangent
                | ArrayKind::Tangent
                | ArrayKind::CotangentTangent => array.len(),
            }
        });
        self.lens = lens.collect();
        let pairs = self.program.read_and_written();
        let held = |id: ArrayId| self.lens[id.index()] > 0;
        let pairs: Vec<_> = pairs
            .into_iter()
            .filter(|&(read, written)| held(read) && held(written))
            .map(|(read, written)| (read.index(), written.index()))
            .collect();
        self.colours = colour(self.lens.len(), &pairs);
    }

    /// Buffers that arrays take.
    pub(super) fn buffers(&self) -> usize {
        self.colours.iter().max().map_or(0, |most| most + 1)
    }

    /// The kernels of a node.
    pub(super) fn room(&self, node: usize) -> &dyn Lower {
        rooms::of(&self.plan.model.nodes()[node].op)
    }

    /// The sizes of a node over so many points.
    pub(super) fn sizes(&self, node: usize, points: usize) -> Sizes {
        let relu = self.program.flow.relu[node];
        let weighted = self.wanted.weighted;
        Sizes { weighted, ..rooms::sizes(&self.plan.model, node, relu, points, self.tasks) }
    }

    /// The parameters of a node.
    pub(super) fn block(&self, node: usize) -> Option<(usize, Block)> {
        self.plan.model.nodes()[node].block.map(|block| (block, self.plan.model.blocks()[block]))
    }

    /// Whether the inner loop moves any parameter of a node.
    pub(super) fn adapted(&self, node: usize) -> bool {
        self.plan.model.nodes()[node]
            .block
            .is_some_and(|block| self.plan.steps > 0 && self.plan.adapts(block))
    }

    /// Whether θ_1 … θ_K are kept for a way back.
    pub(super) fn kept(&self) -> bool {
        self.program.keeps_steps
    }

    /// Floats of a task's moments after a step: first and second, and of its norm.
    pub(super) fn moment_words(&self) -> usize {
        2 * self.fast_words + 2
    }

    /// Floats of a task's direction and adjoints, of a sum, and of a one; or of a copy of `v`.
    pub(super) fn adjoint_words(&self) -> usize {
        match (self.program.keeps_gradients, self.copies) {
            (true, _) => 3 * self.fast_words + 2,
            (false, true) => self.fast_words,
            (false, false) => 0,
        }
    }

    /// Whether many parameters share a learned rate.
    pub(super) fn shared_rates(&self) -> bool {
        self.program.learned && !self.plan.per_parameter_rates()
    }

    /// Number of slices of fast weights.
    pub(super) fn fast_slices(&self) -> usize {
        if self.kept() { self.plan.steps } else { self.plan.steps.min(2) }
    }

    /// Slice of θ_j, and its arena's turn.
    pub(super) fn fast_slice(&self, step: usize) -> (usize, usize) {
        (if self.kept() { step - 1 } else { step % 2 % self.fast_slices() }, step % 2)
    }

    /// Most floats that the stretches of a task's parameters' gradient take.
    pub(super) fn stretch_words(&self) -> usize {
        let (plan, wanted) = (self.plan, self.wanted);
        let learns = wanted.gradient && plan.order != MetaGradient::Displacement;
        // A chunk, and the last of a set, which may be shorter.
        let lengths = |points: usize, chunk: usize| [chunk, points.checked_rem(chunk).unwrap_or(0)];
        let words = |node: usize, [points, chunk]: [usize; 2], tangents: bool| {
            let of = |points: usize| self.room(node).stretches(&self.sizes(node, points), tangents);
            lengths(points, chunk).into_iter().filter(|&points| points > 0).map(of).max().unwrap_or(0)
        };
        let [support, query] = [[plan.support, self.chunks[0]], [plan.query, self.chunks[1]]];
        let nodes = || (0..plan.model.nodes().len()).filter(|&node| self.block(node).is_some());
        let steps = nodes().filter(|&node| self.adapted(node)).map(|node| words(node, support, false));
        let queries = nodes().filter(|_| learns).map(|node| words(node, query, false));
        let back = nodes().filter(|_| self.kept()).map(|node| words(node, support, true));
        steps.chain(queries).chain(back).max().unwrap_or(0)
    }
}
