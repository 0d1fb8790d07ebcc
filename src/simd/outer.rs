//! The product of gradients of weights: a row of the result is a row of weights, the reduction runs over pairs of pixels.

use super::Vector;
use super::geometry::Pair;
use super::memory::{Call, Gradient, LINE, Place, ranges};
use super::tile::{Step, Terms, height, tile, width};
use std::ops::Range;
use std::sync::Arc;

/// For every tap and its rows: `c = Σ a · b` as a gradient, `[taps, rows, vectors]`.
#[derive(Clone)]
pub(crate) struct Outer {
    pub(crate) taps: Arc<[Vec<Pair>]>,
    pub(crate) terms: Terms,
    pub(crate) to: Gradient,
    /// Of each tap; which of them are computed.
    pub(crate) rows: usize,
    pub(crate) some: Range<usize>,
    pub(crate) points: usize,
    pub(crate) a_point: usize,
    pub(crate) b_point: usize,
    pub(crate) vectors: usize,
    /// So many floats for each share, as [`outer_room`] says.
    pub(crate) scratch: Place,
    pub(crate) room: usize,
}

/// An [`Outer`] in its memory.
struct Summing<'a> {
    taps: &'a [Vec<Pair>],
    terms: &'a [(*const f32, *const f32)],
    c: *mut f32,
    base: *const f32,
    scale: f32,
    rows: usize,
    some: Range<usize>,
    points: usize,
    a_point: usize,
    b_point: usize,
    vectors: usize,
    /// Room for the sums of a tap, then for a block's rows; or null.
    sums: *mut f32,
}

/// One tile of an [`Outer`]: `M` rows by `N` vectors, over pairs of a left and a right row.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "less to compile than iterators")]
unsafe fn outer_tile<V: Vector, const M: usize, const N: usize>(
    o: &Summing<'_>,
    (a, b, pairs, step): (*const f32, *const f32, &[Pair], Step),
    tap: usize,
    m0: usize,
    n0: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [[V::splat(0.0); N]; M];
        let sums = o.sums.wrapping_add(((m0 - o.some.start) * o.vectors + n0) * V::LANES);
        if step.begun {
            for m in 0..M {
                for n in 0..N {
                    acc[m][n] = V::load(sums.add((m * o.vectors + n) * V::LANES));
                }
            }
        }
        let (a, b) = (a.add(m0 - o.some.start), b.add(n0 * V::LANES));
        for pair in pairs {
            let (a, b) = (a.add(pair.a as usize), b.add(pair.c as usize));
            let mut bs = [V::splat(0.0); N];
            for n in 0..N {
                bs[n] = V::load(b.add(n * V::LANES));
            }
            for m in 0..M {
                let am = V::splat(*a.add(m));
                for n in 0..N {
                    acc[m][n] = am.mul_add(bs[n], acc[m][n]);
                }
            }
        }
        if !step.closes {
            for m in 0..M {
                for n in 0..N {
                    acc[m][n].store(sums.add((m * o.vectors + n) * V::LANES));
                }
            }
            return;
        }
        let scale = V::splat(o.scale);
        let corner = ((tap * o.rows + m0) * o.vectors + n0) * V::LANES;
        for m in 0..M {
            for n in 0..N {
                let at = corner + (m * o.vectors + n) * V::LANES;
                let base = if o.base.is_null() { V::splat(0.0) } else { V::load(o.base.add(at)) };
                acc[m][n].mul_add(scale, base).store(o.c.add(at));
            }
        }
    }
}

impl Call for Outer {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let terms = self.terms.of(memory);
        // SAFETY: promised by the caller.
        unsafe {
            let summing = Summing {
                taps: &self.taps,
                terms: &terms[..self.terms.count()],
                c: self.to.to.of(memory),
                base: self.to.base.of(memory),
                scale: self.to.scale.of(memory),
                rows: self.rows,
                some: self.some.clone(),
                points: self.points,
                a_point: self.a_point,
                b_point: self.b_point,
                vectors: self.vectors,
                sums: self.scratch.of(memory),
            };
            summing.run::<V>();
        }
    }

    /// By rows of weights.
    fn shares(self, most: usize) -> Vec<Self> {
        let share = |(n, some): (usize, Range<usize>)| Self {
            scratch: self.scratch.after(n * self.room),
            some,
            ..self.clone()
        };
        ranges(self.rows, 1, most).into_iter().enumerate().map(share).collect()
    }
}

