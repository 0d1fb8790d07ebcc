//! The vector kernels of lanes, generic over the vector.
//!
//! Arrays hold one vector an element: the same element of `LANES` tasks side by side. All strides and
//! counts are in elements; an array shared by all tasks holds one float an element.

use crate::simd::{Isa, Kernel, Vector};

/// Rows of neighbouring vectors, each a stride of vectors from the next.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) at: *mut f32,
    pub(super) stride: usize,
}

impl Rows {
    /// # Safety
    /// The row and column must be there.
    #[inline(always)]
    pub(super) unsafe fn at<V: Vector>(self, row: usize, column: usize) -> *mut f32 {
        self.at.wrapping_add((row * self.stride + column) * V::LANES)
    }
}

/// Makes a method of every instruction set from each kernel.
macro_rules! kernels {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $ty:ty),*);)*) => {
        /// Kernels by the instruction set that they are compiled for.
        ///
        /// # Safety
        /// Of every method: the machine must have the instruction set, and every pointer must be valid for what its strides
        /// reach.
        pub(super) trait Kernels: Isa {
            $(
                $(#[$doc])*
                #[inline]
                unsafe fn $name($($argument: $ty),*) {
                    struct Run { $($argument: $ty),* }
                    impl Kernel for Run {
                        #[inline(always)]
                        unsafe fn run<V: Vector>(self) {
                            // SAFETY: promised by the caller.
                            unsafe { $name::<V>($(self.$argument),*) }
                        }
                    }
                    // SAFETY: promised by the caller.
                    unsafe { Self::run(Run { $($argument),* }) }
                }
            )*
        }
        impl<I: Isa> Kernels for I {}
    };
}

kernels! {
    /// `c = x + s · y`, `len` vectors.
    axpy(c: *mut f32, x: *const f32, s: f32, y: *const f32, len: usize);
    /// `c[e] = x[e]` in every lane.
    spread(c: *mut f32, x: *const f32, len: usize);
    /// Sum of `len` products of vectors.
    dot(x: *const f32, y: *const f32, len: usize, sum: *mut f32);
    /// `c[e] = x[e] + s · r[e] · y[e]` with a shared `r`.
    axpy_shared(c: *mut f32, x: *const f32, s: f32, r: *const f32, y: *const f32, len: usize);
    /// `c[e] -= x[e] · y[e]`.
    sub_mul(c: *mut f32, x: *const f32, y: *const f32, len: usize);
    /// `c = gate > 0 ? c : 0`.
    gated(c: *mut f32, gate: *const f32, len: usize);
    /// `out[e]` = sum of the lanes of `c[e]`.
    sum_lanes(c: *const f32, out: *mut f32, len: usize);
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
unsafe fn gated<V: Vector>(c: *mut f32, gate: *const f32, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        for e in 0..len {
            let at = e * V::LANES;
            V::load(c.add(at)).gated(V::load(gate.add(at))).store(c.add(at));
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
