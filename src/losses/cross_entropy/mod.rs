//! Softmax cross-entropy against class indices: `−Σ_k q_k log p_k` with `p = softmax(y)` and `q` one at the class; with label
//! smoothing `s`, `s` of it is spread evenly over all classes (Szegedy et al. 2016, section 7).

pub(crate) mod cpu;

use super::criterion::Criterion;
use super::truth::Truth;
use crate::ops::scalar::Scalar;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The loss with its setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    /// The share of a target that is spread over all classes, from 0 to below 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it; what is small differs by target")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl fmt::Display for CrossEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match is_zero(&self.label_smoothing) {
            true => Ok(()),
            false => write!(f, ", label_smoothing {}", self.label_smoothing),
        }
    }
}

/// Outputs less the largest, and the sum of e to them.
fn below_top<S: Scalar>(out: &[S]) -> (Vec<S>, S) {
    let top = S::constant(out.iter().map(|y| y.value()).fold(f64::NEG_INFINITY, f64::max));
    let below: Vec<S> = out.iter().map(|&y| y - top).collect();
    let sum = below.iter().fold(S::constant(0.0), |sum, &y| sum + y.exp());
    (below, sum)
}

impl CrossEntropy {
    /// `q` of every class.
    fn goal(self, classes: usize, label: usize) -> impl Fn(usize) -> f64 {
        let even = self.label_smoothing / classes as f64;
        move |class| even + if class == label { 1.0 - self.label_smoothing } else { 0.0 }
    }
}

impl Criterion for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn setting(&self) -> f64 {
        self.label_smoothing
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        // As a float32 it must be below 1, too.
        match (0.0..1.0).contains(&(self.label_smoothing as f32)) && self.label_smoothing >= 0.0 {
            true => Ok(()),
            false => {
                let reason = format!("is {}; a number from 0 to below 1 is needed", self.label_smoothing);
                Err(("label_smoothing", reason))
            }
        }
    }

    fn truth(&self) -> Truth {
        Truth::Class
    }

    fn value<S: Scalar>(&self, out: &[S], target: &[f64]) -> S {
        let (below, sum) = below_top(out);
        let (log, goal) = (sum.ln(), self.goal(out.len(), target[0] as usize));
        let part = |(class, &y): (usize, &S)| S::constant(goal(class)) * (log - y);
        below.iter().enumerate().map(part).fold(S::constant(0.0), |sum, part| sum + part)
    }

    fn cotangent<S: Scalar>(&self, out: &[S], target: &[f64]) -> Vec<S> {
        let (below, sum) = below_top(out);
        let goal = self.goal(out.len(), target[0] as usize);
        below.iter().enumerate().map(|(class, y)| y.exp() / sum - S::constant(goal(class))).collect()
    }

    fn decides(&self) -> bool {
        true
    }

    /// The largest output is the decision, the first of equal ones; one that is not finite makes it wrong.
    fn right(&self, out: &[f32], target: &[f32]) -> Option<f64> {
        let best = (1..out.len()).fold(0, |best, o| if out[o] > out[best] { o } else { best });
        let hit = out.iter().all(|y| y.is_finite()) && best as f32 == target[0];
        Some(f64::from(u8::from(hit)))
    }
}
