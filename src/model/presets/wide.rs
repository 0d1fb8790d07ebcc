//! Wide residual networks.

use super::Activation;
use super::check_image;
use crate::error::{Error, Result};
use crate::model::graph::Graph;
use crate::model::node::Value;
use crate::ops::add::Add;
use crate::ops::conv2d::Conv2d;
use crate::ops::elementwise::Function;
use crate::ops::{Op, Shape};
use serde::Serialize;

/// `wrn-DEPTH-WIDTH`: a 3 × 3 convolution to 16 channels, three groups of (depth − 4) / 6 residual blocks to 16, 32 and 64 times `width`
/// channels, the second and third with a stride of 2, then batch norm, the mean of each channel and a linear layer (Zagoruyko and
/// Komodakis 2016, table 1; norms and functions before convolutions, no dropout). Convolutions have no bias.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WideResnet {
    /// Layers, 6 n + 4; part of the name.
    #[serde(skip)]
    pub depth: usize,
    /// How many times wider than 16, 32, 64; part of the name.
    #[serde(skip)]
    pub width: usize,
    /// The function behind each norm (default `relu`).
    pub activation: Activation,
}

impl Default for WideResnet {
    fn default() -> Self {
        Self { depth: 28, width: 10, activation: Activation(Function::Relu {}) }
    }
}

impl WideResnet {
    /// From `DEPTH-WIDTH`.
    pub(super) fn of(sizes: &str) -> Result<Self> {
        let numbers = sizes.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let Some((depth, width)) = numbers else {
            let reason = format!("is `wrn-{sizes}`; write wrn-DEPTH-WIDTH, e.g. wrn-28-10");
            return Err(Error::recipe("model.preset", reason));
        };
        let wide = Self { depth, width, ..Self::default() };
        wide.check().map(|()| wide)
    }

    pub(super) fn name(&self) -> String {
        format!("wrn-{}-{}", self.depth, self.width)
    }

    /// See [`Preset::check`](super::Preset::check).
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<()> {
        let name = self.name();
        let reason = match (self.depth, self.width) {
            (depth, _) if !(10..=202).contains(&depth) || depth % 6 != 4 => {
                format!("is {name}; a depth of 6 n + 4 from 10 to 202 is needed: 10, 16, 22, 28, 34, 40, …")
            }
            (_, width) if !(1..=64).contains(&width) => format!("is {name}; a width of 1 to 64 is needed"),
            _ => return Ok(()),
        };
        Err(Error::recipe("model.preset", reason))
    }

    /// See [`Preset::graph`](super::Preset::graph).
    ///
    /// # Errors
    /// As there.
    pub fn graph(&self, input: Shape, outputs: usize) -> Result<Graph> {
        self.check()?;
        check_image(&self.name(), input, 1)?;
        let mut graph = Graph::new(input)?;
        let mut x = graph.add("conv1", conv(16, 3, 1), &[Value::INPUT])?;
        let mut channels = 16;
        for group in 1..=3 {
            let outputs = (8 * self.width) << group;
            for i in 0..(self.depth - 4) / 6 {
                let stride = if group > 1 && i == 0 { 2 } else { 1 };
                let name = format!("block{group}.layer.{i}");
                x = self.block(&mut graph, &name, [channels, outputs], stride, x)?;
                channels = outputs;
            }
        }
        let x = graph.add("bn1", Op::batch_norm(1e-5, true), &[x])?;
        let x = graph.add("act", self.activation, &[x])?;
        let x = graph.add("avgpool", Op::global_avg_pool2d(), &[x])?;
        graph.add("fc", Op::linear(outputs), &[x])?;
        Ok(graph)
    }

    /// Where channels change, the shortcut is a convolution of what the first norm and function made.
    fn block(
        &self,
        graph: &mut Graph,
        name: &str,
        channels: [usize; 2],
        stride: usize,
        x: Value,
    ) -> Result<Value> {
        let norm = Op::batch_norm(1e-5, true);
        let bn1 = graph.add(format!("{name}.bn1"), norm, &[x])?;
        let first = graph.add(format!("{name}.act1"), self.activation, &[bn1])?;
        let y = graph.add(format!("{name}.conv1"), conv(channels[1], 3, stride), &[first])?;
        let y = graph.add(format!("{name}.bn2"), norm, &[y])?;
        let y = graph.add(format!("{name}.act2"), self.activation, &[y])?;
        let y = graph.add(format!("{name}.conv2"), conv(channels[1], 3, 1), &[y])?;
        let beside = match channels[0] == channels[1] {
            true => x,
            false => graph.add(format!("{name}.convShortcut"), conv(channels[1], 1, stride), &[first])?,
        };
        graph.add(format!("{name}.add"), Add {}, &[beside, y])
    }
}

fn conv(outputs: usize, kernel: usize, stride: usize) -> Conv2d {
    Conv2d { bias: false, ..Conv2d::square(outputs, kernel, stride, kernel / 2) }
}
