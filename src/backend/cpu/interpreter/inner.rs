//! Inner steps by optimizers beyond plain gradient descent, and their adjoints, over the packed parameters of a task.

use crate::meta::StepFactors;
use crate::meta::inner_step::{Factors, Moments, clip};
use crate::simd::Vector;
use crate::simd::memory::{Call, Place};
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

/// A parameter's part of a step, in a task's memory.
#[derive(Clone, Copy)]
struct Part {
    factors: Factors<f32>,
    bound: f64,
    scale: f32,
    theta: *const f32,
    gradient: *const f32,
    moments: [*mut f32; 2],
    rate: f32,
    /// May be null.
    rates: *const f32,
    at: usize,
    len: usize,
}

impl Part {
    /// Element `e` of the gradient, clipped and decayed.
    ///
    /// # Safety
    /// `e` must be below `len`.
    #[inline(always)]
    unsafe fn gradient(&self, e: usize) -> f32 {
        // SAFETY: promised by the caller.
        unsafe {
            let clipped = clip(*self.gradient.add(e), self.bound, self.scale);
            self.factors.decayed(clipped, *self.theta.add(e))
        }
    }

    /// # Safety
    /// As [`Part::gradient`].
    #[inline(always)]
    unsafe fn moments(&self, e: usize) -> Moments<f32> {
        // SAFETY: promised by the caller.
        unsafe { Moments { m: *self.moments[0].add(e), s: *self.moments[1].add(e) } }
    }

    /// # Safety
    /// As [`Part::gradient`].
    #[inline(always)]
    unsafe fn rate(&self, e: usize) -> f32 {
        // SAFETY: promised by the caller.
        if self.rates.is_null() { self.rate } else { unsafe { *self.rates.add(e) } }
    }
}

impl StepRule {
    /// The parts, in order.
    ///
    /// # Safety
    /// Every place must lie within the memory.
    #[inline(always)]
    unsafe fn parts(&self, memory: *mut f32) -> impl Iterator<Item = Part> {
        let (factors, bound) = (Factors::new(&self.factors), self.factors.clip_value);
        // SAFETY: promised by the caller.
        let scale = unsafe { *self.clipped.of(memory) };
        let all = self.moved.iter().zip(&self.theta).zip(&self.rates);
        all.map(move |((moved, theta), (rate, rates))| Part {
            factors,
            bound,
            scale,
            theta: theta.of(memory),
            gradient: self.gradient.after(moved.at).of(memory),
            moments: self.moments.map(|moment| moment.after(moved.at).of(memory)),
            // SAFETY: promised by the caller.
            rate: if rate.is_somewhere() { unsafe { *rate.of(memory) } } else { 1.0 },
            rates: rates.of(memory),
            at: moved.at,
            len: moved.len,
        })
    }

    /// Sum over moved parameters of the gradient, clipped by value, times `other`, or times itself without.
    ///
    /// # Safety
    /// As [`StepRule::parts`].
    unsafe fn along(&self, memory: *mut f32, other: Option<Place>) -> f64 {
        let mut sum = 0.0;
        // SAFETY: promised by the caller.
        unsafe {
            for part in self.parts(memory) {
                for e in 0..part.len {
                    let h = f64::from(clip(*part.gradient.add(e), part.bound, 1.0));
                    let other = other.map_or(h, |other| f64::from(*other.after(part.at + e).of(memory)));
                    sum += h * other;
                }
            }
        }
        sum
    }
}

impl Call for Step {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let clipped = self.rule.clipped.of(memory);
            (*clipped, *clipped.add(1)) = (1.0, 0.0);
            let most = self.rule.factors.clip_norm;
            if most.is_finite() {
                let norm = self.rule.along(memory, None).sqrt();
                if norm > most {
                    (*clipped, *clipped.add(1)) = ((most / norm) as f32, norm as f32);
                }
            }
            for (part, next) in self.rule.parts(memory).zip(&self.next) {
                let next = next.of(memory);
                let before = self.before.map(|all| all.map(|moment| moment.after(part.at).of(memory)));
                for e in 0..part.len {
                    let g = part.gradient(e);
                    let before = match before {
                        None => Moments { m: 0.0, s: 0.0 },
                        Some([m, s]) => Moments { m: *m.add(e), s: *s.add(e) },
                    };
                    let after = part.factors.moments(g, before);
                    *part.moments[0].add(e) = after.m;
                    *part.moments[1].add(e) = after.s;
                    *next.add(e) = *part.theta.add(e) - part.rate(e) * part.factors.direction(g, after);
                }
            }
        }
    }
}

impl Call for Direction {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            for part in self.rule.parts(memory) {
                let out = self.out.after(part.at).of(memory);
                for e in 0..part.len {
                    *out.add(e) = part.factors.direction(part.gradient(e), part.moments(e));
                }
            }
        }
    }
}

impl Call for Adjoint {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            for part in self.rule.parts(memory) {
                let [v, out] = [self.v, self.out].map(|all| all.after(part.at).of(memory));
                let adjoints = self.adjoints.map(|all| all.after(part.at).of(memory));
                for e in 0..part.len {
                    let mut moments = Moments { m: *adjoints[0].add(e), s: *adjoints[1].add(e) };
                    let r = -part.rate(e) * *v.add(e);
                    let adjoint = part.factors.adjoint(part.gradient(e), part.moments(e), r, &mut moments);
                    *adjoints[0].add(e) = moments.m;
                    *adjoints[1].add(e) = moments.s;
                    *v.add(e) += part.factors.decay(adjoint);
                    *out.add(e) = adjoint;
                }
            }
            self.unclip(memory);
        }
    }
}

impl Adjoint {
    /// Takes `u` from an adjoint of the clipped gradient to minus that of the gradient itself.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn unclip(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let clipped = self.rule.clipped.of(memory);
            let (scale, norm) = (*clipped, *clipped.add(1));
            let share = match norm > 0.0 {
                true => (self.rule.along(memory, Some(self.out)) / f64::from(norm).powi(2)) as f32,
                false => 0.0,
            };
            for part in self.rule.parts(memory) {
                let u = self.out.after(part.at).of(memory);
                for e in 0..part.len {
                    let h = *part.gradient.add(e);
                    let inside = -scale * (*u.add(e) - clip(h, part.bound, 1.0) * share);
                    *u.add(e) = if f64::from(h).abs() <= part.bound { inside } else { 0.0 };
                }
            }
        }
    }
}
