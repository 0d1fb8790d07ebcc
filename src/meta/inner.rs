//! The inner optimizer: how a gradient becomes an inner step, as data.
//!
//! A step is written once, as arithmetic on single elements with a few factors, and so is its adjoint; the factors of
//! every rule are made here, on the host in float64, so that every device multiplies by the same numbers. With the
//! clipped gradient `g`, moments `m` and `s`, and the rate `α`:
//!
//! ```text
//! g  = clip(∇L_s(θ_j)) + λ θ_j
//! m' = a m + b g        s' = c s + d g²
//! θ_{j+1} = θ_j − α (p m' + q g) / √(k s' + e)
//! ```

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize, Serializer};

/// The rule of an inner step; in a recipe, `inner.optimizer` names it and its numbers are keys beside that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "optimizer", rename_all = "lowercase")]
pub enum InnerRule {
    /// `θ ← θ − α g`.
    Sgd,
    /// Heavy ball (Polyak 1964), undamped: `m ← μ m + g`, `θ ← θ − α m`.
    Momentum {
        /// μ, in `[0, 1)`.
        momentum: f64,
    },
    /// Nesterov's, in the form of Sutskever et al. (2013): `m ← μ m + g`, `θ ← θ − α (g + μ m)`.
    Nesterov {
        /// μ, in `[0, 1)`.
        momentum: f64,
    },
    /// Hinton's RMSprop: `s ← ρ s + (1 − ρ) g²`, `θ ← θ − α g / √(s + ε²)`. ε stands under the root, so that the
    /// derivative is finite where the gradient is zero.
    RmsProp {
        /// ρ, in `[0, 1)`.
        decay: f64,
        /// ε, above 0.
        #[serde(rename = "eps")]
        epsilon: f64,
    },
    /// Kingma and Ba (2015), algorithm 1, with bias correction: `θ ← θ − α m̂ / √(ŝ + ε²)`, ε under the root as above.
    Adam {
        /// β₁ and β₂, in `[0, 1)`.
        betas: [f64; 2],
        /// ε, above 0.
        #[serde(rename = "eps")]
        epsilon: f64,
    },
}

impl InnerRule {
    /// Every rule at its usual numbers.
    pub const ALL: [Self; 5] = [
        Self::Sgd,
        Self::Momentum { momentum: 0.9 },
        Self::Nesterov { momentum: 0.9 },
        Self::RmsProp { decay: 0.99, epsilon: 1e-8 },
        Self::Adam { betas: [0.9, 0.999], epsilon: 1e-8 },
    ];

    /// Its name in a recipe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum { .. } => "momentum",
            Self::Nesterov { .. } => "nesterov",
            Self::RmsProp { .. } => "rmsprop",
            Self::Adam { .. } => "adam",
        }
    }
}

/// How the inner loop turns gradients into steps. Everything is differentiated through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct InnerOptimizer {
    /// The rule.
    #[serde(flatten)]
    pub rule: InnerRule,
    /// λ of weight decay, added to the clipped gradient as `λ θ_j`.
    pub weight_decay: f64,
    /// Clips every element of the gradient to `[−c, c]`, before the norm is taken.
    #[serde(serialize_with = "or_zero")]
    pub clip_value: Option<f64>,
    /// Scales the gradient of all adapted parameters down to this Euclidean norm.
    #[serde(serialize_with = "or_zero")]
    pub clip_norm: Option<f64>,
}

/// Recipes say 0 for no bound.
fn or_zero<S: Serializer>(clip: &Option<f64>, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_f64(clip.unwrap_or(0.0))
}

impl Default for InnerOptimizer {
    /// Plain gradient descent.
    fn default() -> Self {
        InnerRule::Sgd.into()
    }
}

impl From<InnerRule> for InnerOptimizer {
    fn from(rule: InnerRule) -> Self {
        Self { rule, weight_decay: 0.0, clip_value: None, clip_norm: None }
    }
}

/// The factors of one step, see the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepFactors {
    /// Of the first moment.
    pub a: f64,
    /// Of the gradient in it.
    pub b: f64,
    /// Of the second moment.
    pub c: f64,
    /// Of the squared gradient in it.
    pub d: f64,
    /// Of the first moment in the step.
    pub p: f64,
    /// Of the gradient in the step.
    pub q: f64,
    /// Of the second moment under the root.
    pub k: f64,
    /// What is added under the root.
    pub e: f64,
    /// λ.
    pub decay: f64,
    /// Bound of each element of the gradient; infinite where there is none.
    pub clip_value: f64,
    /// Bound of its norm; infinite where there is none.
    pub clip_norm: f64,
}

