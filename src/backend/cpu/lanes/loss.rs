//! Losses, their cotangents and the cotangents' tangents.

use super::group::Group;
use super::kernels::Kernels as _;
use super::layout::Mat;
use crate::meta::Loss;
use crate::simd::{Isa, MAX_LANES};

impl<I: Isa> Group<'_, I> {
    /// Loss of `out: [outputs, points]` against `y` as a vector at `loss`, and its cotangent, times the lanes'
    /// weights, in `dz`.
    pub(super) fn value_and_cotangent(&self, out: Mat, y: Mat, dz: Mat, points: usize, loss: usize) {
        let outputs = self.plan.model.outputs();
        let weight = self.ptr(self.layout.weight);
        match self.plan.loss {
            Loss::Mse => {
                let share = 1.0 / (points * outputs) as f32;
                let (loss, sum) = (self.ptr(loss), self.ptr(self.layout.sum));
                for (o, (out, y)) in self.rows(out, y, outputs).enumerate() {
                    let dz = self.ptr(dz.skip_rows(o).at);
                    // SAFETY: rows of `points` vectors inside the arena.
                    unsafe {
                        let to = if o == 0 { loss } else { sum };
                        I::mse(out, y, dz, weight, share, points, to);
                        if o > 0 {
                            I::axpy(loss, loss, 1.0, sum, 1);
                        }
                    }
                }
            }
            Loss::CrossEntropy => {
                let share = 1.0 / points as f32;
                let mut total = [0.0; MAX_LANES];
                for p in 0..points {
                    for (lane, total) in total.iter_mut().enumerate().take(I::LANES) {
                        let at = |mat: Mat, o: usize| {
                            self.ptr(mat.skip_rows(o).skip_cols(p).at).wrapping_add(lane)
                        };
                        // SAFETY: elements of matrices inside the arena.
                        unsafe {
                            let class = *at(y, 0);
                            let label = class as usize;
                            let (max, sum) = softmax(outputs, |o| *at(out, o));
                            // A family of tasks of one's own may give any label: what is no class ends the training.
                            let is_class = label < outputs && label as f32 == class;
                            let logit = if is_class { *at(out, label) } else { f32::NAN };
                            *total += (sum.ln() - (logit - max)) * share;
                            let scale = share * *weight.add(lane);
                            for o in 0..outputs {
                                let hit = f32::from(u8::from(o == label));
                                *at(dz, o) = ((*at(out, o) - max).exp() / sum - hit) * scale;
                            }
                        }
                    }
                }
                for (lane, &total) in total.iter().enumerate().take(I::LANES) {
                    // SAFETY: one vector inside the arena.
                    unsafe { *self.ptr(loss).add(lane) = total };
                }
            }
        }
    }

    /// Turns the outputs' tangent at the support points of step `j` into the cotangent's tangent, in place.
    pub(super) fn loss_tangent(&self, j: usize, dot: Mat) {
        let (points, outputs) = (self.layout.support, self.plan.model.outputs());
        let out = self.layout.support_out(j);
        match self.plan.loss {
            // The outputs' tangent went through the output's gate, if it has one.
            Loss::Mse => {
                let scale = 2.0 / (points * outputs) as f32;
                for (c, _) in self.rows(dot, out, outputs) {
                    // SAFETY: rows of `points` vectors inside the arena.
                    unsafe { I::scale_gated(c, scale, None, points) }
                }
            }
            Loss::CrossEntropy => {
                let share = 1.0 / points as f32;
                for p in 0..points {
                    for lane in 0..I::LANES {
                        let at = |mat: Mat, o: usize| {
                            self.ptr(mat.skip_rows(o).skip_cols(p).at).wrapping_add(lane)
                        };
                        // SAFETY: elements of matrices inside the arena.
                        unsafe {
                            let (max, sum) = softmax(outputs, |o| *at(out, o));
                            let share_of = |o: usize| (*at(out, o) - max).exp() / sum;
                            let mean: f32 = (0..outputs).map(|o| share_of(o) * *at(dot, o)).sum();
                            for o in 0..outputs {
                                *at(dot, o) = share_of(o) * (*at(dot, o) - mean) * share;
                            }
                        }
                    }
                }
                if self.layout.layers[self.layout.layers.len() - 1].dense.relu {
                    for (c, gate) in self.rows(dot, out, outputs) {
                        // SAFETY: rows of `points` vectors inside the arena.
                        unsafe { I::scale_gated(c, 1.0, Some(gate), points) }
                    }
                }
            }
        }
    }
}

/// Largest logit, and the sum of exponentials of what the others are below it.
fn softmax(outputs: usize, logit: impl Fn(usize) -> f32) -> (f32, f32) {
    let max = (0..outputs).map(&logit).fold(f32::NEG_INFINITY, f32::max);
    (max, (0..outputs).map(|o| (logit(o) - max).exp()).sum())
}
