//! The vector kernels, generic over the vector, and their entry points for each instruction set.
//!
//! Arrays hold one vector an element: the same element of `LANES` tasks side by side. All strides and
//! counts are in elements; an array shared by all tasks holds one float an element.

use super::layered::Kernel;
use super::product::{Product, product_16};
use super::simd::{Portable, Vector};
#[cfg(target_arch = "x86_64")]
use super::{
    product::product_32,
    simd::{F32x8, F32x8Masked, F32x16},
};

/// The kernels compiled for one instruction set.
///
/// # Safety
/// The machine must have the instruction set, and every pointer must be valid for what its strides reach.
pub(super) unsafe trait Isa: Send + Sync + 'static {
    /// Tasks side by side.
    const LANES: usize;

    /// Runs work that is compiled for the instruction set as a whole.
    unsafe fn run<K: Kernel>(kernel: K);

    unsafe fn product(p: &Product);
    /// `c = x + s · y`, `len` vectors.
    unsafe fn axpy(c: *mut f32, x: *const f32, s: f32, y: *const f32, len: usize);
    /// `c[e] = x[e]` in every lane.
    unsafe fn spread(c: *mut f32, x: *const f32, len: usize);
    /// Sum of `len` products of vectors.
    unsafe fn dot(x: *const f32, y: *const f32, len: usize, sum: *mut f32);
    /// `c[e] = x[e] + s · r[e] · y[e]` with a shared `r`.
    unsafe fn axpy_shared(c: *mut f32, x: *const f32, s: f32, r: *const f32, y: *const f32, len: usize);
    /// `c[e] -= x[e] · y[e]`.
    unsafe fn sub_mul(c: *mut f32, x: *const f32, y: *const f32, len: usize);
    /// Mean squared error of `len` outputs: `loss = Σ (out − y)² · share`, `dz = (out − y) · 2 share · weight`.
    unsafe fn mse(
        out: *const f32,
        y: *const f32,
        dz: *mut f32,
        weight: *const f32,
        share: f32,
        len: usize,
        loss: *mut f32,
    );
    /// `c = gate > 0 ? c · s : 0` where there is a gate, else `c · s`.
    unsafe fn scale_gated(c: *mut f32, s: f32, gate: Option<*const f32>, len: usize);
    /// `out[e]` = sum of the lanes of `c[e]`.
    unsafe fn sum_lanes(c: *const f32, out: *mut f32, len: usize);
    /// The outer update of `len` parameters, one float each.
    unsafe fn adam(p: &mut AdamStep<'_>);
    /// Draws for the sinusoid sampler.
    unsafe fn sinusoids(draw: &super::sample::Draw<'_>, x: *mut f32, y: *mut f32);
}

/// One Adam update over slices of equal length.
pub(super) struct AdamStep<'a> {
    pub(super) params: &'a mut [f32],
    pub(super) m: &'a mut [f32],
    pub(super) v: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    pub(super) step: f32,
    pub(super) root: f32,
    pub(super) beta1: (f32, f32),
    pub(super) beta2: (f32, f32),
    pub(super) epsilon: f32,
}

#[inline(always)]
unsafe fn axpy<V: Vector>(c: *mut f32, x: *const f32, s: f32, y: *const f32, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let s = V::splat(s);
        for e in 0..len {
            let at = e * V::LANES;
            V::load(y.add(at)).mul_add(s, V::load(x.add(at))).store(c.add(at));
        }
    }
}

#[inline(always)]
unsafe fn spread<V: Vector>(c: *mut f32, x: *const f32, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        for e in 0..len {
            V::splat(*x.add(e)).store(c.add(e * V::LANES));
        }
    }
}

#[inline(always)]
unsafe fn dot<V: Vector>(x: *const f32, y: *const f32, len: usize, sum: *mut f32) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = V::splat(0.0);
        for e in 0..len {
            acc = V::load(x.add(e * V::LANES)).mul_add(V::load(y.add(e * V::LANES)), acc);
        }
        acc.store(sum);
    }
}

#[inline(always)]
unsafe fn axpy_shared<V: Vector>(
    c: *mut f32,
    x: *const f32,
    s: f32,
    r: *const f32,
    y: *const f32,
    len: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        for e in 0..len {
            let at = e * V::LANES;
            let scale = V::splat(s * *r.add(e));
            V::load(y.add(at)).mul_add(scale, V::load(x.add(at))).store(c.add(at));
        }
    }
}

#[inline(always)]
unsafe fn sub_mul<V: Vector>(c: *mut f32, x: *const f32, y: *const f32, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let minus = V::splat(-1.0);
        for e in 0..len {
            let at = e * V::LANES;
            V::load(x.add(at)).mul(minus).mul_add(V::load(y.add(at)), V::load(c.add(at))).store(c.add(at));
        }
    }
}

#[inline(always)]
unsafe fn mse<V: Vector>(
    out: *const f32,
    y: *const f32,
    dz: *mut f32,
    weight: *const f32,
    share: f32,
    len: usize,
    loss: *mut f32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let (minus, weight) = (V::splat(-1.0), V::load(weight).mul(V::splat(2.0 * share)));
        let mut sum = V::splat(0.0);
        for e in 0..len {
            let at = e * V::LANES;
            let error = V::load(y.add(at)).mul_add(minus, V::load(out.add(at)));
            sum = error.mul_add(error, sum);
            error.mul(weight).store(dz.add(at));
        }
        sum.mul(V::splat(share)).store(loss);
    }
}

