//! Initial parameters.

use super::Model;
use super::node::Value;
use crate::error::{Error, Result};
use crate::ops::elementwise::Function;
use crate::ops::{Op, Role};
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
    /// Sitzmann et al. (2020), section 3.2, by where sines stand in the graph. A layer ahead of a sine: weight from
    /// `U(−1/inputs, 1/inputs)` if no sine lies below it, else from `U(−√(6/inputs)/ω, √(6/inputs)/ω)`; a layer behind the
    /// last sine as the latter, with its ω. Biases, and weights that are not near a sine, as [`Init::Torch`].
    Siren,
}

/// The deviation of [`Init::SmallNormal`].
const SMALL: f32 = 0.01;

/// A normal number from two uniform ones (Box and Muller 1958, eq. 1).
fn normal(rng: &mut Philox) -> f32 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

fn omega(op: &Op) -> Option<f64> {
    if let Op::Elementwise(Function::Sine { omega }) = op { Some(*omega) } else { None }
}

/// The ω of the sine that each value goes into, on its own or in a sum, and of the nearest that it comes out of.
fn sines(model: &Model) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let (mut above, mut below) = (vec![None; model.nodes().len() + 1], vec![None; model.nodes().len() + 1]);
    for (n, node) in model.nodes().iter().enumerate() {
        let under = || node.inputs.iter().find_map(|input| below[input.index()]);
        below[Value::of(n).index()] = omega(&node.op).or_else(under);
    }
    for (n, node) in model.nodes().iter().enumerate().rev() {
        let through =
            if matches!(node.op, Op::Add(_)) { above[Value::of(n).index()] } else { omega(&node.op) };
        for input in &node.inputs {
            above[input.index()] = above[input.index()].or(through);
        }
    }
    (above, below)
}

/// The bound of [`Init::Siren`] for the weights of each node, by what its units sum over, if a sine is near.
fn siren_bounds(model: &Model) -> impl Fn(usize, f32) -> Option<f32> {
    let (above, below) = sines(model);
    move |node, inputs| {
        let value = Value::of(node).index();
        match (above[value], below[value]) {
            (None, None) => None,
            (Some(_), None) => Some(1.0 / inputs),
            (Some(omega), Some(_)) | (None, Some(omega)) => Some((6.0 / inputs).sqrt() / omega as f32),
        }
    }
}

impl Init {
    /// Refuses what means nothing for a model.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model.init`.
    pub fn check(self, model: &Model) -> Result<()> {
        if self == Self::Siren && !model.nodes().iter().any(|node| omega(&node.op).is_some()) {
            let reason =
                "is siren, but there is no sine in the network; use torch, xavier, he or small_normal";
            return Err(Error::recipe("model.init", reason));
        }
        Ok(())
    }

