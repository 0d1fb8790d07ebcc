//! Layers, shapes, parameter layout and names, initialisation, operation counts.
//!
//! A [`Model`] is a checked stack of layers. Parameters live in one flat vector in the order of
//! the layers, weight before bias, row-major, under the names that PyTorch's `nn.Sequential` gives
//! them (`0.weight`, `0.bias`, `2.weight`, …).

mod count;
mod init;
mod layer;

pub use count::Operations;
pub use init::Init;
pub use layer::{Layer, Shape};

use crate::error::{Error, Result};

/// A parameter tensor and its place in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name in `nn.Sequential`, e.g. `2.weight`.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
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

    /// The elements' place in the flat vector.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The parameters of one layer: the unit that the inner loop adapts or not, and that a rate for each
/// layer belongs to. Blocks are counted over the layers that have parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Index of the layer in the stack.
    pub layer: usize,
    /// Offset of the weight (γ of a batch norm) in the flat parameter vector.
    pub weight: usize,
    /// Offset of the bias (β of a batch norm), right behind the weight.
    pub bias: usize,
    /// Elements of the bias.
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
    pub fn range(&self) -> std::ops::Range<usize> {
        self.weight..self.weight + self.len()
    }
}

/// A layer of a checked stack with the shapes around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// The layer, its defaults spelled out.
    pub layer: Layer,
    /// What goes in.
    pub input: Shape,
    /// What comes out.
    pub output: Shape,
    /// Index of its parameters among the blocks.
    pub block: Option<usize>,
}

/// A linear layer with the ReLU that may follow it: the unit of multi-layer perceptrons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Features in.
    pub inputs: usize,
    /// Features out.
    pub outputs: usize,
    /// Offset of `W` (`outputs × inputs`, row-major) in the flat parameter vector.
    pub weight: usize,
    /// Offset of `b` (`outputs`) in the flat parameter vector; always `weight + outputs × inputs`.
    pub bias: usize,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Index of the linear layer in the stack, as PyTorch counts.
    pub index: usize,
}

impl Dense {
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
}

/// A checked stack of layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    input: Shape,
    stages: Vec<Stage>,
    blocks: Vec<Block>,
    params: Vec<Param>,
    dense: Vec<Dense>,
    /// Sets of scales and shifts of each batch norm.
    norm_sets: usize,
}

impl Model {
    /// Checks a stack of layers that takes vectors of `inputs` features.
    ///
    /// # Errors
    /// As [`Model::of`].
    pub fn new(inputs: usize, layers: &[Layer]) -> Result<Self> {
        Self::of(Shape::Vector(inputs), layers)
    }

    /// Checks a stack of layers that takes points of the given shape.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model`, for an empty input, layers that do not fit one
    /// another (both are named, with the shape between them), or a stack without parameters.
    pub fn of(input: Shape, layers: &[Layer]) -> Result<Self> {
        if input.is_empty() {
            return Err(Error::recipe("model.inputs", "is 0; a model needs at least one input feature"));
        }
        let mut model = Self {
            input,
            stages: Vec::new(),
            blocks: Vec::new(),
            params: Vec::new(),
            dense: Vec::new(),
            norm_sets: 1,
        };
        let (mut shape, mut offset) = (input, 0_usize);
        for (index, &layer) in layers.iter().enumerate() {
            let layer = layer.resolved();
            let refuse = |reason: &str| {
                let before = match index.checked_sub(1) {
                    Some(i) => format!("layer {i} ({}) gives", layers[i].resolved()),
                    None => "the input is".to_owned(),
                };
                Error::recipe("model.layers", format!("layer {index} ({layer}): {reason}; {before} {shape}"))
            };
            let output = layer.output(shape).map_err(|reason| refuse(&reason))?;
            let len = [output.features(), output.pixels()].iter().try_fold(1_usize, |n, &m| n.checked_mul(m));
            if len.is_none_or(|len| len > u32::MAX as usize) {
                return Err(refuse("its output is too large"));
            }
            let mut block = None;
            if let Some(shapes) = layer.params(shape) {
                block = Some(model.blocks.len());
                let start = offset;
                for (name, shape) in ["weight", "bias"].into_iter().zip(shapes) {
                    let end = (shape.iter().try_fold(1_usize, |n, &m| n.checked_mul(m)))
                        .and_then(|n| n.checked_add(offset))
                        .filter(|&end| end <= u32::MAX as usize);
                    let end = end.ok_or_else(|| refuse("it has too many parameters"))?;
                    let name = format!("{index}.{name}");
                    model.params.push(Param { name, shape, offset, block: model.blocks.len() });
                    offset = end;
                }
                let outputs = output.features();
                model.blocks.push(Block { layer: index, weight: start, bias: offset - outputs, outputs });
            }
            model.stages.push(Stage { layer, input: shape, output, block });
            shape = output;
        }
        if model.blocks.is_empty() {
            return Err(Error::recipe(
                "model.layers",
                "has no layer with parameters; there is nothing to learn",
            ));
        }
        model.dense = dense(&model.stages, &model.blocks);
        Ok(model)
    }

