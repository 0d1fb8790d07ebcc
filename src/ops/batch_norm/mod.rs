//! Batch norm, over the points at hand.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod sweeps;

use super::named::{default_eps, yes};
use super::normalise::{self, Set};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Role, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `y = γ (x − μ) / √(σ² + ε) + β` with mean and biased variance of the current points, for each feature
/// of a vector or channel of an image (Ioffe and Szegedy 2015, algorithm 1; `torch.nn.BatchNorm2d` in training). No
/// running averages. Points of weight 0 are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// ε (default 1e-5).
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Whether there are γ (`weight`) and β (`bias`), else 1 and 0 (default yes).
    #[serde(default = "yes")]
    pub affine: bool,
}

impl Default for BatchNorm {
    /// ε = 1e-5, with γ and β.
    fn default() -> Self {
        Self { eps: default_eps(), affine: true }
    }
}

impl fmt::Display for BatchNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.affine { "batch_norm" } else { "batch_norm, not affine" })
    }
}

impl BatchNorm {
    /// A set for each feature or channel: its elements at all points that count.
    fn sets(site: &Site<'_>) -> Vec<Set> {
        let (channels, pixels) = (site.output.features(), site.output.pixels());
        let rows: Vec<usize> = (0..site.count()).filter(|&row| site.counts(row)).collect();
        let set = |c: usize| {
            let of = |&row: &usize| (0..pixels).map(move |pixel| (row * channels + c) * pixels + pixel);
            let elements: Vec<usize> = rows.iter().flat_map(of).collect();
            Set { affine: vec![c; elements.len()], elements }
        };
        (0..channels).map(set).collect()
    }
}

impl Operation for BatchNorm {
    const NAME: &'static str = "batch_norm";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match self.eps > 0.0 && self.eps.is_finite() {
            true => Ok(inputs[0]),
            false => Err(format!("its eps is {}; a number above 0 is needed", self.eps)),
        }
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        let shape = vec![inputs[0].features()];
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

    fn couples_points(&self) -> bool {
        true
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
