//! The micro-kernels: tiles of a product whose sums stay in registers.
//!
//! Two forms serve every product of every pass. [`Gather`]: a row of the result is a pixel, its left operand a few
//! stretches of memory (`geometry`), so forward passes and cotangents of inputs need no matrix of patches. [`Outer`]: a
//! row of the result is a row of weights, the reduction runs over pairs of pixels. Either takes several
//! terms, operands that are multiplied alike and summed in the same registers: the tangent of a product is two.

use super::Vector;
use super::geometry::{Class, Pair, Run};
use super::memory::{Call, Gradient, Place, ranges};
use std::ops::Range;
use std::sync::Arc;

/// A left and a right operand.
pub(crate) type Term = (Place, Place);

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
}

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
}

/// One tile of a [`Gather`]: `M` pixels by `N` vectors.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "less to compile than iterators")]
unsafe fn gather_tile<V: Vector, const M: usize, const N: usize>(
    g: &Gathering<'_>,
    runs: &[Run],
    pixels: &[Pair],
    mut at: (usize, usize),
    n0: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let b_row = g.vectors * V::LANES;
        let (mut a, mut c) = ([0_usize; M], [std::ptr::null_mut::<f32>(); M]);
        for m in 0..M {
            let pair = *pixels.get_unchecked(at.1);
            a[m] = at.0 * g.a_point + pair.a as usize;
            c[m] = g.c.add(at.0 * g.c_point + pair.c as usize + n0 * V::LANES);
            at.1 += 1;
            if at.1 == pixels.len() {
                at = (at.0 + 1, 0);
            }
        }
        let mut acc = [[V::splat(0.0); N]; M];
        for &(a_term, b_term) in g.terms {
            for run in runs {
                let mut b = b_term.add(run.b as usize + n0 * V::LANES);
                let mut rows = [a_term; M];
                for m in 0..M {
                    rows[m] = a_term.add(a[m] + run.a as usize);
                }
                let mut k = 0;
                while k < run.len as usize {
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
        }
        if !g.bias.is_null() {
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

/// One tile of an [`Outer`]: `M` rows by `N` vectors.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "less to compile than iterators")]
unsafe fn outer_tile<V: Vector, const M: usize, const N: usize>(
    o: &Summing<'_>,
    tap: usize,
    m0: usize,
    n0: usize,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [[V::splat(0.0); N]; M];
        let pairs = o.taps.get_unchecked(tap);
        for &(a_term, b_term) in o.terms {
            for point in 0..o.points {
                let a_point = a_term.add(point * o.a_point + m0);
                let b_point = b_term.add(point * o.b_point + n0 * V::LANES);
                for pair in pairs {
                    let (a, b) = (a_point.add(pair.a as usize), b_point.add(pair.c as usize));
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
            }
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

/// Vectors a tile is wide, of `left` that are to be covered.
#[inline(always)]
fn width<V: Vector>(left: usize) -> usize {
    let most = if V::REGISTERS == 32 { 4 } else { 2 };
    left.div_ceil(left.div_ceil(most))
}

/// Rows of a tile of `n` vectors, of `left` that are to be covered: as even as the sizes allow, and as many
/// as the registers hold.
#[inline(always)]
fn height<V: Vector>(n: usize, left: usize) -> usize {
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

impl Call for Gather {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let terms = self.terms.of(memory);
        let gathering = Gathering {
            classes: &self.classes,
            terms: &terms[..self.terms.count],
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

impl Call for Outer {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let terms = self.terms.of(memory);
        // SAFETY: promised by the caller.
        unsafe {
            let summing = Summing {
                taps: &self.taps,
                terms: &terms[..self.terms.count],
                c: self.to.to.of(memory),
                base: self.to.base.of(memory),
                scale: self.to.scale.of(memory),
                rows: self.rows,
                some: self.some.clone(),
                points: self.points,
                a_point: self.a_point,
                b_point: self.b_point,
                vectors: self.vectors,
            };
            summing.run::<V>();
        }
    }

    /// By rows of weights.
    fn shares(self, most: usize) -> Vec<Self> {
        ranges(self.rows, 1, most).into_iter().map(|some| Self { some, ..self.clone() }).collect()
    }
}

impl Gathering<'_> {
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn run<V: Vector>(&self) {
        let mut n0 = self.columns.start;
        while n0 < self.columns.end {
            let n = width::<V>(self.columns.end - n0);
            for class in self.classes {
                let (pixels, runs) = (&class.pixels[..], &class.runs[..]);
                let rows = self.points * pixels.len();
                let (mut at, mut row) = ((0, 0), 0);
                while row < rows {
                    let m = height::<V>(n, rows - row);
                    tile!(V, gather_tile, m, n, (self, runs, pixels, at, n0));
                    row += m;
                    at.1 += m;
                    while at.1 >= pixels.len() {
                        at = (at.0 + 1, at.1 - pixels.len());
                    }
                }
            }
            n0 += n;
        }
    }
}

impl Summing<'_> {
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn run<V: Vector>(&self) {
        let mut n0 = 0;
        while n0 < self.vectors {
            let n = width::<V>(self.vectors - n0);
            for tap in 0..self.taps.len() {
                let mut row = self.some.start;
                while row < self.some.end {
                    let m = height::<V>(n, self.some.end - row);
                    tile!(V, outer_tile, m, n, (self, tap, row, n0));
                    row += m;
                }
            }
            n0 += n;
        }
    }
}
