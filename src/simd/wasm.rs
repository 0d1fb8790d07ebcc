//! Vectors of WebAssembly, where a build has them (`-C target-feature=+simd128`). They compute to the bit what
//! `Portable` does elsewhere.

use super::vector::{EXPONENT, NO_LANE, Vector};
use std::arch::wasm32::*;

/// Four lanes.
#[derive(Clone, Copy)]
pub(crate) struct F32x4(v128);

impl F32x4 {
    #[inline(always)]
    fn lanes(self) -> [f32; 4] {
        let v = self.0;
        [
            f32x4_extract_lane::<0>(v),
            f32x4_extract_lane::<1>(v),
            f32x4_extract_lane::<2>(v),
            f32x4_extract_lane::<3>(v),
        ]
    }

    /// The high half in the place of the low one.
    #[inline(always)]
    fn high(self) -> v128 {
        i64x2_shuffle::<1, 0>(self.0, self.0)
    }
}

// SAFETY: built for a machine that has them; pointers are the caller's promise.
unsafe impl Vector for F32x4 {
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: promised by the caller.
        Self(unsafe { v128_load(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe { v128_store(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(f32x4_add(f32x4_mul(self.0, b.0), c.0))
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        // Products of two numbers are exact in float64.
        let wide = f64x2_promote_low_f32x4;
        let sum = |a, b, c| f32x4_demote_f64x2_zero(f64x2_add(f64x2_mul(wide(a), wide(b)), wide(c)));
        let (low, high) = (sum(self.0, b.0, c.0), sum(self.high(), b.high(), c.high()));
        Self(i64x2_shuffle::<0, 2>(low, high))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(f32x4_add(self.0, b.0))
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        Self(f32x4_sub(self.0, b.0))
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(f32x4_mul(self.0, b.0))
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Self(f32x4_div(self.0, b.0))
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // The bits stay where the comparison is false, as it is for NaN.
        Self(v128_andnot(self.0, f32x4_lt(self.0, f32x4_splat(0.0))))
    }
    #[inline(always)]
    unsafe fn gated(self, gate: Self) -> Self {
        Self(v128_and(self.0, f32x4_gt(gate.0, f32x4_splat(0.0))))
    }
    #[inline(always)]
    unsafe fn greater(self, b: Self, yes: Self, no: Self) -> Self {
        Self(v128_bitselect(yes.0, no.0, f32x4_gt(self.0, b.0)))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d] = self.lanes();
        (a + c) + (b + d)
    }
    #[inline(always)]
    unsafe fn pick(self, from: *const u32) -> Self {
        // SAFETY: promised by the caller.
        let from = unsafe { from.cast::<[u32; 4]>().read_unaligned() };
        let lanes = self.lanes();
        let [a, b, c, d] = from.map(|lane| if lane == NO_LANE { 0.0 } else { lanes[lane as usize % 4] });
        Self(f32x4(a, b, c, d))
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Self(i32x4_shl(f32x4_add(self.0, f32x4_splat(EXPONENT)), 23))
    }
    #[inline(always)]
    unsafe fn exponent(self) -> Self {
        Self(f32x4_sub(f32x4_convert_i32x4(u32x4_shr(self.0, 23)), f32x4_splat(127.0)))
    }

    const BLOCK: usize = 4;
    #[inline(always)]
    unsafe fn transpose(from: (*const f32, usize), to: (*mut f32, usize)) {
        // SAFETY: promised by the caller.
        unsafe {
            let row = |r: usize| v128_load(from.0.add(r * from.1).cast());
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let (low, high) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b));
            let (low_two, high_two) = (i32x4_shuffle::<0, 4, 1, 5>(c, d), i32x4_shuffle::<2, 6, 3, 7>(c, d));
            let columns = [
                i64x2_shuffle::<0, 2>(low, low_two),
                i64x2_shuffle::<1, 3>(low, low_two),
                i64x2_shuffle::<0, 2>(high, high_two),
                i64x2_shuffle::<1, 3>(high, high_two),
            ];
            for (c, column) in columns.into_iter().enumerate() {
                v128_store(to.0.add(c * to.1).cast(), column);
            }
        }
    }
}
