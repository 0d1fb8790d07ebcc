//! Its CPU kernels, with the ReLU behind it: sweeps over `rows` of `width` floats; statistics are those of columns.
//!
//! With `x̂ = (x − μ) r`, `r = 1/√(σ² + ε)`, and for the cotangent `s = mean dy`, `q = mean(dy x̂)`:
//!
//! | pass | computes |
//! | --- | --- |
//! | forward | `y = γ x̂ + β` |
//! | backward | `g = dy − s − x̂ q`, `dx = γ r g`, `dγ = Σ dy x̂`, `dβ = Σ dy` |
//! | tangent of forward | `m = mean(x̂ ẋ)`, `x̂̇ = r (ẋ − μ̇ − x̂ m)`, `ṙ = −r² m`, `ẏ = γ̇ x̂ + γ x̂̇ + β̇` |
//! | tangent of backward | `ġ = dẏ − ṡ − x̂̇ q − x̂ q̇`, `q̇ = mean(dẏ x̂ + dy x̂̇)`, `dẋ = (γ̇ r + γ ṙ) g + γ r ġ` |

#![expect(clippy::needless_range_loop, reason = "a column is an index into several arrays")]

use crate::simd::Vector;
use crate::simd::memory::{LINE, call, ranges};
use std::ops::Range;

/// Rows that are summed before they are added to the total, so that rounding does not grow with the rows.
const ROWS: usize = 64;

/// What a sweep is over.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) rows: usize,
    /// Rows of a point.
    pub(super) each: usize,
    pub(super) width: usize,
    /// Which columns are computed.
    pub(super) columns: [usize; 2],
    pub(super) relu: bool,
}

/// A sweep's columns in shares.
macro_rules! by_columns {
    ($($name:ident $sweep:ty),*) => {
        $(fn $name(sweep: $sweep, most: usize) -> Vec<$sweep> {
            let some = |columns: Range<usize>| {
                let mut share = sweep;
                share.on.columns = [columns.start, columns.end];
                share
            };
            ranges(sweep.on.width, LINE, most).into_iter().map(some).collect()
        })*
    };
}

call! {
    /// Forward.
    pub(super) Forward as ForwardAt, forwards {
        places: x,
            /// May be `x`.
            hat, y,
            /// Nowhere stands for 1, of β for 0.
            gamma, beta, root,
            /// Nowhere where all points count, else the number of those that do.
            live;
        values: on: Rows, eps: f32;
        shares: forward_shares
    }
}

call! {
    /// Backward: gates `dy` by `y` in place where there is a ReLU.
    pub(super) Backward as BackwardAt, backwards {
        places: dy, y, hat, gamma, root,
            /// Takes `s`, `q`, and the number of rows.
            sums,
            /// May be `dy`, or nowhere.
            dx, live;
        values: on: Rows;
        shares: backward_shares
    }
}

call! {
    /// Tangent of forward.
    pub(super) ForwardTangent as TangentAt, tangents {
        places: x,
            /// Takes the tangent of `x̂`; may be `x`.
            hat, y, primal_hat, primal_y, gamma,
            /// Nowhere where they do not move.
            gamma_dot, beta_dot, root, root_dot, live;
        values: on: Rows;
        shares: tangent_shares
    }
}

call! {
    /// Tangent of backward: gates `dy` as [`Backward`] does.
    pub(super) BackwardTangent as BackwardTangentAt, backward_tangents {
        places:
            /// The tangent of the cotangent.
            dy,
            /// The tangent of `x̂`.
            hat, primal_dy, primal_y, primal_hat, gamma, gamma_dot, root, root_dot, primal_sums,
            /// Takes `ṡ`, `q̇`, and the number of rows.
            sums,
            /// May be `dy`, or nowhere.
            dx, live;
        values: on: Rows;
        shares: backward_tangent_shares
    }
}

by_columns!(forward_shares Forward, backward_shares Backward);
by_columns!(tangent_shares ForwardTangent, backward_tangent_shares BackwardTangent);

