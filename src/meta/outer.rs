//! The outer optimizer: what turns a meta-gradient into the next meta-parameters.

use super::TrainState;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The rule of the outer update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OuterKind {
    /// Kingma and Ba (2015), algorithm 1, with bias correction; ε outside the root.
    Adam,
    /// `θ ← θ − lr · g`.
    Sgd,
}

/// How the outer rate changes over training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always `meta_lr`.
    Constant,
    /// Cosine annealing to zero (Loshchilov and Hutter 2017, eq. 5, without restarts):
    /// `meta_lr · (1 + cos(π · t / iterations)) / 2`.
    Cosine,
}

/// Settings of the outer optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OuterOptimizer {
    /// The rule.
    pub kind: OuterKind,
    /// Rate at the beginning.
    pub meta_lr: f64,
    /// Its schedule.
    pub schedule: Schedule,
    /// Meta-iterations of the whole training, for the schedule.
    pub iterations: u64,
    /// Adam's β₁.
    pub beta1: f64,
    /// Adam's β₂.
    pub beta2: f64,
    /// Adam's ε.
    pub epsilon: f64,
    /// Clip every element of the meta-gradient to `[−c, c]`, before the norm is taken.
    pub clip_value: Option<f32>,
    /// Scale the meta-gradient down to this Euclidean norm.
    pub clip_norm: Option<f32>,
}

/// What the update of one meta-iteration needs beside the gradient; made once on the host in float64, so
/// that every device multiplies by the same numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepScalars {
    /// `lr_t / (1 − β₁ᵗ)` (Adam) or `lr_t` (SGD).
    pub step: f32,
    /// `1 / √(1 − β₂ᵗ)` (Adam) or 1.
    pub root: f32,
}

impl OuterOptimizer {
    /// Adam at a constant rate, with the usual β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    #[must_use]
    pub fn adam(meta_lr: f64, iterations: u64) -> Self {
        Self {
            kind: OuterKind::Adam,
            meta_lr,
            schedule: Schedule::Constant,
            iterations,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip_value: None,
            clip_norm: None,
        }
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key.
    pub fn check(&self) -> Result<()> {
        let unit = (0.0..1.0).contains(&self.beta1) && (0.0..1.0).contains(&self.beta2);
        let clips = [self.clip_value, self.clip_norm].into_iter().flatten();
        let (key, reason) = match () {
            () if !(self.meta_lr.is_finite() && self.meta_lr >= 0.0) => {
                ("outer.meta_lr", format!("is {}; a number of 0 or more is needed", self.meta_lr))
            }
            () if !unit => {
                let betas = [self.beta1, self.beta2];
                ("outer.betas", format!("is {betas:?}; two numbers in [0, 1) are needed"))
            }
            () if !(self.epsilon.is_finite() && self.epsilon > 0.0) => {
                ("outer.eps", format!("is {}; a number above 0 is needed", self.epsilon))
            }
            () => match clips.clone().find(|clip| !(clip.is_finite() && *clip > 0.0)) {
                Some(clip) => ("outer.clip", format!("is {clip}; a number above 0 is needed")),
                None => return Ok(()),
            },
        };
        Err(Error::recipe(key, reason))
    }

    /// The outer rate of meta-iteration `iteration`, counted from 0.
    #[must_use]
    pub fn rate(&self, iteration: u64) -> f64 {
        match self.schedule {
            Schedule::Constant => self.meta_lr,
            Schedule::Cosine => {
                let t = (iteration as f64 / self.iterations.max(1) as f64).min(1.0);
                self.meta_lr * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
        }
    }

    /// The scalars of meta-iteration `iteration`, counted from 0.
    #[must_use]
    pub fn scalars(&self, iteration: u64) -> StepScalars {
        let rate = self.rate(iteration);
        match self.kind {
            OuterKind::Sgd => StepScalars { step: rate as f32, root: 1.0 },
            OuterKind::Adam => {
                let t = (iteration + 1) as f64;
                StepScalars {
                    step: (rate / (1.0 - self.beta1.powf(t))) as f32,
                    root: (1.0 / (1.0 - self.beta2.powf(t)).sqrt()) as f32,
                }
            }
        }
    }

    /// One outer update of a state by a meta-gradient `[P + R]`, clipped as the settings say.
    ///
    /// # Panics
    /// If the gradient is not as long as the state.
    pub fn update(&self, state: &mut TrainState, gradient: &mut [f32]) {
        assert_eq!(gradient.len(), state.params.len(), "a gradient for each meta-parameter");
        if let Some(clip) = self.clip_value {
            gradient.iter_mut().for_each(|g| *g = g.clamp(-clip, clip));
        }
        if let Some(clip) = self.clip_norm {
            let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt() as f32;
            if norm > clip {
                gradient.iter_mut().for_each(|g| *g *= clip / norm);
            }
        }
        let scalars = self.scalars(state.iteration);
        for (e, &g) in gradient.iter().enumerate() {
            state.params[e] -= self.change(scalars, g, &mut state.m[e], &mut state.v[e]);
        }
        state.iteration += 1;
    }

    /// The update of one element, the plain form that backends are tested against: `gradient` is clipped
    /// already; returns the change of the parameter, which is subtracted.
    #[inline(always)]
    #[must_use]
    pub fn change(&self, scalars: StepScalars, gradient: f32, m: &mut f32, v: &mut f32) -> f32 {
        match self.kind {
            OuterKind::Sgd => scalars.step * gradient,
            OuterKind::Adam => {
                let (b1, b2) = (self.beta1 as f32, self.beta2 as f32);
                *m = b1 * *m + (1.0 - self.beta1) as f32 * gradient;
                *v = b2 * *v + (1.0 - self.beta2) as f32 * gradient * gradient;
                scalars.step * *m / (v.sqrt() * scalars.root + self.epsilon as f32)
            }
        }
    }
}
