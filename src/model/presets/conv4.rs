//! Four convolutions.

use super::Activation;
use super::{check_image, check_widths};
use crate::error::Result;
use crate::model::graph::Graph;
use crate::ops::elementwise::Function;
use crate::ops::{Op, Shape};
use serde::{Deserialize, Serialize};

/// `conv4`: four blocks of a 3 × 3 convolution, batch norm and a function (Vinyals et al. 2016, section 4.1; with strides Finn et al.
/// 2017, section 5.2), then a linear layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conv4 {
    /// Channels of each block (default 64, in recipes a number for all or a list).
    pub channels: Vec<usize>,
    /// What makes images smaller (default `pool`).
    pub downsample: Downsample,
    /// The function behind each norm (default `relu`).
    pub activation: Activation,
}

/// What makes the images of a [`Conv4`] smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downsample {
    /// Max-pooling 2 × 2 behind each block; what is left is flattened.
    Pool,
    /// Convolutions of stride 2; the mean of each channel is left.
    Stride,
}

impl Default for Conv4 {
    fn default() -> Self {
        let activation = Activation(Function::Relu {});
        Self { channels: vec![64; 4], downsample: Downsample::Pool, activation }
    }
}

impl Conv4 {
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
        let pooled = self.downsample == Downsample::Pool;
        check_image("conv4", input, if pooled { 16 } else { 1 })?;
        let mut graph = Graph::new(input)?;
        for &channels in &self.channels {
            graph.then(Op::conv2d(channels, 3, if pooled { 1 } else { 2 }, 1))?;
            graph.then(Op::batch_norm(1e-5, true))?;
            graph.then(self.activation)?;
            if pooled {
                graph.then(Op::max_pool2d(2, 2))?;
            }
        }
        graph.then(if pooled { Op::flatten() } else { Op::global_avg_pool2d() })?;
        graph.then(Op::linear(outputs))?;
        Ok(graph)
    }
}
