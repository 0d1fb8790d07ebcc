//! Layers, shapes, parameter layout and names, initialisation, operation counts.
//!
//! A [`Model`] is a checked stack of layers. Parameters live in one flat vector in the order of
//! the layers, weight before bias, row-major `[outputs, inputs]`, under the names that PyTorch's
//! `nn.Sequential` gives them (`0.weight`, `0.bias`, `2.weight`, …).

mod count;
mod init;

pub use count::Operations;
pub use init::Init;

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// One layer as a recipe or a golden case names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Layer {
    /// `z = W h + b`, `W: [outputs, inputs]`.
    Linear {
        /// Features out.
        outputs: usize,
    },
    /// `h = max(z, 0)`.
    Relu,
}

/// A parameter tensor and its place in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name in `nn.Sequential`, e.g. `2.weight`.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Offset of the first element in the flat vector.
    pub offset: usize,
    /// Index of the [`Dense`] block it belongs to.
    pub dense: usize,
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

/// A linear layer with the ReLU that may follow it: the unit the backends compute in.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    inputs: usize,
    layers: Vec<Layer>,
    dense: Vec<Dense>,
    params: Vec<Param>,
}

impl Model {
    /// Checks a stack of layers that takes `inputs` features.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model`, for an empty stack, a width of zero or a
    /// ReLU with no layer before it.
    pub fn new(inputs: usize, layers: &[Layer]) -> Result<Self> {
        if inputs == 0 {
            return Err(Error::recipe("model.inputs", "is 0; a model needs at least one input feature"));
        }
        let (mut dense, mut params) = (Vec::<Dense>::new(), Vec::new());
        let (mut width, mut offset) = (inputs, 0_usize);
        for (index, layer) in layers.iter().enumerate() {
            match *layer {
                Layer::Linear { outputs } => {
                    let len = (width.checked_add(1).and_then(|w| w.checked_mul(outputs)))
                        .filter(|&len| len > 0 && offset.checked_add(len).is_some_and(|n| n <= u32::MAX as usize))
                        .ok_or_else(|| {
                            Error::recipe(
                                "model.layers",
                                format!("layer {index} (linear, {width} → {outputs}) has no parameters or too many"),
                            )
                        })?;
                    let bias = offset + width * outputs;
                    for (name, shape, offset) in
                        [("weight", vec![outputs, width], offset), ("bias", vec![outputs], bias)]
                    {
                        params.push(Param {
                            name: format!("{index}.{name}"),
                            shape,
                            offset,
                            dense: dense.len(),
                        });
                    }
                    dense.push(Dense { inputs: width, outputs, weight: offset, bias, relu: false, index });
                    (width, offset) = (outputs, offset + len);
                }
                Layer::Relu => match dense.last_mut() {
                    Some(last) => last.relu = true,
                    None => {
                        return Err(Error::recipe(
                            "model.layers",
                            "layer 0 is a relu; put a linear layer before it",
                        ));
                    }
                },
            }
        }
        if dense.is_empty() {
            return Err(Error::recipe("model.layers", "is empty; at least one linear layer is needed"));
        }
        Ok(Self { inputs, layers: layers.to_vec(), dense, params })
    }

    /// A multi-layer perceptron: linear layers of the given widths with ReLU between them.
    ///
    /// # Errors
    /// As [`Model::new`].
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

    /// Features in.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Features out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.dense[self.dense.len() - 1].outputs
    }

    /// The stack as given.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Linear layers with their ReLU, in order.
    #[must_use]
    pub fn dense(&self) -> &[Dense] {
        &self.dense
    }

    /// Parameter tensors in the order of the flat vector.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Length of the flat parameter vector.
    #[must_use]
    pub fn param_count(&self) -> usize {
        self.dense.iter().map(Dense::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn impossible_stacks_are_refused_by_name() {
        for (inputs, layers) in [
            (1, vec![]),
            (1, vec![Layer::Relu, Layer::Linear { outputs: 1 }]),
            (0, vec![Layer::Linear { outputs: 1 }]),
            (1, vec![Layer::Linear { outputs: 0 }]),
            (usize::MAX, vec![Layer::Linear { outputs: 2 }]),
        ] {
            let error = Model::new(inputs, &layers).unwrap_err();
            assert!(error.to_string().contains("model."), "{error}");
        }
    }
}
