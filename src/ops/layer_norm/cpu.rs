//! Its CPU kernels, row by row. The formulas are those of batch norm (`batch_norm/sweeps.rs`) with rows for columns, and
//! with γ inside the sums: `D = γ ⊙ dy`, `s = mean D`, `q = mean(D x̂)`, `dx = r (D − s − x̂ q)`.

use super::LayerNorm;
use crate::ops::cpu::{Back, Kept, Lower, Moving, Node, Site};
use crate::simd::memory::{Calls, Gradient, Place, call};
use crate::simd::sweeps::ColumnSums;
use crate::simd::{Isa, Vector};

/// What a sweep is over. Statistics lie `rows` floats apart.
#[derive(Clone, Copy)]
struct On {
    rows: usize,
    /// Floats of a row, and elements.
    len: usize,
    elements: usize,
    eps: f32,
}

call! {
    /// Forward.
    Forward as ForwardAt, forward {
        places: x, hat, y, gamma, beta, root,
            /// 1 for each element of a row, 0 for its padding.
            mask;
        values: on: On
    }
}

call! {
    /// Backward.
    Backward as BackwardAt, backward {
        places: dy, hat, gamma, root, dx, mask;
        values: on: On
    }
}

call! {
    /// Tangent of forward: `hat_dot` takes that of `x̂`.
    Tangent as TangentAt, tangent {
        places: x_dot, hat_dot, y_dot, hat, gamma, gamma_dot, beta_dot, root, root_dot, mask;
        values: on: On
    }
}

call! {
    /// Tangent of backward.
    BackwardTangent as BackwardTangentAt, backward_tangent {
        places: dy, dy_dot, hat, hat_dot, gamma, gamma_dot, root, root_dot, dx_dot, mask;
        values: on: On
    }
}

