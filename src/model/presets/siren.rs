//! Networks of sines.

use super::Activation;
use super::check_widths;
use crate::error::{Error, Result};
use crate::model::graph::Graph;
use crate::model::node::Value;
use crate::ops::add::Add;
use crate::ops::elementwise::Function;
use crate::ops::latent::Latent;
use crate::ops::{Op, Shape};
use serde::Serialize;

/// `siren`: linear layers, each but the last followed by `sin(ω x)` (Sitzmann et al. 2020, eq. 5), drawn as
/// [`Init::Siren`](crate::model::Init::Siren) has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Siren {
    /// Widths of the hidden layers (default `[256, 256, 256]`).
    pub hidden: Vec<usize>,
    /// ω of all sines but the first (default 30).
    pub omega: f64,
    /// ω of the first sine (default 30).
    pub first_omega: f64,
    /// Elements of a latent that shifts what goes into every sine (default 0: none): a linear layer of its own for each, the
    /// modulations of Dupont et al. (2022), section 3.1. `inner.adapt = ["latent.*"]` adapts it alone.
    pub latent: usize,
}

impl Default for Siren {
    fn default() -> Self {
        Self { hidden: vec![256; 3], omega: 30.0, first_omega: 30.0, latent: 0 }
    }
}

impl Siren {
    /// See [`Preset::check`](super::Preset::check).
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<()> {
        check_widths("model.hidden", &self.hidden, 1..=64)?;
        if self.latent > 65_536 {
            return Err(Error::recipe("model.latent", format!("is {}; allowed are 0 to 65536", self.latent)));
        }
        for (key, omega) in [("model.omega", self.omega), ("model.first_omega", self.first_omega)] {
            if !(omega.is_finite() && omega > 0.0) {
                return Err(Error::recipe(key, format!("is {omega}; a finite number above 0 is needed")));
            }
        }
        Ok(())
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
        if self.latent > 0 {
            return self.shifted(graph, outputs);
        }
        for (i, &width) in self.hidden.iter().enumerate() {
            let omega = if i == 0 { self.first_omega } else { self.omega };
            graph.then(Op::linear(width))?;
            graph.then(Activation(Function::Sine { omega }))?;
        }
        graph.then(Op::linear(outputs))?;
        Ok(graph)
    }

    /// The layers of a network whose sines a latent shifts: `layers.0` … for points, `shifts.0` … for the task.
    fn shifted(&self, mut graph: Graph, outputs: usize) -> Result<Graph> {
        let mut value = graph.unused().last().copied().unwrap_or(Value::INPUT);
        let latent = graph.add("latent", Op::from(Latent { size: self.latent }), &[])?;
        for (i, &width) in self.hidden.iter().enumerate() {
            let omega = if i == 0 { self.first_omega } else { self.omega };
            let point = graph.add(format!("layers.{i}"), Op::linear(width), &[value])?;
            let shift = graph.add(format!("shifts.{i}"), Op::linear(width), &[latent])?;
            let sum = graph.add(format!("sums.{i}"), Op::from(Add {}), &[point, shift])?;
            value = graph.add(format!("sines.{i}"), Activation(Function::Sine { omega }), &[sum])?;
        }
        graph.add(format!("layers.{}", self.hidden.len()), Op::linear(outputs), &[value])?;
        Ok(graph)
    }
}
