//! Layer norm, over all of a point.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::named::{default_eps, yes};
use super::normalise::{self, Set};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Role, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `y = γ ⊙ (x − μ) / √(σ² + ε) + β` with mean and biased variance of all elements of a point, γ and β of the shape of
/// a point (Ba et al. 2016; `torch.nn.LayerNorm`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// ε (default 1e-5).
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Whether there are γ (`weight`) and β (`bias`), else 1 and 0 (default yes).
    #[serde(default = "yes")]
    pub affine: bool,
}

impl Default for LayerNorm {
    /// ε = 1e-5, with γ and β.
    fn default() -> Self {
        Self { eps: default_eps(), affine: true }
    }
}

impl fmt::Display for LayerNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.affine { "layer_norm" } else { "layer_norm, not affine" })
    }
}

impl LayerNorm {
    /// A set for each row.
    fn sets(site: &Site<'_>) -> Vec<Set> {
        let len = site.output.len();
        let set =
            |row: usize| Set { elements: (row * len..(row + 1) * len).collect(), affine: (0..len).collect() };
        (0..site.count()).map(set).collect()
    }
}

impl Operation for LayerNorm {
    const NAME: &'static str = "layer_norm";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match self.eps > 0.0 && self.eps.is_finite() {
            true => Ok(inputs[0]),
            false => Err(format!("its eps is {}; a number above 0 is needed", self.eps)),
        }
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        let shape = inputs[0].axes();
        match self.affine {
            true => vec![ParamSpec::weight(shape.clone(), Role::Scale), ParamSpec::bias(shape, Role::Shift)],
            false => Vec::new(),
        }
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        normalise::forward(&Self::sets(site), x[0], theta, self.eps)
    }

    fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>> {
        vec![normalise::backward(&Self::sets(site), pass.x[0], pass.theta, pass.dy, dtheta, self.eps)]
    }
}