call! {
    /// `to = base + scale Σ (x a + y b)` over rows; the second product may be nowhere.
    Dots as DotsAt, dots {
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

#[inline(always)]
unsafe fn forward<V: Vector>(_: V, k: ForwardAt) {
    // SAFETY: promised by the caller.
    unsafe {
        let share = 1.0 / k.on.elements as f32;
        for row in 0..k.on.rows {
            let start = row * k.on.len;
            let mut sum = V::splat(0.0);
            for at in (0..k.on.len).step_by(V::LANES) {
                sum = V::load(k.x.add(start + at)).mul_add(V::load(k.mask.add(at)), sum);
            }
            let mean = V::splat(sum.sum() * share);
            let mut squares = V::splat(0.0);
            for at in (0..k.on.len).step_by(V::LANES) {
                let apart = V::load(k.x.add(start + at)).sub(mean).mul(V::load(k.mask.add(at)));
                squares = apart.mul_add(apart, squares);
            }
            let root = 1.0 / (squares.sum() * share + k.on.eps).sqrt();
            *k.root.add(row) = root;
            let root = V::splat(root);
            for at in (0..k.on.len).step_by(V::LANES) {
                let apart = V::load(k.x.add(start + at)).sub(mean).mul(V::load(k.mask.add(at)));
                let hat = apart.mul(root);
                hat.store(k.hat.add(start + at));
                hat.mul_add(or(k.gamma, at, 1.0), or(k.beta, at, 0.0)).store(k.y.add(start + at));
            }
        }
    }
}

#[inline(always)]
unsafe fn backward<V: Vector>(_: V, k: BackwardAt) {
    // SAFETY: promised by the caller.
    unsafe {
        let share = 1.0 / k.on.elements as f32;
        for row in 0..k.on.rows {
            let start = row * k.on.len;
            let (mut s, mut q) = (V::splat(0.0), V::splat(0.0));
            for at in (0..k.on.len).step_by(V::LANES) {
                let d = V::load(k.dy.add(start + at)).mul(or(k.gamma, at, 1.0));
                s = s.add(d);
                q = d.mul_add(V::load(k.hat.add(start + at)), q);
            }
            let (s, q) = (V::splat(s.sum() * share), V::splat(q.sum() * share));
            let root = V::splat(*k.root.add(row));
            for at in (0..k.on.len).step_by(V::LANES) {
                let d = V::load(k.dy.add(start + at)).mul(or(k.gamma, at, 1.0));
                let taken = V::load(k.hat.add(start + at)).mul_add(q, s).mul(V::load(k.mask.add(at)));
                d.sub(taken).mul(root).store(k.dx.add(start + at));
            }
        }
    }
}

#[inline(always)]
unsafe fn tangent<V: Vector>(_: V, k: TangentAt) {
    // SAFETY: promised by the caller.
    unsafe {
        let share = 1.0 / k.on.elements as f32;
        for row in 0..k.on.rows {
            let start = row * k.on.len;
            let (mut mean, mut m) = (V::splat(0.0), V::splat(0.0));
            for at in (0..k.on.len).step_by(V::LANES) {
                let x = or::<V>(k.x_dot, start + at, 0.0);
                mean = mean.add(x);
                m = x.mul_add(V::load(k.hat.add(start + at)), m);
            }
            let (mean, m) = (V::splat(mean.sum() * share), m.sum() * share);
            let root = *k.root.add(row);
            *k.root_dot.add(row) = -root * root * m;
            let (root, m) = (V::splat(root), V::splat(m));
            for at in (0..k.on.len).step_by(V::LANES) {
                let hat = V::load(k.hat.add(start + at));
                let taken = hat.mul_add(m, mean).mul(V::load(k.mask.add(at)));
                let moved = or::<V>(k.x_dot, start + at, 0.0).sub(taken).mul(root);
                moved.store(k.hat_dot.add(start + at));
                let turned = hat.mul_add(or(k.gamma_dot, at, 0.0), or(k.beta_dot, at, 0.0));
                moved.mul_add(or(k.gamma, at, 1.0), turned).store(k.y_dot.add(start + at));
            }
        }
    }
}

#[inline(always)]
unsafe fn backward_tangent<V: Vector>(_: V, k: BackwardTangentAt) {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, share) = (V::splat(0.0), 1.0 / k.on.elements as f32);
        for row in 0..k.on.rows {
            let start = row * k.on.len;
            let [mut s, mut q, mut s_dot, mut q_dot] = [zero; 4];
            for at in (0..k.on.len).step_by(V::LANES) {
                let (gamma, gamma_dot) = (or::<V>(k.gamma, at, 1.0), or::<V>(k.gamma_dot, at, 0.0));
                let (dy, dy_dot) = (V::load(k.dy.add(start + at)), V::load(k.dy_dot.add(start + at)));
                let (hat, hat_dot) = (V::load(k.hat.add(start + at)), V::load(k.hat_dot.add(start + at)));
                let (d, d_dot) = (dy.mul(gamma), dy_dot.mul_add(gamma, dy.mul(gamma_dot)));
                (s, s_dot) = (s.add(d), s_dot.add(d_dot));
                q = d.mul_add(hat, q);
                q_dot = d_dot.mul_add(hat, d.mul_add(hat_dot, q_dot));
            }
            let s = V::splat(s.sum() * share);
            let q = V::splat(q.sum() * share);
            let s_dot = V::splat(s_dot.sum() * share);
            let q_dot = V::splat(q_dot.sum() * share);
            let (root, root_dot) = (V::splat(*k.root.add(row)), V::splat(*k.root_dot.add(row)));
            for at in (0..k.on.len).step_by(V::LANES) {
                let mask = V::load(k.mask.add(at));
                let (gamma, gamma_dot) = (or::<V>(k.gamma, at, 1.0), or::<V>(k.gamma_dot, at, 0.0));
                let (dy, dy_dot) = (V::load(k.dy.add(start + at)), V::load(k.dy_dot.add(start + at)));
                let (hat, hat_dot) = (V::load(k.hat.add(start + at)), V::load(k.hat_dot.add(start + at)));
                let (d, d_dot) = (dy.mul(gamma), dy_dot.mul_add(gamma, dy.mul(gamma_dot)));
                let g = d.sub(hat.mul_add(q, s).mul(mask));
                let moved = hat_dot.mul_add(q, hat.mul_add(q_dot, s_dot)).mul(mask);
                let g_dot = d_dot.sub(moved);
                g.mul_add(root_dot, g_dot.mul(root)).store(k.dx_dot.add(start + at));
            }
        }
    }
}

