//! Losses, their cotangents and the cotangents' tangents.

use super::group::Group;
use super::kernels::{Kernels as _, Rows};
use super::layout::Mat;
use crate::losses::cpu::{Kernels, Points, with_kernels};
use crate::simd::{Isa, Kernel, Vector};

/// One point of every lane: a column of each matrix.
#[derive(Clone, Copy)]
struct Column {
    out: Rows,
    y: Rows,
    /// Cotangents, or tangents that cotangents' tangents take the place of.
    dz: Rows,
    point: usize,
}

impl Points for Column {
    #[inline(always)]
    unsafe fn output<V: Vector>(self, o: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(self.out.at::<V>(o, self.point)) }
    }

    #[inline(always)]
    unsafe fn target<V: Vector>(self, t: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(self.y.at::<V>(t, self.point)) }
    }

    #[inline(always)]
    unsafe fn moved<V: Vector>(self, o: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(self.dz.at::<V>(o, self.point)) }
    }

    #[inline(always)]
    unsafe fn put<V: Vector>(self, o: usize, value: V) {
        // SAFETY: promised by the caller.
        unsafe { value.store(self.dz.at::<V>(o, self.point)) }
    }
}

/// A loss over the points of a set.
struct Run<K> {
    kernels: K,
    outputs: usize,
    points: usize,
    column: Column,
    share: f32,
    /// Where the loss goes, and the lanes' weights of cotangents; null for the tangent.
    loss: *mut f32,
    weight: *const f32,
}

impl<K: Kernels> Kernel for Run<K> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            let share = V::splat(self.share);
            if self.loss.is_null() {
                for point in 0..self.points {
                    self.kernels.tangent(self.outputs, Column { point, ..self.column }, share);
                }
                return;
            }
            let (scale, mut total) = (V::load(self.weight).mul(share), V::splat(0.0));
            for point in 0..self.points {
                let column = Column { point, ..self.column };
                total = total.add(self.kernels.value(self.outputs, column, scale));
            }
            total.mul(share).store(self.loss);
        }
    }
}

impl<I: Isa> Group<I> {
    /// Runs a loss of this plan; see [`Run`].
    fn run_loss(&self, [out, y, dz]: [Mat; 3], points: usize, loss: *mut f32, weight: *const f32) {
        let [out, y, dz] = [out, y, dz].map(|mat| self.matrix(mat));
        let (outputs, share) = (self.plan.model.outputs(), 1.0 / points as f32);
        let column = Column { out, y, dz, point: 0 };
        with_kernels!(self.plan.loss, kernels => {
            // SAFETY: matrices and vectors inside the arena.
            unsafe { I::run(Run { kernels, outputs, points, column, share, loss, weight }) }
        });
    }

    /// Loss of `out: [outputs, points]` against `y` as a vector at `loss`, and its cotangent, times the lanes'
    /// weights, in `dz`.
    pub(super) fn value_and_cotangent(&self, out: Mat, y: Mat, dz: Mat, points: usize, loss: usize) {
        self.run_loss([out, y, dz], points, self.ptr(loss), self.ptr(self.layout.weight));
    }

    /// Turns the outputs' tangent at the support points of step `j` into the cotangent's tangent, in place.
    pub(super) fn loss_tangent(&self, j: usize, dot: Mat) {
        let (points, layout) = (self.layout.support, &self.layout);
        let out = layout.support_out(j);
        self.run_loss([out, layout.support_y, dot], points, std::ptr::null_mut(), std::ptr::null());
        if layout.layers[layout.layers.len() - 1].link.relu() {
            for (c, gate) in self.rows(dot, out, self.plan.model.outputs()) {
                // SAFETY: rows of `points` vectors inside the arena.
                unsafe { I::gated(c, gate, points) }
            }
        }
    }
}