impl InnerOptimizer {
    /// Whether it is gradient descent and nothing else, which every engine and path computes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a step depends on those before it, by its moments.
    #[must_use]
    pub fn has_moments(&self) -> bool {
        self.rule != InnerRule::Sgd
    }

    /// The factors of inner step `step`, counted from 0.
    #[must_use]
    pub fn factors(&self, step: usize) -> StepFactors {
        let plain = StepFactors {
            a: 0.0,
            b: 0.0,
            c: 0.0,
            d: 0.0,
            p: 0.0,
            q: 1.0,
            k: 0.0,
            e: 1.0,
            decay: self.weight_decay,
            clip_value: self.clip_value.unwrap_or(f64::INFINITY),
            clip_norm: self.clip_norm.unwrap_or(f64::INFINITY),
        };
        match self.rule {
            InnerRule::Sgd => plain,
            InnerRule::Momentum { momentum } => StepFactors { a: momentum, b: 1.0, p: 1.0, q: 0.0, ..plain },
            InnerRule::Nesterov { momentum } => StepFactors { a: momentum, b: 1.0, p: momentum, ..plain },
            InnerRule::RmsProp { decay, epsilon } => {
                StepFactors { c: decay, d: 1.0 - decay, k: 1.0, e: epsilon * epsilon, ..plain }
            }
            InnerRule::Adam { betas: [beta1, beta2], epsilon } => {
                let t = step as f64 + 1.0;
                StepFactors {
                    a: beta1,
                    b: 1.0 - beta1,
                    c: beta2,
                    d: 1.0 - beta2,
                    p: 1.0 / (1.0 - beta1.powf(t)),
                    q: 0.0,
                    k: 1.0 / (1.0 - beta2.powf(t)),
                    e: epsilon * epsilon,
                    ..plain
                }
            }
        }
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key.
    pub fn check(&self) -> Result<()> {
        let unit = |key: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::recipe(key, format!("is {value}; a number in [0, 1) is needed"))),
        };
        // Squared in float32 it must not vanish.
        let above = |key: &str, value: f64, least: f64| match value.is_finite() && value >= least {
            true => Ok(()),
            false => Err(Error::recipe(key, format!("is {value}; at least {least} is needed"))),
        };
        match self.rule {
            InnerRule::Sgd => {}
            InnerRule::Momentum { momentum } | InnerRule::Nesterov { momentum } => {
                unit("inner.momentum", momentum)?;
            }
            InnerRule::RmsProp { decay, epsilon } => {
                unit("inner.decay", decay)?;
                above("inner.eps", epsilon, 1e-12)?;
            }
            InnerRule::Adam { betas: [beta1, beta2], epsilon } => {
                unit("inner.betas", beta1)?;
                unit("inner.betas", beta2)?;
                above("inner.eps", epsilon, 1e-12)?;
            }
        }
        above("inner.weight_decay", self.weight_decay, 0.0)?;
        for (key, clip) in [("inner.clip_value", self.clip_value), ("inner.clip_norm", self.clip_norm)] {
            if let Some(clip) = clip {
                above(key, clip, 1e-12)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gradient_descent_without_trimmings_is_plain() {
        assert!(InnerOptimizer::default().is_plain());
        let decay = InnerOptimizer { weight_decay: 0.1, ..InnerOptimizer::default() };
        assert!(!decay.is_plain() && !decay.has_moments());
        let momentum = InnerOptimizer::from(InnerRule::Momentum { momentum: 0.0 });
        assert!(!momentum.is_plain() && momentum.has_moments());
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_key() {
        let adam = |beta1, epsilon| InnerRule::Adam { betas: [beta1, 0.999], epsilon }.into();
        let cases: [(InnerOptimizer, &str); 5] = [
            (InnerRule::Momentum { momentum: 1.0 }.into(), "inner.momentum"),
            (InnerRule::RmsProp { decay: -0.1, epsilon: 1e-8 }.into(), "inner.decay"),
            (adam(f64::NAN, 1e-8), "inner.betas"),
            (adam(0.9, 0.0), "inner.eps"),
            (InnerOptimizer { clip_norm: Some(0.0), ..InnerOptimizer::default() }, "inner.clip_norm"),
        ];
        for (optimizer, key) in cases {
            assert!(optimizer.check().unwrap_err().to_string().contains(key), "{key}");
        }
    }
}
