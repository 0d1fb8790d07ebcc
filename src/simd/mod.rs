//! Vectors, and what is computed with them alone: a leaf that ops and the CPU backend stand on.
//!
//! | file | holds |
//! | --- | --- |
//! | `vector`, `x86`, `wasm` | vectors of `f32` for each instruction set |
//! | `math` | exponential, logarithm, sine, the normal distribution |
//! | `memory` | places in a task's memory, and calls that compute between them |
//! | `geometry`, `tile` | products of convolutions and linear layers |
//! | `planes`, `lanewise` | products of convolutions whose groups have few channels |
//! | `sweeps` | updates, sums and copies |

pub(crate) mod gather;
pub(crate) mod geometry;
pub(crate) mod lanewise;
pub(crate) mod math;
pub(crate) mod memory;
pub(crate) mod outer;
pub(crate) mod planes;
pub(crate) mod sweeps;
pub(crate) mod tile;
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) use vector::Portable;
pub(crate) use vector::{NO_LANE, Vector};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use wasm::F32x4;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{F32x8, F32x8Masked, F32x16};

/// Work that is compiled for each instruction set.
pub(crate) trait Kernel {
    /// # Safety
    /// The machine must have the vector's instruction set; pointers must be valid for what is read and written.
    unsafe fn run<V: Vector>(self);
}

/// An instruction set.
///
/// # Safety
/// The machine must have it wherever [`Isa::run`] is called.
pub(crate) unsafe trait Isa: Send + Sync + 'static {
    /// Floats of a vector.
    const LANES: usize;

    /// Runs work that is compiled for the instruction set as a whole.
    ///
    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn run<K: Kernel>(kernel: K);
}

/// The widest vector there is.
pub(crate) const MAX_LANES: usize = 16;

macro_rules! isa {
    ($(#[$doc:meta])* $name:ident, $vector:ty $(, $features:literal)?) => {
        $(#[$doc])*
        pub(crate) struct $name;

        // SAFETY: compiled for the instruction set that its caller promises.
        unsafe impl Isa for $name {
            const LANES: usize = <$vector as Vector>::LANES;

            $(#[target_feature(enable = $features)])?
            unsafe fn run<K: Kernel>(kernel: K) {
                // SAFETY: promised by the caller.
                unsafe { kernel.run::<$vector>() }
            }
        }
    };
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
isa!(
    /// Any machine.
    Basic,
    Portable
);
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
isa!(
    /// Any machine that runs what was built for vectors of WebAssembly.
    Basic,
    F32x4
);
#[cfg(target_arch = "x86_64")]
isa!(
    /// AVX2 with FMA.
    Avx2,
    F32x8,
    "avx2,fma"
);
#[cfg(target_arch = "x86_64")]
isa!(
    /// AVX-512 in vectors of 8.
    Avx512Narrow,
    F32x8Masked,
    "avx512f,avx512vl,avx512dq,avx2,fma"
);
#[cfg(target_arch = "x86_64")]
isa!(
    /// AVX-512.
    Avx512,
    F32x16,
    "avx512f,avx512vl,avx512dq,avx2,fma"
);
