//! The oracle: the plainest serial form of the meta-gradient, generic over the number.
//!
//! Explicit weights, the layers of `oracle_layers`, no hand-derived tangent: `H u` comes from running the
//! gradient on dual numbers. Everything fast is tested against this in `f64`.

use super::oracle_inner::{self, Step};
use super::oracle_layers::Applied;
use super::scalar::{Dual, Scalar};
use crate::error::Result;
use crate::meta::{Loss, MetaGradient, MetaOutput, Plan, RateShape};
use crate::model::Stage;
use crate::task::TaskBatch;

/// Loss of one set of points, its gradient `[P]`, and the outputs `[points, outputs]`.
pub struct Pass<S> {
    /// Mean loss.
    pub loss: S,
    /// `∂loss/∂θ`, in the order of the flat parameter vector.
    pub gradient: Vec<S>,
    /// The model's outputs.
    pub outputs: Vec<S>,
}

/// Forward and backward of `plan.model` at θ_`step` on points `x: [points, inputs]`, `y: [points, targets]`.
pub fn gradient<S: Scalar>(plan: &Plan, step: usize, theta: &[S], x: &[f64], y: &[f64]) -> Pass<S> {
    let (model, zero) = (&plan.model, S::constant(0.0));
    let points = x.len() / model.inputs();
    let mut pass = Pass { loss: zero, gradient: vec![zero; theta.len()], outputs: Vec::new() };
    let applied = |stage: Stage| {
        let block = stage.block.map(|block| model.block_at(block, step));
        let (weight, bias) = block.map_or((0..0, 0..0), |b| (b.weight..b.bias, b.bias..b.bias + b.outputs));
        Applied { stage, weight: &theta[weight], bias: &theta[bias], points }
    };
    // acts[l] is the input of layer l; the last entry is the output.
    let mut acts: Vec<Vec<S>> = vec![x.iter().map(|&v| S::constant(v)).collect()];
    for stage in model.stages() {
        acts.push(applied(*stage).forward(&acts[acts.len() - 1]));
    }
    pass.outputs = acts[acts.len() - 1].clone();
    let mut dy = Vec::new();
    for (out, y) in pass.outputs.chunks_exact(model.outputs()).zip(y.chunks_exact(plan.targets())) {
        let (loss, d) = point_loss(plan, out, y, points);
        pass.loss = pass.loss + loss;
        dy.extend(d);
    }
    for (l, stage) in model.stages().iter().enumerate().rev() {
        let block = stage.block.map_or(0..0, |block| model.block_at(block, step).range());
        let weights = stage.block.map_or(0, |b| model.blocks()[b].bias - model.blocks()[b].weight);
        let (dweight, dbias) = pass.gradient[block].split_at_mut(weights);
        dy = applied(*stage).backward(&acts[l], &acts[l + 1], &dy, dweight, dbias);
    }
    pass
}

/// Loss of one point as its share of the mean, and the cotangent of the outputs.
fn point_loss<S: Scalar>(plan: &Plan, out: &[S], y: &[f64], points: usize) -> (S, Vec<S>) {
    match plan.loss {
        Loss::Mse => {
            let share = S::constant(1.0 / (points * out.len()) as f64);
            let error: Vec<S> = out.iter().zip(y).map(|(&o, &y)| o - S::constant(y)).collect();
            let loss = error.iter().fold(S::constant(0.0), |sum, &e| sum + e * e) * share;
            (loss, error.iter().map(|&e| S::constant(2.0) * e * share).collect())
        }
        Loss::CrossEntropy => {
            let share = S::constant(1.0 / points as f64);
            let max = out.iter().map(|o| o.value()).fold(f64::NEG_INFINITY, f64::max);
            let exp: Vec<S> = out.iter().map(|&o| (o - S::constant(max)).exp()).collect();
            let sum = exp.iter().fold(S::constant(0.0), |sum, &e| sum + e);
            let label = y[0] as usize;
            let loss = (sum.ln() - (out[label] - S::constant(max))) * share;
            let d = |(i, &e): (usize, &S)| (e / sum - S::constant(f64::from(u8::from(i == label)))) * share;
            (loss, exp.iter().enumerate().map(d).collect())
        }
    }
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
    let share = 1.0 / tasks.tasks as f64;
    for task in 0..tasks.tasks {
        let one = tasks.slice(task..task + 1);
        let mut thetas = vec![theta_0.to_vec()];
        let mut inner = Vec::<Step>::new();
        for (j, rate) in rate_of.iter().enumerate() {
            let theta = &thetas[j];
            let pass = gradient(plan, j, theta, &one.support_x, &one.support_y);
            let step = Step::new(plan, j, theta, pass.gradient, inner.last());
            let next =
                theta.iter().zip(&step.direction).zip(rate).map(|((t, d), (r, _))| t - r * d).collect();
            out.support_loss.push(pass.loss);
            inner.push(step);
            thetas.push(next);
        }
        let mut v = vec![0.0; p];
        let mut adjoints = oracle_inner::zeros(plan);
        let mut query_losses = vec![0.0; steps + 1];
        for j in (0..=steps).rev() {
            if j < steps {
                if plan.rates.learned {
                    for (e, (_, index)) in rate_of[j].iter().enumerate() {
                        out.gradient[p + index] -= share * inner[j].direction[e] * v[e];
                    }
                }
                if plan.order == MetaGradient::SecondOrder {
                    let u = inner[j].back(plan, &rate_of[j], &mut v, &mut adjoints);
                    let dual: Vec<_> =
                        thetas[j].iter().zip(&u).map(|(&value, &tangent)| Dual { value, tangent }).collect();
                    let pass = gradient(plan, j, &dual, &one.support_x, &one.support_y);
                    for (v, g) in v.iter_mut().zip(&pass.gradient) {
                        *v += g.tangent;
                    }
                }
            }
            let weight = plan.loss_weights[j];
            let pass = gradient(plan, j, &thetas[j], &one.query_x, &one.query_y);
            query_losses[j] = pass.loss;
            out.meta_loss += share * weight * pass.loss;
            for (v, g) in v.iter_mut().zip(&pass.gradient) {
                *v += weight * g;
            }
        }
        out.query_loss.extend(query_losses);
        out.fast.extend_from_slice(&thetas[steps]);
        if plan.order == MetaGradient::Displacement {
            for ((v, first), last) in v.iter_mut().zip(theta_0).zip(&thetas[steps]) {
                *v = first - last;
            }
        }
        for (g, v) in out.gradient.iter_mut().zip(&v) {
            *g += share * v;
        }
    }
    Ok(out)
}

/// The rate of every parameter at step `j`, and the index of that rate.
fn step_rates(plan: &Plan, rates: &[f64], j: usize) -> Vec<(f64, usize)> {
    let mut all = Vec::with_capacity(plan.model.param_count());
    for (b, block) in plan.model.blocks().iter().enumerate() {
        let first = plan.rate_index(j, b);
        let stride = usize::from(!matches!(plan.rates.shape, RateShape::One | RateShape::PerLayerStep));
        for e in 0..block.len() {
            let index = first + e * stride;
            all.push((if plan.adapted[b] { rates[index] } else { 0.0 }, index));
        }
    }
    // Scales and shifts of later steps are never adapted.
    all.resize(plan.model.param_count(), (0.0, 0));
    all
}
