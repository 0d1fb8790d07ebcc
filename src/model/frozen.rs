//! Batch norms at fixed statistics, so that a point is judged by itself; and parts of a graph.

use super::Model;
use super::graph::Graph;
use super::node::{Node, Value};
use crate::error::{Error, Result};
use crate::ops::add::Add;
use crate::ops::conv2d::Conv2d;
use crate::ops::latent::Latent;
use crate::ops::mul::Mul;
use crate::ops::{Op, Shape};

/// What a batch norm is frozen at, `[features]` each: the running statistics of PyTorch's words, of one set of points.
#[derive(Clone, Debug, PartialEq)]
pub struct NormStatistics {
    /// Means.
    pub mean: Vec<f32>,
    /// Biased variances.
    pub variance: Vec<f32>,
}

impl Model {
    /// The batch norms, as nodes in their order.
    pub fn norms(&self) -> impl Iterator<Item = &Node> {
        self.nodes().iter().filter(|node| matches!(node.op, Op::BatchNorm(_)))
    }

    /// The model with the one set of scales and shifts that its batch norms have at θ_`step`, and its parameters.
    #[must_use]
    pub fn at_step(&self, theta: &[f32], step: usize) -> (Self, Vec<f32>) {
        let once = self.once();
        let mut values = Vec::with_capacity(theta.len());
        for param in 0..once {
            values.extend_from_slice(&theta[self.params()[self.param_at(param, step)].range()]);
        }
        let mut one = self.clone();
        one.params.truncate(once);
        one.norm_sets = 1;
        (one, values)
    }

    /// A model whose output is a value within this one, laid out as a vector, and its parameters.
    ///
    /// # Errors
    /// None that a checked model can cause.
    pub fn up_to(&self, value: Value, theta: &[f32]) -> Result<(Self, Vec<f32>)> {
        let mut needed = vec![false; self.nodes().len() + 1];
        needed[value.index()] = true;
        for (n, node) in self.nodes().iter().enumerate().rev() {
            if needed[Value::of(n).index()] {
                node.inputs.iter().for_each(|input| needed[input.index()] = true);
            }
        }
        let mut part = Part::of(self, theta)?;
        for (n, node) in self.nodes().iter().enumerate().filter(|(n, _)| needed[Value::of(*n).index()]) {
            part.copy(n, node)?;
        }
        // A graph has something to learn; here it is what adds nothing.
        let (shape, _) = self.value(value);
        let flat = part.graph.add(part.free("flat"), Op::flatten(), &[part.values[value.index()]])?;
        let zeros = part.graph.add(part.free("zeros"), Op::from(Latent { size: shape.len() }), &[])?;
        part.theta.resize(part.theta.len() + shape.len(), 0.0);
        part.graph.add(part.free("values"), Op::from(Add {}), &[flat, zeros])?;
        part.finish()
    }

    /// The model with, in the place of each batch norm, `y = a x + b` with `a = γ / √(σ² + ε)`, `b = β − μ a`, at
    /// these statistics, in the order of [`Model::norms`]; and its parameters.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if there are other statistics than norms, or of other lengths.
    pub fn frozen(&self, theta: &[f32], statistics: &[NormStatistics]) -> Result<(Self, Vec<f32>)> {
        let count = self.norms().count();
        if count != statistics.len() {
            return Err(Error::shape("statistics of batch norms", &[count], &[statistics.len()]));
        }
        if count == 0 {
            return Ok((self.clone(), theta.to_vec()));
        }
        let (mut part, mut left) = (Part::of(self, theta)?, statistics.iter());
        for (n, node) in self.nodes().iter().enumerate() {
            let Op::BatchNorm(norm) = node.op else {
                part.copy(n, node)?;
                continue;
            };
            let features = node.shape.features();
            let at = left.next().filter(|at| [at.mean.len(), at.variance.len()] == [features; 2]);
            let at =
                at.ok_or_else(|| Error::shape(format!("statistics of {}", node.name), &[features], &[]))?;
            part.scale(n, node, line(self, node, theta, at, norm.eps))?;
        }
        part.finish()
    }
}

