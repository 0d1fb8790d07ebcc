//! Inner steps as sums of the gradients before them: which rules keep updates of low rank, and with which coefficients.
//!
//! Rules that are linear in the gradients leave
//!
//! ```text
//! θ_j = κ_j θ_0 − α Σ_{i<j} c_{ji} g_i
//! ```
//!
//! with numbers κ and c that follow from the rule alone (and, with weight decay, the rate); so the cotangent of `g_i` is
//! `−α Σ_{j>i} c_{ji} θ̄_j` and that of θ_0 `Σ_j κ_j θ̄_j`, where θ̄_j is what the loss at θ_j and `g_j` give back to θ_j.

use crate::error::{Error, Result};
use crate::meta::{InnerRule, MetaGradient, Plan, RateShape};

/// The coefficients of a plan's steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Steps {
    /// κ, `[steps + 1]`.
    pub(crate) kept: Vec<f64>,
    /// c, `[steps + 1]` rows of `[steps]`; 1 below the diagonal for plain gradient descent.
    pub(crate) moved: Vec<Vec<f64>>,
}

impl Steps {
    /// From the factors of every step. What [`Steps::check`] refuses has none.
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = plan.steps;
        // Decay alone asks for the rate, and is taken with one fixed rate only.
        let rate = plan.rates.values[0];
        // θ, m and g as (factor of θ_0, factors of the gradients), θ's in units of −α.
        let (mut kept, mut moved) = (vec![1.0], vec![vec![0.0; count]]);
        let (mut first, mut moments) = (0.0, vec![0.0; count]);
        for step in 0..count {
            let rule = plan.inner.factors(step);
            let (theta, sums) = (kept[step], &moved[step]);
            let after = |moment: f64, g: f64| rule.a * moment + rule.b * g;
            let direction = |moment: f64, g: f64| rule.p * moment + rule.q * g;
            let g = rule.decay * theta;
            first = after(first, g);
            let next = theta - rate * direction(first, g);
            let row = (0..count)
                .map(|i| {
                    let g = f64::from(u8::from(i == step)) - rule.decay * rate * sums[i];
                    moments[i] = after(moments[i], g);
                    sums[i] + direction(moments[i], g)
                })
                .collect();
            kept.push(next);
            moved.push(row);
        }
        Self { kept, moved }
    }

    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for steps that are no such sums.
    pub(crate) fn check(plan: &Plan) -> Result<()> {
        let inner = &plan.inner;
        let linear = match inner.rule {
            InnerRule::Sgd | InnerRule::Momentum { .. } | InnerRule::Nesterov { .. } => true,
            InnerRule::RmsProp { .. } | InnerRule::Adam { .. } => false,
        };
        let clips = inner.clip_value.is_some() || inner.clip_norm.is_some();
        let refused = if plan.order == MetaGradient::Displacement {
            "differentiates through the query loss"
        } else if !linear || clips {
            "takes steps that are linear in the gradients"
        } else if !inner.is_plain() && plan.rates.shape != RateShape::One {
            "has momentum and weight decay at one rate only"
        } else if inner.weight_decay > 0.0 && plan.rates.learned {
            "has weight decay at a fixed rate only"
        } else {
            return Ok(());
        };
        Err(Error::unsupported(format!("the fused path {refused}; take the layered one")))
    }
}