    /// A multi-layer perceptron: linear layers of the given widths with ReLU between them.
    ///
    /// # Errors
    /// As [`Model::of`].
    pub fn mlp(inputs: usize, hidden: &[usize], outputs: usize, output_relu: bool) -> Result<Self> {
        let mut layers = Vec::new();
        for &width in hidden {
            layers.extend([Layer::Linear { outputs: width }, Layer::Relu]);
        }
        layers.push(Layer::Linear { outputs });
        if output_relu {
            layers.push(Layer::Relu);
        }
        Self::new(inputs, &layers)
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
        matches!(self.stages[self.blocks[block].layer].layer, Layer::BatchNorm { .. })
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
        self.stages.last().map_or(self.input, |stage| stage.output).len()
    }

    /// The layers with their shapes, in order.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The layers that have parameters, in order.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Index, among the blocks, of the head: the last linear layer, or the last block where there is none.
    #[must_use]
    pub fn head(&self) -> usize {
        let linear = |block: &Block| matches!(self.stages[block.layer].layer, Layer::Linear { .. });
        self.blocks.iter().rposition(linear).unwrap_or(self.blocks.len() - 1)
    }

    /// The linear layers with their ReLU, in order, one a block, if the model is a multi-layer perceptron;
    /// nothing if it holds any other layer.
    #[must_use]
    pub fn dense(&self) -> &[Dense] {
        &self.dense
    }

    /// Whether the model is a multi-layer perceptron: linear layers, each with at most one ReLU behind it.
    #[must_use]
    pub fn is_mlp(&self) -> bool {
        !self.dense.is_empty()
    }

    /// Parameter tensors in the order of the flat vector.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Length of the flat parameter vector.
    #[must_use]
    pub fn param_count(&self) -> usize {
        self.params.iter().map(Param::len).sum()
    }
}

/// The stack as linear layers with their ReLU, if it is nothing else.
fn dense(stages: &[Stage], blocks: &[Block]) -> Vec<Dense> {
    let mut all = Vec::<Dense>::new();
    for (index, stage) in stages.iter().enumerate() {
        match (stage.layer, stage.block, all.last_mut()) {
            (Layer::Linear { outputs }, Some(block), _) => {
                let (inputs, Block { weight, bias, .. }) = (stage.input.len(), blocks[block]);
                all.push(Dense { inputs, outputs, weight, bias, relu: false, index });
            }
            (Layer::Relu, _, Some(last)) => last.relu = true,
            _ => return Vec::new(),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONV: Layer = Layer::Conv2d { outputs: 4, kernel: 3, stride: 2, padding: 1 };
    const NORM: Layer = Layer::BatchNorm { eps: 1e-5, affine: true };
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
        assert!(model.dense()[1].relu && !model.dense()[2].relu);
    }

    #[test]
    fn shapes_of_a_convolutional_stack_are_inferred() {
        let pool = Layer::MaxPool2d { kernel: 2, stride: 0 };
        let layers = [CONV, NORM, Layer::Relu, pool, Layer::Flatten, Layer::Linear { outputs: 5 }];
        let model = Model::of(IMAGE, &layers).unwrap();
        let shapes: Vec<_> = model.stages().iter().map(|s| s.output.to_string()).collect();
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
        assert_eq!((model.param_count(), model.head(), model.is_mlp()), (205, 2, false));
    }

    #[test]
    fn impossible_stacks_are_refused_by_name() {
        let linear = |outputs| Layer::Linear { outputs };
        for (input, layers, named) in [
            (Shape::Vector(1), vec![], "nothing to learn"),
            (Shape::Vector(1), vec![Layer::Relu], "nothing to learn"),
            (Shape::Vector(0), vec![linear(1)], "model.inputs"),
            (Shape::Vector(1), vec![linear(0)], "no outputs"),
            (Shape::Vector(usize::MAX), vec![linear(2)], "too many parameters"),
            (Shape::Vector(3), vec![linear(7), CONV], "layer 0 (linear to 7) gives [7]"),
            (IMAGE, vec![CONV, linear(5)], "layer 1 (linear to 5): it takes a vector"),
            (IMAGE, vec![CONV, linear(5)], "padding 1) gives [4, 5, 4]"),
            (IMAGE, vec![Layer::MaxPool2d { kernel: 10, stride: 1 }], "does not fit 9 pixels"),
            (IMAGE, vec![Layer::Conv2d { outputs: 1, kernel: 3, stride: 0, padding: 0 }], "at least 1"),
            (IMAGE, vec![Layer::BatchNorm { eps: 0.0, affine: true }], "eps"),
        ] {
            let error = Model::of(input, &layers).unwrap_err().to_string();
            assert!(error.contains("model.") && error.contains(named), "{error}");
        }
    }
}
