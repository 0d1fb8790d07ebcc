//! Sweeps of its CPU kernels. The formulas are those of batch norm (`batch_norm/sweeps.rs`) with γ inside the sums: `D = γ ⊙ dy`,
//! `s = mean D`, `q = mean(D x̂)`, `dx = r (D − s − x̂ q)`.
//!
//! A point is `pixels` times `columns` floats, and γ and β are columns. A norm over all of a point takes its row for one
//! pixel, so that a column is an element, and its sums for one register's. A norm over groups of channels has a column for each
//! channel: sums of columns go through memory, where those of a group become their mean.

use crate::simd::memory::call;
use crate::simd::{MAX_LANES, Vector};

/// Rows that are summed before they are added to the total, so that rounding does not grow with the rows.
const BLOCK: usize = 64;

/// What a sweep is over.
#[derive(Clone, Copy)]
pub(super) struct On {
    pub(super) points: usize,
    pub(super) pixels: usize,
    /// Floats of a pixel.
    pub(super) columns: usize,
    /// Groups of channels; 0 for all of a point.
    pub(super) groups: usize,
    /// Channels of a group.
    pub(super) channels: usize,
    /// Elements of a mean.
    pub(super) elements: usize,
    pub(super) eps: f32,
}

impl On {
    /// Where the numbers of a point are: for all of it, or for each vector of columns.
    #[inline(always)]
    fn owners<V: Vector, const WHOLE: bool>(&self) -> impl Iterator<Item = usize> {
        (0..if WHOLE { 1 } else { self.columns }).step_by(V::LANES)
    }
}

call! {
    /// Forward.
    pub(super) Forward as ForwardAt, forward {
        places: x, hat, y, gamma, beta,
            /// One for each point, or for each column of one.
            root,
            /// 1 for each element of a column, 0 for its padding.
            mask, scratch;
        values: on: On
    }
}

call! {
    /// Backward.
    pub(super) Backward as BackwardAt, backward {
        places: dy, hat, gamma, root, dx, mask, scratch;
        values: on: On
    }
}

call! {
    /// Tangent of forward: `hat_dot` takes that of `x̂`.
    pub(super) Tangent as TangentAt, tangent {
        places: x_dot, hat_dot, y_dot, hat, gamma, gamma_dot, beta_dot, root, root_dot, mask, scratch;
        values: on: On
    }
}

call! {
    /// Tangent of backward.
    pub(super) BackwardTangent as BackwardTangentAt, backward_tangent {
        places: dy, dy_dot, hat, hat_dot, gamma, gamma_dot, root, root_dot, dx_dot, mask, scratch;
        values: on: On
    }
}

call! {
    /// `to = base + scale Σ (x a + y b)` over rows; `a` may be nowhere for 1, the second product for 0.
    pub(super) Dots as DotsAt, dots {
        places: x, a, y, b, to, base, rate;
        values: factor: f32, rows: usize, len: usize
    }
}

/// A vector, or a constant where there is none.
#[inline(always)]
unsafe fn or<V: Vector>(from: *mut f32, at: usize, otherwise: f32) -> V {
    // SAFETY: promised by the caller.
    unsafe { if from.is_null() { V::splat(otherwise) } else { V::load(from.add(at)) } }
}

/// `N` sums of a point on their way: over all of it, or column by column.
struct Sums<V, const WHOLE: bool, const N: usize> {
    sums: [V; N],
    scratch: *mut f32,
    on: On,
}

impl<V: Vector, const WHOLE: bool, const N: usize> Sums<V, WHOLE, N> {
    #[inline(always)]
    unsafe fn new(on: On, scratch: *mut f32) -> Self {
        // SAFETY: promised by the caller.
        Self { sums: [unsafe { V::splat(0.0) }; N], scratch, on }
    }

    /// Ends a vector of columns.
    #[inline(always)]
    unsafe fn end(&mut self, column: usize) {
        if !WHOLE {
            // SAFETY: promised by the caller.
            unsafe {
                for (n, sum) in self.sums.iter_mut().enumerate() {
                    sum.store(self.scratch.add(n * self.on.columns + column));
                    *sum = V::splat(0.0);
                }
            }
        }
    }

    /// Makes them means.
    #[inline(always)]
    unsafe fn into_means(mut self) -> Self {
        let share = 1.0 / self.on.elements as f32;
        // SAFETY: promised by the caller.
        unsafe {
            if WHOLE {
                self.sums = self.sums.map(|sum| V::splat(sum.sum() * share));
                return self;
            }
            for n in 0..N {
                for group in 0..self.on.groups {
                    let first = self.scratch.add(n * self.on.columns + group * self.on.channels);
                    let all = std::slice::from_raw_parts_mut(first, self.on.channels);
                    let mean = all.iter().sum::<f32>() * share;
                    all.fill(mean);
                }
            }
        }
        self
    }