    /// Draws a flat parameter vector, `[param_count]`, from the seed.
    #[must_use]
    pub fn draw(self, model: &Model, seed: u64) -> Vec<f32> {
        let mut theta = vec![0.0; model.param_count()];
        let siren = siren_bounds(model);
        for (i, param) in model.params().iter().enumerate() {
            let (inputs, outputs, is_bias) = match param.role {
                Role::Weight { inputs, outputs } => (inputs as f32, outputs as f32, false),
                Role::Bias { inputs, outputs } => (inputs as f32, outputs as f32, true),
                Role::Scale => {
                    theta[param.range()].fill(1.0);
                    continue;
                }
                Role::Shift | Role::Latent => continue,
                Role::Fixed { deviation } => {
                    let mut rng = Philox::stream(seed, Purpose::Init, 0, i as u32);
                    theta[param.range()].fill_with(|| deviation as f32 * normal(&mut rng));
                    continue;
                }
            };
            let bound = match self {
                Self::Torch => 1.0 / inputs.sqrt(),
                Self::Siren => {
                    let node = model.blocks()[param.block].layer;
                    let near = if is_bias { None } else { siren(node, inputs) };
                    near.unwrap_or(1.0 / inputs.sqrt())
                }
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
    use crate::model::{Graph, Siren};
    use crate::ops::Shape;

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

    /// Largest magnitudes of the weights of a node, in units of a bound, and of its biases in units of 1 / √inputs.
    fn reach(model: &Model, theta: &[f32], name: &str, bound: f64) -> f64 {
        let param = model.params().iter().find(|param| param.name == name).unwrap();
        theta[param.range()].iter().fold(0.0, |most: f64, &w| most.max(f64::from(w.abs()) / bound))
    }

    #[test]
    fn sines_are_drawn_as_the_paper_has_it() {
        let siren = Siren { hidden: vec![200, 100, 50], omega: 20.0, first_omega: 30.0, latent: 0 };
        let model = siren.graph(Shape::Vector(2), 40).unwrap().finish().unwrap();
        let theta = Init::Siren.draw(&model, 5);
        for (name, bound) in [
            ("0.weight", 1.0 / 2.0),
            ("2.weight", (6.0_f64 / 200.0).sqrt() / 20.0),
            ("4.weight", (6.0_f64 / 100.0).sqrt() / 20.0),
            ("6.weight", (6.0_f64 / 50.0).sqrt() / 20.0),
            ("0.bias", 1.0 / 2.0_f64.sqrt()),
            ("2.bias", 1.0 / 200.0_f64.sqrt()),
            ("6.bias", 1.0 / 50.0_f64.sqrt()),
        ] {
            let reach = reach(&model, &theta, name, bound);
            assert!((0.9..1.0 + 1e-6).contains(&reach), "{name}: {reach}");
        }
    }

    #[test]
    fn a_sine_is_found_through_a_sum_and_a_layer_without_one_is_left_to_torch() {
        let mut graph = Graph::new(Shape::Vector(9)).unwrap();
        let a = graph.add("a", Op::linear(60), &[Value::INPUT]).unwrap();
        let b = graph.add("b", Op::linear(60), &[Value::INPUT]).unwrap();
        let sum = graph.add("sum", crate::ops::add::Add {}, &[a, b]).unwrap();
        let sine = graph.add("sine", Function::Sine { omega: 4.0 }, &[sum]).unwrap();
        let plain = graph.add("plain", Op::linear(60), &[Value::INPUT]).unwrap();
        let plain = graph.add("relu", Op::relu(), &[plain]).unwrap();
        let all = graph.add("all", crate::ops::concat::Concat {}, &[sine, plain]).unwrap();
        graph.add("out", Op::linear(9), &[all]).unwrap();
        let model = graph.finish().unwrap();
        let theta = Init::Siren.draw(&model, 1);
        for (name, bound) in [
            ("a.weight", 1.0 / 9.0),
            ("b.weight", 1.0 / 9.0),
            ("plain.weight", 1.0 / 3.0),
            ("out.weight", (6.0_f64 / 120.0).sqrt() / 4.0),
        ] {
            let reach = reach(&model, &theta, name, bound);
            assert!((0.95..1.0 + 1e-6).contains(&reach), "{name}: {reach}");
        }
    }

    #[test]
    fn arguments_of_hidden_sines_keep_a_deviation_of_one() {
        // Sitzmann et al. 2020, theorem 1.8 of the supplement: with inputs over -1 … 1, whatever the depth.
        let siren = Siren { hidden: vec![128; 5], ..Siren::default() };
        let model = siren.graph(Shape::Vector(1), 1).unwrap().finish().unwrap();
        let theta = Init::Siren.draw(&model, 2);
        let mut values: Vec<Vec<f64>> = (0..41).map(|i| vec![f64::from(i) / 20.0 - 1.0]).collect();
        for (layer, [weight, bias]) in model.params().as_chunks::<2>().0.iter().enumerate().take(5) {
            let inputs = weight.shape[1];
            let product = |x: &[f64], o: usize| -> f64 {
                let w = &theta[weight.range()][o * inputs..][..inputs];
                30.0 * w.iter().zip(x).map(|(&w, &x)| f64::from(w) * x).sum::<f64>()
            };
            let z: Vec<Vec<f64>> = values.iter().map(|x| (0..128).map(|o| product(x, o)).collect()).collect();
            // The biases are no part of the theorem.
            let squares = z.iter().flatten().map(|z| z * z).sum::<f64>() / (41.0 * 128.0);
            assert!(
                layer == 0 || (0.85..1.15).contains(&squares.sqrt()),
                "layer {layer}: {}",
                squares.sqrt()
            );
            let shifted = |z: Vec<f64>| -> Vec<f64> {
                let biases = &theta[bias.range()];
                z.into_iter().zip(biases).map(|(z, &b)| (z + 30.0 * f64::from(b)).sin()).collect()
            };
            values = z.into_iter().map(shifted).collect();
        }
    }

    #[test]
    fn a_network_without_a_sine_is_no_siren() {
        let error = Init::Siren.check(&Model::mlp(1, &[4], 1, false).unwrap()).unwrap_err().to_string();
        assert!(error.contains("`model.init`") && error.contains("no sine"), "{error}");
    }
}
