//! The oracle: the plainest serial form of the meta-gradient, generic over the number.
//!
//! It walks the graph with explicit weights and the plain arithmetic of each op, and has no hand-derived tangent: `H u`
//! comes from running the gradient on dual numbers. It shares neither program nor kernels with anything fast, so that
//! it can judge them.

mod inner;

pub use crate::ops::scalar::{Dual, Number, Scalar};

use crate::error::Result;
use crate::meta::{MetaGradient, MetaOutput, Plan, RateShape};
use crate::model::{Model, Node, Param, Value};
use crate::ops::{Backward, Site};
use crate::task::TaskBatch;
use inner::Step;

/// Loss of one set of points, its gradient `[P]`, and the outputs `[points, outputs]`.
pub struct Pass<S> {
    /// Mean loss.
    pub loss: S,
    /// `∂loss/∂θ`, in the order of the flat parameter vector.
    pub gradient: Vec<S>,
    /// The model's outputs.
    pub outputs: Vec<S>,
}

/// Points of one task.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a> {
    /// `[points, inputs]`.
    pub x: &'a [f64],
    /// `[points, targets]`.
    pub y: &'a [f64],
    /// How much each counts, `[points]`; all alike without.
    pub weights: Option<&'a [f64]>,
}

impl<'a> Points<'a> {
    /// The support points of a batch of one task.
    #[must_use]
    pub fn support(one: &'a TaskBatch<f64>) -> Self {
        let weights = one.weights.as_ref().map(|all| &all.support[..]);
        Self { x: &one.support_x, y: &one.support_y, weights }
    }

    /// Its query points.
    #[must_use]
    pub fn query(one: &'a TaskBatch<f64>) -> Self {
        let weights = one.weights.as_ref().map(|all| &all.query[..]);
        Self { x: &one.query_x, y: &one.query_y, weights }
    }

    /// A point's share of a mean.
    fn share(&self, point: usize, points: usize) -> f64 {
        match self.weights {
            None => 1.0 / points as f64,
            Some(weights) => weights[point] / weights.iter().sum::<f64>(),
        }
    }
}

/// Forward and backward of `plan.model` at θ_`step`.
pub fn gradient<S: Scalar>(plan: &Plan, step: usize, theta: &[S], set: Points<'_>) -> Pass<S> {
    let (model, zero) = (&plan.model, S::constant(0.0));
    let points = set.x.len() / model.inputs();
    let mut pass = Pass { loss: zero, gradient: vec![zero; theta.len()], outputs: Vec::new() };
    let walk = Walk { model, step, points, weights: set.weights };
    let mut values: Vec<Vec<S>> = vec![set.x.iter().map(|&v| S::constant(v)).collect()];
    for node in model.nodes() {
        let y = walk.at(node, &values, theta, |site, x, theta| node.op.forward(site, x, theta));
        values.push(y);
    }
    pass.outputs = values[model.output().index()].clone();
    let mut cotangents: Vec<Vec<S>> = values.iter().map(|value| vec![zero; value.len()]).collect();
    let mut dy = Vec::new();
    let outputs = pass.outputs.chunks_exact(model.outputs()).zip(set.y.chunks_exact(plan.targets()));
    for (point, (out, y)) in outputs.enumerate() {
        let (loss, d) = point_loss(plan, out, y, set.share(point, points));
        pass.loss = pass.loss + loss;
        dy.extend(d);
    }
    cotangents[model.output().index()] = dy;
    for (n, node) in model.nodes().iter().enumerate().rev() {
        let dy = std::mem::take(&mut cotangents[Value::of(n).index()]);
        let mut dtheta: Vec<Vec<S>> = walk.params(node).map(|param| vec![zero; param.len()]).collect();
        let dx = walk.at(node, &values, theta, |site, x, theta| {
            node.op.backward(site, Backward { x, theta, dy: &dy }, &mut dtheta)
        });
        for (input, dx) in node.inputs.iter().zip(dx) {
            add(&mut cotangents[input.index()], &dx);
        }
        for (param, gradient) in walk.params(node).zip(dtheta) {
            add(&mut pass.gradient[param.range()], &gradient);
        }
    }
    pass
}

fn add<S: Scalar>(to: &mut [S], values: &[S]) {
    for (to, &value) in to.iter_mut().zip(values) {
        *to = *to + value;
    }
}

/// A pass at θ_`step` over the nodes.
struct Walk<'a> {
    model: &'a Model,
    step: usize,
    points: usize,
    weights: Option<&'a [f64]>,
}