    /// The means that a vector of columns goes by.
    #[inline(always)]
    unsafe fn at(&self, column: usize) -> [V; N] {
        if WHOLE {
            return self.sums;
        }
        let mut means = self.sums;
        // SAFETY: promised by the caller.
        unsafe {
            for (n, mean) in means.iter_mut().enumerate() {
                *mean = V::load(self.scratch.add(n * self.on.columns + column));
            }
        }
        means
    }
}

/// A number of a point, or of a column of it.
#[inline(always)]
unsafe fn own<V: Vector, const WHOLE: bool>(of: *mut f32, on: &On, point: usize, column: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe { if WHOLE { V::splat(*of.add(point)) } else { V::load(of.add(point * on.columns + column)) } }
}

/// Leaves such a number.
#[inline(always)]
unsafe fn put<V: Vector, const WHOLE: bool>(value: V, of: *mut f32, on: &On, point: usize, column: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        if WHOLE {
            let mut lanes = [0.0; MAX_LANES];
            value.store(lanes.as_mut_ptr());
            *of.add(point) = lanes[0];
        } else {
            value.store(of.add(point * on.columns + column));
        }
    }
}

/// Runs a sweep for what its rows are.
macro_rules! sweep {
    ($name:ident, $sweep:ident, $kernel:ty) => {
        #[inline(always)]
        unsafe fn $name<V: Vector>(_: V, kernel: $kernel) {
            // SAFETY: promised by the caller.
            unsafe {
                if kernel.on.groups == 0 { $sweep::<V, true>(&kernel) } else { $sweep::<V, false>(&kernel) }
            }
        }
    };
}
sweep!(forward, forward_of, ForwardAt);
sweep!(backward, backward_of, BackwardAt);
sweep!(tangent, tangent_of, TangentAt);
sweep!(backward_tangent, backward_tangent_of, BackwardTangentAt);

/// For every vector of columns of a point, and every pixel of it.
macro_rules! each {
    ($V:ident, $WHOLE:ident, $on:expr, $point:ident, ($column:ident, $at:ident) $body:block $(then $end:block)?) => {
        for $column in (0..$on.columns).step_by($V::LANES) {
            // One pixel for all of a point, which the compiler is to know.
            let pixels = if $WHOLE { 1 } else { $on.pixels };
            for pixel in 0..pixels {
                let $at = ($point * pixels + pixel) * $on.columns + $column;
                $body
            }
            $($end)?
        }
    };
}

#[inline(always)]
unsafe fn forward_of<V: Vector, const WHOLE: bool>(k: &ForwardAt) {
    let on = k.on;
    // SAFETY: promised by the caller.
    unsafe {
        for point in 0..on.points {
            let mut sums = Sums::<V, WHOLE, 1>::new(on, k.scratch);
            each!(V, WHOLE, on, point, (column, at) {
                sums.sums[0] = V::load(k.x.add(at)).mul_add(V::load(k.mask.add(column)), sums.sums[0]);
            } then { sums.end(column) });
            let means = sums.into_means();
            let mut squares = Sums::<V, WHOLE, 1>::new(on, k.scratch.wrapping_add(on.columns));
            each!(V, WHOLE, on, point, (column, at) {
                let [mean] = means.at(column);
                let apart = V::load(k.x.add(at)).sub(mean).mul(V::load(k.mask.add(column)));
                squares.sums[0] = apart.mul_add(apart, squares.sums[0]);
            } then { squares.end(column) });
            let squares = squares.into_means();
            for column in on.owners::<V, WHOLE>() {
                let [square] = squares.at(column);
                let root = V::splat(1.0).div(square.add(V::splat(on.eps)).sqrt());
                put::<V, WHOLE>(root, k.root, &on, point, column);
            }
            each!(V, WHOLE, on, point, (column, at) {
                let ([mean], root) = (means.at(column), own::<V, WHOLE>(k.root, &on, point, column));
                let apart = V::load(k.x.add(at)).sub(mean).mul(V::load(k.mask.add(column)));
                let hat = apart.mul(root);
                hat.store(k.hat.add(at));
                hat.mul_add(or(k.gamma, column, 1.0), or(k.beta, column, 0.0)).store(k.y.add(at));
            });
        }
    }
}

#[inline(always)]
unsafe fn backward_of<V: Vector, const WHOLE: bool>(k: &BackwardAt) {
    let on = k.on;
    // SAFETY: promised by the caller.
    unsafe {
        for point in 0..on.points {
            let mut sums = Sums::<V, WHOLE, 2>::new(on, k.scratch);
            each!(V, WHOLE, on, point, (column, at) {
                let d = V::load(k.dy.add(at)).mul(or(k.gamma, column, 1.0));
                let [s, q] = sums.sums;
                sums.sums = [s.add(d), d.mul_add(V::load(k.hat.add(at)), q)];
            } then { sums.end(column) });
            let means = sums.into_means();
            each!(V, WHOLE, on, point, (column, at) {
                let ([s, q], root) = (means.at(column), own::<V, WHOLE>(k.root, &on, point, column));
                let d = V::load(k.dy.add(at)).mul(or(k.gamma, column, 1.0));
                let taken = V::load(k.hat.add(at)).mul_add(q, s).mul(V::load(k.mask.add(column)));
                d.sub(taken).mul(root).store(k.dx.add(at));
            });
        }
    }
}

