//! Inner steps by optimizers beyond plain gradient descent, and their adjoints, over the packed parameters of a task.

use super::super::rule::{self, Part, Shared};
use crate::meta::StepFactors;
use crate::simd::memory::{Call, Place};
use crate::simd::{MAX_LANES, Vector};
use std::sync::Arc;

/// A parameter that the inner loop moves, and its place among the packed ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) param: usize,
    pub(super) at: usize,
    pub(super) len: usize,
}

/// The rule of a step, and what it has to do with.
pub(super) struct StepRule {
    pub(super) factors: StepFactors,
    pub(super) moved: Arc<[Moved]>,
    /// θ_j of each parameter, and its rate: one, or one for each element.
    pub(super) theta: Vec<Place>,
    pub(super) rates: Vec<(Place, Place)>,
    /// The gradient as it was, packed.
    pub(super) gradient: Place,
    /// After the step, packed.
    pub(super) moments: [Place; 2],
    /// What clipping by norm multiplied by, and the norm; 1 and 0 without.
    pub(super) clipped: Place,
}

/// Moments after the step, and θ_{j+1}.
pub(super) struct Step {
    pub(super) rule: StepRule,
    pub(super) before: Option<[Place; 2]>,
    pub(super) next: Vec<Place>,
}

/// What the rates were multiplied by.
pub(super) struct Direction {
    pub(super) rule: StepRule,
    pub(super) out: Place,
}

/// The direction `u` of the Hessian product, to `out`; what weight decay passes on is added to `v`.
pub(super) struct Adjoint {
    pub(super) rule: StepRule,
    pub(super) v: Place,
    pub(super) adjoints: [Place; 2],
    pub(super) out: Place,
}

/// What the elements of a parameter share: a vector is some of them side by side.
#[derive(Clone, Copy)]
struct Packed {
    scale: f32,
    rate: f32,
    /// One for each element, or null.
    rates: *const f32,
}

impl Shared for Packed {
    #[inline(always)]
    unsafe fn rate<V: Vector>(self, vector: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe {
            match self.rates.is_null() {
                true => V::splat(self.rate),
                false => V::load(self.rates.add(vector * V::LANES)),
            }
        }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::splat(self.scale) }
    }
}

impl StepRule {
    /// The parts in order, and where each lies in what is packed.
    ///
    /// # Safety
    /// Every place must lie within the memory.
    #[inline(always)]
    unsafe fn parts<V: Vector>(&self, memory: *mut f32) -> impl Iterator<Item = (usize, Part<Packed>)> {
        // SAFETY: promised by the caller.
        let scale = unsafe { *self.clipped.of(memory) };
        let all = self.moved.iter().zip(&self.theta).zip(&self.rates);
        all.map(move |((moved, theta), (rate, rates))| {
            // SAFETY: promised by the caller.
            let rate = if rate.is_somewhere() { unsafe { *rate.of(memory) } } else { 1.0 };
            let part = Part {
                shared: Packed { scale, rate, rates: rates.of(memory) },
                theta: theta.of(memory),
                gradient: self.gradient.after(moved.at).of(memory),
                moments: self.moments.map(|moment| moment.after(moved.at).of(memory)),
                // A parameter is packed in whole vectors.
                vectors: moved.len / V::LANES,
            };
            (moved.at, part)
        })
    }

    /// Sum over moved parameters of the gradient, clipped by value, times `other`, or times itself without.
    ///
    /// # Safety
    /// As [`StepRule::parts`].
    #[inline(always)]
    unsafe fn along<V: Vector>(&self, memory: *mut f32, other: Option<Place>) -> f64 {
        let mut sums = [0.0; MAX_LANES];
        // SAFETY: promised by the caller.
        unsafe {
            for (at, part) in self.parts::<V>(memory) {
                let other = other.map(|other| other.after(at).of(memory).cast_const());
                rule::along::<V, _>(&self.factors, part, other, &mut sums);
            }
        }
        sums.iter().sum()
    }
}

impl Call for Step {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let factors = &self.rule.factors;
        // SAFETY: promised by the caller.
        unsafe {
            let norm = factors.clip_norm.is_finite();
            let squares = if norm { self.rule.along::<V>(memory, None) } else { 0.0 };
            let clipped = self.rule.clipped.of(memory);
            [*clipped, *clipped.add(1)] = rule::clipped(factors, squares);
            for ((at, part), next) in self.rule.parts::<V>(memory).zip(&self.next) {
                let before = self.before.map(|all| all.map(|m| m.after(at).of(memory).cast_const()));
                rule::step::<V, _>(factors, part, before, next.of(memory));
            }
        }
    }
}

impl Call for Direction {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            for (at, part) in self.rule.parts::<V>(memory) {
                rule::direction::<V, _>(&self.rule.factors, part, self.out.after(at).of(memory));
            }
        }
    }
}

impl Call for Adjoint {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let factors = &self.rule.factors;
        // SAFETY: promised by the caller.
        unsafe {
            for (at, part) in self.rule.parts::<V>(memory) {
                let [v, out] = [self.v, self.out].map(|all| all.after(at).of(memory));
                let adjoints = self.adjoints.map(|all| all.after(at).of(memory));
                rule::adjoint::<V, _>(factors, part, v, adjoints, out);
            }
            let norm = *self.rule.clipped.of(memory).add(1);
            let along = if norm > 0.0 { self.rule.along::<V>(memory, Some(self.out)) } else { 0.0 };
            let share = V::splat(rule::share(norm, along));
            for (at, part) in self.rule.parts::<V>(memory) {
                rule::unclip::<V, _>(factors, part, share, self.out.after(at).of(memory));
            }
        }
    }
}
