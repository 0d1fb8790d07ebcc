//! Every function against float64, on every instruction set.

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

const ALL: [Function; 10] = [
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

/// `f`, `f′` and `f″` of vectors.
fn found<I: Isa>(function: Function, x: &[f32]) -> [Vec<f32>; 3] {
    let mut out = std::array::from_fn(|_| vec![f32::NAN; x.len()]);
    // SAFETY: the caller saw that the machine has the set.
    with_curve!(function, curve => unsafe { I::run(Evaluate { curve, x, out: &mut out }) });
    out
}

fn check<I: Isa>(name: &str) {
    let x = arguments();
    for function in ALL {
        let out = found::<I>(function, &x);
        for (i, &at) in x.iter().enumerate() {
            let at = f64::from(at);
            let expected = exact(function, at);
            let beside = [0.95, 1.05].map(|factor| exact(function, at * factor));
            for d in 0..3 {
                // Near where they cross zero, against their size beside it.
                let size = expected[d].abs().max(beside[0][d].abs().min(beside[1][d].abs()));
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
    for omega in [0.1, 1.0, 30.0, 33.3, 77.7, 200.0] {
        check_sine::<I>(name, omega);
    }
}

/// Each number against itself, however near to zero it is, for arguments of the sine up to ±1,000.
fn check_sine<I: Isa>(name: &str, omega: f64) {
    let function = Function::Sine { omega };
    let mut x = arguments();
    x.iter_mut().for_each(|x| *x = (f64::from(*x) / omega) as f32);
    let out = found::<I>(function, &x);
    let mut smallest = [f64::INFINITY; 3];
    for (i, &at) in x.iter().enumerate() {
        let expected = exact(function, at.into());
        for d in 0..3 {
            let error = (f64::from(out[d][i]) - expected[d]).abs();
            assert!(
                error <= 1e-5 * expected[d].abs(),
                "{function} at {at}, derivative {d} on {name}: {} is not {}",
                out[d][i],
                expected[d]
            );
            if at.abs() > 1.0 / omega as f32 {
                smallest[d] = smallest[d].min(expected[d].abs() / omega.powi(d as i32));
            }
        }
    }
    assert!(smallest.iter().all(|size| *size < 1e-3), "some cross zero: {smallest:?}");
}

#[test]
fn triples_agree_with_float64_on_every_instruction_set() {
    check::<Basic>("portable");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            check::<crate::simd::Avx2>("avx2");
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
        {
            check::<crate::simd::Avx512Narrow>("avx512, 8 lanes");
            check::<crate::simd::Avx512>("avx512");
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    let x = [f32::NAN; 16];
    for function in ALL.into_iter().chain([Function::Sine { omega: 30.0 }]) {
        let out = found::<Basic>(function, &x);
        let number = matches!(function, Function::Relu | Function::LeakyRelu { .. });
        assert!(out[0].iter().all(|y| y.is_nan()) || number, "{function}");
    }
}
