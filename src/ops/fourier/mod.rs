//! Fourier features of a vector.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::{Arity, Backward, Curvature, Operation, ParamSpec, Role, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::fmt;

/// `y = [sin 2πBx, cos 2πBx]`, first all sines, with a `matrix` B `[features, inputs]` that is drawn once from `N(0, scale²)` and
/// never learned (Tancik et al. 2020, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fourier {
    /// Rows of B: half of what comes out.
    pub features: usize,
    /// Deviation of B's entries, turns for each unit of an input (default 1).
    #[serde(default = "default_scale")]
    pub scale: f64,
}

fn default_scale() -> f64 {
    1.0
}

impl fmt::Display for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fourier, {} features, scale {}", self.features, self.scale)
    }
}

impl Fourier {
    /// `2πBx`, `[rows, features]`.
    fn angles<S: Scalar>(&self, site: &Site<'_>, x: &[S], matrix: &[S]) -> Vec<S> {
        let inputs = site.inputs[0].len();
        let angle = |x: &[S], b: &[S]| {
            let sum = x.iter().zip(b).fold(S::constant(0.0), |sum, (&x, &b)| sum + x * b);
            sum * S::constant(TAU)
        };
        let row = |x| matrix.chunks_exact(inputs).map(move |b| angle(x, b));
        x.chunks_exact(inputs).flat_map(row).collect()
    }
}

impl Operation for Fourier {
    const NAME: &'static str = "fourier";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return Err(format!("its scale is {}; a number above 0 is needed", self.scale));
        }
        match (inputs[0], self.features.checked_mul(2)) {
            (Shape::Image { .. }, _) => Err("it takes a vector; put a flatten before it".to_owned()),
            (Shape::Vector(_), None | Some(0)) => Err(format!("it cannot have {} features", self.features)),
            (Shape::Vector(_), Some(outputs)) => Ok(Shape::Vector(outputs)),
        }
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        let role = Role::Fixed { deviation: self.scale };
        vec![ParamSpec { name: "matrix", shape: vec![self.features, inputs[0].len()], role }]
    }

    fn multiply_adds(&self, inputs: &[Shape], _: Shape) -> u64 {
        self.features as u64 * inputs[0].len() as u64
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        let angles = self.angles(site, x[0], theta[0]);
        let row = |row: &[S]| -> Vec<S> {
            row.iter().map(|angle| angle.sin()).chain(row.iter().map(|angle| angle.cos())).collect()
        };
        angles.chunks_exact(self.features).flat_map(row).collect()
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        let (inputs, matrix) = (site.inputs[0].len(), pass.theta[0]);
        let mut dx = vec![S::constant(0.0); pass.x[0].len()];
        for (at, &angle) in self.angles(site, pass.x[0], matrix).iter().enumerate() {
            let (row, k) = (at / self.features, at % self.features);
            let dy = &pass.dy[2 * row * self.features..];
            let turn = (dy[k] * angle.cos() - dy[self.features + k] * angle.sin()) * S::constant(TAU);
            for (i, dx) in dx[row * inputs..][..inputs].iter_mut().enumerate() {
                *dx = *dx + turn * matrix[k * inputs + i];
            }
        }
        vec![dx]
    }
}