#[inline(always)]
unsafe fn tangent_of<V: Vector, const WHOLE: bool>(k: &TangentAt) {
    let on = k.on;
    // SAFETY: promised by the caller.
    unsafe {
        for point in 0..on.points {
            let mut sums = Sums::<V, WHOLE, 2>::new(on, k.scratch);
            each!(V, WHOLE, on, point, (column, at) {
                let x = or::<V>(k.x_dot, at, 0.0);
                let [mean, m] = sums.sums;
                sums.sums = [mean.add(x), x.mul_add(V::load(k.hat.add(at)), m)];
            } then { sums.end(column) });
            let means = sums.into_means();
            for column in on.owners::<V, WHOLE>() {
                let (root, [_, m]) = (own::<V, WHOLE>(k.root, &on, point, column), means.at(column));
                put::<V, WHOLE>(V::splat(0.0).sub(root).mul(root).mul(m), k.root_dot, &on, point, column);
            }
            each!(V, WHOLE, on, point, (column, at) {
                let ([mean, m], root) = (means.at(column), own::<V, WHOLE>(k.root, &on, point, column));
                let hat = V::load(k.hat.add(at));
                let taken = hat.mul_add(m, mean).mul(V::load(k.mask.add(column)));
                let moved = or::<V>(k.x_dot, at, 0.0).sub(taken).mul(root);
                moved.store(k.hat_dot.add(at));
                let turned = hat.mul_add(or(k.gamma_dot, column, 0.0), or(k.beta_dot, column, 0.0));
                moved.mul_add(or(k.gamma, column, 1.0), turned).store(k.y_dot.add(at));
            });
        }
    }
}

#[inline(always)]
unsafe fn backward_tangent_of<V: Vector, const WHOLE: bool>(k: &BackwardTangentAt) {
    let on = k.on;
    // SAFETY: promised by the caller.
    unsafe {
        for point in 0..on.points {
            let mut sums = Sums::<V, WHOLE, 4>::new(on, k.scratch);
            each!(V, WHOLE, on, point, (column, at) {
                let (gamma, gamma_dot) = (or::<V>(k.gamma, column, 1.0), or::<V>(k.gamma_dot, column, 0.0));
                let (dy, dy_dot) = (V::load(k.dy.add(at)), V::load(k.dy_dot.add(at)));
                let (hat, hat_dot) = (V::load(k.hat.add(at)), V::load(k.hat_dot.add(at)));
                let (d, d_dot) = (dy.mul(gamma), dy_dot.mul_add(gamma, dy.mul(gamma_dot)));
                let [s, q, s_dot, q_dot] = sums.sums;
                let q_dot = d_dot.mul_add(hat, d.mul_add(hat_dot, q_dot));
                sums.sums = [s.add(d), d.mul_add(hat, q), s_dot.add(d_dot), q_dot];
            } then { sums.end(column) });
            let means = sums.into_means();
            each!(V, WHOLE, on, point, (column, at) {
                let [s, q, s_dot, q_dot] = means.at(column);
                let [root, root_dot] =
                    [k.root, k.root_dot].map(|of| own::<V, WHOLE>(of, &on, point, column));
                let mask = V::load(k.mask.add(column));
                let (gamma, gamma_dot) = (or::<V>(k.gamma, column, 1.0), or::<V>(k.gamma_dot, column, 0.0));
                let (dy, dy_dot) = (V::load(k.dy.add(at)), V::load(k.dy_dot.add(at)));
                let (hat, hat_dot) = (V::load(k.hat.add(at)), V::load(k.hat_dot.add(at)));
                let (d, d_dot) = (dy.mul(gamma), dy_dot.mul_add(gamma, dy.mul(gamma_dot)));
                let g = d.sub(hat.mul_add(q, s).mul(mask));
                let moved = hat_dot.mul_add(q, hat.mul_add(q_dot, s_dot)).mul(mask);
                g.mul_add(root_dot, d_dot.sub(moved).mul(root)).store(k.dx_dot.add(at));
            });
        }
    }
}

#[inline(always)]
unsafe fn dots<V: Vector>(_: V, k: DotsAt) {
    // SAFETY: promised by the caller.
    unsafe {
        let scale = V::splat(if k.rate.is_null() { k.factor } else { k.factor * *k.rate });
        for at in (0..k.len).step_by(V::LANES) {
            let mut total = V::splat(0.0);
            for first in (0..k.rows).step_by(BLOCK) {
                let mut sum = V::splat(0.0);
                for row in first..k.rows.min(first + BLOCK) {
                    let e = row * k.len + at;
                    sum = V::load(k.x.add(e)).mul_add(or(k.a, e, 1.0), sum);
                    if !k.y.is_null() {
                        sum = V::load(k.y.add(e)).mul_add(V::load(k.b.add(e)), sum);
                    }
                }
                total = total.add(sum);
            }
            total.mul_add(scale, or(k.base, at, 0.0)).store(k.to.add(at));
        }
    }
}
