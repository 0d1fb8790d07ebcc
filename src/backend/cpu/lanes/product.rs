//! The one matrix product that all passes are made of, cut into tiles that stay in registers.
//!
//! All strides and counts are in elements; an element is a vector, or one float where an operand is shared by
//! all tasks.

use crate::simd::{Kernel, Vector};

/// What is added to a sum of products before it is scaled.
#[derive(Clone, Copy)]
pub(super) enum Bias {
    None,
    /// A shared number a row, with the stride of the rows.
    Shared(*const f32, usize),
    /// A vector a row.
    Lanes(*const f32),
}

/// One, as a bias for all rows.
pub(super) const ONE: Bias = Bias::Shared(&1.0, 0);

/// What is done last.
#[derive(Clone, Copy)]
pub(super) enum Act {
    None,
    Relu,
    /// Zero where the matrix of vectors, with its row and column strides, is not positive.
    Gate(*const f32, usize, usize),
}

/// `C = act(scale · (A B + bias) + add)`, `A: [m, k]`, `B: [k, n]`, `C: [m, n]`.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// `A`, with row and column stride; one float an element if `a_shared`, else one vector.
    pub(super) a: (*const f32, usize, usize),
    pub(super) a_shared: bool,
    pub(super) b: (*const f32, usize, usize),
    pub(super) c: (*mut f32, usize, usize),
    pub(super) bias: Bias,
    pub(super) scale: f32,
    /// Added after scaling: a matrix with the strides of `c`, perhaps `c` itself; or null.
    pub(super) add: *const f32,
    pub(super) act: Act,
}

/// A tile of `M × N` accumulators over the whole of `k`. Index loops throughout: they are short, and a hundred
/// instances of this are compiled.
///
/// # Safety
/// As [`Isa`](crate::simd::Isa).
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "less to compile than iterators")]
unsafe fn tile<V: Vector, const M: usize, const N: usize, const SHARED: bool>(
    p: &Product,
    m0: usize,
    n0: usize,
) {
    let lanes = V::LANES;
    let unit = if SHARED { 1 } else { lanes };
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [[V::splat(0.0); N]; M];
        let (mut a, a_row, a_col) = (p.a.0.wrapping_add(m0 * p.a.1 * unit), p.a.1 * unit, p.a.2 * unit);
        let (mut b, b_row, b_col) = (p.b.0.wrapping_add(n0 * p.b.2 * lanes), p.b.1 * lanes, p.b.2 * lanes);
        let mut k = 0;
        while k < p.k {
            let mut bs = [V::splat(0.0); N];
            for n in 0..N {
                bs[n] = V::load(b.add(n * b_col));
            }
            for m in 0..M {
                let am = if SHARED { V::splat(*a.add(m * a_row)) } else { V::load(a.add(m * a_row)) };
                for n in 0..N {
                    acc[m][n] = am.mul_add(bs[n], acc[m][n]);
                }
            }
            (a, b, k) = (a.wrapping_add(a_col), b.wrapping_add(b_row), k + 1);
        }
        match p.bias {
            Bias::None => {}
            Bias::Shared(bias, stride) => {
                for m in 0..M {
                    let value = V::splat(*bias.add((m0 + m) * stride));
                    for n in 0..N {
                        acc[m][n] = acc[m][n].add(value);
                    }
                }
            }
            Bias::Lanes(bias) => {
                for m in 0..M {
                    let value = V::load(bias.add((m0 + m) * lanes));
                    for n in 0..N {
                        acc[m][n] = acc[m][n].add(value);
                    }
                }
            }
        }
        let (c_row, c_col) = (p.c.1 * lanes, p.c.2 * lanes);
        let corner = m0 * c_row + n0 * c_col;
        let scale = V::splat(p.scale);
        if p.add.is_null() {
            for m in 0..M {
                for n in 0..N {
                    acc[m][n] = acc[m][n].mul(scale);
                }
            }
        } else {
            let from = p.add.wrapping_add(corner);
            for m in 0..M {
                for n in 0..N {
                    acc[m][n] = acc[m][n].mul_add(scale, V::load(from.add(m * c_row + n * c_col)));
                }
            }
        }
        match p.act {
            Act::None => {}
            Act::Relu => {
                for m in 0..M {
                    for n in 0..N {
                        acc[m][n] = acc[m][n].relu();
                    }
                }
            }
            Act::Gate(gate, g_row, g_col) => {
                let gate = gate.wrapping_add((m0 * g_row + n0 * g_col) * lanes);
                for m in 0..M {
                    for n in 0..N {
                        acc[m][n] = acc[m][n].gated(V::load(gate.add((m * g_row + n * g_col) * lanes)));
                    }
                }
            }
        }
        let c = p.c.0.wrapping_add(corner);
        for m in 0..M {
            for n in 0..N {
                acc[m][n].store(c.add(m * c_row + n * c_col));
            }
        }
    }
}

/// Cuts a product into tiles of the sizes that are compiled. No closures: they would not be compiled for the
/// instruction set.
macro_rules! product {
    ($name:ident, $columns:literal, $doc:literal, $(($m:literal, $n:literal)),*) => {
        #[doc = $doc]
        ///
        /// # Safety
        /// As [`Isa`](crate::simd::Isa).
        #[inline(always)]
        unsafe fn $name<V: Vector, const SHARED: bool>(p: &Product) {
            let runs = p.n.div_ceil($columns);
            let mut n0 = 0;
            for run in 0..runs {
                // As even as they can be.
                let n = (p.n - n0).div_ceil(runs - run);
                let mut m0 = 0;
                while m0 < p.m {
                    // Few columns leave registers for more rows.
                    let m = match p.m - m0 {
                        8.. if $columns == 6 && n <= 3 => 8,
                        4.. => 4,
                        2.. => 2,
                        _ => 1,
                    };
                    match (m, n) {
                        // SAFETY: promised by the caller.
                        $( ($m, $n) => unsafe { tile::<V, $m, $n, SHARED>(p, m0, n0) }, )*
                        _ => unreachable!("a tile of {m} × {n}"),
                    }
                    m0 += m;
                }
                n0 += n;
            }
        }
    };
}
product!(
    product_16,
    3,
    "For 16 registers.",
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 1),
    (2, 2),
    (2, 3),
    (4, 1),
    (4, 2),
    (4, 3)
);
product!(
    product_32,
    6,
    "For 32 registers.",
    (1, 1),
    (1, 2),
    (1, 3),
    (1, 4),
    (1, 5),
    (1, 6),
    (2, 1),
    (2, 2),
    (2, 3),
    (2, 4),
    (2, 5),
    (2, 6),
    (4, 1),
    (4, 2),
    (4, 3),
    (4, 4),
    (4, 5),
    (4, 6),
    (8, 1),
    (8, 2),
    (8, 3)
);

impl Kernel for Product {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            if V::REGISTERS == 32 {
                if self.a_shared { product_32::<V, true>(&self) } else { product_32::<V, false>(&self) }
            } else if self.a_shared {
                product_16::<V, true>(&self);
            } else {
                product_16::<V, false>(&self);
            }
        }
    }
}
