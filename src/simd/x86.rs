//! Vectors of x86-64.

use super::vector::{EXPONENT, Vector};
use std::arch::x86_64::*;

macro_rules! vector {
    ($name:ident, $reg:ty, $lanes:expr, $registers:expr,
     $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident,
     $max:ident, |$value:ident, $gate:ident| $gated:expr,
     |$a:ident, $b:ident, $yes:ident, $no:ident| $greater:expr, |$v:ident| $sum:expr,
     |$e:ident| $power:expr, |$x:ident| $exponent:expr, |$of:ident, $from:ident| $pick:expr) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $name($reg);

        // SAFETY: the caller promises the instruction set and the pointers.
        unsafe impl Vector for $name {
            const LANES: usize = $lanes;
            const REGISTERS: usize = $registers;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: promised by the caller.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $splat(value) })
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $fma(self.0, b.0, c.0) })
            }
            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                // SAFETY: promised by the caller.
                unsafe { self.mul_add(b, c) }
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $add(self.0, b.0) })
            }
            #[inline(always)]
            unsafe fn sub(self, b: Self) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $sub(self.0, b.0) })
            }
            #[inline(always)]
            unsafe fn mul(self, b: Self) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $mul(self.0, b.0) })
            }
            #[inline(always)]
            unsafe fn div(self, b: Self) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $div(self.0, b.0) })
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: promised by the caller.
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The instruction returns its second operand if either is NaN.
                // SAFETY: promised by the caller.
                Self(unsafe { $max($splat(0.0), self.0) })
            }
            #[inline(always)]
            unsafe fn gated(self, gate: Self) -> Self {
                let ($value, $gate) = (self.0, gate.0);
                // SAFETY: promised by the caller.
                Self(unsafe { $gated })
            }
            #[inline(always)]
            unsafe fn greater(self, b: Self, yes: Self, no: Self) -> Self {
                let ($a, $b, $yes, $no) = (self.0, b.0, yes.0, no.0);
                // SAFETY: promised by the caller.
                Self(unsafe { $greater })
            }
            #[inline(always)]
            unsafe fn sum(self) -> f32 {
                let $v = self.0;
                // SAFETY: promised by the caller.
                unsafe { $sum }
            }
            #[inline(always)]
            unsafe fn pick(self, from: *const u32) -> Self {
                let ($of, $from) = (self.0, from.cast());
                // SAFETY: promised by the caller.
                Self(unsafe { $pick })
            }
            #[inline(always)]
            unsafe fn power_of_two(self) -> Self {
                // SAFETY: promised by the caller.
                unsafe {
                    let $e = $add(self.0, $splat(EXPONENT));
                    Self($power)
                }
            }
            #[inline(always)]
            unsafe fn exponent(self) -> Self {
                let $x = self.0;
                // SAFETY: promised by the caller.
                Self(unsafe { $sub($exponent, $splat(127.0)) })
            }

            const BLOCK: usize = 8;
            #[inline(always)]
            unsafe fn transpose(from: (*const f32, usize), to: (*mut f32, usize)) {
                // SAFETY: promised by the caller.
                unsafe { transpose_8(from, to) }
            }
        }
    };
}

#[inline(always)]
unsafe fn sum_256(v: __m256) -> f32 {
    // SAFETY: promised by the caller.
    unsafe {
        let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
    }
}

/// In three rounds: pairs of rows, pairs of pairs, halves. The halves are loaded where they will be.
#[inline(always)]
unsafe fn transpose_8(from: (*const f32, usize), to: (*mut f32, usize)) {
    // SAFETY: promised by the caller.
    unsafe {
        for h in 0..2 {
            // Rows `r` and `r + 4` side by side, columns `4 h` to `4 h + 3`. No closure: it would not be
            // compiled for the instruction set.
            let mut rows = [_mm256_setzero_ps(); 4];
            for (r, row) in rows.iter_mut().enumerate() {
                let at = from.0.add(r * from.1 + 4 * h);
                *row = _mm256_set_m128(_mm_loadu_ps(at.add(4 * from.1)), _mm_loadu_ps(at));
            }
            let low = [_mm256_unpacklo_ps(rows[0], rows[1]), _mm256_unpacklo_ps(rows[2], rows[3])];
            let high = [_mm256_unpackhi_ps(rows[0], rows[1]), _mm256_unpackhi_ps(rows[2], rows[3])];
            let columns = [
                _mm256_shuffle_ps::<0x44>(low[0], low[1]),
                _mm256_shuffle_ps::<0xEE>(low[0], low[1]),
                _mm256_shuffle_ps::<0x44>(high[0], high[1]),
                _mm256_shuffle_ps::<0xEE>(high[0], high[1]),
            ];
            for (c, column) in columns.into_iter().enumerate() {
                _mm256_storeu_ps(to.0.add((4 * h + c) * to.1), column);
            }
        }
    }
}

vector!(
    F32x8,
    __m256,
    8,
    16,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_max_ps,
    |v, gate| _mm256_and_ps(v, _mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps())),
    |a, b, yes, no| _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)),
    |v| sum_256(v),
    |e| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(e))),
    |x| _mm256_cvtepi32_ps(_mm256_srli_epi32::<23>(_mm256_castps_si256(x))),
    |v, from| {
        let from = _mm256_loadu_si256(from);
        let there = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(8), from));
        _mm256_and_ps(_mm256_permutevar8x32_ps(v, from), there)
    }
);
// The same width with 32 registers and mask registers.
vector!(
    F32x8Masked,
    __m256,
    8,
    32,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_max_ps,
    |v, gate| _mm256_maskz_mov_ps(_mm256_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm256_setzero_ps()), v),
    |a, b, yes, no| _mm256_mask_blend_ps(_mm256_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes),
    |v| sum_256(v),
    |e| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(e))),
    |x| _mm256_cvtepi32_ps(_mm256_srli_epi32::<23>(_mm256_castps_si256(x))),
    |v, from| {
        let from = _mm256_loadu_si256(from);
        let there = _mm256_cmplt_epi32_mask(from, _mm256_set1_epi32(8));
        _mm256_maskz_permutexvar_ps(there, from, v)
    }
);
vector!(
    F32x16,
    __m512,
    16,
    32,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_max_ps,
    |v, gate| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), v),
    |a, b, yes, no| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes),
    |v| sum_256(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v))),
    |e| _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(e))),
    |x| _mm512_cvtepi32_ps(_mm512_srli_epi32::<23>(_mm512_castps_si512(x))),
    |v, from| {
        let from = _mm512_loadu_si512(from);
        let there = _mm512_cmplt_epi32_mask(from, _mm512_set1_epi32(16));
        _mm512_maskz_permutexvar_ps(there, from, v)
    }
);
