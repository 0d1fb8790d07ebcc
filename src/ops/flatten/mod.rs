//! An image as a vector.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An image becomes a vector, in the order channel, row, column (`torch.nn.Flatten`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl fmt::Display for Flatten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl Operation for Flatten {
    const NAME: &'static str = "flatten";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(Shape::Vector(inputs[0].len()))
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

    fn forward<S: Scalar>(&self, _: &Site<'_>, x: &[&[S]], _: &[&[S]]) -> Vec<S> {
        x[0].to_vec()
    }

    fn backward<S: Scalar>(&self, _: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        vec![pass.dy.to_vec()]
    }
}
