//! Vectors of `f32` for the instruction sets that a stock build may meet.
//!
//! Every method is `inline(always)`, so that generic code over [`Vector`] takes on the instruction set of
//! the `#[target_feature]` function it ends up in.

/// A vector register of `f32`.
///
/// # Safety
/// Methods of the implementations for a specific instruction set must run on a machine that has it, inside
/// a function compiled for it. Pointers must be valid for [`Vector::LANES`] floats.
pub(crate) unsafe trait Vector: Copy {
    /// Lanes.
    const LANES: usize;
    /// Registers of this kind.
    const REGISTERS: usize;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// `self · b + c`, rounded once where the machine can.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// [`Self::mul_add`], rounded once on every machine: for sums of which little remains, where it is worth its time.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    unsafe fn div(self, b: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `max(self, 0)`, and NaN for NaN.
    unsafe fn relu(self) -> Self;
    /// `self` where `gate > 0`, else 0.
    unsafe fn gated(self, gate: Self) -> Self;
    /// `yes` where `self > b`, else `no`.
    unsafe fn greater(self, b: Self, yes: Self, no: Self) -> Self;
    /// Sum of the lanes in a fixed order.
    unsafe fn sum(self) -> f32;
    /// In each lane the lane that `from` names of `self`; 0 where it names [`NO_LANE`].
    unsafe fn pick(self, from: *const u32) -> Self;
    /// Two to the power of whole numbers from −126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// The exponent of two of normal numbers above 0: `n` of `2ⁿ · m`, m from 1 to below 2.
    unsafe fn exponent(self) -> Self;

    /// Side of the blocks that [`Vector::transpose`] takes.
    const BLOCK: usize;
    /// `to[c][r] = from[r][c]` of a square block, given the floats from row to row of each.
    unsafe fn transpose(from: (*const f32, usize), to: (*mut f32, usize));
}

/// No lane of any vector.
pub(crate) const NO_LANE: u32 = 1 << 16;

/// Added to a whole number, puts it, as an exponent is kept, into the lowest bits.
pub(super) const EXPONENT: f32 = 8_388_608.0 + 127.0;

/// Lanes that any target has, as an array that the compiler vectorizes.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 4]);

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
impl Portable {
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self([f(self.0[0], b.0[0]), f(self.0[1], b.0[1]), f(self.0[2], b.0[2]), f(self.0[3], b.0[3])])
    }
}

// SAFETY: plain arithmetic; pointers are the caller's promise.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
unsafe impl Vector for Portable {
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: promised by the caller.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // Not `f32::mul_add`: without a fused instruction that is a slow library call.
        Self(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        // Products of two numbers are exact in float64.
        let sum = |i: usize| f64::from(self.0[i]) * f64::from(b.0[i]) + f64::from(c.0[i]);
        Self(std::array::from_fn(|i| sum(i) as f32))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        self.zip(b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        self.zip(b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        self.zip(b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        self.zip(b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|z| if z < 0.0 { 0.0 } else { z }))
    }
    #[inline(always)]
    unsafe fn gated(self, gate: Self) -> Self {
        self.zip(gate, |a, g| if g > 0.0 { a } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn greater(self, b: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > b.0[i] { yes.0[i] } else { no.0[i] }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        (self.0[0] + self.0[2]) + (self.0[1] + self.0[3])
    }
    #[inline(always)]
    unsafe fn pick(self, from: *const u32) -> Self {
        // SAFETY: promised by the caller.
        let from = unsafe { from.cast::<[u32; 4]>().read_unaligned() };
        Self(from.map(|lane| if lane == NO_LANE { 0.0 } else { self.0[lane as usize % 4] }))
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Self(self.0.map(|n| f32::from_bits((n + EXPONENT).to_bits() << 23)))
    }
    #[inline(always)]
    unsafe fn exponent(self) -> Self {
        Self(self.0.map(|x| (x.to_bits() >> 23) as f32 - 127.0))
    }

    const BLOCK: usize = 4;
    #[inline(always)]
    unsafe fn transpose(from: (*const f32, usize), to: (*mut f32, usize)) {
        // SAFETY: promised by the caller.
        unsafe {
            let rows: [Self; 4] = std::array::from_fn(|r| Self::load(from.0.add(r * from.1)));
            for c in 0..4 {
                Self(rows.map(|row| row.0[c])).store(to.0.add(c * to.1));
            }
        }
    }
}
