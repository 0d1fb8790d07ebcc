//! The residual network of few-shot learning.

use super::Activation;
use super::{check_image, check_widths};
use crate::error::Result;
use crate::model::graph::Graph;
use crate::model::node::Value;
use crate::ops::add::Add;
use crate::ops::conv2d::Conv2d;
use crate::ops::elementwise::Function;
use crate::ops::{Op, Shape};
use serde::Serialize;

/// `resnet12`: four residual blocks of three 3 × 3 convolutions with batch norm, beside them a 1 × 1 convolution with batch norm, and
/// max-pooling 2 × 2 behind each block; then the mean of each channel and a linear layer (Oreshkin et al. 2018, TADAM; widths and names of
/// Lee et al. 2019, MetaOptNet). Convolutions have no bias.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resnet12 {
    /// Channels of each block (default `[64, 160, 320, 640]`, in recipes also a number for all).
    pub channels: Vec<usize>,
    /// The function behind each norm and each sum (default `leaky_relu` with slope 0.1).
    pub activation: Activation,
}

impl Default for Resnet12 {
    fn default() -> Self {
        let activation = Activation(Function::LeakyRelu { negative_slope: 0.1 });
        Self { channels: vec![64, 160, 320, 640], activation }
    }
}

impl Resnet12 {
    /// See [`Preset::check`](super::Preset::check).
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<()> {
        check_widths("model.channels", &self.channels, 4..=4)
    }

    /// See [`Preset::graph`](super::Preset::graph).
    ///
    /// # Errors
    /// As there.
    pub fn graph(&self, input: Shape, outputs: usize) -> Result<Graph> {
        self.check()?;
        check_image("resnet12", input, 16)?;
        let mut graph = Graph::new(input)?;
        let mut x = Value::INPUT;
        for (i, &channels) in self.channels.iter().enumerate() {
            x = self.block(&mut graph, &format!("layer{}.0", i + 1), channels, x)?;
        }
        let mean = graph.add("avgpool", Op::global_avg_pool2d(), &[x])?;
        graph.add("fc", Op::linear(outputs), &[mean])?;
        Ok(graph)
    }

    fn block(&self, graph: &mut Graph, name: &str, channels: usize, x: Value) -> Result<Value> {
        let conv = |kernel, padding| Conv2d { bias: false, ..Conv2d::square(channels, kernel, 1, padding) };
        let norm = Op::batch_norm(1e-5, true);
        let mut y = x;
        for i in 1..=3 {
            y = graph.add(format!("{name}.conv{i}"), conv(3, 1), &[y])?;
            y = graph.add(format!("{name}.bn{i}"), norm, &[y])?;
            if i < 3 {
                y = graph.add(format!("{name}.act{i}"), self.activation, &[y])?;
            }
        }
        let beside = graph.add(format!("{name}.downsample.0"), conv(1, 0), &[x])?;
        let beside = graph.add(format!("{name}.downsample.1"), norm, &[beside])?;
        let sum = graph.add(format!("{name}.add"), Add {}, &[y, beside])?;
        let sum = graph.add(format!("{name}.act3"), self.activation, &[sum])?;
        graph.add(format!("{name}.maxpool"), Op::max_pool2d(2, 2), &[sum])
    }
}
