//! An inner step and its adjoint on single elements, over any number: the oracle's and the CPU's vectors alike, with a
//! twin in `shaders/inner_rule.wgsl`. The formulas are those of [`crate::meta::InnerOptimizer`].

use super::inner::StepFactors;
use crate::ops::scalar::{Number, Scalar};

/// The factors of a step in the number that is computed with.
#[derive(Clone, Copy)]
pub(crate) struct Factors<S> {
    a: S,
    b: S,
    c: S,
    d: S,
    p: S,
    q: S,
    k: S,
    e: S,
    decay: S,
}

/// First and second moment, or their adjoints.
#[derive(Clone, Copy)]
pub(crate) struct Moments<S> {
    pub(crate) m: S,
    pub(crate) s: S,
}

impl<S: Number> Factors<S> {
    pub(crate) fn new(factors: &StepFactors) -> Self {
        let of = S::constant;
        Self {
            a: of(factors.a),
            b: of(factors.b),
            c: of(factors.c),
            d: of(factors.d),
            p: of(factors.p),
            q: of(factors.q),
            k: of(factors.k),
            e: of(factors.e),
            decay: of(factors.decay),
        }
    }

    /// The gradient with weight decay.
    #[inline(always)]
    pub(crate) fn decayed(&self, clipped: S, theta: S) -> S {
        clipped + self.decay * theta
    }

    /// λ times the adjoint of the gradient: what goes to θ_j beside `H u`.
    #[inline(always)]
    pub(crate) fn decay(&self, adjoint: S) -> S {
        self.decay * adjoint
    }

    /// The moments after the step.
    #[inline(always)]
    pub(crate) fn moments(&self, g: S, before: Moments<S>) -> Moments<S> {
        Moments { m: self.a * before.m + self.b * g, s: self.c * before.s + self.d * g * g }
    }

    /// What the rate multiplies, from the moments after the step.
    #[inline(always)]
    pub(crate) fn direction(&self, g: S, after: Moments<S>) -> S {
        (self.p * after.m + self.q * g) / (self.k * after.s + self.e).sqrt()
    }

    /// The adjoint of `g`, and those of the moments before the step in place of those after it; `r` is the adjoint of
    /// the direction, `−α v`.
    #[inline(always)]
    pub(crate) fn adjoint(&self, g: S, after: Moments<S>, r: S, adjoint: &mut Moments<S>) -> S {
        let square = self.k * after.s + self.e;
        let share = r / square.sqrt();
        let numerator = self.p * after.m + self.q * g;
        let two = S::constant(2.0);
        let m = adjoint.m + self.p * share;
        let s = adjoint.s - self.k * share * numerator / (two * square);
        *adjoint = Moments { m: self.a * m, s: self.c * s };
        self.q * share + self.b * m + two * self.d * g * s
    }
}

/// Element `h` of a gradient, clipped by value, then scaled with all others.
#[inline(always)]
pub(crate) fn clip<S: Scalar>(h: S, bound: f64, scale: S) -> S {
    if h.value() > bound {
        S::constant(bound) * scale
    } else if h.value() < -bound {
        S::constant(-bound) * scale
    } else {
        h * scale
    }
}
