//! Initial parameters.

use super::{Layer, Model};
use crate::task::{Philox, Purpose};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// How the weights of linear and convolutional layers are drawn before training. A batch norm starts at
/// γ = 1, β = 0. `inputs` is what a unit sums over (channels × kernel²), `outputs` what an input reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// PyTorch's default: weight and bias from `U(−1/√inputs, 1/√inputs)`.
    Torch,
    /// Glorot and Bengio (2010), eq. 16: weight from `U(−√(6/(inputs+outputs)), …)`, bias zero.
    Xavier,
    /// He et al. (2015), eq. 10, as a uniform draw: weight from `U(−√(6/inputs), √(6/inputs))`, bias zero.
    #[default]
    He,
}

impl Init {
    /// Draws a flat parameter vector, `[param_count]`, from the seed.
    #[must_use]
    pub fn draw(self, model: &Model, seed: u64) -> Vec<f32> {
        let mut theta = vec![0.0; model.param_count()];
        for (i, param) in model.params().iter().enumerate() {
            let stage = model.stages()[model.blocks()[param.block].layer];
            let is_bias = param.shape.len() == 1;
            let kernel = match stage.layer {
                Layer::Conv2d { kernel, .. } => kernel * kernel,
                Layer::BatchNorm { .. } => {
                    let gamma = param.name.contains(".weight");
                    theta[param.range()].fill(if gamma { 1.0 } else { 0.0 });
                    continue;
                }
                _ => 1,
            };
            let (inputs, outputs) =
                ((stage.input.features() * kernel) as f32, (stage.output.features() * kernel) as f32);
            let bound = match self {
                Self::Torch => 1.0 / inputs.sqrt(),
                Self::Xavier | Self::He if is_bias => 0.0,
                Self::He => (6.0 / inputs).sqrt(),
                Self::Xavier => (6.0 / (inputs + outputs)).sqrt(),
            };
            let mut rng = Philox::stream(seed, Purpose::Init, 0, i as u32);
            for value in &mut theta[param.range()] {
                // A draw is spent on every element, so that a bound of zero moves nothing else.
                *value = bound * (2.0 * rng.random::<f32>() - 1.0);
            }
        }
        theta
    }
}
