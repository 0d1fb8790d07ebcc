//! Sweeps that are no op's own: updates, sums, copies, transposition.

use super::Vector;
use super::memory::{Call, Gradient, LINE, Place, Scale, ranges};
use std::ops::Range;

/// `c = x + scale · rate ⊙ y`, whole vectors; no `x` is 0, no rate 1.
#[derive(Clone, Copy)]
pub(crate) struct Update {
    pub(crate) c: Place,
    pub(crate) x: Place,
    pub(crate) scale: Scale,
    /// As long as the others.
    pub(crate) rate: Place,
    pub(crate) y: Place,
    pub(crate) len: usize,
}

/// `*c −= Σ x y`.
pub(crate) struct SubtractDot {
    pub(crate) c: Place,
    pub(crate) x: Place,
    pub(crate) y: Place,
    pub(crate) len: usize,
}

/// `c −= x ⊙ y`.
#[derive(Clone, Copy)]
pub(crate) struct SubtractProduct {
    pub(crate) c: Place,
    pub(crate) x: Place,
    pub(crate) y: Place,
    pub(crate) len: usize,
}

/// The sum over rows of `x`, as a gradient.
#[derive(Clone, Copy)]
pub(crate) struct ColumnSums {
    pub(crate) x: Place,
    pub(crate) rows: usize,
    /// Floats from row to row, and of a row.
    pub(crate) pitch: usize,
    pub(crate) width: usize,
    pub(crate) to: Gradient,
}

/// `c = value`.
#[derive(Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) c: Place,
    pub(crate) len: usize,
    pub(crate) value: f32,
}

/// `[taps, rows, wide]` to `[taps, columns, pitch]`; of what is beyond the columns and rows, nothing is touched.
#[derive(Clone, Copy)]
pub(crate) struct Transpose {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) taps: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) wide: usize,
    pub(crate) pitch: usize,
}

/// Neighbouring floats that a [`Segments`] copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) len: u32,
}

/// Copies segments of each row to places of another row; what no segment covers is left as it is.
#[derive(Clone)]
pub(crate) struct Segments {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) rows: usize,
    /// Floats of a row; 0 where one row serves, or takes, all.
    pub(crate) from_row: usize,
    pub(crate) to_row: usize,
    pub(crate) segments: std::sync::Arc<[Segment]>,
    /// Whether rows are added to what is there.
    pub(crate) add: bool,
}

/// The runs of a copy: `from(element)` and `to(element)` for each of `len` elements.
pub(crate) fn segments(
    len: usize,
    from: impl Fn(usize) -> u32,
    to: impl Fn(usize) -> u32,
) -> std::sync::Arc<[Segment]> {
    let mut pairs: Vec<(u32, u32)> = (0..len).map(|e| (to(e), from(e))).collect();
    pairs.sort_unstable();
    let mut all = Vec::<Segment>::new();
    for (to, from) in pairs {
        match all.last_mut() {
            Some(last) if last.from + last.len == from && last.to + last.len == to => last.len += 1,
            _ => all.push(Segment { from, to, len: 1 }),
        }
    }
    all.into()
}

impl Call for Update {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let [c, x, rate, y] = [self.c, self.x, self.rate, self.y].map(|place| place.of(memory));
            let scale = V::splat(self.scale.of(memory));
            for at in (0..self.len).step_by(V::LANES) {
                let mut y = V::load(y.add(at));
                if !rate.is_null() {
                    y = y.mul(V::load(rate.add(at)));
                }
                let x = if x.is_null() { V::splat(0.0) } else { V::load(x.add(at)) };
                y.mul_add(scale, x).store(c.add(at));
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |Range { start, end }: Range<usize>| {
            let [c, x, rate, y] = [self.c, self.x, self.rate, self.y].map(|place| place.after(start));
            Self { c, x, rate, y, len: end - start, ..self }
        };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl Call for SubtractDot {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let [c, x, y] = [self.c, self.x, self.y].map(|place| place.of(memory));
            // Several sums, so that one addition need not wait for the one before it.
            let mut sums = [V::splat(0.0); 4];
            let vectors = self.len / V::LANES;
            for i in 0..vectors / 4 {
                for (n, sum) in sums.iter_mut().enumerate() {
                    let at = (4 * i + n) * V::LANES;
                    *sum = V::load(x.add(at)).mul_add(V::load(y.add(at)), *sum);
                }
            }
            for i in vectors / 4 * 4..vectors {
                let at = i * V::LANES;
                sums[0] = V::load(x.add(at)).mul_add(V::load(y.add(at)), sums[0]);
            }
            *c -= sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum();
        }
    }
}

