//! Where the arrays of a task lie: all places are floats into one arena that a thread owns and uses again for every task.

use super::graph::Graph;
use crate::meta::MetaGradient;
use crate::ops::cpu::{Lower as _, Node};
use crate::ops::{Op, each};
use crate::program::{Array, ArrayId, ArrayKind, Extent, Instr, Program, Put, Set, Wanted, place};
use crate::simd::memory::Place;

/// Places for everything.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) len: usize,
    /// Threads that share a task's work.
    pub(super) threads: usize,
    /// Of every array of the program.
    arrays: Vec<usize>,
    /// Of every array that a node's pass or its tangent leaves: a few statistics with it.
    stats: Vec<usize>,
    /// Points of both sets, and what they are to give.
    pub(super) inputs: [usize; 2],
    pub(super) labels: [usize; 2],
    /// Where points have weights: each point's share of a mean, and the number of those that count, which lie first.
    pub(super) shares: Option<[usize; 2]>,
    pub(super) live: [usize; 2],
    /// Packed parameters of θ_0 … θ_K, some in one place where nobody looks back; and transposed weights.
    theta: Vec<usize>,
    transposed: Vec<usize>,
    /// Of each node among the transposed weights.
    transposed_at: Vec<usize>,
    /// Gradients of the inner steps, where the way back needs them; else one.
    pub(super) gradient: Vec<usize>,
    /// Moments after each of these steps.
    pub(super) moments: Vec<[usize; 2]>,
    /// What clipping by norm multiplied each of these gradients by, and the norm, 0 if it did not.
    pub(super) clipped: Vec<usize>,
    /// Adjoints of the moments.
    pub(super) adjoints: [usize; 2],
    /// `v`, and behind it the gradients of the rates.
    pub(super) v: usize,
    pub(super) u: usize,
    u_transposed: usize,
    /// Inner rates, fixed or learned.
    pub(super) rates: usize,
    /// For each node, the numbers that its kernels read.
    pub(super) constants: Vec<Place>,
    /// For each node's pass itself; for cotangents that are added.
    pub(super) scratch: usize,
    pub(super) added: usize,
    pub(super) query_loss: usize,
    pub(super) support_loss: usize,
    /// `[steps + 1, query, outputs]`.
    pub(super) predictions: usize,
}

/// Hands out memory.
struct Allocator {
    len: usize,
    align: usize,
}

impl Allocator {
    fn take(&mut self, len: usize) -> usize {
        let at = self.len;
        self.len += len.next_multiple_of(self.align);
        at
    }
}

fn index(set: Set) -> usize {
    match set {
        Set::Support => 0,
        Set::Query => 1,
    }
}

impl Memory {
    /// Places everything that a program needs, in whole vectors and whole cache lines.
    pub(super) fn new(
        graph: &Graph,
        program: &Program,
        wanted: Wanted,
        weighted: bool,
        (lanes, threads): (usize, usize),
    ) -> Self {
        let align = lanes.max(16);
        let plan = &graph.plan;
        let placement = place(&extents(graph, program), align);
        let mut all = Allocator { len: placement.len, align };
        let mut memory = Self { threads, arrays: placement.offsets, ..Self::default() };
        let input = graph.layouts[0].len();
        memory.inputs = [plan.support, plan.query].map(|points| all.take(points * input));
        memory.labels = [plan.support, plan.query].map(|points| all.take(points * plan.targets()));
        if weighted {
            memory.shares = Some([plan.support, plan.query].map(|points| all.take(points)));
            memory.live = [all.take(1), all.take(1)];
        }
        memory.stats = program.arrays.iter().map(|array| all.take(stats(graph, array))).collect();
        let transposed = memory.weights(graph, program, &mut all);
        memory.steps(graph, program, &mut all);
        let gradient = if wanted.gradient { graph.meta_len() } else { 0 };
        memory.v = all.take(gradient);
        memory.u = all.take(if wanted.gradient { graph.len } else { 0 });
        memory.u_transposed = all.take(if program.second { transposed } else { 0 });
        memory.rates = all.take(graph.rate_len());
        let nodes = plan.model.nodes().iter().zip(&graph.nodes);
        for (op, node) in nodes.map(|(of, node)| (&of.op, node)) {
            let len = node.as_ref().map_or(0, |node| constants(op, node).len());
            memory.constants.push(if len == 0 { Place::NOWHERE } else { Place::at(all.take(len)) });
        }
        let scratch = plan.model.nodes().iter().zip(&graph.nodes).filter_map(|(of, node)| {
            let node = node.as_ref()?;
            Some(each!(&of.op, op => op.scratch(node)))
        });
        memory.scratch = all.take(threads * scratch.max().unwrap_or(0));
        let added = puts(program).filter(|put| put.add).map(|put| len(graph, program.array(put.to)));
        memory.added = all.take(added.max().unwrap_or(0));
        memory.query_loss = all.take(plan.steps + 1);
        memory.support_loss = all.take(plan.steps);
        let predictions = if wanted.predictions { plan.steps + 1 } else { 0 };
        memory.predictions = all.take(predictions * plan.query * plan.model.outputs());
        memory.len = all.len;
        memory
    }

