//! Layer norm, over all of a point.

use super::named::{default_eps, yes};
use super::row_norm::{self, RowNorm};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
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

impl RowNorm for LayerNorm {
    fn eps(self) -> f64 {
        self.eps
    }

    fn affine(self) -> bool {
        self.affine
    }

    fn groups(self, _: usize) -> Option<usize> {
        None
    }
}

impl Operation for LayerNorm {
    const NAME: &'static str = "layer_norm";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        row_norm::check_eps(self.eps).map(|()| inputs[0])
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        row_norm::params(*self, inputs[0].axes())
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        row_norm::forward(*self, site, x, theta)
    }

    fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>> {
        row_norm::backward(*self, site, pass, dtheta)
    }
}
