//! `y = W x + b`.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::{Arity, Backward, Curvature, Operation, ParamSpec, Role, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// `y = W x + b` with `W: [outputs, inputs]` (`torch.nn.Linear`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Features out.
    pub outputs: usize,
    /// Whether there is a `b` (default yes).
    #[serde(default = "super::named::yes", skip_serializing_if = "super::named::is_yes")]
    pub bias: bool,
}

impl Linear {
    /// To so many features, with a bias.
    #[must_use]
    pub fn to(outputs: usize) -> Self {
        Self { outputs, bias: true }
    }
}

impl fmt::Display for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linear to {}{}", self.outputs, if self.bias { "" } else { ", no bias" })
    }
}

impl Operation for Linear {
    const NAME: &'static str = "linear";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs[0] {
            _ if self.outputs == 0 => Err("it has no outputs".to_owned()),
            Shape::Vector(_) => Ok(Shape::Vector(self.outputs)),
            Shape::Image { .. } => {
                Err("it takes a vector; put flatten or global_avg_pool2d before it".to_owned())
            }
        }
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        let (inputs, outputs) = (inputs[0].features(), self.outputs);
        let mut all = vec![ParamSpec::weight(vec![outputs, inputs], Role::Weight { inputs, outputs })];
        if self.bias {
            all.push(ParamSpec::bias(vec![outputs], Role::Bias { inputs, outputs }));
        }
        all
    }

    fn multiply_adds(&self, inputs: &[Shape], output: Shape) -> u64 {
        (inputs[0].len() * output.len()) as u64
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        let (inputs, outputs) = (site.inputs[0].len(), self.outputs);
        let mut y = Vec::with_capacity(site.count() * outputs);
        for x in x[0].chunks_exact(inputs) {
            for (o, w) in theta[0].chunks_exact(inputs).enumerate() {
                let start = theta.get(1).map_or(S::constant(0.0), |bias| bias[o]);
                y.push(w.iter().zip(x).fold(start, |sum, (&w, &x)| sum + w * x));
            }
        }
        y
    }

    fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>> {
        let (inputs, outputs) = (site.inputs[0].len(), self.outputs);
        let mut dx = vec![S::constant(0.0); pass.x[0].len()];
        for (row, dy) in pass.dy.chunks_exact(outputs).enumerate() {
            let (x, dx) = (&pass.x[0][row * inputs..], &mut dx[row * inputs..]);
            for (o, &dy) in dy.iter().enumerate() {
                for i in 0..inputs {
                    let w = o * inputs + i;
                    dtheta[0][w] = dtheta[0][w] + dy * x[i];
                    dx[i] = dx[i] + pass.theta[0][w] * dy;
                }
                if let Some(bias) = dtheta.get_mut(1) {
                    bias[o] = bias[o] + dy;
                }
            }
        }
        vec![dx]
    }
}