#[inline(always)]
unsafe fn scale_gated<V: Vector>(c: *mut f32, s: f32, gate: Option<*const f32>, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let s = V::splat(s);
        for e in 0..len {
            let at = e * V::LANES;
            let mut value = V::load(c.add(at)).mul(s);
            if let Some(gate) = gate {
                value = value.gated(V::load(gate.add(at)));
            }
            value.store(c.add(at));
        }
    }
}

#[inline(always)]
unsafe fn sum_lanes<V: Vector>(c: *const f32, out: *mut f32, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        for e in 0..len {
            *out.add(e) = V::load(c.add(e * V::LANES)).sum();
        }
    }
}

#[inline(always)]
unsafe fn adam<V: Vector>(p: &mut AdamStep<'_>) {
    let len = p.gradient.len();
    let one = |e: usize, p: &mut AdamStep<'_>| {
        let g = p.gradient[e];
        p.m[e] = p.beta1.0 * p.m[e] + p.beta1.1 * g;
        p.v[e] = p.beta2.0 * p.v[e] + p.beta2.1 * g * g;
        p.params[e] -= p.step * p.m[e] / (p.v[e].sqrt() * p.root + p.epsilon);
    };
    let whole = len - len % V::LANES;
    for e in (0..whole).step_by(V::LANES) {
        // SAFETY: `e + LANES <= len`, the length of every slice; the instruction set is promised.
        unsafe {
            let g = V::load(p.gradient.as_ptr().add(e));
            let (m, v) = (p.m.as_mut_ptr().add(e), p.v.as_mut_ptr().add(e));
            let params = p.params.as_mut_ptr().add(e);
            let new_m = V::load(m).mul_add(V::splat(p.beta1.0), g.mul(V::splat(p.beta1.1)));
            let new_v = V::load(v).mul_add(V::splat(p.beta2.0), g.mul(g).mul(V::splat(p.beta2.1)));
            let root = new_v.sqrt().mul_add(V::splat(p.root), V::splat(p.epsilon));
            let change = new_m.mul(V::splat(-p.step)).div(root);
            new_m.store(m);
            new_v.store(v);
            V::load(params).add(change).store(params);
        }
    }
    for e in whole..len {
        one(e, p);
    }
}

macro_rules! isa {
    ($name:ident, $vector:ty, $product:ident $(, $features:literal)?) => {
        /// The kernels for one instruction set.
        pub(super) struct $name;

        // SAFETY: each entry point is compiled for the instruction set that its caller promises.
        unsafe impl Isa for $name {
            const LANES: usize = <$vector as Vector>::LANES;

            $(#[target_feature(enable = $features)])?
            unsafe fn run<K: Kernel>(kernel: K) {
                // SAFETY: promised by the caller.
                unsafe { kernel.run::<$vector>() }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn product(p: &Product) {
                // SAFETY: promised by the caller.
                unsafe { if p.a_shared { $product::<$vector, true>(p) } else { $product::<$vector, false>(p) } }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn axpy(c: *mut f32, x: *const f32, s: f32, y: *const f32, len: usize) {
                // SAFETY: promised by the caller.
                unsafe { axpy::<$vector>(c, x, s, y, len) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn spread(c: *mut f32, x: *const f32, len: usize) {
                // SAFETY: promised by the caller.
                unsafe { spread::<$vector>(c, x, len) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn dot(x: *const f32, y: *const f32, len: usize, sum: *mut f32) {
                // SAFETY: promised by the caller.
                unsafe { dot::<$vector>(x, y, len, sum) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn axpy_shared(c: *mut f32, x: *const f32, s: f32, r: *const f32, y: *const f32, len: usize) {
                // SAFETY: promised by the caller.
                unsafe { axpy_shared::<$vector>(c, x, s, r, y, len) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sub_mul(c: *mut f32, x: *const f32, y: *const f32, len: usize) {
                // SAFETY: promised by the caller.
                unsafe { sub_mul::<$vector>(c, x, y, len) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn mse(
                out: *const f32, y: *const f32, dz: *mut f32, weight: *const f32, share: f32, len: usize,
                loss: *mut f32,
            ) {
                // SAFETY: promised by the caller.
                unsafe { mse::<$vector>(out, y, dz, weight, share, len, loss) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn scale_gated(c: *mut f32, s: f32, gate: Option<*const f32>, len: usize) {
                // SAFETY: promised by the caller.
                unsafe { scale_gated::<$vector>(c, s, gate, len) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sum_lanes(c: *const f32, out: *mut f32, len: usize) {
                // SAFETY: promised by the caller.
                unsafe { sum_lanes::<$vector>(c, out, len) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn adam(p: &mut AdamStep<'_>) {
                // SAFETY: promised by the caller.
                unsafe { adam::<$vector>(p) }
            }
            $(#[target_feature(enable = $features)])?
            unsafe fn sinusoids(draw: &super::sample::Draw<'_>, x: *mut f32, y: *mut f32) {
                // SAFETY: promised by the caller.
                unsafe { super::sample::sinusoids::<{ <$vector as Vector>::LANES }>(draw, x, y) }
            }
        }
    };
}

isa!(Basic, Portable, product_16);
#[cfg(target_arch = "x86_64")]
isa!(Avx2, F32x8, product_16, "avx2,fma");
#[cfg(target_arch = "x86_64")]
isa!(Avx512Narrow, F32x8Masked, product_32, "avx512f,avx512vl,avx512dq,avx2,fma");
#[cfg(target_arch = "x86_64")]
isa!(Avx512, F32x16, product_32, "avx512f,avx512vl,avx512dq,avx2,fma");
