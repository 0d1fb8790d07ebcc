//! The inner loop, written once.
//!
//! A [`Program`] is what one task computes under a [`Plan`]: a list of [instructions](Instr) over [arrays](Array), in
//! order, from the points to the meta-gradient. It knows which passes are needed, what each sets and adds to, and how long
//! each array lives; it knows no device. Executors lower it: they say by a [`Target`] what their kernels keep and
//! fuse, give arrays their lengths and [places](place), and turn each instruction into calls or dispatches. `θ_j`, the
//! gradient kept of a step, `v`, `u` and the moments of inner rules are named by instructions and placed by executors.
//!
//! | file | holds |
//! | --- | --- |
//! | `array`, `instr` | what instructions are made of |
//! | `flow` | facts of the graph: what moves, what is learned through, what is part of what |
//! | `build` | the inner loop and the way back |
//! | `passes` | forward, backward and the tangents of both over a graph |
//! | `storage` | places for arrays from their lives, colours for buffers |

mod array;
mod build;
mod flow;
mod instr;
mod passes;
mod storage;
#[cfg(test)]
mod tests;

pub use array::{Array, ArrayId, ArrayKind, Pass, Set};
pub use flow::Flow;
pub use instr::{Instr, Put, Sink, Site};
pub use storage::{Extent, Placement, colour, place};

use crate::meta::{MetaGradient, Plan};
use crate::model::Model;
use crate::ops::Op;
use std::ops::Range;

/// What the other passes of a node read, beside cotangents, and what its passes leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeps {
    /// Its inputs, in its backward and both tangents.
    pub x: bool,
    /// Its output, in the same.
    pub y: bool,
    /// The tangents of its inputs, in the tangent of its backward.
    pub x_dot: bool,
    /// The tangent of its output, in the tangent of its backward.
    pub y_dot: bool,
    /// Whether its forward pass leaves an array of its own.
    pub saved: bool,
    /// Whether its tangent leaves one.
    pub saved_dot: bool,
}

/// What an executor's kernels take and fuse.
pub trait Target {
    /// What a node keeps; `relu` says whether one is part of it.
    fn keeps(&self, op: &Op, relu: bool) -> Keeps;

    /// Whether a node's output is its input by another name, so that nothing is run for it.
    fn aliases(&self, model: &Model, node: usize) -> bool;

    /// Whether a ReLU behind an op may be part of it.
    fn folds_relu(&self, op: &Op) -> bool;

    /// Whether an op's backward can close the cotangent of its input where a ReLU before it is closed.
    fn gates(&self, op: &Op) -> bool;

    /// Whether such cotangents are closed where they are put ([`Put::gate`]); else in the backward of the node that has the
    /// ReLU, which then keeps its output.
    fn gates_where_put(&self) -> bool;

    /// Whether the gradient of an inner step is kept whole, and the step an instruction of its own.
    fn keeps_gradients(&self, plan: &Plan) -> bool;

    /// Whether gradients of inner rates come with the tangents of backward passes, where gradients are not kept.
    fn rates_in_tangents(&self) -> bool;
}

/// What the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The meta-gradient; else the losses along adaptation.
    pub gradient: bool,
    /// The losses of passes whose weight is zero.
    pub all_losses: bool,
    /// Predictions on the query points at every step.
    pub predictions: bool,
    /// θ_K.
    pub fast: bool,
}

/// How the work of a task is cut. Nothing but rounding depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Whether the support passes of inner steps are computed again on the way back, instead of being kept.
    pub recompute: bool,
    /// Most points of a pass; a set with more is gone through in chunks, each adding to the gradient, where no op couples
    /// points.
    pub chunk: usize,
}

impl Cut {
    /// Everything at once, and kept.
    pub const WHOLE: Self = Self { recompute: false, chunk: usize::MAX };
}

/// What one task computes.
#[derive(Clone, Debug)]
pub struct Program {
    /// The instructions, in order.
    pub instrs: Vec<Instr>,
    /// The arrays they touch.
    pub arrays: Vec<Array>,
    /// Facts of the graph.
    pub flow: Flow,
    /// Whether there are tangents.
    pub second: bool,
    /// Whether inner rates have gradients.
    pub learned: bool,
    /// Whether θ_1 … θ_{K−1} are needed on the way back, so that each has a place of its own.
    pub keeps_steps: bool,
    /// Whether gradients of inner steps are kept.
    pub keeps_gradients: bool,
}

impl Program {
    /// Writes down the program of a plan.
    #[must_use]
    pub fn new(plan: &Plan, wanted: Wanted, target: &dyn Target, cut: Cut) -> Self {
        let flow = Flow::new(plan, target);
        let moves = flow.moves[plan.model.output().index()];
        let second = wanted.gradient && plan.order == MetaGradient::SecondOrder && moves;
        let learned = wanted.gradient && plan.learned_rates() > 0;
        let couples = plan.model.nodes().iter().any(|node| node.op.couples_points());
        let cut = if couples { Cut { chunk: usize::MAX, ..cut } } else { cut };
        // A chunk's tangents change v, which the rates of the next would still need.
        let chunked = learned && plan.support > cut.chunk;
        let keeps_gradients = moves && (chunked || target.keeps_gradients(plan));
        let keeps_steps = second || learned;
        let this = Self {
            instrs: Vec::new(),
            arrays: Vec::new(),
            flow,
            second,
            learned,
            keeps_steps,
            keeps_gradients,
        };
        build::Builder::new(this, plan, wanted, target, cut).run()
    }

    /// An array.
    #[must_use]
    pub fn array(&self, id: ArrayId) -> &Array {
        &self.arrays[id.index()]
    }

    /// Pairs of an array that an instruction reads and one that it writes: they may not lie in one buffer.
    #[must_use]
    pub fn read_and_written(&self) -> Vec<(ArrayId, ArrayId)> {
        let of = |instr: &Instr| {
            let (reads, writes) = instr.touches();
            reads
                .into_iter()
                .flat_map(move |r| writes.clone().into_iter().map(move |w| (r, w)))
                .collect::<Vec<_>>()
        };
        self.instrs.iter().flat_map(of).filter(|(r, w)| r != w).collect()
    }
}

/// The chunks of so many points.
fn chunks(points: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    let chunk = chunk.max(1);
    (0..points).step_by(chunk).map(move |first| first..points.min(first.saturating_add(chunk)))
}