impl Call for SubtractProduct {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let [c, x, y] = [self.c, self.x, self.y].map(|place| place.of(memory));
            for at in (0..self.len).step_by(V::LANES) {
                let minus = V::load(x.add(at)).mul(V::splat(-1.0));
                minus.mul_add(V::load(y.add(at)), V::load(c.add(at))).store(c.add(at));
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |Range { start, end }: Range<usize>| {
            let [c, x, y] = [self.c, self.x, self.y].map(|place| place.after(start));
            Self { c, x, y, len: end - start }
        };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl Call for ColumnSums {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let [x, c, base] = [self.x, self.to.to, self.to.base].map(|place| place.of(memory));
            let scale = V::splat(self.to.scale.of(memory));
            for column in (0..self.width).step_by(V::LANES) {
                let mut sum = V::splat(0.0);
                for row in 0..self.rows {
                    sum = sum.add(V::load(x.add(row * self.pitch + column)));
                }
                let base = if base.is_null() { V::splat(0.0) } else { V::load(base.add(column)) };
                sum.mul_add(scale, base).store(c.add(column));
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |Range { start, end }: Range<usize>| Self {
            x: self.x.after(start),
            width: end - start,
            to: self.to.after(start),
            ..self
        };
        ranges(self.width, LINE, most).into_iter().map(some).collect()
    }
}

impl Call for Fill {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.c.of(memory), self.len) }.fill(self.value);
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some =
            |Range { start, end }: Range<usize>| Self { c: self.c.after(start), len: end - start, ..self };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl Call for Segments {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let [from, to] = [self.from, self.to].map(|place| place.of(memory));
            for row in 0..self.rows {
                let (from, to) = (from.add(row * self.from_row), to.add(row * self.to_row));
                for segment in self.segments.iter() {
                    let (from, to) = (from.add(segment.from as usize), to.add(segment.to as usize));
                    for e in 0..segment.len as usize {
                        let old = if self.add { *to.add(e) } else { 0.0 };
                        *to.add(e) = old + *from.add(e);
                    }
                }
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        if self.to_row == 0 {
            return vec![self];
        }
        let some = |Range { start, end }: Range<usize>| Self {
            from: self.from.after(start * self.from_row),
            to: self.to.after(start * self.to_row),
            rows: end - start,
            ..self.clone()
        };
        ranges(self.rows, 1, most).into_iter().map(some).collect()
    }
}

impl Call for Transpose {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let (rows, columns) = (self.rows - self.rows % V::BLOCK, self.columns - self.columns % V::BLOCK);
            for tap in 0..self.taps {
                let from = self.from.of(memory).add(tap * self.rows * self.wide).cast_const();
                let to = self.to.of(memory).add(tap * self.columns * self.pitch);
                for r in (0..rows).step_by(V::BLOCK) {
                    for c in (0..columns).step_by(V::BLOCK) {
                        let block = (from.add(r * self.wide + c), to.add(c * self.pitch + r));
                        V::transpose((block.0, self.wide), (block.1, self.pitch));
                    }
                }
                // What is left beside and below the blocks.
                for r in 0..self.rows {
                    for c in if r < rows { columns } else { 0 }..self.columns {
                        *to.add(c * self.pitch + r) = *from.add(r * self.wide + c);
                    }
                }
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |Range { start, end }: Range<usize>| Self {
            from: self.from.after(start * self.rows * self.wide),
            to: self.to.after(start * self.columns * self.pitch),
            taps: end - start,
            ..self
        };
        ranges(self.taps, 1, most).into_iter().map(some).collect()
    }
}
