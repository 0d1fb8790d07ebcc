//! Models that are chains: linear layers one behind the other, each with at most one function of single elements.

use super::node::{Block, Node, Value};
use crate::ops::Op;
use crate::ops::elementwise::Function;
use crate::ops::linear::Linear;

/// A linear layer with its bias, and the function that may follow it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Features in.
    pub inputs: usize,
    /// Features out.
    pub outputs: usize,
    /// Offset of `W` (`outputs × inputs`, row-major) in the flat parameter vector.
    pub weight: usize,
    /// Offset of `b` (`outputs`) in the flat parameter vector; always `weight + outputs × inputs`.
    pub bias: usize,
    /// The function behind it.
    pub function: Option<Function>,
}

impl Link {
    /// Parameters of the block: weight and bias.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outputs * (self.inputs + 1)
    }

    /// Whether the block has no parameters; never true of a checked model.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The block's place in the flat vector, weight then bias.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.weight..self.weight + self.len()
    }

    /// Whether a ReLU follows, which kernels of products close themselves.
    #[must_use]
    pub fn relu(&self) -> bool {
        self.function == Some(Function::Relu {})
    }

    /// Any other function that follows.
    #[must_use]
    pub fn curve(&self) -> Option<Function> {
        self.function.filter(|_| !self.relu())
    }
}

/// The links of a graph, one a block, if it is nothing but a chain.
pub(super) fn links(nodes: &[Node], blocks: &[Block]) -> Option<Vec<Link>> {
    let mut all = Vec::<Link>::new();
    for (index, node) in nodes.iter().enumerate() {
        if node.inputs != [index.checked_sub(1).map_or(Value::INPUT, Value::of)] {
            return None;
        }
        if let Op::Linear(Linear { outputs, bias: true }) = node.op {
            let Block { weight, bias, .. } = blocks[node.block?];
            let inputs = (bias - weight) / outputs;
            all.push(Link { inputs, outputs, weight, bias, function: None });
        } else if let Op::Elementwise(function) = node.op {
            let last = all.last_mut().filter(|last| last.function.is_none())?;
            last.function = Some(function);
        } else {
            return None;
        }
    }
    Some(all)
}