    /// Parameters of every step; floats of the transposed ones.
    fn weights(&mut self, graph: &Graph, program: &Program, all: &mut Allocator) -> usize {
        let (plan, align) = (&graph.plan, all.align);
        let mut transposed = 0;
        for (of, node) in plan.model.nodes().iter().zip(&graph.nodes) {
            self.transposed_at.push(transposed);
            let len = node.as_ref().map_or(0, |node| each!(&of.op, op => op.turned_len(node)));
            transposed += len.next_multiple_of(align);
        }
        let chunked = program.arrays.iter().any(|array| array.points.start > 0);
        for j in 0..=plan.steps {
            let shared = match (program.keeps_steps, chunked) {
                (true, _) => None,
                (false, false) => (j > 1).then_some(1),
                // A later chunk still reads θ_j.
                (false, true) => (j > 2).then(|| j - 2),
            };
            self.theta.push(shared.map_or_else(|| all.take(graph.len), |j| self.theta[j]));
            self.transposed.push(shared.map_or_else(|| all.take(transposed), |j| self.transposed[j]));
        }
        transposed
    }

    /// What inner steps leave.
    fn steps(&mut self, graph: &Graph, program: &Program, all: &mut Allocator) {
        let plan = &graph.plan;
        let rule = !plan.inner.is_plain();
        let second = program.second && plan.order == MetaGradient::SecondOrder;
        let kept = program.learned || rule && second;
        let gradients = match program.keeps_gradients {
            true if kept => plan.steps,
            whole => usize::from(whole && plan.steps > 0),
        };
        self.gradient = (0..gradients).map(|_| all.take(graph.len)).collect();
        let ruled = if rule { gradients } else { 0 };
        self.moments = (0..ruled).map(|_| [all.take(graph.len), all.take(graph.len)]).collect();
        self.clipped = (0..ruled).map(|_| all.take(2)).collect();
        if rule && second {
            self.adjoints = [all.take(graph.len), all.take(graph.len)];
        }
    }

    /// Where an array lies.
    pub(super) fn array(&self, graph: &Graph, program: &Program, id: ArrayId) -> Place {
        let array = program.array(id);
        match array.kind {
            ArrayKind::Input => {
                let before = array.points.start * graph.layouts[0].len();
                Place::at(self.inputs[index(array.set)] + before)
            }
            ArrayKind::Value
            | ArrayKind::Cotangent
            | ArrayKind::Tangent
            | ArrayKind::CotangentTangent
            | ArrayKind::Saved
            | ArrayKind::SavedTangent => Place::at(self.arrays[id.index()]),
        }
    }

    /// The statistics that lie with an array.
    pub(super) fn stats(&self, id: ArrayId) -> Place {
        Place::at(self.stats[id.index()])
    }

    /// What the points of a pass are to give.
    pub(super) fn labels(&self, set: Set, point: usize, targets: usize) -> Place {
        Place::at(self.labels[index(set)] + point * targets)
    }

    /// Shares of the points of a pass, where they have some.
    pub(super) fn shares(&self, set: Set, point: usize) -> Place {
        self.shares.map_or(Place::NOWHERE, |shares| Place::at(shares[index(set)] + point))
    }

    /// The number of points of a set that count, where some do not.
    pub(super) fn live(&self, set: Set) -> Place {
        self.shares.map_or(Place::NOWHERE, |_| Place::at(self.live[index(set)]))
    }

    /// All packed parameters at θ_0.
    pub(super) fn theta_0(&self) -> usize {
        self.theta[0]
    }

    /// A parameter at θ_j: at θ_0 where it is not adapted.
    pub(super) fn theta(&self, graph: &Graph, j: usize, param: usize) -> Place {
        let j = if graph.plan.adapted[param] { j } else { 0 };
        Place::at(self.theta[j] + graph.params[param].at)
    }

