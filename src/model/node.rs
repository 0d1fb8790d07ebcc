//! Nodes of a graph, the values between them, and their parameters.

use crate::ops::{Op, Role, Rows, Shape};
use std::ops::Range;

/// A value of a graph: the model's input, or the output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(usize);

impl Value {
    /// The model's input.
    pub const INPUT: Self = Self(0);

    /// The output of a node.
    #[must_use]
    pub fn of(node: usize) -> Self {
        Self(node + 1)
    }

    /// The node that it comes out of, if it is not the input.
    #[must_use]
    pub fn node(self) -> Option<usize> {
        self.0.checked_sub(1)
    }

    /// Its place among all values: 0 is the input, `i + 1` the output of node `i`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// An op within a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name; a number, counted from 0, in a sequence.
    pub name: String,
    /// The op, its defaults spelled out.
    pub op: Op,
    /// What goes in.
    pub inputs: Vec<Value>,
    /// Shape of a row of what comes out.
    pub shape: Shape,
    /// Rows of what comes out.
    pub rows: Rows,
    /// Its parameters among the model's.
    pub params: Range<usize>,
    /// Index among the blocks, if it has parameters.
    pub block: Option<usize>,
}

/// A parameter tensor and its place in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Name, as `torch.nn` has it: `2.weight` in a sequence, else `<node>.weight`.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Offset of the first element in the flat vector.
    pub offset: usize,
    /// Index of the [`Block`] it belongs to.
    pub block: usize,
}

impl Param {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is never learned: its gradient is zero, and no loop moves it.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        matches!(self.role, Role::Fixed { .. })
    }

    /// The elements' place in the flat vector.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The parameters of one node, side by side in the flat vector: what a rate for each layer belongs to. Blocks are counted
/// over the nodes that have parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Index of the node.
    pub layer: usize,
    /// Offset of the weight (γ of a norm) in the flat parameter vector.
    pub weight: usize,
    /// Offset of the bias (β of a norm), right behind the weight.
    pub bias: usize,
    /// Elements of the bias; 0 without one.
    pub outputs: usize,
}

impl Block {
    /// Number of parameters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bias + self.outputs - self.weight
    }

    /// Whether the block has no parameters; never true of a checked model.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The block's place in the flat vector, weight then bias.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.weight..self.weight + self.len()
    }
}
