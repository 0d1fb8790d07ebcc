//! Networks of sines.

use super::Activation;
use super::check_widths;
use crate::error::{Error, Result};
use crate::model::graph::Graph;
use crate::ops::elementwise::Function;
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
}

impl Default for Siren {
    fn default() -> Self {
        Self { hidden: vec![256; 3], omega: 30.0, first_omega: 30.0 }
    }
}

impl Siren {
    /// See [`Preset::check`](super::Preset::check).
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<()> {
        check_widths("model.hidden", &self.hidden, 1..=64)?;
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
        for (i, &width) in self.hidden.iter().enumerate() {
            let omega = if i == 0 { self.first_omega } else { self.omega };
            graph.then(Op::linear(width))?;
            graph.then(Activation(Function::Sine { omega }))?;
        }
        graph.then(Op::linear(outputs))?;
        Ok(graph)
    }
}