/// Leaves the points that do not count, which lie last, out of a sweep: its results there are zero.
///
/// # Safety
/// As [`Call::run`](crate::simd::memory::Call::run).
#[inline(always)]
unsafe fn counted(on: &mut Rows, live: *const f32, results: &[*mut f32]) {
    if live.is_null() {
        return;
    }
    // SAFETY: promised by the caller.
    unsafe {
        let rows = *live as usize * on.each;
        for &result in results.iter().filter(|result| !result.is_null()) {
            let [from, to] = on.columns;
            for row in rows..on.rows {
                std::ptr::write_bytes(result.add(row * on.width + from), 0, to - from);
            }
        }
        on.rows = rows;
    }
}

/// Runs a sweep over blocks of four, two and one columns of vectors.
macro_rules! columns {
    ($runs:ident, $sweep:ident, $kernel:ty, $($result:ident),*) => {
        #[inline(always)]
        unsafe fn $runs<V: Vector>(_: V, mut kernel: $kernel) {
            // SAFETY: promised by the caller.
            unsafe {
                counted(&mut kernel.on, kernel.live, &[$(kernel.$result),*]);
                let [mut at, end] = kernel.on.columns;
                while at < end {
                    at += V::LANES
                        * match (end - at) / V::LANES {
                            4.. => {
                                $sweep::<V, 4>(&kernel, at);
                                4
                            }
                            2.. => {
                                $sweep::<V, 2>(&kernel, at);
                                2
                            }
                            _ => {
                                $sweep::<V, 1>(&kernel, at);
                                1
                            }
                        };
                }
            }
        }
    };
}
columns!(forwards, forward, ForwardAt, y);
columns!(backwards, backward, BackwardAt, dx);
columns!(tangents, forward_tangent, TangentAt, y);
columns!(backward_tangents, backward_tangent, BackwardTangentAt, dx);

/// `N` vectors from an address on, or a constant where it is null.
#[inline(always)]
unsafe fn load<V: Vector, const N: usize>(from: *const f32, at: usize, otherwise: f32) -> [V; N] {
    // SAFETY: promised by the caller.
    unsafe {
        let mut all = [V::splat(otherwise); N];
        if !from.is_null() {
            for (n, v) in all.iter_mut().enumerate() {
                *v = V::load(from.add(at + n * V::LANES));
            }
        }
        all
    }
}

#[inline(always)]
unsafe fn store<V: Vector, const N: usize>(all: [V; N], to: *mut f32, at: usize) {
    for (n, v) in all.into_iter().enumerate() {
        // SAFETY: promised by the caller.
        unsafe { v.store(to.add(at + n * V::LANES)) };
    }
}

/// Blocks of rows.
#[inline(always)]
fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(ROWS).map(move |row| row..rows.min(row + ROWS))
}

