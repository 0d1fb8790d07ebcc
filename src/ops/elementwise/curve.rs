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
}

impl Curve for Sine {
    #[inline(always)]
    unsafe fn triple<V: Vector>(self, x: V) -> [V; 3] {
        // SAFETY: promised by the caller.
        unsafe {
            let (sine, cosine) = sin_cos(x, self.omega);
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
                let $curve = curve::Sine { omega: omega as f32 };
                $value
            }
        }
    }};
}
pub(crate) use with_curve;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::elementwise::Function;
    use crate::ops::scalar::{Dual, Number as _};
    use crate::simd::{Basic, Isa, Kernel};

    struct Evaluate<'a, F> {
        curve: F,
        x: &'a [f32],
        out: &'a mut [Vec<f32>; 3],
    }

    impl<F: Curve> Kernel for Evaluate<'_, F> {
        #[inline(always)]
        unsafe fn run<V: Vector>(self) {
            for at in (0..self.x.len()).step_by(V::LANES) {
                // SAFETY: whole vectors; the instruction set is the caller's promise.
                unsafe {
                    let triple = self.curve.triple(V::load(self.x.as_ptr().add(at)));
                    for (value, out) in triple.into_iter().zip(self.out.iter_mut()) {
                        value.store(out.as_mut_ptr().add(at));
                    }
                }
            }
        }
    }

    const ALL: [Function; 12] = [
        Function::Relu {},
        Function::LeakyRelu { negative_slope: 0.3 },
        Function::Elu { alpha: 1.0 },
        Function::Elu { alpha: 0.7 },
        Function::Tanh {},
        Function::Sigmoid {},
        Function::Silu {},
        Function::Gelu {},
        Function::GeluTanh {},
        Function::Softplus {},
        Function::Sine { omega: 1.0 },
        Function::Sine { omega: 30.0 },
    ];

    /// From tiny to ±1,000.
    fn arguments() -> Vec<f32> {
        let mut x: Vec<f32> = vec![0.0, 1e-30, -1e-30];
        let mut magnitude = 1e-4_f32;
        while magnitude < 1000.0 {
            x.extend([magnitude, -magnitude]);
            magnitude *= 1.003;
        }
        x.extend((0..4000).map(|i| (i - 2000) as f32 * 0.01));
        x.resize(x.len().next_multiple_of(16), 1000.0);
        x
    }

    /// `f`, `f′` and `f″` by dual numbers.
    fn exact(function: Function, x: f64) -> [f64; 3] {
        let inner = Dual { value: x, tangent: 1.0 };
        let one = Dual::constant(1.0);
        let all = function.value(Dual { value: inner, tangent: one });
        [all.value.value, all.value.tangent, all.tangent.tangent]
    }

    fn check<I: Isa>(name: &str, fused: bool) {
        let x = arguments();
        for function in ALL {
            let mut out = std::array::from_fn(|_| vec![f32::NAN; x.len()]);
            // SAFETY: the caller saw that the machine has the set.
            with_curve!(function, curve => unsafe { I::run(Evaluate { curve, x: &x, out: &mut out }) });
            for (i, &at) in x.iter().enumerate() {
                let at = f64::from(at);
                let expected = exact(function, at);
                let beside = [0.95, 1.05].map(|factor| exact(function, at * factor));
                for d in 0..3 {
                    let mut size = expected[d].abs();
                    match function {
                        // A product that is rounded before its sine is taken is as wrong as it is large.
                        Function::Sine { omega }
                            if (at * omega).abs() > if fused { 1000.0 } else { 50.0 } =>
                        {
                            continue;
                        }
                        Function::Sine { omega } => size = size.max(0.3 * omega.powi(d as i32)),
                        // Near where they cross zero, against their size beside it.
                        _ => size = size.max(beside[0][d].abs().min(beside[1][d].abs())),
                    }
                    let error = (f64::from(out[d][i]) - expected[d]).abs();
                    // Tails are as good down to 1e-7; 1 − tanh² and 1 + erf are inexact there in float64, too.
                    assert!(
                        error <= 1e-5 * size + 1e-12,
                        "{function} at {at}, derivative {d} on {name}: {} is not {}",
                        out[d][i],
                        expected[d]
                    );
                }
            }
        }
    }

    #[test]
    fn triples_agree_with_float64_on_every_instruction_set() {
        check::<Basic>("portable", false);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                check::<crate::simd::Avx2>("avx2", true);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
            {
                check::<crate::simd::Avx512Narrow>("avx512, 8 lanes", true);
                check::<crate::simd::Avx512>("avx512", true);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        let x = [f32::NAN; 16];
        for function in ALL {
            let mut out = std::array::from_fn(|_| vec![0.0; 16]);
            // SAFETY: any machine has it.
            with_curve!(function, curve => unsafe { Basic::run(Evaluate { curve, x: &x, out: &mut out }) });
            let number = matches!(function, Function::Relu | Function::LeakyRelu { .. });
            assert!(out[0].iter().all(|y| y.is_nan()) || number, "{function}");
        }
    }
}
