//! Its CPU kernels: `y = f(x)`, `dx = f′(x) dy`, `ẏ = f′(x) ẋ`, `dẋ = f″(x) ẋ dy + f′(x) dẏ`. A ReLU's gate is its output.

use super::Function;
use super::curve::{Curve, with_curve};
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
use crate::simd::memory::{Call, Calls, LINE, Place, ranges};
use crate::simd::{Isa, Vector};
use std::ops::Range;

/// `c = f(x)`.
#[derive(Clone, Copy)]
struct Apply<F> {
    curve: F,
    c: Place,
    x: Place,
    len: usize,
}

/// `c = f′(x) d`.
#[derive(Clone, Copy)]
struct Slope<F> {
    curve: F,
    c: Place,
    x: Place,
    d: Place,
    len: usize,
}

/// `c = f″(x) ẋ dy + f′(x) dẏ`.
#[derive(Clone, Copy)]
struct Bend<F> {
    curve: F,
    c: Place,
    x: Place,
    x_dot: Place,
    dy: Place,
    dy_dot: Place,
    len: usize,
}

/// `c = d` where the gate is positive, else 0.
#[derive(Clone, Copy)]
struct Gate {
    c: Place,
    gate: Place,
    d: Place,
    len: usize,
}

impl<F: Curve> Call for Apply<F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (curve, c, x) = (self.curve, self.c.of(memory), self.x.of(memory));
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: promised by the caller.
            unsafe { curve.triple(V::load(x.add(at)))[0].store(c.add(at)) };
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |range: Range<usize>| {
            let [c, x] = [self.c, self.x].map(|place| place.after(range.start));
            Self { c, x, len: range.len(), ..self }
        };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl<F: Curve> Call for Slope<F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let [c, x, d] = [self.c, self.x, self.d].map(|place| place.of(memory));
        let curve = self.curve;
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: promised by the caller.
            unsafe {
                let slope = curve.triple(V::load(x.add(at)))[1];
                slope.mul(V::load(d.add(at))).store(c.add(at));
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |range: Range<usize>| {
            let [c, x, d] = [self.c, self.x, self.d].map(|place| place.after(range.start));
            Self { c, x, d, len: range.len(), ..self }
        };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl<F: Curve> Call for Bend<F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let [c, x, x_dot, dy, dy_dot] =
            [self.c, self.x, self.x_dot, self.dy, self.dy_dot].map(|place| place.of(memory));
        let curve = self.curve;
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: promised by the caller.
            unsafe {
                let [_, slope, bend] = curve.triple(V::load(x.add(at)));
                let bent = bend.mul(V::load(x_dot.add(at))).mul(V::load(dy.add(at)));
                slope.mul_add(V::load(dy_dot.add(at)), bent).store(c.add(at));
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |range: Range<usize>| {
            let [c, x, x_dot, dy, dy_dot] =
                [self.c, self.x, self.x_dot, self.dy, self.dy_dot].map(|place| place.after(range.start));
            Self { c, x, x_dot, dy, dy_dot, len: range.len(), ..self }
        };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl Call for Gate {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let [c, gate, d] = [self.c, self.gate, self.d].map(|place| place.of(memory));
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: promised by the caller.
            unsafe { V::load(d.add(at)).gated(V::load(gate.add(at))).store(c.add(at)) };
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let some = |range: Range<usize>| {
            let [c, gate, d] = [self.c, self.gate, self.d].map(|place| place.after(range.start));
            Self { c, gate, d, len: range.len() }
        };
        ranges(self.len, LINE, most).into_iter().map(some).collect()
    }
}

impl Function {
    /// `c = f′ d`.
    fn slope<I: Isa>(self, site: &Site<'_>, d: Place, c: Place, calls: &mut Calls<I>) {
        let (x, len) = (site.x[0], site.len());
        if self == (Self::Relu {}) {
            calls.push(Gate { c, gate: site.y, d, len });
        } else {
            with_curve!(self, curve => calls.push(Slope { curve, c, x, d, len }));
        }
    }
}

impl Lower for Function {
    fn keeps(&self, _: bool) -> Kept {
        let relu = *self == (Self::Relu {});
        Kept { x: !relu, y: relu, x_dot: !relu, ..Kept::default() }
    }

    fn lies_as_inputs(&self) -> bool {
        true
    }

    fn in_place(&self) -> bool {
        true
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        let (x, c, len) = (site.x[0], site.y, site.len());
        with_curve!(*self, curve => calls.push(Apply { curve, c, x, len }));
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if back.dx[0].is_somewhere() {
            self.slope(site, back.dy, back.dx[0], calls);
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        self.slope(site, moving.x[0], moving.y, calls);
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        let (x, x_dot, c, dy_dot, len) = (site.x[0], moving.x[0], back.dx[0], back.dy, site.len());
        if c.is_somewhere() {
            with_curve!(*self, curve => calls.push(Bend { curve, c, x, x_dot, dy, dy_dot, len }));
        }
    }
}
