//! The mean of each channel over the image.

mod cpu;
#[cfg(feature = "gpu")]
mod gpu;

use super::window::Window;
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The mean of each channel over the image: an image becomes a vector (`torch.nn.AdaptiveAvgPool2d(1)` and a flatten).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool2d {}

impl fmt::Display for GlobalAvgPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl Operation for GlobalAvgPool2d {
    const NAME: &'static str = "global_avg_pool2d";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs[0] {
            Shape::Image { channels, .. } => Ok(Shape::Vector(channels)),
            Shape::Vector(_) => Err("it takes an image, not a vector".to_owned()),
        }
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
        Window::whole(site.inputs[0].sides()).means(site, x[0])
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        vec![Window::whole(site.inputs[0].sides()).spread(site, pass.dy)]
    }
}
