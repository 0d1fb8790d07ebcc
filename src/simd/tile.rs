//! The micro-kernels: tiles of a product whose sums stay in registers.
//!
//! Two forms serve every product of every pass. [`Gather`](super::gather::Gather): a row of the result is a pixel, its left
//! operand a few stretches of memory (`geometry`), so forward passes and cotangents of inputs need no matrix of patches.
//! [`Outer`](super::outer::Outer): a row of the result is a row of weights, the reduction runs over pairs of pixels. Either takes
//! several terms, operands that are multiplied alike and summed in the same registers: the tangent of a product is two.
//!
//! Where operands outgrow the cache, either is cut along its reduction, and sums are put down between the cuts. They are
//! taken up in the order in which they would have been added, so that no bit depends on the cut.

use super::Vector;
use super::memory::Place;

/// A left and a right operand.
pub(crate) type Term = (Place, Place);

/// One or two terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    terms: [Term; 2],
    count: usize,
}

impl Terms {
    /// Those of both whose operands are all there.
    pub(crate) fn new(first: Term, second: Term) -> Self {
        let there = |term: &Term| term.0.is_somewhere() && term.1.is_somewhere();
        match (there(&first), there(&second)) {
            (true, true) => Self { terms: [first, second], count: 2 },
            (true, false) => Self { terms: [first, second], count: 1 },
            (false, true) => Self { terms: [second, first], count: 1 },
            (false, false) => Self { terms: [first, second], count: 0 },
        }
    }

    /// One term.
    pub(crate) fn one(term: Term) -> Self {
        Self { terms: [term; 2], count: 1 }
    }

    /// Those whose operands lie so many floats on.
    pub(crate) fn after(self, left: usize, right: usize) -> Self {
        let terms = self.terms.map(|(a, b)| (a.after(left), b.after(right)));
        Self { terms, ..self }
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.count
    }

    /// Their addresses.
    pub(crate) fn of(self, memory: *mut f32) -> [(*const f32, *const f32); 2] {
        self.terms.map(|(a, b)| (a.of(memory).cast_const(), b.of(memory).cast_const()))
    }
}

/// Which cut of a reduction a tile sums.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Whether there are sums to go on with.
    pub(super) begun: bool,
    /// Whether nothing follows.
    pub(super) closes: bool,
}

/// Vectors a tile is wide, of `left` that are to be covered.
#[inline(always)]
pub(super) fn width<V: Vector>(left: usize) -> usize {
    let most = if V::REGISTERS == 32 { 4 } else { 2 };
    left.div_ceil(left.div_ceil(most))
}

/// Rows of a tile of `n` vectors, of `left` that are to be covered: as even as the sizes allow, and as many
/// as the registers hold.
#[inline(always)]
pub(super) fn height<V: Vector>(n: usize, left: usize) -> usize {
    let most = match (V::REGISTERS, n) {
        (32, 4) => 6,
        (32, 3) => 8,
        (32, _) => 12,
        _ => 6,
    };
    let even = left.div_ceil(left.div_ceil(most));
    match n {
        4 => even,
        // Fewer sizes are compiled where sums are few.
        _ => [12, 8, 6, 4, 3, 2, 1].into_iter().find(|&m| m <= even).unwrap_or(1),
    }
}

/// Calls a tile of a size that is only known at run time.
macro_rules! tile {
    ($v:ty, $tile:ident, $m:expr, $n:expr, $arguments:tt) => {
        if <$v>::REGISTERS == 32 {
            tile!(@ $v, $tile, $m, $n, $arguments,
                (6, 4) (5, 4) (4, 4) (3, 4) (2, 4) (1, 4)
                (8, 3) (6, 3) (4, 3) (3, 3) (2, 3) (1, 3)
                (12, 2) (8, 2) (6, 2) (4, 2) (3, 2) (2, 2) (1, 2)
                (12, 1) (8, 1) (6, 1) (4, 1) (3, 1) (2, 1) (1, 1))
        } else {
            tile!(@ $v, $tile, $m, $n, $arguments,
                (6, 2) (4, 2) (3, 2) (2, 2) (1, 2) (6, 1) (4, 1) (3, 1) (2, 1) (1, 1))
        }
    };
    (@ $v:ty, $tile:ident, $m:expr, $n:expr, $arguments:tt, $(($rows:literal, $columns:literal))*) => {
        match ($m, $n) {
            $( ($rows, $columns) => tile!(# $tile, $v, $rows, $columns, $arguments), )*
            (m, n) => unreachable!("a tile of {m} × {n}"),
        }
    };
    (# $tile:ident, $v:ty, $rows:literal, $columns:literal, ($($argument:expr),*)) => {
        // SAFETY: promised by the caller.
        unsafe { $tile::<$v, $rows, $columns>($($argument),*) }
    };
}
pub(super) use tile;
