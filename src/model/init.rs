//! Initial parameters.

use super::Model;
use crate::ops::Role;
use crate::philox::{Philox, Purpose};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// How the weights of linear and convolutional layers are drawn before training. A batch norm starts at
/// γ = 1, β = 0. `inputs` is what a unit sums over (channels × kernel²), `outputs` what an input reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// PyTorch's default, and ours: weight and bias from `U(−1/√inputs, 1/√inputs)`.
    #[default]
    Torch,
    /// Glorot and Bengio (2010), eq. 16: weight from `U(−√(6/(inputs+outputs)), …)`, bias zero.
    Xavier,
    /// He et al. (2015), eq. 10, as a uniform draw: weight from `U(−√(6/inputs), √(6/inputs))`, bias zero.
    He,
    /// Weight from the normal distribution of deviation 0.01, bias zero: nearly no signal at first.
    SmallNormal,
}

/// The deviation of [`Init::SmallNormal`].
const SMALL: f32 = 0.01;

/// A normal number from two uniform ones (Box and Muller 1958, eq. 1).
fn normal(rng: &mut Philox) -> f32 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

impl Init {
    /// Draws a flat parameter vector, `[param_count]`, from the seed.
    #[must_use]
    pub fn draw(self, model: &Model, seed: u64) -> Vec<f32> {
        let mut theta = vec![0.0; model.param_count()];
        for (i, param) in model.params().iter().enumerate() {
            let (inputs, outputs, is_bias) = match param.role {
                Role::Weight { inputs, outputs } => (inputs as f32, outputs as f32, false),
                Role::Bias { inputs, outputs } => (inputs as f32, outputs as f32, true),
                Role::Scale => {
                    theta[param.range()].fill(1.0);
                    continue;
                }
                Role::Shift | Role::Latent => continue,
            };
            let bound = match self {
                Self::Torch => 1.0 / inputs.sqrt(),
                Self::Xavier | Self::He | Self::SmallNormal if is_bias => 0.0,
                Self::SmallNormal => SMALL,
                Self::He => (6.0 / inputs).sqrt(),
                Self::Xavier => (6.0 / (inputs + outputs)).sqrt(),
            };
            let mut rng = Philox::stream(seed, Purpose::Init, 0, i as u32);
            if self == Self::SmallNormal {
                theta[param.range()].fill_with(|| bound * normal(&mut rng));
                continue;
            }
            for value in &mut theta[param.range()] {
                // A draw is spent on every element, so that a bound of zero moves nothing else.
                *value = bound * (2.0 * rng.random::<f32>() - 1.0);
            }
        }
        theta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_normal_has_its_deviation_and_no_bias() {
        let model = Model::mlp(100, &[100], 1, false).unwrap();
        let theta = Init::SmallNormal.draw(&model, 3);
        let (weights, biases) = theta[..10_100].split_at(10_000);
        let moment =
            |power: i32| weights.iter().map(|&w| f64::from(w / SMALL).powi(power)).sum::<f64>() / 1e4;
        assert!(moment(1).abs() < 0.03 && (moment(2) - 1.0).abs() < 0.05, "{} {}", moment(1), moment(2));
        // Of a uniform distribution it would be 1.8.
        assert!((moment(4) - 3.0).abs() < 0.3, "{}", moment(4));
        assert!(biases.iter().all(|&b| b == 0.0));
    }
}
