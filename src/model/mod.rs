//! Models: graphs of ops, their parameters' layout and names, initialisation, operation counts.
//!
//! A [`Model`] is a checked graph: nodes with named inputs, in an order in which each stands behind what it takes; a value
//! may go to several. Parameters live in one flat vector in the order of the nodes, weight before bias, row-major,
//! under the names that `torch.nn` gives them (`0.weight`, `0.bias`, `2.weight`, … in a sequence).

mod chain;
mod count;
mod frozen;
mod graph;
mod init;
mod node;
mod presets;
#[cfg(feature = "gpu")]
mod products;
mod written;

pub use crate::ops::{Op, Rows, Shape};
pub use chain::Link;
pub use count::Operations;
pub use frozen::NormStatistics;
pub use graph::{Graph, NamedOp};
pub use init::Init;
pub use node::{Block, Node, Param, Value};
pub use presets::{Activation, Conv4, Downsample, Mlp, Preset, Resnet12, Siren, WideResnet};
pub use written::WrittenModel;

use crate::error::Result;
use chain::links;

/// A checked graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    input: Shape,
    nodes: Vec<Node>,
    blocks: Vec<Block>,
    params: Vec<Param>,
    chain: Vec<Link>,
    /// Sets of scales and shifts of each batch norm.
    norm_sets: usize,
}

impl Model {
    fn of_graph(input: Shape, nodes: Vec<Node>, blocks: Vec<Block>, params: Vec<Param>) -> Self {
        let chain = links(&nodes, &blocks).unwrap_or_default();
        Self { input, nodes, blocks, params, chain, norm_sets: 1 }
    }

    /// Ops one behind the other, for points of the given shape.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model`, for an empty input, ops that do not fit one another (both are
    /// named, with the shape between them), or nothing with parameters.
    pub fn sequential(input: Shape, ops: &[Op]) -> Result<Self> {
        let mut graph = Graph::new(input)?;
        for op in ops {
            graph.then(*op)?;
        }
        graph.finish()
    }

    /// A multi-layer perceptron with ReLU: the preset [`Mlp`] in a word.
    ///
    /// # Errors
    /// As [`Model::sequential`].
    pub fn mlp(inputs: usize, hidden: &[usize], outputs: usize, output_relu: bool) -> Result<Self> {
        let preset = Mlp { hidden: hidden.to_vec(), output_relu, ..Mlp::default() };
        preset.graph(Shape::Vector(inputs), outputs)?.finish()
    }

    /// The same model with a scale and a shift of every batch norm for each of θ_0 … θ_`steps` (MAML++; Antoniou et al.
    /// 2019, section 4, "per-step batch normalization weights and biases"), named `1.weight.step1` and so on. Passes at
    /// θ_j take the j-th, or the last there is.
    #[must_use]
    pub fn with_norm_steps(mut self, steps: usize) -> Self {
        let one_set = self.params.clone();
        let mut offset = self.param_count();
        for step in self.norm_sets..=steps {
            for param in &one_set {
                if self.is_norm(param.block) {
                    let name = format!("{}.step{step}", param.name);
                    self.params.push(Param { name, offset, ..param.clone() });
                    offset += param.len();
                }
            }
        }
        self.norm_sets = self.norm_sets.max(steps + 1);
        self
    }

    /// Sets of scales and shifts of each batch norm: 1 unless there is one for each step.
    #[must_use]
    pub fn norm_sets(&self) -> usize {
        self.norm_sets
    }

    /// Whether a block is that of a batch norm.
    #[must_use]
    pub fn is_norm(&self, block: usize) -> bool {
        matches!(self.nodes[self.blocks[block].layer].op, Op::BatchNorm(_))
    }

    /// Where the parameters lie that a block has at θ_`step`.
    #[must_use]
    pub fn block_at(&self, block: usize, step: usize) -> Block {
        let here = self.blocks[block];
        let set = step.min(self.norm_sets - 1);
        if set == 0 || !self.is_norm(block) {
            return here;
        }
        let norms = |blocks: std::ops::Range<usize>| -> usize {
            blocks.filter(|&b| self.is_norm(b)).map(|b| self.blocks[b].len()).sum()
        };
        let once: usize = self.blocks.iter().map(Block::len).sum();
        let weight = once + (set - 1) * norms(0..self.blocks.len()) + norms(0..block);
        Block { weight, bias: weight + here.bias - here.weight, ..here }
    }