    /// The transposed weight of a node, the first of its parameters, at θ_j.
    pub(super) fn transposed(&self, graph: &Graph, j: usize, n: usize) -> Place {
        let weight = graph.plan.model.nodes()[n].params.start;
        let j = if graph.plan.adapted[weight] { j } else { 0 };
        Place::at(self.transposed[j] + self.transposed_at[n])
    }

    pub(super) fn u_transposed(&self, n: usize) -> Place {
        Place::at(self.u_transposed + self.transposed_at[n])
    }
}

pub(super) fn constants(op: &Op, node: &Node) -> Vec<f32> {
    each!(op, op => op.constants(node))
}

/// Floats of an array.
fn len(graph: &Graph, array: &Array) -> usize {
    array.count() * graph.layouts[array.value.index()].len()
}

/// Floats of the statistics that lie with an array.
fn stats(graph: &Graph, array: &Array) -> usize {
    let of = |which: usize| {
        let n = array.value.node().unwrap_or(0);
        let node = graph.node(n)?;
        Some(each!(&graph.plan.model.nodes()[n].op, op => op.stats(node, array.count()))[which])
    };
    match array.kind {
        ArrayKind::Saved => of(0).unwrap_or(0),
        ArrayKind::SavedTangent => of(1).unwrap_or(0),
        ArrayKind::Input
        | ArrayKind::Value
        | ArrayKind::Cotangent
        | ArrayKind::Tangent
        | ArrayKind::CotangentTangent => 0,
    }
}

fn puts(program: &Program) -> impl Iterator<Item = Put> {
    let of = |instr: &Instr| match instr {
        Instr::Backward { dx, .. } => dx.clone(),
        Instr::BackwardTangent { dx_dot, .. } => dx_dot.clone(),
        Instr::Forward(_)
        | Instr::Tangent { .. }
        | Instr::Loss { .. }
        | Instr::LossTangent { .. }
        | Instr::Step { .. }
        | Instr::RateGradient { .. }
        | Instr::Rates { .. }
        | Instr::Direction { .. }
        | Instr::Clear
        | Instr::Displacement
        | Instr::Predictions { .. }
        | Instr::Fast => Vec::new(),
    };
    program.instrs.iter().flat_map(of).flatten()
}

/// Lengths and lives of the program's arrays. Sweeps may work in place.
fn extents(graph: &Graph, program: &Program) -> Vec<Extent> {
    let mut all: Vec<Extent> = program
        .arrays
        .iter()
        .map(|array| {
            let len = if array.kind == ArrayKind::Input { 0 } else { len(graph, array) };
            Extent { len, life: array.life.clone(), in_place_of: None }
        })
        .collect();
    let mut replace = |to: Option<ArrayId>, from: Option<ArrayId>| {
        if let (Some(to), Some(from)) = (to, from) {
            all[to.index()].in_place_of = Some(from.index());
        }
    };
    let put = |puts: &[Option<Put>]| puts[0].filter(|put| !put.add).map(|put| put.to);
    for instr in &program.instrs {
        let sweeps = |n: usize| each!(&graph.plan.model.nodes()[n].op, op => op.in_place());
        match instr {
            // What is saved takes the place of the input, else the output does.
            Instr::Forward(site) if sweeps(site.node) => replace(site.saved.or(site.y), site.x[0]),
            Instr::Backward { site, dy, dx, .. } if sweeps(site.node) => replace(put(dx), Some(*dy)),
            Instr::Tangent { site, x_dot, y_dot, saved_dot, .. } if sweeps(site.node) => {
                replace(saved_dot.or(Some(*y_dot)), x_dot[0]);
            }
            Instr::BackwardTangent { site, dy_dot, dx_dot, .. } if sweeps(site.node) => {
                replace(put(dx_dot), Some(*dy_dot));
            }
            Instr::Forward(_)
            | Instr::Backward { .. }
            | Instr::Tangent { .. }
            | Instr::BackwardTangent { .. }
            | Instr::Loss { .. }
            | Instr::LossTangent { .. }
            | Instr::Step { .. }
            | Instr::RateGradient { .. }
            | Instr::Rates { .. }
            | Instr::Direction { .. }
            | Instr::Clear
            | Instr::Displacement
            | Instr::Predictions { .. }
            | Instr::Fast => {}
        }
    }
    all
}
