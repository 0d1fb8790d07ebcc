//! Losses, their cotangents, the cotangents' tangents, and predictions.

use crate::meta;
use crate::simd::Vector;
use crate::simd::memory::{Call, Place};
use std::sync::Arc;

/// The outputs of a pass.
pub(super) struct Outputs {
    pub(super) loss: meta::Loss,
    /// Float of a row for each output, and floats of a row.
    pub(super) places: Arc<[u32]>,
    pub(super) row: usize,
    /// Points of the pass, and of the set whose mean the loss is.
    pub(super) points: usize,
    pub(super) all: usize,
    /// Whether these are the first points of the set.
    pub(super) begins: bool,
    /// Of each point in the mean; nowhere where all count alike.
    pub(super) shares: Place,
    pub(super) labels: Place,
    pub(super) targets: usize,
}

/// The pass's share of the mean loss, and the cotangent of the outputs times `weight`.
pub(super) struct Loss {
    pub(super) outputs: Outputs,
    pub(super) y: Place,
    /// May be nowhere, as may be the report.
    pub(super) dy: Place,
    pub(super) weight: f32,
    pub(super) report: Place,
}

/// The tangent of the outputs' cotangent from the tangent of the outputs.
pub(super) struct LossTangent {
    pub(super) outputs: Outputs,
    pub(super) y: Place,
    pub(super) y_dot: Place,
    pub(super) dy_dot: Place,
}

/// Outputs, `[points, outputs]`.
pub(super) struct Predictions {
    pub(super) outputs: Outputs,
    pub(super) y: Place,
    pub(super) to: Place,
}

impl Outputs {
    /// A point's outputs, or whatever lies at `at` in their places.
    fn of(&self, at: *mut f32, point: usize) -> impl Iterator<Item = *mut f32> + Clone {
        let start = at.wrapping_add(point * self.row);
        self.places.iter().map(move |&place| start.wrapping_add(place as usize))
    }

    /// A point's share of the mean.
    ///
    /// # Safety
    /// As [`Call::run`].
    unsafe fn share(&self, memory: *mut f32, point: usize) -> f32 {
        let shares = self.shares.of(memory);
        // SAFETY: promised by the caller.
        if shares.is_null() { 1.0 / self.all as f32 } else { unsafe { *shares.add(point) } }
    }

    /// Targets of a point.
    ///
    /// # Safety
    /// As [`Call::run`].
    unsafe fn labels(&self, memory: *mut f32, point: usize) -> &[f32] {
        let start = self.labels.of(memory).wrapping_add(point * self.targets);
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts(start, self.targets) }
    }
}

impl Call for Loss {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (outputs, weight) = (&self.outputs, self.weight);
        let (y, dy, report) = (self.y.of(memory), self.dy.of(memory), self.report.of(memory));
        let mut total = 0.0;
        // SAFETY: promised by the caller.
        unsafe {
            if !dy.is_null() {
                std::ptr::write_bytes(dy, 0, outputs.points * outputs.row);
            }
            for point in 0..outputs.points {
                let labels = outputs.labels(memory, point);
                let out = || outputs.of(y, point);
                let put = |o: usize, value: f32| {
                    if !dy.is_null() {
                        *dy.add(point * outputs.row + outputs.places[o] as usize) = value;
                    }
                };
                match outputs.loss {
                    meta::Loss::Mse => {
                        let share = outputs.share(memory, point) / outputs.targets as f32;
                        for (o, (out, y)) in out().zip(labels).enumerate() {
                            let error = *out - y;
                            total += error * error * share;
                            put(o, error * 2.0 * share * weight);
                        }
                    }
                    meta::Loss::CrossEntropy => {
                        let (share, label) = (outputs.share(memory, point), labels[0] as usize);
                        let (max, sum) = softmax(out());
                        // A family of tasks of one's own may give any label: what is no class ends the training.
                        if label >= outputs.places.len() || label as f32 != labels[0] {
                            total = f32::NAN;
                        }
                        for (o, out) in out().enumerate() {
                            let logit = *out - max;
                            let hit = if o == label { 1.0 } else { 0.0 };
                            total += hit * (sum.ln() - logit) * share;
                            put(o, (logit.exp() / sum - hit) * share * weight);
                        }
                    }
                }
            }
            if !report.is_null() {
                *report = total + if outputs.begins { 0.0 } else { *report };
            }
        }
    }
}

impl Call for LossTangent {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let outputs = &self.outputs;
        let [y, y_dot, dy_dot] = [self.y, self.y_dot, self.dy_dot].map(|place| place.of(memory));
        // SAFETY: promised by the caller.
        unsafe {
            std::ptr::write_bytes(dy_dot, 0, outputs.points * outputs.row);
            for point in 0..outputs.points {
                let (out, dot) = (|| outputs.of(y, point), || outputs.of(y_dot, point));
                let to = outputs.of(dy_dot, point);
                match outputs.loss {
                    meta::Loss::Mse => {
                        let scale = 2.0 * outputs.share(memory, point) / outputs.targets as f32;
                        to.zip(dot()).for_each(|(to, dot)| *to = *dot * scale);
                    }
                    meta::Loss::CrossEntropy => {
                        let share = outputs.share(memory, point);
                        let (max, sum) = softmax(out());
                        let part = |out: *mut f32| (*out - max).exp() / sum;
                        let mean: f32 = out().zip(dot()).map(|(out, dot)| part(out) * *dot).sum();
                        for (to, (out, dot)) in to.zip(out().zip(dot())) {
                            *to = part(out) * (*dot - mean) * share;
                        }
                    }
                }
            }
        }
    }
}

impl Call for Predictions {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (y, to) = (self.y.of(memory), self.to.of(memory));
        let width = self.outputs.places.len();
        for point in 0..self.outputs.points {
            for (o, out) in self.outputs.of(y, point).enumerate() {
                // SAFETY: promised by the caller.
                unsafe { *to.add(point * width + o) = *out };
            }
        }
    }
}

/// Largest logit, and the sum of exponentials of what the others are below it.
///
/// # Safety
/// Every logit must be valid.
unsafe fn softmax(logits: impl Iterator<Item = *mut f32> + Clone) -> (f32, f32) {
    // SAFETY: promised by the caller.
    let values = logits.map(|logit| unsafe { *logit });
    let max = values.clone().fold(f32::NEG_INFINITY, f32::max);
    (max, values.map(|logit| (logit - max).exp()).sum())
}
