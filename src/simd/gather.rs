//! The product of forward passes and of cotangents of inputs: a row of the result is a pixel.

use super::Vector;
use super::geometry::{Class, Pair};
use super::memory::{Call, Place, ranges};
use super::tile::{Step, Terms, height, tile, width};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

/// For every pixel of every class: `c = Σ a · b + bias`, for rows of `vectors` vectors.
#[derive(Clone)]
pub(crate) struct Gather {
    pub(crate) classes: Arc<[Class]>,
    pub(crate) terms: Terms,
    pub(crate) c: Place,
    pub(crate) points: usize,
    /// Floats a point of the left operand and of the result.
    pub(crate) a_point: usize,
    pub(crate) c_point: usize,
    pub(crate) vectors: usize,
    /// Which of them are computed.
    pub(crate) columns: Range<usize>,
    /// One vector row, or nowhere.
    pub(crate) bias: Place,
}

/// A [`Gather`] in its memory.
struct Gathering<'a> {
    classes: &'a [Class],
    terms: &'a [(*const f32, *const f32)],
    c: *mut f32,
    points: usize,
    a_point: usize,
    c_point: usize,
    vectors: usize,
    columns: Range<usize>,
    bias: *const f32,
}

/// A stretch of a reduction: neighbouring floats of the left operand, relative to a row's place, and rows of the right one.
#[derive(Clone, Copy)]
struct Piece {
    a: *const f32,
    b: *const f32,
    len: usize,
}

/// Pieces of one cut of a reduction.
const PIECES: usize = 24;

/// Where `M` rows find their left operand, and their sums from a column on; `at` is the first one's point and pixel.
#[inline(always)]
unsafe fn places<const M: usize>(
    g: &Gathering<'_>,
    pixels: &[Pair],
    mut at: (usize, usize),
    column: usize,
) -> ([usize; M], [*mut f32; M]) {
    let (mut a, mut c) = ([0_usize; M], [std::ptr::null_mut::<f32>(); M]);
    for m in 0..M {
        // SAFETY: promised by the caller.
        let pair = unsafe { *pixels.get_unchecked(at.1) };
        a[m] = at.0 * g.a_point + pair.a as usize;
        c[m] = g.c.wrapping_add(at.0 * g.c_point + pair.c as usize + column);
        at.1 += 1;
        if at.1 == pixels.len() {
            at = (at.0 + 1, 0);
        }
    }
    (a, c)
}

/// One tile of a [`Gather`]: `M` pixels by `N` vectors; `b_row` floats from row to row of the right operand.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "less to compile than iterators")]
unsafe fn gather_tile<V: Vector, const M: usize, const N: usize>(
    g: &Gathering<'_>,
    (pieces, b_row, step): (&[Piece], usize, Step),
    pixels: &[Pair],
    at: (usize, usize),
    n0: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let (a, c) = places::<M>(g, pixels, at, n0 * V::LANES);
        let mut acc = [[V::splat(0.0); N]; M];
        if step.begun {
            for m in 0..M {
                for n in 0..N {
                    acc[m][n] = V::load(c[m].add(n * V::LANES));
                }
            }
        }
        for piece in pieces {
            let mut b = piece.b;
            let mut rows = [piece.a; M];
            for m in 0..M {
                rows[m] = piece.a.add(a[m]);
            }
            let mut k = 0;
            while k < piece.len {
                let mut bs = [V::splat(0.0); N];
                for n in 0..N {
                    bs[n] = V::load(b.add(n * V::LANES));
                }
                for m in 0..M {
                    let am = V::splat(*rows[m].add(k));
                    for n in 0..N {
                        acc[m][n] = am.mul_add(bs[n], acc[m][n]);
                    }
                }
                b = b.add(b_row);
                k += 1;
            }
        }
        if step.closes && !g.bias.is_null() {
            for n in 0..N {
                let bias = V::load(g.bias.add((n0 + n) * V::LANES));
                for m in 0..M {
                    acc[m][n] = acc[m][n].add(bias);
                }
            }
        }
        for m in 0..M {
            for n in 0..N {
                acc[m][n].store(c[m].add(n * V::LANES));
            }
        }
    }
}

impl Call for Gather {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let terms = self.terms.of(memory);
        let gathering = Gathering {
            classes: &self.classes,
            terms: &terms[..self.terms.count()],
            c: self.c.of(memory),
            points: self.points,
            a_point: self.a_point,
            c_point: self.c_point,
            vectors: self.vectors,
            columns: self.columns.clone(),
            bias: self.bias.of(memory),
        };
        // SAFETY: promised by the caller.
        unsafe { gathering.run::<V>() }
    }

    /// By points if that is even, else by columns.
    fn shares(self, most: usize) -> Vec<Self> {
        if !self.points.is_multiple_of(most) && self.columns.len() >= most {
            let columns = ranges(self.columns.len(), 1, most).into_iter();
            return columns.map(|columns| Self { columns, ..self.clone() }).collect();
        }
        let some = |points: Range<usize>| Self {
            terms: self.terms.after(points.start * self.a_point, 0),
            c: self.c.after(points.start * self.c_point),
            points: points.len(),
            ..self.clone()
        };
        ranges(self.points, 1, most).into_iter().map(some).collect()
    }
}