/// `a` and `b` of a frozen norm.
fn line(model: &Model, node: &Node, theta: &[f32], at: &NormStatistics, eps: f64) -> (Vec<f32>, Vec<f32>) {
    let params: Vec<_> = model.params()[node.params.clone()].iter().map(|p| &theta[p.range()]).collect();
    let or =
        |param: usize, i: usize, otherwise: f64| params.get(param).map_or(otherwise, |p| f64::from(p[i]));
    let each = |i: usize| {
        let a = or(0, i, 1.0) / (f64::from(at.variance[i]) + eps).sqrt();
        (a as f32, (or(1, i, 0.0) - f64::from(at.mean[i]) * a) as f32)
    };
    (0..at.mean.len()).map(each).unzip()
}

/// A graph on its way, made of another's nodes.
struct Part<'a> {
    from: &'a Model,
    all: &'a [f32],
    graph: Graph,
    theta: Vec<f32>,
    /// Where each value of the other graph is in this one.
    values: Vec<Value>,
}

impl<'a> Part<'a> {
    fn of(from: &'a Model, all: &'a [f32]) -> Result<Self> {
        if from.norm_sets() != 1 || all.len() != from.param_count() {
            return Err(Error::shape("parameters", &[from.param_count()], &[all.len()]));
        }
        let values = vec![Value::INPUT; from.nodes().len() + 1];
        Ok(Self { from, all, graph: Graph::new(from.input())?, theta: Vec::new(), values })
    }

    /// A name that no node has.
    fn free(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.from.nodes().iter().any(|node| node.name == name) {
            name.push('_');
        }
        name
    }

    fn inputs(&self, node: &Node) -> Vec<Value> {
        node.inputs.iter().map(|input| self.values[input.index()]).collect()
    }

    fn copy(&mut self, n: usize, node: &Node) -> Result<()> {
        self.values[Value::of(n).index()] = self.graph.add(&node.name, node.op, &self.inputs(node))?;
        for param in &self.from.params()[node.params.clone()] {
            self.theta.extend_from_slice(&self.all[param.range()]);
        }
        Ok(())
    }

    /// Adds `a x + b` under a node's name.
    fn scale(&mut self, n: usize, node: &Node, (a, b): (Vec<f32>, Vec<f32>)) -> Result<()> {
        let [x] = self.inputs(node)[..] else { return Err(Error::failed("a batch norm takes one input")) };
        self.values[Value::of(n).index()] = match node.shape {
            Shape::Image { channels, .. } => {
                let each = Conv2d { groups: channels, ..Conv2d::square(channels, 1, 1, 0) };
                self.theta.extend(a.into_iter().chain(b));
                self.graph.add(&node.name, Op::from(each), &[x])?
            }
            Shape::Vector(size) => {
                self.theta.extend(a.into_iter().chain(b));
                let [scale, scaled, shift] =
                    ["scale", "scaled", "shift"].map(|part| self.free(&format!("{}.{part}", node.name)));
                let a = self.graph.add(scale, Op::from(Latent { size }), &[])?;
                let b = self.graph.add(shift, Op::from(Latent { size }), &[])?;
                let scaled = self.graph.add(scaled, Op::from(Mul {}), &[x, a])?;
                self.graph.add(&node.name, Op::from(Add {}), &[scaled, b])?
            }
        };
        Ok(())
    }

