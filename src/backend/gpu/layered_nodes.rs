//! A model as the layered path runs it: flatten is no work, as images lie channel by channel, and a ReLU is part of
//! the linear layer, convolution or batch norm that it follows.

use super::layer::LayerPass;
use crate::model::{Layer, Model, Shape};

/// A layer that is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) layer: Layer,
    pub(super) input: Shape,
    pub(super) output: Shape,
    /// Index of its parameters among the model's blocks.
    pub(super) block: Option<usize>,
    /// Whether a ReLU follows within it.
    pub(super) relu: bool,
}

/// Channels, height and width; a vector is an image of one pixel.
fn sides(shape: Shape) -> [u32; 3] {
    match shape {
        Shape::Vector(features) => [features as u32, 1, 1],
        Shape::Image { channels, height, width } => [channels as u32, height as u32, width as u32],
    }
}

impl Node {
    /// The layers of a model that are run, in order.
    pub(super) fn all(model: &Model) -> Vec<Self> {
        let mut nodes = Vec::<Self>::new();
        for stage in model.stages() {
            match (stage.layer, nodes.last_mut()) {
                (Layer::Flatten, _) => {}
                (Layer::Relu, Some(last)) if last.takes_relu() => last.relu = true,
                (layer, _) => nodes.push(Self {
                    layer,
                    input: stage.input,
                    output: stage.output,
                    block: stage.block,
                    relu: false,
                }),
            }
        }
        nodes
    }

    fn takes_relu(&self) -> bool {
        matches!(self.layer, Layer::Linear { .. } | Layer::Conv2d { .. } | Layer::BatchNorm { .. })
    }

    pub(super) fn is_norm(&self) -> bool {
        matches!(self.layer, Layer::BatchNorm { .. })
    }

    /// Floats that later passes need of a batch norm's statistics.
    pub(super) fn stats(&self) -> usize {
        if self.is_norm() { 4 * self.input.features() } else { 0 }
    }

    /// Sizes of a pass, without places.
    pub(super) fn sizes(&self, points: usize) -> LayerPass {
        let ([channels, height, width], [outputs, out_height, out_width]) =
            (sides(self.input), sides(self.output));
        let mut sizes = LayerPass {
            points: points as u32,
            inputs: 1,
            outputs,
            relu: self.relu.into(),
            channels,
            height,
            width,
            out_height,
            out_width,
            kernel: 1,
            stride: 1,
            ..LayerPass::default()
        };
        match self.layer {
            Layer::Linear { .. } => sizes.inputs = self.input.len() as u32,
            Layer::Conv2d { kernel, stride, padding, .. } => {
                sizes.inputs = channels * (kernel * kernel) as u32;
                (sizes.kernel, sizes.stride, sizes.padding) = (kernel as u32, stride as u32, padding as u32);
                (sizes.stretches, sizes.stretch) = (1, sizes.points * out_height * out_width);
            }
            Layer::MaxPool2d { kernel, stride } => {
                (sizes.kernel, sizes.stride) = (kernel as u32, stride as u32)
            }
            Layer::BatchNorm { eps, .. } => sizes.epsilon = eps as f32,
            Layer::Relu | Layer::GlobalAvgPool2d | Layer::Flatten => {}
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relus_join_what_they_follow_and_flatten_is_no_work() {
        let pool = Layer::MaxPool2d { kernel: 2, stride: 0 };
        let conv = Layer::Conv2d { outputs: 4, kernel: 3, stride: 2, padding: 1 };
        let linear = Layer::Linear { outputs: 5 };
        let image = Shape::Image { channels: 3, height: 9, width: 8 };
        let layers = [Layer::Relu, conv, Layer::Relu, pool, Layer::Relu, Layer::Flatten, linear, Layer::Relu];
        let nodes = Node::all(&Model::of(image, &layers).unwrap());
        let seen: Vec<_> = nodes.iter().map(|n| (n.layer.to_string(), n.relu, n.block)).collect();
        let expected = [
            ("relu", false, None),
            ("conv2d 3×3 to 4, stride 2, padding 1", true, Some(0)),
            ("max_pool2d 2×2, stride 2", false, None),
            ("relu", false, None),
            ("linear to 5", true, Some(1)),
        ];
        assert_eq!(seen, expected.map(|(layer, relu, block)| (layer.to_owned(), relu, block)));
        let sizes = nodes[1].sizes(7);
        assert_eq!((sizes.inputs, sizes.outputs, sizes.out_height, sizes.out_width), (27, 4, 5, 4));
        assert_eq!(nodes[4].sizes(7).inputs, 16);
    }
}
