//! Their CPU kernels: `ℓ`, `ℓ′` and `ℓ″` in the output. What a pass does not use, the compiler leaves out.

use crate::losses::cpu::{Kernels, Points};
use crate::simd::Vector;
use crate::simd::math::{abs, exp_of_negative, ln_1p_of_unit};

/// A loss of single elements.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// `ℓ`, `∂ℓ/∂y`, `∂²ℓ/∂y²` of outputs and their targets.
    ///
    /// # Safety
    /// The machine must have the vector's instruction set.
    unsafe fn triple<V: Vector>(self, y: V, t: V) -> [V; 3];
}

impl<E: Element> Kernels for E {
    #[inline(always)]
    unsafe fn value<V: Vector, P: Points>(self, outputs: usize, points: P, scale: V) -> V {
        // SAFETY: promised by the caller.
        unsafe {
            let share = V::splat(1.0 / outputs as f32);
            let (scale, mut sum) = (scale.mul(share), V::splat(0.0));
            for o in 0..outputs {
                let [value, slope, _] = self.triple(points.output::<V>(o), points.target(o));
                sum = sum.add(value);
                points.put(o, slope.mul(scale));
            }
            sum.mul(share)
        }
    }

    #[inline(always)]
    unsafe fn tangent<V: Vector, P: Points>(self, outputs: usize, points: P, scale: V) {
        // SAFETY: promised by the caller.
        unsafe {
            let scale = scale.mul(V::splat(1.0 / outputs as f32));
            for o in 0..outputs {
                let [_, _, bend] = self.triple(points.output::<V>(o), points.target(o));
                points.put(o, bend.mul(scale).mul(points.moved(o)));
            }
        }
    }
}

/// `(y − t)²`.
#[derive(Clone, Copy)]
pub(crate) struct Mse;

impl Element for Mse {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, y: V, t: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let e = y.sub(t);
            [e.mul(e), e.add(e), V::splat(2.0)]
        }
    }
}

/// `e² / 2` up to `delta`, `delta (|e| − delta / 2)` beyond.
#[derive(Clone, Copy)]
pub(crate) struct Huber {
    pub(crate) delta: f32,
}

impl Element for Huber {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, y: V, t: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let (zero, one, half) = (V::splat(0.0), V::splat(1.0), V::splat(0.5));
            let delta = V::splat(self.delta);
            let (e, size) = (y.sub(t), abs(y.sub(t)));
            let outside = delta.mul(size.sub(half.mul(delta)));
            let slope = e.greater(zero, delta, zero.sub(delta));
            [
                size.greater(delta, outside, half.mul(e).mul(e)),
                size.greater(delta, slope, e),
                size.greater(delta, zero, one),
            ]
        }
    }
}

/// `max(y, 0) − y t + ln(1 + e^−|y|)`.
#[derive(Clone, Copy)]
pub(crate) struct BceWithLogits;

impl Element for BceWithLogits {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, y: V, t: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let (zero, one) = (V::splat(0.0), V::splat(1.0));
            let (e, _) = exp_of_negative(zero.sub(abs(y)));
            // σ(|y|), and what it lacks of 1.
            let upper = one.div(one.add(e));
            let lower = e.mul(upper);
            let value = zero.sub(y).mul_add(t, y.relu()).add(ln_1p_of_unit(e));
            // A family of tasks of one's own may give any target: what is beyond 0 and 1 ends the training.
            let nan = V::splat(f32::NAN);
            let value = t.greater(one, nan, zero.greater(t, nan, value));
            [value, y.greater(zero, one.sub(t).sub(lower), lower.sub(t)), lower.mul(upper)]
        }
    }
}
