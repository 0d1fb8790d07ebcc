//! Inner steps by rules beyond plain gradient descent, and their adjoints, on vectors: of neighbouring parameters in one engine, of
//! one parameter of many tasks in the other.

use crate::meta::StepFactors;
use crate::meta::inner_step::{Factors, Moments};
use crate::ops::scalar::Number;
use crate::simd::{MAX_LANES, Vector};
use std::ops::{Add, Div, Mul, Range, Sub};

/// A vector as the number that the formulas of a step are written for. One is made in functions of its instruction set alone.
#[derive(Clone, Copy)]
struct Elements<V>(V);

/// An operator of vectors.
macro_rules! operator {
    ($($operator:ident::$name:ident),*) => {
        $(impl<V: Vector> $operator for Elements<V> {
            type Output = Self;
            #[inline(always)]
            fn $name(self, b: Self) -> Self {
                // SAFETY: whoever made the vectors runs on a machine that has them.
                Self(unsafe { self.0.$name(b.0) })
            }
        })*
    };
}
operator!(Add::add, Sub::sub, Mul::mul, Div::div);

impl<V: Vector> Number for Elements<V> {
    #[inline(always)]
    fn constant(value: f64) -> Self {
        // SAFETY: as above.
        Self(unsafe { V::splat(value as f32) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.sqrt() })
    }
}

/// What vectors have in common: where an engine keeps it, and how it reads it as a vector.
///
/// # Safety
/// Of every method: the machine must have the vector's instruction set, and what is asked for must be there.
pub(super) trait Shared: Copy {
    /// The inner rate of a vector.
    unsafe fn rate<V: Vector>(self, vector: usize) -> V;
    /// What clipping by norm multiplies by.
    unsafe fn scale<V: Vector>(self) -> V;
}

/// The arrays of a parameter, in vectors.
#[derive(Clone, Copy)]
pub(super) struct Part<S> {
    pub(super) shared: S,
    pub(super) theta: *const f32,
    /// As the passes left it.
    pub(super) gradient: *const f32,
    /// After the step.
    pub(super) moments: [*mut f32; 2],
    pub(super) vectors: usize,
}

/// `h` within a bound.
///
/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn bounded<V: Vector>(h: V, bound: f32) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let (most, least) = (V::splat(bound), V::splat(-bound));
        least.greater(h, least, h.greater(most, most, h))
    }
}

impl<S: Shared> Part<S> {
    /// A vector of the gradient, clipped and decayed.
    ///
    /// # Safety
    /// As [`Shared`]'s.
    #[inline(always)]
    unsafe fn gradient<V: Vector>(
        &self,
        rule: &StepFactors,
        factors: &Factors<Elements<V>>,
        e: usize,
    ) -> Elements<V> {
        let at = e * V::LANES;
        // SAFETY: promised by the caller.
        unsafe {
            let clipped = bounded(V::load(self.gradient.add(at)), rule.clip_value as f32);
            factors.decayed(Elements(clipped.mul(self.shared.scale())), Elements(V::load(self.theta.add(at))))
        }
    }

    /// # Safety
    /// As [`Shared`]'s.
    #[inline(always)]
    unsafe fn after<V: Vector>(&self, e: usize) -> Moments<Elements<V>> {
        // SAFETY: promised by the caller.
        unsafe { moments(self.moments.map(<*mut f32>::cast_const), e) }
    }
}

/// # Safety
/// As [`Shared`]'s.
#[inline(always)]
unsafe fn moments<V: Vector>(from: [*const f32; 2], e: usize) -> Moments<Elements<V>> {
    // SAFETY: promised by the caller.
    let [m, s] = from.map(|all| Elements(unsafe { V::load(all.add(e * V::LANES)) }));
    Moments { m, s }
}

/// # Safety
/// As [`Shared`]'s.
#[inline(always)]
unsafe fn keep<V: Vector>(moments: Moments<Elements<V>>, to: [*mut f32; 2], e: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        moments.m.0.store(to[0].add(e * V::LANES));
        moments.s.0.store(to[1].add(e * V::LANES));
    }
}

/// The moments after a step, and θ_{j+1} to `next`. The first step has no moments before it.
///
/// # Safety
/// The machine must have the instruction set; all arrays must hold the part's vectors.
#[inline(always)]
pub(super) unsafe fn step<V: Vector, S: Shared>(
    rule: &StepFactors,
    part: Part<S>,
    before: Option<[*const f32; 2]>,
    next: *mut f32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let factors = Factors::<Elements<V>>::new(rule);
        let zero = Number::constant(0.0);
        for e in 0..part.vectors {
            let g = part.gradient(rule, &factors, e);
            let before = match before {
                None => Moments { m: zero, s: zero },
                Some(before) => moments(before, e),
            };
            let after = factors.moments(g, before);
            keep(after, part.moments, e);
            let moved = Elements(part.shared.rate::<V>(e)) * factors.direction(g, after);
            let theta = Elements(V::load(part.theta.add(e * V::LANES)));
            (theta - moved).0.store(next.add(e * V::LANES));
        }
    }
}

