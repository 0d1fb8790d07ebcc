//! The largest value of each window of an image.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest value of each square window that lies within the image; the first of equal ones (`torch.nn.MaxPool2d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Side of the window, pixels.
    pub kernel: usize,
    /// Step of the window, pixels (default: its side).
    #[serde(default)]
    pub stride: usize,
}

impl MaxPool2d {
    /// For each output element, the input element that it takes.
    fn winners<S: Scalar>(&self, site: &Site<'_>, x: &[S]) -> Vec<usize> {
        let ([h, w], [oh, ow]) = (site.inputs[0].sides(), site.output.sides());
        let mut all = Vec::new();
        for at in 0..site.count() * site.output.len() {
            let (ox, oy, image) = (at % ow, at / ow % oh, at / ow / oh);
            let corner = (image * h + oy * self.stride) * w + ox * self.stride;
            let window =
                (0..self.kernel * self.kernel).map(|k| corner + k / self.kernel * w + k % self.kernel);
            all.extend(window.reduce(|best, e| if x[e].value() > x[best].value() { e } else { best }));
        }
        all
    }
}

impl fmt::Display for MaxPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max_pool2d {0}×{0}, stride {1}", self.kernel, self.stride)
    }
}

impl Operation for MaxPool2d {
    const NAME: &'static str = "max_pool2d";
    const ARITY: Arity = Arity::One;

    fn resolved(self) -> Self {
        Self { stride: if self.stride == 0 { self.kernel } else { self.stride }, ..self }
    }

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let Shape::Image { channels, height, width } = inputs[0] else {
            return Err("it takes an image, not a vector".to_owned());
        };
        if self.kernel == 0 || self.stride == 0 {
            return Err("kernel and stride must be at least 1".to_owned());
        }
        let side = |length: usize| match length.checked_sub(self.kernel) {
            Some(room) => Ok(room / self.stride + 1),
            None => Err(format!("a kernel of {} does not fit {length} pixels with padding 0", self.kernel)),
        };
        Ok(Shape::Image { channels, height: side(height)?, width: side(width)? })
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
        self.winners(site, x[0]).into_iter().map(|source| x[0][source]).collect()
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        let mut dx = vec![S::constant(0.0); pass.x[0].len()];
        for (&dy, source) in pass.dy.iter().zip(self.winners(site, pass.x[0])) {
            dx[source] = dx[source] + dy;
        }
        vec![dx]
    }
}