    fn finish(self) -> Result<(Model, Vec<f32>)> {
        Ok((self.graph.finish()?, self.theta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::oracle;
    use crate::meta::{Loss, Plan, Rates};
    use crate::model::{Init, NamedOp};

    fn model(input: Shape, layers: &str) -> Model {
        let layers: Vec<NamedOp> = serde_json::from_str(layers).unwrap();
        let mut graph = Graph::new(input).unwrap();
        graph.add_named(&layers).unwrap();
        graph.finish().unwrap()
    }

    fn outputs(model: &Model, theta: &[f32], x: &[f64]) -> Vec<f64> {
        let points = x.len() / model.inputs();
        let plan = Plan::new(model.clone(), Loss::mse(), 0, points, 0, Rates::fixed(0.0)).unwrap();
        let theta: Vec<f64> = theta.iter().map(|&v| v.into()).collect();
        let y = vec![0.0; points * model.outputs()];
        oracle::gradient(&plan, 0, &theta, oracle::Points { x, y: &y, weights: None }).outputs
    }

    /// Statistics of a norm's input, by its definition.
    fn statistics(model: &Model, theta: &[f32], x: &[f64]) -> Vec<NormStatistics> {
        let points = x.len() / model.inputs();
        let of = |node: &Node| {
            let (shape, _) = model.value(node.inputs[0]);
            let values = match node.inputs[0] {
                Value::INPUT => x.to_vec(),
                value => {
                    let (part, theta) = model.up_to(value, theta).unwrap();
                    outputs(&part, &theta, x)
                }
            };
            let (channels, pixels) = (shape.features(), shape.pixels());
            let channel = |c: usize| -> Vec<f64> {
                (0..points * pixels)
                    .map(|i| values[(i / pixels * channels + c) * pixels + i % pixels])
                    .collect()
            };
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            let all: Vec<_> = (0..channels).map(channel).collect();
            let means: Vec<_> = all.iter().map(|v| mean(v)).collect();
            let spread =
                |(v, m): (&Vec<f64>, &f64)| mean(&v.iter().map(|x| (x - m).powi(2)).collect::<Vec<_>>());
            NormStatistics {
                variance: all.iter().zip(&means).map(|pair| spread(pair) as f32).collect(),
                mean: means.iter().map(|&m| m as f32).collect(),
            }
        };
        model.norms().map(of).collect()
    }

    #[test]
    fn frozen_on_a_set_it_does_on_that_set_what_the_norm_does() {
        let image = Shape::Image { channels: 2, height: 5, width: 4 };
        for (input, layers) in [
            (
                image,
                r#"[{"type": "conv2d", "outputs": 3, "kernel": 3}, {"type": "batch_norm"}, {"type": "tanh"}, {"type": "flatten"},
                    {"type": "batch_norm", "affine": false}, {"type": "linear", "outputs": 2}]"#,
            ),
            (Shape::Vector(3), r#"[{"type": "batch_norm"}, {"type": "linear", "outputs": 2}]"#),
            (image, r#"[{"type": "flatten"}, {"type": "batch_norm"}, {"type": "linear", "outputs": 1}]"#),
        ] {
            let model = model(input, layers);
            let mut theta = Init::Torch.draw(&model, 3);
            // Scales that are not 1 and shifts that are not 0.
            theta.iter_mut().enumerate().for_each(|(i, v)| *v += 0.1 * (i % 7) as f32);
            let x: Vec<f64> = (0..6 * model.inputs()).map(|i| (i as f64 * 0.7).sin() + 0.3).collect();
            let (frozen, of_frozen) = model.frozen(&theta, &statistics(&model, &theta, &x)).unwrap();
            let (expected, found) = (outputs(&model, &theta, &x), outputs(&frozen, &of_frozen, &x));
            let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
            let error = norm(&mut expected.iter().zip(&found).map(|(a, b)| a - b))
                / norm(&mut expected.iter().copied());
            assert!(error < 1e-5, "{error}");
            // A point alone gets what it got among others.
            let one = outputs(&frozen, &of_frozen, &x[..model.inputs()]);
            assert!(one.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-12));
            assert!(model.frozen(&theta, &[]).is_err());
        }
    }

    #[test]
    fn a_step_has_its_own_scales() {
        let layers =
            r#"[{"type": "linear", "outputs": 2}, {"type": "batch_norm"}, {"type": "linear", "outputs": 1}]"#;
        let one = model(Shape::Vector(1), layers);
        let many = one.clone().with_norm_steps(2);
        let theta: Vec<f32> = (0..many.param_count()).map(|i| i as f32).collect();
        let (same, first) = many.at_step(&theta, 0);
        assert_eq!((&same, &first[..]), (&one, &theta[..one.param_count()]));
        // Behind the last one its values stay.
        for (step, scale) in [(1, 11.0), (2, 15.0), (9, 15.0)] {
            assert_eq!(many.at_step(&theta, step).1[4], scale, "{step}");
        }
    }
}