/// What the rates were multiplied by.
///
/// # Safety
/// As [`step`].
#[inline(always)]
pub(super) unsafe fn direction<V: Vector, S: Shared>(rule: &StepFactors, part: Part<S>, out: *mut f32) {
    // SAFETY: promised by the caller.
    unsafe {
        let factors = Factors::<Elements<V>>::new(rule);
        for e in 0..part.vectors {
            let g = part.gradient(rule, &factors, e);
            factors.direction(g, part.after(e)).0.store(out.add(e * V::LANES));
        }
    }
}

/// The adjoint of the clipped gradient to `out`, those of the moments before the step in place of those after it; what weight
/// decay passes on is added to `v`. [`unclip`] makes the direction of the Hessian product of it.
///
/// # Safety
/// As [`step`].
#[inline(always)]
pub(super) unsafe fn adjoint<V: Vector, S: Shared>(
    rule: &StepFactors,
    part: Part<S>,
    v: *mut f32,
    adjoints: [*mut f32; 2],
    out: *mut f32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let factors = Factors::<Elements<V>>::new(rule);
        for e in 0..part.vectors {
            let at = e * V::LANES;
            let mut moved = moments(adjoints.map(<*mut f32>::cast_const), e);
            let beyond = Elements(V::load(v.add(at)));
            let r = Elements(part.shared.rate::<V>(e).mul(V::splat(-1.0))) * beyond;
            let adjoint = factors.adjoint(part.gradient(rule, &factors, e), part.after(e), r, &mut moved);
            keep(moved, adjoints, e);
            (beyond + factors.decay(adjoint)).0.store(v.add(at));
            adjoint.0.store(out.add(at));
        }
    }
}

/// Takes `u` from the adjoint of the clipped gradient to minus that of the gradient itself. `share` is what clipping by norm
/// takes away along the gradient.
///
/// # Safety
/// As [`step`].
#[inline(always)]
pub(super) unsafe fn unclip<V: Vector, S: Shared>(rule: &StepFactors, part: Part<S>, share: V, u: *mut f32) {
    // SAFETY: promised by the caller.
    unsafe {
        let (bound, zero) = (rule.clip_value as f32, V::splat(0.0));
        let scale = part.shared.scale::<V>().mul(V::splat(-1.0));
        for e in 0..part.vectors {
            let at = e * V::LANES;
            let h = V::load(part.gradient.add(at));
            let inside = V::load(u.add(at)).sub(bounded(h, bound).mul(share)).mul(scale);
            let inside = h.greater(V::splat(bound), zero, inside);
            V::splat(-bound).greater(h, zero, inside).store(u.add(at));
        }
    }
}

/// Vectors that are summed in float32 before the sum is added to one in float64.
const BLOCK: usize = 64;

/// Adds to each lane's sum its elements of the gradient, clipped by value, times `other`, or times themselves without.
///
/// # Safety
/// As [`step`].
#[inline(always)]
pub(super) unsafe fn along<V: Vector, S: Shared>(
    rule: &StepFactors,
    part: Part<S>,
    other: Option<*const f32>,
    sums: &mut [f64; MAX_LANES],
) {
    let mut block = |vectors: Range<usize>| {
        // SAFETY: promised by the caller.
        unsafe {
            let mut sum = V::splat(0.0);
            for e in vectors {
                let at = e * V::LANES;
                let h = bounded(V::load(part.gradient.add(at)), rule.clip_value as f32);
                sum = h.mul_add(other.map_or(h, |other| V::load(other.add(at))), sum);
            }
            let mut lanes = [0.0; MAX_LANES];
            sum.store(lanes.as_mut_ptr());
            sums.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += f64::from(lane));
        }
    };
    for first in (0..part.vectors).step_by(BLOCK) {
        block(first..part.vectors.min(first + BLOCK));
    }
}

/// What clipping by norm multiplies a gradient by, and the norm; 1 and 0 where it does nothing.
pub(super) fn clipped(rule: &StepFactors, squares: f64) -> [f32; 2] {
    let norm = squares.sqrt();
    if norm > rule.clip_norm { [(rule.clip_norm / norm) as f32, norm as f32] } else { [1.0, 0.0] }
}

/// The share that [`unclip`] takes, from the norm and the sum of the adjoint [`along`] the gradient.
pub(super) fn share(norm: f32, along: f64) -> f32 {
    if norm > 0.0 { (along / f64::from(norm).powi(2)) as f32 } else { 0.0 }
}
