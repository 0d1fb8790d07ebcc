//! The arrays that instructions read and write.

use crate::model::Value;
use crate::ops::{Rows, Shape};
use std::ops::Range;

/// An array of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrayId(pub(super) usize);

impl ArrayId {
    /// Its place among [`Program::arrays`](super::Program::arrays).
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// Which points of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// Those that are adapted on.
    Support,
    /// Those that the adapted parameters are judged on.
    Query,
}

/// A pass over points of a task at θ_`step`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The step whose parameters it takes.
    pub step: usize,
    /// The set.
    pub set: Set,
    /// The points of the set: all, or a chunk.
    pub points: Range<usize>,
}

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayKind {
    /// Points of a task; they are there for the whole program, and executors place them.
    Input,
    /// `y` of a node; behind its ReLU where that is part of the node.
    Value,
    /// `dy`: the cotangent of a value.
    Cotangent,
    /// `ẏ`: the tangent of a value in the direction of an inner step's adjoint.
    Tangent,
    /// `dẏ`: the tangent of a cotangent.
    CotangentTangent,
    /// What a node's forward pass leaves for later passes beside its output; executors know how long it is.
    Saved,
    /// What a node's tangent leaves for the tangent of its backward.
    SavedTangent,
}

/// One array: what it holds, of which pass, and how long it lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// What it holds.
    pub kind: ArrayKind,
    /// The value that it belongs to; of [`ArrayKind::Saved`] and its tangent the node's output.
    pub value: Value,
    /// Shape of a row.
    pub shape: Shape,
    /// Whether it has a row a point or a row a task.
    pub rows: Rows,
    /// The points that it has rows for.
    pub points: Range<usize>,
    /// The set of points.
    pub set: Set,
    /// First and last instruction that touch it.
    pub life: Range<usize>,
}

impl Array {
    /// Number of rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.count(self.points.len())
    }

    /// Number of elements of all rows, padding aside.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count() * self.shape.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
