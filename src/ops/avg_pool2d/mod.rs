//! The mean of each window of an image.

pub(super) mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::window::Window;
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The mean of each window that lies within the image (`torch.nn.AvgPool2d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvgPool2d(pub Window);

impl fmt::Display for AvgPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "avg_pool2d {}", self.0)
    }
}

impl Operation for AvgPool2d {
    const NAME: &'static str = "avg_pool2d";
    const ARITY: Arity = Arity::One;

    fn resolved(self) -> Self {
        Self(self.0.resolved())
    }

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.0.output(inputs[0])
    }

    fn params(&self, _: &[Shape], _: Shape) -> Vec<ParamSpec> {
        Vec::new()
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Linear
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], _: &[&[S]]) -> Vec<S> {
        self.0.means(site, x[0])
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        vec![self.0.spread(site, pass.dy)]
    }
}
