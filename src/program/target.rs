//! What executors say of themselves, and what their callers want.

use crate::kept::Kept;
use crate::meta::Plan;
use crate::model::Model;
use crate::ops::Op;

/// What an executor's kernels take and fuse.
pub trait Target {
    /// What a node keeps; `relu` says whether one is part of it.
    fn keeps(&self, op: &Op, relu: bool) -> Kept;

    /// Whether a node's output is its input by another name, so that nothing is run for it.
    fn aliases(&self, model: &Model, node: usize) -> bool;

    /// Whether a ReLU behind an op may be part of it.
    fn folds_relu(&self, op: &Op) -> bool;

    /// Whether an op's backward can close the cotangent of its input where a ReLU before it is closed.
    fn gates(&self, op: &Op) -> bool;

    /// Whether such cotangents are closed where they are put ([`Put::gate`](super::Put::gate)); else in the backward of the node that has the
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
