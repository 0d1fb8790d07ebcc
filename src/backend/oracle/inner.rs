//! The oracle's inner step and its adjoint, over all parameters of a task.

use crate::meta::inner_step::{Factors, Moments, clip};
use crate::meta::{Plan, StepFactors};

/// What one inner step leaves for the way back.
pub(super) struct Step {
    factors: StepFactors,
    /// The gradient, as it was.
    raw: Vec<f64>,
    /// Clipped and decayed.
    g: Vec<f64>,
    /// What the rates were multiplied by; 0 where nothing is adapted.
    pub(super) direction: Vec<f64>,
    /// After the step.
    moments: Vec<Moments<f64>>,
    /// What clipping by norm multiplied by, and the norm before, if it did.
    clipped: Option<(f64, f64)>,
}

/// Moments at the beginning, or adjoints at the end: zeros.
pub(super) fn zeros(plan: &Plan) -> Vec<Moments<f64>> {
    vec![Moments { m: 0.0, s: 0.0 }; plan.model.param_count()]
}

/// Elements that the inner loop moves.
fn adapted(plan: &Plan) -> impl Iterator<Item = usize> {
    let params = plan.model.params().iter().zip(&plan.adapted).filter(|(_, adapted)| **adapted);
    params.flat_map(|(param, _)| param.range())
}

impl Step {
    /// The step of a gradient at θ_j, from the moments of the step before.
    pub(super) fn new(plan: &Plan, step: usize, theta: &[f64], raw: Vec<f64>, before: Option<&Self>) -> Self {
        let factors = plan.inner.factors(step);
        let rule = Factors::new(&factors);
        let norm = adapted(plan).map(|e| clip(raw[e], factors.clip_value, 1.0).powi(2)).sum::<f64>().sqrt();
        let clipped = (norm > factors.clip_norm).then(|| (factors.clip_norm / norm, norm));
        let scale = clipped.map_or(1.0, |(scale, _)| scale);
        let mut moments = before.map_or_else(|| zeros(plan), |before| before.moments.clone());
        let (mut g, mut direction) = (vec![0.0; raw.len()], vec![0.0; raw.len()]);
        for e in adapted(plan) {
            g[e] = rule.decayed(clip(raw[e], factors.clip_value, scale), theta[e]);
            moments[e] = rule.moments(g[e], moments[e]);
            direction[e] = rule.direction(g[e], moments[e]);
        }
        Self { factors, raw, g, direction, moments, clipped }
    }

    /// From `v_{j+1}` and the adjoints of the moments after the step to the direction `−u` of the Hessian product, what
    /// weight decay adds to `v`, and the adjoints of the moments before.
    pub(super) fn back(
        &self,
        plan: &Plan,
        rates: &[(f64, usize)],
        v: &mut [f64],
        adjoints: &mut [Moments<f64>],
    ) -> Vec<f64> {
        let rule = Factors::new(&self.factors);
        let mut u = vec![0.0; v.len()];
        for e in adapted(plan) {
            u[e] = rule.adjoint(self.g[e], self.moments[e], -rates[e].0 * v[e], &mut adjoints[e]);
            v[e] += rule.decay(u[e]);
        }
        // Through the clipping: h is the gradient clipped by value.
        let h = |e: usize| clip(self.raw[e], self.factors.clip_value, 1.0);
        let along: f64 = adapted(plan).map(|e| h(e) * u[e]).sum();
        for e in adapted(plan) {
            if let Some((scale, norm)) = self.clipped {
                u[e] = scale * (u[e] - h(e) * along / (norm * norm));
            }
            if self.raw[e].abs() > self.factors.clip_value {
                u[e] = 0.0;
            }
        }
        u
    }
}