impl<'a> Walk<'a> {
    /// The parameters that a node has at this step.
    fn params(&self, node: &'a Node) -> impl Iterator<Item = &'a Param> {
        let (model, step) = (self.model, self.step);
        node.params.clone().map(move |param| &model.params()[model.param_at(param, step)])
    }

    /// Calls `run` with where a node stands, its inputs and its parameters.
    fn at<S, T>(
        &self,
        node: &'a Node,
        values: &[Vec<S>],
        theta: &[S],
        run: impl FnOnce(&Site<'_>, &[&[S]], &[&[S]]) -> T,
    ) -> T {
        let (shapes, rows): (Vec<_>, Vec<_>) =
            node.inputs.iter().map(|&input| self.model.value(input)).unzip();
        let site = Site {
            inputs: &shapes,
            input_rows: &rows,
            output: node.shape,
            rows: node.rows,
            points: self.points,
            weights: self.weights,
        };
        let x: Vec<&[S]> = node.inputs.iter().map(|input| &values[input.index()][..]).collect();
        let theta: Vec<&[S]> = self.params(node).map(|param| &theta[param.range()]).collect();
        run(&site, &x, &theta)
    }
}

/// Loss of one point, which has this share of the mean, and the cotangent of the outputs.
pub(crate) fn point_loss<S: Scalar>(plan: &Plan, out: &[S], y: &[f64], share: f64) -> (S, Vec<S>) {
    let share = S::constant(share);
    let cotangent = plan.loss.cotangent(out, y);
    (plan.loss.value(out, y) * share, cotangent.into_iter().map(|d| d * share).collect())
}

/// The meta-gradient of given tasks in float64; `params` is `[P + R]`.
///
/// # Errors
/// As [`Plan::check_inputs`].
pub fn meta_gradient(plan: &Plan, params: &[f64], tasks: &TaskBatch<f64>) -> Result<MetaOutput<f64>> {
    plan.check_inputs(params.len(), tasks)?;
    let (p, steps) = (plan.model.param_count(), plan.steps);
    let (theta_0, rates) = params.split_at(p);
    let rates = if plan.rates.learned { rates } else { &plan.rates.values };
    // For every step: the rate of each parameter, 0 where it is not adapted, and the index of that rate.
    let rate_of: Vec<Vec<(f64, usize)>> = (0..steps).map(|j| step_rates(plan, rates, j)).collect();
    let mut out = MetaOutput {
        meta_loss: 0.0,
        gradient: vec![0.0; plan.meta_len()],
        query_loss: Vec::new(),
        support_loss: Vec::new(),
        fast: Vec::new(),
    };
    for task in 0..tasks.tasks {
        let task = Task {
            plan,
            rate_of: &rate_of,
            one: &tasks.slice(task..task + 1),
            share: 1.0 / tasks.tasks as f64,
        };
        let (thetas, steps_back) = task.adapt(theta_0, &mut out);
        let mut v = task.back(&thetas, &steps_back, &mut out);
        out.fast.extend_from_slice(&thetas[steps]);
        if plan.order == MetaGradient::Displacement {
            v = theta_0.iter().zip(&thetas[steps]).map(|(first, last)| first - last).collect();
        }
        for (g, v) in out.gradient.iter_mut().zip(&v) {
            *g += task.share * v;
        }
    }
    Ok(out)
}

/// One task of a batch.
struct Task<'a> {
    plan: &'a Plan,
    /// By step, see [`step_rates`].
    rate_of: &'a [Vec<(f64, usize)>],
    one: &'a TaskBatch<f64>,
    /// Its share of the mean over tasks.
    share: f64,
}

impl Task<'_> {
    /// θ_0 … θ_K, and what each step leaves for the backward sweep.
    fn adapt(&self, theta_0: &[f64], out: &mut MetaOutput<f64>) -> (Vec<Vec<f64>>, Vec<Step>) {
        let (mut thetas, mut steps) = (vec![theta_0.to_vec()], Vec::<Step>::new());
        for (j, rate) in self.rate_of.iter().enumerate() {
            let theta = &thetas[j];
            let pass = gradient(self.plan, j, theta, Points::support(self.one));
            let step = Step::new(self.plan, j, theta, pass.gradient, steps.last());
            let moved = theta.iter().zip(&step.direction).zip(rate);
            let next = moved.map(|((t, d), (r, _))| t - r * d).collect();
            out.support_loss.push(pass.loss);
            steps.push(step);
            thetas.push(next);
        }
        (thetas, steps)
    }

    /// `v_0`, from θ_K back; adds losses and the gradients of rates.
    fn back(&self, thetas: &[Vec<f64>], steps: &[Step], out: &mut MetaOutput<f64>) -> Vec<f64> {
        let (plan, p) = (self.plan, self.plan.model.param_count());
        let (mut v, mut adjoints) = (vec![0.0; p], inner::zeros(plan));
        let mut query_losses = vec![0.0; thetas.len()];
        for j in (0..thetas.len()).rev() {
            if let Some(step) = steps.get(j) {
                for (e, (_, index)) in self.rate_of[j].iter().enumerate().filter(|_| plan.rates.learned) {
                    out.gradient[p + index] -= self.share * step.direction[e] * v[e];
                }
                if plan.order == MetaGradient::SecondOrder {
                    let u = step.back(plan, &self.rate_of[j], &mut v, &mut adjoints);
                    let dual: Vec<_> =
                        thetas[j].iter().zip(&u).map(|(&value, &tangent)| Dual { value, tangent }).collect();
                    let pass = gradient(plan, j, &dual, Points::support(self.one));
                    for (v, g) in v.iter_mut().zip(&pass.gradient) {
                        *v += g.tangent;
                    }
                }
            }
            let weight = plan.loss_weights[j];
            let pass = gradient(plan, j, &thetas[j], Points::query(self.one));
            query_losses[j] = pass.loss;
            out.meta_loss += self.share * weight * pass.loss;
            for (v, g) in v.iter_mut().zip(&pass.gradient) {
                *v += weight * g;
            }
        }
        out.query_loss.extend(query_losses);
        v
    }
}

/// The rate of every parameter at step `j`, and the index of that rate.
fn step_rates(plan: &Plan, rates: &[f64], j: usize) -> Vec<(f64, usize)> {
    let mut all = Vec::with_capacity(plan.model.param_count());
    for (param, &adapted) in plan.model.params().iter().zip(&plan.adapted) {
        for e in param.range() {
            let index = match plan.rates.shape {
                RateShape::One => 0,
                RateShape::PerLayerStep => j * plan.model.blocks().len() + param.block,
                RateShape::PerParameter => e,
                RateShape::PerParameterStep => j * plan.model.param_count() + e,
            };
            all.push((if adapted { rates[index] } else { 0.0 }, index));
        }
    }
    all
}