#[inline(always)]
unsafe fn forward<V: Vector, const N: usize>(k: &ForwardAt, column: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let zero = V::splat(0.0);
        // Mean, and sum of squares about it, of the rows so far. A block is read twice while it is in the nearest
        // cache, and joined by the rule of Chan, Golub and LeVeque (1983): as accurate as two sweeps over all.
        let (mut mean, mut squares, mut done) = ([zero; N], [zero; N], 0);
        for block in blocks(k.on.rows) {
            let (rows, mut sum) = (block.len(), [zero; N]);
            for row in block.clone() {
                let x = k.x.add(row * k.on.width + column);
                for n in 0..N {
                    sum[n] = sum[n].add(V::load(x.add(n * V::LANES)));
                }
            }
            for n in 0..N {
                sum[n] = sum[n].mul(V::splat(1.0 / rows as f32));
            }
            let mut about = [zero; N];
            for row in block {
                let x = k.x.add(row * k.on.width + column);
                for n in 0..N {
                    let d = V::load(x.add(n * V::LANES)).sub(sum[n]);
                    about[n] = d.fma(d, about[n]);
                }
            }
            let part = rows as f32 / (done + rows) as f32;
            for n in 0..N {
                let apart = sum[n].sub(mean[n]);
                squares[n] = squares[n].add(about[n]);
                squares[n] = apart.mul(apart).fma(V::splat(done as f32 * part), squares[n]);
                mean[n] = apart.fma(V::splat(part), mean[n]);
            }
            done += rows;
        }
        let (share, mut root) = (V::splat(1.0 / k.on.rows as f32), [zero; N]);
        for n in 0..N {
            root[n] = V::splat(1.0).div(squares[n].fma(share, V::splat(k.eps)).sqrt());
        }
        store(root, k.root, column);
        let (gamma, beta) = (load::<V, N>(k.gamma, column, 1.0), load::<V, N>(k.beta, column, 0.0));
        for row in 0..k.on.rows {
            let at = row * k.on.width + column;
            for n in 0..N {
                let hat = V::load(k.x.add(at + n * V::LANES)).sub(mean[n]).mul(root[n]);
                hat.store(k.hat.add(at + n * V::LANES));
                let mut y = hat.fma(gamma[n], beta[n]);
                if k.on.relu {
                    y = y.relu();
                }
                y.store(k.y.add(at + n * V::LANES));
            }
        }
    }
}

#[inline(always)]
unsafe fn backward<V: Vector, const N: usize>(k: &BackwardAt, column: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, share) = (V::splat(0.0), V::splat(1.0 / k.on.rows as f32));
        let (mut s, mut q) = ([zero; N], [zero; N]);
        for block in blocks(k.on.rows) {
            let (mut s_block, mut q_block) = ([zero; N], [zero; N]);
            for row in block {
                let at = row * k.on.width + column;
                for n in 0..N {
                    let at = at + n * V::LANES;
                    let mut dy = V::load(k.dy.add(at));
                    if k.on.relu {
                        dy = dy.gated(V::load(k.y.add(at)));
                        dy.store(k.dy.add(at));
                    }
                    s_block[n] = s_block[n].add(dy);
                    q_block[n] = dy.fma(V::load(k.hat.add(at)), q_block[n]);
                }
            }
            for n in 0..N {
                s[n] = s_block[n].fma(share, s[n]);
                q[n] = q_block[n].fma(share, q[n]);
            }
        }
        store(s, k.sums, column);
        store(q, k.sums.add(k.on.width), column);
        store([V::splat(k.on.rows as f32); N], k.sums.add(2 * k.on.width), column);
        if k.dx.is_null() {
            return;
        }
        let (mut scale, root) = (load::<V, N>(k.gamma, column, 1.0), load::<V, N>(k.root, column, 0.0));
        for n in 0..N {
            scale[n] = scale[n].mul(root[n]);
        }
        for row in 0..k.on.rows {
            let at = row * k.on.width + column;
            for n in 0..N {
                let at = at + n * V::LANES;
                let g = V::load(k.dy.add(at)).sub(s[n]).sub(V::load(k.hat.add(at)).mul(q[n]));
                g.mul(scale[n]).store(k.dx.add(at));
            }
        }
    }
}

