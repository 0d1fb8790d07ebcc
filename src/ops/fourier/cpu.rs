//! Its CPU kernels. Of the matrix every row lies twice, for its sine and for its cosine, which is the sine a quarter of a turn on:
//! a column for each output. Turns are counted in whole ones and the rest, so that large ones lose nothing.

use super::Fourier;
use crate::ops::cpu::{Back, Kept, Lower, Moving, NONE, Node, Site};
use crate::simd::math::{round, sin_cos};
use crate::simd::memory::{Call, Calls, Place};
use crate::simd::{Isa, Vector};
use std::f32::consts::TAU;
use std::sync::Arc;

/// `y = sin 2π(Bx + φ)`, and its slopes `2π cos 2π(Bx + φ)`.
struct Waves {
    on: On,
    x: Place,
    y: Place,
    slopes: Place,
}

/// `to = slopes ⊙ Bẋ`, and with `bends` what the slopes move by, `−4π² y ⊙ Bẋ`.
struct Tangent {
    on: On,
    x_dot: Place,
    y: Place,
    slopes: Place,
    to: Place,
    bends: Place,
}

/// `dx = Bᵀ (slopes ⊙ dy)`, with `bends ⊙ primal` added to what B takes where there are any.
struct Backward {
    on: On,
    dy: Place,
    slopes: Place,
    primal: Place,
    bends: Place,
    dx: Place,
}

/// What a sweep is over.
struct On {
    /// B, `[inputs, pitch]`.
    matrix: Place,
    /// φ, turns.
    phases: Place,
    rows: usize,
    /// Floats of a row of the output, and of the input.
    pitch: usize,
    row: usize,
    /// The float of each input within a row.
    inputs: Arc<[u32]>,
}

/// A number in two parts, of which the first has 12 bits: products of such are exact.
#[inline(always)]
unsafe fn parts<V: Vector>(value: V) -> (V, V) {
    // SAFETY: promised by the caller.
    unsafe {
        let large = value.mul(V::splat(4097.0));
        let first = large.sub(large.sub(value));
        (first, value.sub(first))
    }
}

impl Call for Waves {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let [x, y, slopes, matrix, phases] =
            [self.x, self.y, self.slopes, self.on.matrix, self.on.phases].map(|place| place.of(memory));
        // SAFETY: promised by the caller.
        unsafe {
            for row in 0..self.on.rows {
                let x = x.add(row * self.on.row);
                for at in (0..self.on.pitch).step_by(V::LANES) {
                    let mut turns = V::load(phases.add(at));
                    let mut rest = V::splat(0.0);
                    for (i, &input) in self.on.inputs.iter().enumerate() {
                        let (x, x_rest) = parts(V::splat(*x.add(input as usize)));
                        let (b, b_rest) = parts(V::load(matrix.add(i * self.on.pitch + at)));
                        let product = b.mul(x);
                        turns = turns.add(product.sub(round(product)));
                        rest = b.mul(x_rest).add(b_rest.mul(x)).add(b_rest.mul(x_rest)).add(rest);
                    }
                    let turns = turns.sub(round(turns)).add(rest.sub(round(rest)));
                    let (sine, cosine) = sin_cos(turns, TAU, 0.0);
                    sine.store(y.add(row * self.on.pitch + at));
                    cosine.mul(V::splat(TAU)).store(slopes.add(row * self.on.pitch + at));
                }
            }
        }
    }
}

impl Call for Tangent {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let [x_dot, y, slopes, to, bends, matrix] =
            [self.x_dot, self.y, self.slopes, self.to, self.bends, self.on.matrix]
                .map(|place| place.of(memory));
        // SAFETY: promised by the caller.
        unsafe {
            for row in 0..self.on.rows {
                let x_dot = x_dot.add(row * self.on.row);
                for column in (0..self.on.pitch).step_by(V::LANES) {
                    let mut moved = V::splat(0.0);
                    for (i, &input) in self.on.inputs.iter().enumerate() {
                        let b = V::load(matrix.add(i * self.on.pitch + column));
                        moved = b.mul_add(V::splat(*x_dot.add(input as usize)), moved);
                    }
                    let at = row * self.on.pitch + column;
                    V::load(slopes.add(at)).mul(moved).store(to.add(at));
                    V::load(y.add(at)).mul(V::splat(-TAU * TAU)).mul(moved).store(bends.add(at));
                }
            }
        }
    }
}

impl Call for Backward {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let [dy, slopes, primal, bends, dx, matrix] =
            [self.dy, self.slopes, self.primal, self.bends, self.dx, self.on.matrix]
                .map(|place| place.of(memory));
        // SAFETY: promised by the caller.
        unsafe {
            std::ptr::write_bytes(dx, 0, self.on.rows * self.on.row);
            for row in 0..self.on.rows {
                for (i, &input) in self.on.inputs.iter().enumerate() {
                    let mut sum = V::splat(0.0);
                    for column in (0..self.on.pitch).step_by(V::LANES) {
                        let at = row * self.on.pitch + column;
                        let mut turn = V::load(slopes.add(at)).mul(V::load(dy.add(at)));
                        if !bends.is_null() {
                            turn = V::load(bends.add(at)).mul_add(V::load(primal.add(at)), turn);
                        }
                        sum = V::load(matrix.add(i * self.on.pitch + column)).mul_add(turn, sum);
                    }
                    *dx.add(row * self.on.row + input as usize) = sum.sum();
                }
            }
        }
    }
}

fn on(site: &Site<'_>) -> On {
    let (input, output) = (site.node.inputs[0], site.node.output);
    On {
        matrix: site.theta[0],
        phases: site.constants,
        rows: site.rows(),
        pitch: output.pitch,
        row: input.len(),
        inputs: (0..input.elements()).map(|e| input.place(e)).collect(),
    }
}

impl Lower for Fourier {
    fn keeps(&self, _: bool) -> Kept {
        Kept { y: true, saved: true, saved_dot: true, ..Kept::default() }
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        let (inputs, outputs) = (node.inputs[0].elements(), 2 * self.features);
        let column = |i: usize, c: usize| {
            if c < outputs { (c % self.features * inputs + i) as u32 } else { NONE }
        };
        vec![(0..inputs).flat_map(|i| (0..node.output.pitch).map(move |c| column(i, c))).collect()]
    }

    fn constants(&self, node: &Node) -> Vec<f32> {
        let cosines = self.features..2 * self.features;
        (0..node.output.pitch).map(|c| if cosines.contains(&c) { 0.25 } else { 0.0 }).collect()
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(Waves { on: on(site), x: site.x[0], y: site.y, slopes: site.saved });
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        let (dy, dx, primal) = (back.dy, back.dx[0], Place::NOWHERE);
        if dx.is_somewhere() {
            calls.push(Backward { on: on(site), dy, slopes: site.saved, primal, bends: primal, dx });
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        let (x_dot, to, bends) = (moving.x[0], moving.y, moving.saved);
        calls.push(Tangent { on: on(site), x_dot, y: site.y, slopes: site.saved, to, bends });
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        primal: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        let (dy, dx, bends) = (back.dy, back.dx[0], moving.saved);
        if dx.is_somewhere() {
            calls.push(Backward { on: on(site), dy, slopes: site.saved, primal, bends, dx });
        }
    }
}