/// Floats of both operands that a block of pairs should read: what a core's second cache holds beside its sums.
const BLOCK: usize = 32_768;

/// Most pairs of a block.
const PAIRS: usize = 1024;

/// Pairs of a block, for so many rows and columns of weights.
fn block(rows: usize, columns: usize) -> usize {
    (BLOCK / (rows + columns).max(1)).clamp(96, PAIRS)
}

/// Rows from which on a block's operands are laid side by side first: then copying them costs little beside the products, while
/// in their own places, whole numbers of pages apart, they would not stay in the cache.
const COPIED_ROWS: usize = 128;

/// Floats between a copied row and the next: an odd number of cache lines.
fn apart(row: usize) -> usize {
    let lines = row.div_ceil(LINE);
    (lines + 1 - lines % 2) * LINE
}

/// Room that a share of an [`Outer`] needs, floats.
pub(crate) fn outer_room(rows: usize, columns: usize) -> usize {
    let copied = if rows < COPIED_ROWS { 0 } else { block(rows, columns) * (apart(rows) + apart(columns)) };
    rows * columns + copied
}

impl Summing<'_> {
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn run<V: Vector>(&self) {
        for (tap, pairs) in self.taps.iter().enumerate() {
            let total = self.points * pairs.len();
            let most = block(self.rows, self.vectors * V::LANES);
            let mut begun = false;
            for (nth, &(a, b)) in self.terms.iter().enumerate() {
                let mut at = (0, 0);
                for first in (0..total).step_by(most) {
                    let count = most.min(total - first);
                    let closes = nth + 1 == self.terms.len() && first + count == total;
                    // SAFETY: promised by the caller.
                    unsafe { self.block::<V>(tap, (a, b), (&mut at, count), Step { begun, closes }) }
                    begun = true;
                }
            }
            if !begun {
                // SAFETY: as above; nothing is read of the operands.
                unsafe { self.tiles::<V>((self.c, self.c, &[], Step { begun, closes: true }), tap) }
            }
        }
    }

    /// So many pairs of a tap, from a point and one of its pairs on.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn block<V: Vector>(
        &self,
        tap: usize,
        (a, b): (*const f32, *const f32),
        (at, count): (&mut (usize, usize), usize),
        step: Step,
    ) {
        let all = &self.taps[tap];
        let mut pairs = [Pair { a: 0, c: 0 }; PAIRS];
        for pair in &mut pairs[..count] {
            let Pair { a, c } = all[at.1];
            *pair = Pair { a: a + (at.0 * self.a_point) as u32, c: c + (at.0 * self.b_point) as u32 };
            at.1 += 1;
            if at.1 == all.len() {
                *at = (at.0 + 1, 0);
            }
        }
        // SAFETY: promised by the caller.
        unsafe {
            let a = a.add(self.some.start);
            if self.rows < COPIED_ROWS {
                return self.tiles::<V>((a, b, &pairs[..count], step), tap);
            }
            let (rows, columns) = (self.some.len(), self.vectors * V::LANES);
            let (a_row, b_row) = (apart(rows), apart(columns));
            let a_copy = self.sums.add(rows * columns);
            let b_copy = a_copy.add(block(self.rows, columns) * a_row);
            for (n, pair) in pairs[..count].iter_mut().enumerate() {
                let (to_a, to_b) = (n * a_row, n * b_row);
                std::ptr::copy_nonoverlapping(a.add(pair.a as usize), a_copy.add(to_a), rows);
                std::ptr::copy_nonoverlapping(b.add(pair.c as usize), b_copy.add(to_b), columns);
                *pair = Pair { a: to_a as u32, c: to_b as u32 };
            }
            self.tiles::<V>((a_copy, b_copy, &pairs[..count], step), tap);
        }
    }

    /// The tiles of a block.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn tiles<V: Vector>(&self, block: (*const f32, *const f32, &[Pair], Step), tap: usize) {
        let mut n0 = 0;
        while n0 < self.vectors {
            let n = width::<V>(self.vectors - n0);
            let mut row = self.some.start;
            while row < self.some.end {
                let m = height::<V>(n, self.some.end - row);
                tile!(V, outer_tile, m, n, (self, block, tap, row, n0));
                row += m;
            }
            n0 += n;
        }
    }
}