#[inline(always)]
unsafe fn forward_tangent<V: Vector, const N: usize>(k: &TangentAt, column: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, share) = (V::splat(0.0), V::splat(1.0 / k.on.rows as f32));
        let (mut mean, mut m) = ([zero; N], [zero; N]);
        for block in blocks(k.on.rows) {
            let (mut sum, mut dot) = ([zero; N], [zero; N]);
            for row in block {
                let at = row * k.on.width + column;
                for n in 0..N {
                    let x = V::load(k.x.add(at + n * V::LANES));
                    sum[n] = sum[n].add(x);
                    dot[n] = x.fma(V::load(k.primal_hat.add(at + n * V::LANES)), dot[n]);
                }
            }
            for n in 0..N {
                mean[n] = sum[n].fma(share, mean[n]);
                m[n] = dot[n].fma(share, m[n]);
            }
        }
        let root = load::<V, N>(k.root, column, 0.0);
        for n in 0..N {
            let tangent = zero.sub(root[n].mul(root[n]).mul(m[n]));
            tangent.store(k.root_dot.add(column + n * V::LANES));
        }
        let gamma = load::<V, N>(k.gamma, column, 1.0);
        let gamma_dot = load::<V, N>(k.gamma_dot, column, 0.0);
        let beta_dot = load::<V, N>(k.beta_dot, column, 0.0);
        for row in 0..k.on.rows {
            let at = row * k.on.width + column;
            for n in 0..N {
                let at = at + n * V::LANES;
                let hat = V::load(k.primal_hat.add(at));
                let moved = V::load(k.x.add(at)).sub(mean[n]).sub(hat.mul(m[n])).mul(root[n]);
                moved.store(k.hat.add(at));
                let mut y = moved.fma(gamma[n], hat.fma(gamma_dot[n], beta_dot[n]));
                if k.on.relu {
                    y = y.gated(V::load(k.primal_y.add(at)));
                }
                y.store(k.y.add(at));
            }
        }
    }
}

#[inline(always)]
unsafe fn backward_tangent<V: Vector, const N: usize>(k: &BackwardTangentAt, column: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, share) = (V::splat(0.0), V::splat(1.0 / k.on.rows as f32));
        let (mut s_dot, mut q_dot) = ([zero; N], [zero; N]);
        for block in blocks(k.on.rows) {
            let (mut s_block, mut q_block) = ([zero; N], [zero; N]);
            for row in block {
                let at = row * k.on.width + column;
                for n in 0..N {
                    let at = at + n * V::LANES;
                    let mut dy = V::load(k.dy.add(at));
                    if k.on.relu {
                        dy = dy.gated(V::load(k.primal_y.add(at)));
                        dy.store(k.dy.add(at));
                    }
                    s_block[n] = s_block[n].add(dy);
                    q_block[n] = dy.fma(V::load(k.primal_hat.add(at)), q_block[n]);
                    q_block[n] = V::load(k.primal_dy.add(at)).fma(V::load(k.hat.add(at)), q_block[n]);
                }
            }
            for n in 0..N {
                s_dot[n] = s_block[n].fma(share, s_dot[n]);
                q_dot[n] = q_block[n].fma(share, q_dot[n]);
            }
        }
        store(s_dot, k.sums, column);
        store(q_dot, k.sums.add(k.on.width), column);
        store([V::splat(k.on.rows as f32); N], k.sums.add(2 * k.on.width), column);
        if k.dx.is_null() {
            return;
        }
        let s = load::<V, N>(k.primal_sums, column, 0.0);
        let q = load::<V, N>(k.primal_sums.add(k.on.width), column, 0.0);
        let gamma = load::<V, N>(k.gamma, column, 1.0);
        let gamma_dot = load::<V, N>(k.gamma_dot, column, 0.0);
        let root = load::<V, N>(k.root, column, 0.0);
        let root_dot = load::<V, N>(k.root_dot, column, 0.0);
        let (mut scale, mut scale_dot) = ([zero; N], [zero; N]);
        for n in 0..N {
            scale[n] = gamma[n].mul(root[n]);
            scale_dot[n] = gamma_dot[n].fma(root[n], gamma[n].mul(root_dot[n]));
        }
        for row in 0..k.on.rows {
            let at = row * k.on.width + column;
            for n in 0..N {
                let at = at + n * V::LANES;
                let hat = V::load(k.primal_hat.add(at));
                let g = V::load(k.primal_dy.add(at)).sub(s[n]).sub(hat.mul(q[n]));
                let moved = V::load(k.hat.add(at)).fma(q[n], hat.mul(q_dot[n]));
                let g_dot = V::load(k.dy.add(at)).sub(s_dot[n]).sub(moved);
                g.fma(scale_dot[n], g_dot.mul(scale[n])).store(k.dx.add(at));
            }
        }
    }
}