    /// Elements of a point.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.input.len()
    }

    /// Shape of a point.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Elements out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.nodes.last().map_or(self.input, |node| node.shape).len()
    }

    /// The nodes, each behind those whose outputs it takes. The last one's output is the model's.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Shape and rows of a value.
    #[must_use]
    pub fn value(&self, value: Value) -> (Shape, Rows) {
        value.node().map_or((self.input, Rows::Point), |node| (self.nodes[node].shape, self.nodes[node].rows))
    }

    /// The model's output.
    #[must_use]
    pub fn output(&self) -> Value {
        self.nodes.len().checked_sub(1).map_or(Value::INPUT, Value::of)
    }

    /// How often nodes take a value.
    #[must_use]
    pub fn uses(&self, value: Value) -> usize {
        self.nodes.iter().flat_map(|node| &node.inputs).filter(|&&input| input == value).count()
    }

    /// Parameter tensors, without those that batch norms have for later steps.
    #[must_use]
    pub fn once(&self) -> usize {
        self.nodes.iter().map(|node| node.params.len()).sum()
    }

    /// Index of the tensor that holds a parameter at θ_`step`: another one where a batch norm has one for each step.
    #[must_use]
    pub fn param_at(&self, param: usize, step: usize) -> usize {
        let set = step.min(self.norm_sets - 1);
        let Param { block, .. } = self.params[param];
        if set == 0 || !self.is_norm(block) {
            return param;
        }
        let once = self.once();
        let norms: Vec<usize> = (0..once).filter(|&p| self.is_norm(self.params[p].block)).collect();
        let place = norms.iter().position(|&p| p == param).unwrap_or(0);
        once + (set - 1) * norms.len() + place
    }

    /// The layers that have parameters, in order.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Index, among the blocks, of the head: the last linear layer, or where there is none the last block with
    /// anything to learn.
    #[must_use]
    pub fn head(&self) -> usize {
        let linear = |block: &Block| matches!(self.nodes[block.layer].op, Op::Linear(_));
        let learned =
            |block: usize| self.params.iter().any(|param| param.block == block && !param.is_fixed());
        let last = || (0..self.blocks.len()).rfind(|&block| learned(block));
        self.blocks.iter().rposition(linear).or_else(last).unwrap_or(0)
    }

    /// The linear layers, each with the function that may follow it, in order, one a block, if the model is nothing else: a
    /// multi-layer perceptron. Nothing if it holds any other op, or a value that goes elsewhere.
    #[must_use]
    pub fn chain(&self) -> &[Link] {
        &self.chain
    }

    /// Whether the model is such a chain.
    #[must_use]
    pub fn is_chain(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Parameter tensors in the order of the flat vector.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Numbers of the flat vector that are fixed.
    #[must_use]
    pub fn fixed_count(&self) -> usize {
        self.params.iter().filter(|param| param.is_fixed()).map(Param::len).sum()
    }

    /// Numbers of a node's parameters that are learned.
    #[must_use]
    pub fn learned_count(&self, node: &Node) -> usize {
        let params = self.params[node.params.clone()].iter();
        params.filter(|param| !param.is_fixed()).map(Param::len).sum()
    }

    /// Length of the flat parameter vector, what is fixed included.
    #[must_use]
    pub fn param_count(&self) -> usize {
        self.params.iter().map(Param::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONV: Op = Op::conv2d(4, 3, 2, 1);
    const NORM: Op = Op::batch_norm(1e-5, true);
    const IMAGE: Shape = Shape::Image { channels: 3, height: 9, width: 8 };

    #[test]
    fn names_and_offsets_follow_pytorch() {
        let model = Model::mlp(1, &[40, 40], 1, false).unwrap();
        let names: Vec<_> = model.params().iter().map(|p| (p.name.as_str(), p.offset, p.len())).collect();
        assert_eq!(
            names,
            [
                ("0.weight", 0, 40),
                ("0.bias", 40, 40),
                ("2.weight", 80, 1600),
                ("2.bias", 1680, 40),
                ("4.weight", 1720, 40),
                ("4.bias", 1760, 1)
            ]
        );
        assert_eq!(model.param_count(), 1761);
        assert!(model.chain()[1].relu() && !model.chain()[2].relu());
    }

    #[test]
    fn shapes_of_a_convolutional_stack_are_inferred() {
        let pool = Op::max_pool2d(2, 0);
        let layers = [CONV, NORM, Op::relu(), pool, Op::flatten(), Op::linear(5)];
        let model = Model::sequential(IMAGE, &layers).unwrap();
        let shapes: Vec<_> = model.nodes().iter().map(|node| node.shape.to_string()).collect();
        assert_eq!(shapes, ["[4, 5, 4]", "[4, 5, 4]", "[4, 5, 4]", "[4, 2, 2]", "[16]", "[5]"]);
        let sizes: Vec<_> = model.params().iter().map(|p| (p.name.as_str(), p.offset, p.len())).collect();
        let expected = [
            ("0.weight", 0, 108),
            ("0.bias", 108, 4),
            ("1.weight", 112, 4),
            ("1.bias", 116, 4),
            ("5.weight", 120, 80),
            ("5.bias", 200, 5),
        ];
        assert_eq!(sizes, expected);
        assert_eq!((model.param_count(), model.head(), model.is_chain()), (205, 2, false));
    }

    #[test]
    fn impossible_stacks_are_refused_by_name() {
        let linear = |outputs| Op::linear(outputs);
        for (input, layers, named) in [
            (Shape::Vector(1), vec![], "nothing to learn"),
            (Shape::Vector(1), vec![Op::relu()], "nothing to learn"),
            (Shape::Vector(0), vec![linear(1)], "model.inputs"),
            (Shape::Vector(1), vec![linear(0)], "no outputs"),
            (Shape::Vector(usize::MAX), vec![linear(2)], "too many parameters"),
            (Shape::Vector(3), vec![linear(7), CONV], "layer 0 (linear to 7) gives [7]"),
            (IMAGE, vec![CONV, linear(5)], "layer 1 (linear to 5): it takes a vector"),
            (IMAGE, vec![CONV, linear(5)], "padding 1) gives [4, 5, 4]"),
            (IMAGE, vec![Op::max_pool2d(10, 1)], "does not fit 9 pixels"),
            (IMAGE, vec![Op::conv2d(1, 3, 0, 0)], "at least 1"),
            (IMAGE, vec![Op::batch_norm(0.0, true)], "eps"),
        ] {
            let error = Model::sequential(input, &layers).unwrap_err().to_string();
            assert!(error.contains("model.") && error.contains(named), "{error}");
        }
    }
}
