//! `f`, `f′` and `f″` of every function, of vectors. What a pass does not use, the compiler leaves out.

use crate::simd::Vector;
use crate::simd::math::{abs, exp_of_negative, ln_1p_of_unit, normal, sin_cos};

/// A function of single elements.
pub(crate) trait Curve: Copy + Send + Sync + 'static {
    /// `f(x)`, `f′(x)`, `f″(x)`.
    ///
    /// # Safety
    /// The machine must have the vector's instruction set.
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3];
}

/// Numbers that every lane has.
#[inline(always)]
unsafe fn all<V: Vector, const N: usize>(values: [f32; N]) -> [V; N] {
    // SAFETY: promised by the caller.
    unsafe {
        let mut vectors = [V::splat(0.0); N];
        let mut i = 0;
        while i < N {
            vectors[i] = V::splat(values[i]);
            i += 1;
        }
        vectors
    }
}

/// The logistic function with both derivatives.
#[inline(always)]
unsafe fn logistic<V: Vector>(x: V) -> [V; 3] {
    // SAFETY: promised by the caller.
    unsafe {
        let [zero, one] = all::<V, _>([0.0, 1.0]);
        let (e, less_one) = exp_of_negative(zero.sub(abs(x)));
        // Of |x|; the other side is its complement.
        let upper = one.div(e.add(one));
        let value = x.greater(zero, upper, e.mul(upper));
        let slope = e.mul(upper).mul(upper);
        // 1 − 2σ, without cancellation at 0.
        let odd = less_one.mul(upper);
        let odd = x.greater(zero, odd, zero.sub(odd));
        [value, slope, slope.mul(odd)]
    }
}

/// `max(x, 0)`.
#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Curve for Relu {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let [zero, one] = all::<V, _>([0.0, 1.0]);
            [x.relu(), x.greater(zero, one, zero), zero]
        }
    }
}

/// `x` above 0, `slope · x` below.
#[derive(Clone, Copy)]
pub(crate) struct LeakyRelu {
    pub(crate) slope: f32,
}

impl Curve for LeakyRelu {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let [zero, one, slope] = all::<V, _>([0.0, 1.0, self.slope]);
            [x.greater(zero, x, slope.mul(x)), x.greater(zero, one, slope), zero]
        }
    }
}

/// `x` above 0, `alpha (eˣ − 1)` below.
#[derive(Clone, Copy)]
pub(crate) struct Elu {
    pub(crate) alpha: f32,
}

impl Curve for Elu {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let [zero, one, alpha] = all::<V, _>([0.0, 1.0, self.alpha]);
            let (e, less_one) = exp_of_negative(x.greater(zero, zero, x));
            let (value, slope) = (alpha.mul(less_one), alpha.mul(e));
            [x.greater(zero, x, value), x.greater(zero, one, slope), x.greater(zero, zero, slope)]
        }
    }
}

/// Hyperbolic tangent.
#[derive(Clone, Copy)]
pub(crate) struct Tanh;

impl Curve for Tanh {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let [zero, one, two, four] = all::<V, _>([0.0, 1.0, 2.0, 4.0]);
            // With e = e^(−2 |x|): tanh |x| = (1 − e) / (1 + e), and its slope 4 e / (1 + e)².
            let (e, less_one) = exp_of_negative(abs(x).mul(V::splat(-2.0)));
            let share = one.div(e.add(one));
            let value = zero.sub(less_one).mul(share);
            let value = x.greater(zero, value, zero.sub(value));
            let slope = four.mul(e).mul(share).mul(share);
            [value, slope, zero.sub(two).mul(value).mul(slope)]
        }
    }
}

/// `1 / (1 + e⁻ˣ)`.
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl Curve for Sigmoid {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe { logistic(x) }
    }
}

/// `x / (1 + e⁻ˣ)`.
#[derive(Clone, Copy)]
pub(crate) struct Silu;

impl Curve for Silu {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let [value, slope, bend] = logistic(x);
            [x.mul(value), x.mul_add(slope, value), x.mul_add(bend, slope.add(slope))]
        }
    }
}

/// `x Φ(x)`.
#[derive(Clone, Copy)]
pub(crate) struct Gelu;

impl Curve for Gelu {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let (share, density) = normal(x);
            let bend = density.mul(V::splat(2.0).sub(x.mul(x)));
            [x.mul(share), x.mul_add(density, share), bend]
        }
    }
}

/// GELU by tanh, which is `x σ(2 √(2/π) (x + 0.044715 x³))`.
#[derive(Clone, Copy)]
pub(crate) struct GeluTanh;

impl Curve for GeluTanh {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let [one, scale, cubic] = all::<V, _>([1.0, 1.595_769, 0.044_715]);
            let bent = cubic.mul(x).mul(x);
            let inner = scale.mul(x).mul(bent.add(one));
            let inner_slope = scale.mul(bent.mul_add(V::splat(3.0), one));
            let inner_bend = scale.mul(cubic).mul(x).mul(V::splat(6.0));
            let [share, slope, bend] = logistic(inner);
            let d = slope.mul(inner_slope);
            let d_slope = bend.mul(inner_slope).mul(inner_slope);
            let d_slope = slope.mul_add(inner_bend, d_slope);
            [x.mul(share), x.mul_add(d, share), x.mul_add(d_slope, d.add(d))]
        }
    }
}

/// `ln(1 + eˣ)`.
#[derive(Clone, Copy)]
pub(crate) struct Softplus;

impl Curve for Softplus {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let zero = V::splat(0.0);
            let (e, _) = exp_of_negative(zero.sub(abs(x)));
            let [share, slope, _] = logistic(x);
            [x.relu().add(ln_1p_of_unit(e)), share, slope]
        }
    }
}

/// `sin(omega x)`.
#[derive(Clone, Copy)]
pub(crate) struct Sine {
    pub(crate) omega: f32,
    /// What float32 lacks of it.
    pub(crate) rest: f32,
}

impl Curve for Sine {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let (sine, cosine) = sin_cos(x, self.omega, self.rest);
            let [omega, bend] = all::<V, _>([self.omega, -self.omega * self.omega]);
            [sine, omega.mul(cosine), bend.mul(sine)]
        }
    }
}

/// Calls something with the curve of a [`Function`](super::Function).
macro_rules! with_curve {
    ($function:expr, $curve:ident => $value:expr) => {{
        use $crate::ops::elementwise::{Function, curve};
        match $function {
            Function::Relu {} => {
                let $curve = curve::Relu;
                $value
            }
            Function::LeakyRelu { negative_slope } => {
                let $curve = curve::LeakyRelu { slope: negative_slope as f32 };
                $value
            }
            Function::Elu { alpha } => {
                let $curve = curve::Elu { alpha: alpha as f32 };
                $value
            }
            Function::Tanh {} => {
                let $curve = curve::Tanh;
                $value
            }
            Function::Sigmoid {} => {
                let $curve = curve::Sigmoid;
                $value
            }
            Function::Silu {} => {
                let $curve = curve::Silu;
                $value
            }
            Function::Gelu {} => {
                let $curve = curve::Gelu;
                $value
            }
            Function::GeluTanh {} => {
                let $curve = curve::GeluTanh;
                $value
            }
            Function::Softplus {} => {
                let $curve = curve::Softplus;
                $value
            }
            Function::Sine { omega } => {
                let rest = (omega - f64::from(omega as f32)) as f32;
                let $curve = curve::Sine { omega: omega as f32, rest };
                $value
            }
        }
    }};
}
pub(crate) use with_curve;

#[cfg(test)]
mod tests;
