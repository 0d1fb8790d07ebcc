//! Multi-layer perceptrons.

use super::Activation;
use super::check_widths;
use crate::error::Result;
use crate::model::graph::Graph;
use crate::ops::elementwise::Function;
use crate::ops::{Op, Shape};
use serde::Serialize;

/// `mlp`: linear layers with a function between them (`nn.Sequential(nn.Linear, nn.ReLU, …, nn.Linear)`); images are flattened
/// first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mlp {
    /// Widths of the hidden layers (default `[40, 40]`); may be empty.
    pub hidden: Vec<usize>,
    /// The function behind each of them (default `relu`).
    pub activation: Activation,
    /// Whether the output passes a ReLU (default no).
    pub output_relu: bool,
}

impl Default for Mlp {
    fn default() -> Self {
        Self { hidden: vec![40, 40], activation: Activation(Function::Relu {}), output_relu: false }
    }
}

impl Mlp {
    /// See [`Preset::check`](super::Preset::check).
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<()> {
        check_widths("model.hidden", &self.hidden, 0..=64)
    }

    /// See [`Preset::graph`](super::Preset::graph).
    ///
    /// # Errors
    /// As there.
    pub fn graph(&self, input: Shape, outputs: usize) -> Result<Graph> {
        self.check()?;
        let mut graph = Graph::new(input)?;
        if matches!(input, Shape::Image { .. }) {
            graph.then(Op::flatten())?;
        }
        for &width in &self.hidden {
            graph.then(Op::linear(width))?;
            graph.then(self.activation)?;
        }
        graph.then(Op::linear(outputs))?;
        if self.output_relu {
            graph.then(Op::relu())?;
        }
        Ok(graph)
    }
}