#[inline(always)]
unsafe fn dots<V: Vector>(_: V, k: DotsAt) {
    // SAFETY: promised by the caller.
    unsafe {
        let scale = V::splat(if k.rate.is_null() { k.factor } else { k.factor * *k.rate });
        for at in (0..k.len).step_by(V::LANES) {
            let mut sum = V::splat(0.0);
            for row in 0..k.rows {
                let e = row * k.len + at;
                sum = V::load(k.x.add(e)).mul_add(V::load(k.a.add(e)), sum);
                if !k.y.is_null() {
                    sum = V::load(k.y.add(e)).mul_add(V::load(k.b.add(e)), sum);
                }
            }
            sum.mul_add(scale, or(k.base, at, 0.0)).store(k.to.add(at));
        }
    }
}

impl LayerNorm {
    fn on(self, site: &Site<'_>) -> On {
        let output = site.node.output;
        On { rows: site.rows(), len: output.len(), elements: output.elements(), eps: self.eps as f32 }
    }
}

fn param(of: &[Place], index: usize) -> Place {
    of.get(index).copied().unwrap_or(Place::NOWHERE)
}

/// `dγ = Σ (dy x̂ + …)`, `dβ = Σ dy`.
fn gradients<I: Isa>(site: &Site<'_>, back: &Back, second: (Place, Place), calls: &mut Calls<I>) {
    let (rows, len) = (site.rows(), site.node.output.len());
    if let Some(&Some(Gradient { to, base, scale })) = back.gradients.first() {
        let (y, b) = second;
        let (x, a, factor, rate) = (back.dy, site.saved, scale.factor, scale.rate);
        calls.push(Dots { x, a, y, b, to, base, rate, factor, rows, len });
    }
    if let Some(&Some(to)) = back.gradients.get(1) {
        calls.push(ColumnSums { x: back.dy, rows, pitch: len, width: len, to });
    }
}

impl Lower for LayerNorm {
    fn kept(&self, _: bool) -> Kept {
        Kept { saved: true, saved_dot: true, ..Kept::default() }
    }

    fn lies_as_inputs(&self) -> bool {
        true
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        if self.affine { vec![node.output.places(); 2] } else { Vec::new() }
    }

    fn constants(&self, node: &Node) -> Vec<f32> {
        let one = |element: u32| if element == crate::ops::cpu::NONE { 0.0 } else { 1.0 };
        node.output.places().into_iter().map(one).collect()
    }

    fn stats(&self, _: &Node, rows: usize) -> [usize; 2] {
        [rows, rows]
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(Forward {
            x: site.x[0],
            hat: site.saved,
            y: site.y,
            gamma: param(&site.theta, 0),
            beta: param(&site.theta, 1),
            root: site.stats,
            mask: site.constants,
            on: self.on(site),
        });
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if back.dx[0].is_somewhere() {
            calls.push(Backward {
                dy: back.dy,
                hat: site.saved,
                gamma: param(&site.theta, 0),
                root: site.stats,
                dx: back.dx[0],
                mask: site.constants,
                on: self.on(site),
            });
        }
        // Only now: the gradient may take the place of γ.
        gradients(site, back, (Place::NOWHERE, Place::NOWHERE), calls);
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        calls.push(Tangent {
            x_dot: moving.x[0],
            hat_dot: moving.saved,
            y_dot: moving.y,
            hat: site.saved,
            gamma: param(&site.theta, 0),
            gamma_dot: param(&moving.theta, 0),
            beta_dot: param(&moving.theta, 1),
            root: site.stats,
            root_dot: moving.stats,
            mask: site.constants,
            on: self.on(site),
        });
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        if back.dx[0].is_somewhere() {
            calls.push(BackwardTangent {
                dy,
                dy_dot: back.dy,
                hat: site.saved,
                hat_dot: moving.saved,
                gamma: param(&site.theta, 0),
                gamma_dot: param(&moving.theta, 0),
                root: site.stats,
                root_dot: moving.stats,
                dx_dot: back.dx[0],
                mask: site.constants,
                on: self.on(site),
            });
        }
        gradients(site, back, (dy, moving.saved), calls);
    }
}