/// Most floats of the right operand that are laid side by side for the tiles of a cut.
const PANEL: usize = 8192;

/// As many as leave half of a core's first cache free: where registers are few, so are rows of a tile.
const fn panel_floats<V: Vector>() -> usize {
    if V::REGISTERS == 32 { PANEL } else { PANEL / 2 }
}

/// Rows of a result from which on it is worth while: laying out a float costs what some four rows do with it.
const PANEL_ROWS: usize = 96;

/// Rows of a result whose left operands are met again for each column of tiles while they are in the cache.
const ROWS: usize = 1024;

impl Gathering<'_> {
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn run<V: Vector>(&self) {
        let mut panel = [const { MaybeUninit::<f32>::uninit() }; PANEL];
        let pixels = self.classes.iter().map(|class| class.pixels.len()).max().unwrap_or(1);
        let some = ROWS.div_ceil(pixels.max(1));
        for points in (0..self.points).step_by(some).map(|first| first..self.points.min(first + some)) {
            let mut n0 = self.columns.start;
            while n0 < self.columns.end {
                let n = width::<V>(self.columns.end - n0);
                for class in self.classes {
                    // SAFETY: promised by the caller.
                    unsafe { self.class::<V>(class, points.clone(), (n0, n), panel.as_mut_ptr().cast()) }
                }
                n0 += n;
            }
        }
    }

    /// The `n` columns from `n0` on of a class, at some points.
    ///
    /// # Safety
    /// As [`Call::run`]; `panel` must have room for [`PANEL`] floats.
    #[inline(always)]
    unsafe fn class<V: Vector>(
        &self,
        class: &Class,
        points: Range<usize>,
        (n0, n): (usize, usize),
        panel: *mut f32,
    ) {
        let (wide, b_row) = (n * V::LANES, self.vectors * V::LANES);
        let rows = points.len() * class.pixels.len();
        let packs = rows >= PANEL_ROWS && n < self.vectors;
        let most = if packs { panel_floats::<V>() / wide } else { usize::MAX };
        let mut stretches = self.terms.iter().flat_map(|&(a, b)| {
            class.runs.iter().map(move |run| {
                // SAFETY: promised by the caller.
                unsafe {
                    Piece {
                        a: a.add(run.a as usize),
                        b: b.add(run.b as usize + n0 * V::LANES),
                        len: run.len as usize,
                    }
                }
            })
        });
        let (mut next, mut begun) = (stretches.next(), false);
        loop {
            let mut pieces = [Piece { a: std::ptr::null(), b: std::ptr::null(), len: 0 }; PIECES];
            let (mut count, mut depth) = (0, 0);
            while let Some(piece) = next.as_mut().filter(|_| count < PIECES && depth < most) {
                let len = piece.len.min(most - depth);
                pieces[count] = Piece { len, ..*piece };
                // SAFETY: promised by the caller.
                unsafe {
                    if packs {
                        let to = panel.add(depth * wide);
                        copy_rows::<V>(piece.b, b_row, to, wide, len);
                        pieces[count].b = to;
                    }
                    *piece = Piece { a: piece.a.add(len), b: piece.b.add(len * b_row), len: piece.len - len };
                }
                (count, depth) = (count + 1, depth + len);
                if piece.len == 0 {
                    next = stretches.next();
                }
            }
            let step = Step { begun, closes: next.is_none() };
            let b_row = if packs { wide } else { b_row };
            // SAFETY: promised by the caller.
            unsafe {
                self.tiles::<V>((&pieces[..count], b_row, step), &class.pixels, points.clone(), (n0, n))
            }
            if step.closes {
                return;
            }
            begun = true;
        }
    }

    /// The tiles of a cut.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn tiles<V: Vector>(
        &self,
        cut: (&[Piece], usize, Step),
        pixels: &[Pair],
        points: Range<usize>,
        (n0, n): (usize, usize),
    ) {
        let rows = points.len() * pixels.len();
        let (mut at, mut row) = ((points.start, 0), 0);
        while row < rows {
            let m = height::<V>(n, rows - row);
            tile!(V, gather_tile, m, n, (self, cut, pixels, at, n0));
            row += m;
            at.1 += m;
            while at.1 >= pixels.len() {
                at = (at.0 + 1, at.1 - pixels.len());
            }
        }
    }
}

/// Copies so many rows of `wide` floats, whole vectors.
///
/// # Safety
/// Both must hold them.
#[inline(always)]
unsafe fn copy_rows<V: Vector>(from: *const f32, row: usize, to: *mut f32, wide: usize, rows: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        for k in 0..rows {
            for at in (0..wide).step_by(V::LANES) {
                V::load(from.add(k * row + at)).store(to.add(k * wide + at));
            }
        }
    }
}
