//! The product of several values, element by element.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::broadcast::{cotangents, element, same_shape};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The product of two values or more of one shape. Values with a row a task are broadcast over points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mul {}

impl fmt::Display for Mul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl Operation for Mul {
    const NAME: &'static str = "mul";
    const ARITY: Arity = Arity::Several;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        same_shape(inputs)
    }

    fn params(&self, _: &[Shape], _: Shape) -> Vec<ParamSpec> {
        Vec::new()
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], _: &[&[S]]) -> Vec<S> {
        let product =
            |e| (1..x.len()).fold(x[0][element(site, 0, e)], |all, i| all * x[i][element(site, i, e)]);
        (0..site.count() * site.output.len()).map(product).collect()
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        cotangents(site, |input, e| {
            let others = (0..pass.x.len()).filter(|&i| i != input);
            others.fold(pass.dy[e], |all, i| all * pass.x[i][element(site, i, e)])
        })
    }
}
