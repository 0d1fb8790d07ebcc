//! A parameter that is a value.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::{Arity, Backward, Curvature, Operation, ParamSpec, Role, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A vector of parameters that is a value of its own, with a row for the whole task: what describes a task where only it
/// adapts (Dupont et al. 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// Elements.
    pub size: usize,
}

impl fmt::Display for Latent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "latent of {}", self.size)
    }
}

impl Operation for Latent {
    const NAME: &'static str = "latent";
    const ARITY: Arity = Arity::Source;

    fn output(&self, _: &[Shape]) -> Result<Shape, String> {
        match self.size {
            0 => Err("its size is 0".to_owned()),
            size => Ok(Shape::Vector(size)),
        }
    }

    fn params(&self, _: &[Shape], _: Shape) -> Vec<ParamSpec> {
        vec![ParamSpec::weight(vec![self.size], Role::Latent)]
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Linear
    }

    fn forward<S: Scalar>(&self, _: &Site<'_>, _: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        theta[0].to_vec()
    }

    fn backward<S: Scalar>(&self, _: &Site<'_>, pass: Backward<'_, S>, dtheta: &mut [Vec<S>]) -> Vec<Vec<S>> {
        for (gradient, &dy) in dtheta[0].iter_mut().zip(pass.dy) {
            *gradient = *gradient + dy;
        }
        Vec::new()
    }
}
