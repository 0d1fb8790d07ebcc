//! The largest value of each window of an image.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::window::Window;
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest value of each window that lies within the image; the first of equal ones (`torch.nn.MaxPool2d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool2d(pub Window);

impl fmt::Display for MaxPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max_pool2d {}", self.0)
    }
}

impl Operation for MaxPool2d {
    const NAME: &'static str = "max_pool2d";
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
        Curvature::Piecewise
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], _: &[&[S]]) -> Vec<S> {
        self.0.winners(site, x[0]).into_iter().map(|source| x[0][source]).collect()
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        let mut dx = vec![S::constant(0.0); pass.x[0].len()];
        for (&dy, source) in pass.dy.iter().zip(self.0.winners(site, pass.x[0])) {
            dx[source] = dx[source] + dy;
        }
        vec![dx]
    }
}
