//! Losses, their cotangents and the cotangents' tangents.

use super::super::kernels::Isa;
use super::memory::Set;
use super::task::Task;
use crate::meta::Loss;

impl<I: Isa> Task<I> {
    /// The outputs' values, or whatever lies at `at` in their places: point by point, output by output.
    fn outputs(&self, at: usize, point: usize) -> impl Iterator<Item = *mut f32> + Clone {
        let program = &self.compiled.program;
        let start = self.ptr(at + point * program.nodes[program.last()].len());
        program.output.iter().map(move |&place| start.wrapping_add(place as usize))
    }

    /// The set's mean loss; its cotangent, times `weight`, goes to the outputs' cotangents unless the weight is 0.
    pub(super) fn loss(&self, set: &Set, weight: f32) -> f32 {
        let (plan, last) = (&self.compiled.plan, self.compiled.program.last());
        let (targets, out) = (plan.targets(), set.act[last]);
        let cot = if weight == 0.0 { None } else { Some(set.cot[last]) };
        if let Some(cot) = cot {
            self.arena.fill(cot, set.points * self.compiled.program.nodes[last].len(), 0.0);
        }
        let mut total = 0.0;
        for point in 0..set.points {
            let y = self.arena.slice(set.labels + point * targets, targets);
            let out = || self.outputs(out, point);
            let put = |o: usize, value: f32| {
                if let Some(cot) = cot {
                    let program = &self.compiled.program;
                    let at = point * program.nodes[last].len() + program.output[o] as usize;
                    // SAFETY: an element of an array inside the arena.
                    unsafe { *self.ptr(cot + at) = value };
                }
            };
            match plan.loss {
                Loss::Mse => {
                    let share = 1.0 / (set.points * targets) as f32;
                    for (o, (out, y)) in out().zip(y).enumerate() {
                        // SAFETY: as above.
                        let error = unsafe { *out } - y;
                        total += error * error * share;
                        put(o, error * 2.0 * share * weight);
                    }
                }
                Loss::CrossEntropy => {
                    let (share, label) = (1.0 / set.points as f32, y[0] as usize);
                    let (max, sum) = softmax(out());
                    // A family of tasks of one's own may give any label: what is no class ends the training.
                    if label >= out().count() || label as f32 != y[0] {
                        total = f32::NAN;
                    }
                    for (o, out) in out().enumerate() {
                        // SAFETY: as above.
                        let logit = unsafe { *out } - max;
                        let hit = if o == label { 1.0 } else { 0.0 };
                        total += hit * (sum.ln() - logit) * share;
                        put(o, (logit.exp() / sum - hit) * share * weight);
                    }
                }
            }
        }
        total
    }

    /// The tangent of the outputs' cotangent from the tangent of the outputs.
    pub(super) fn loss_tangent(&self, set: &Set) {
        let (plan, last) = (&self.compiled.plan, self.compiled.program.last());
        let tangent = &self.memory.tangent;
        self.arena.fill(tangent.cot[last], set.points * self.compiled.program.nodes[last].len(), 0.0);
        for point in 0..set.points {
            let (out, dot) =
                (|| self.outputs(set.act[last], point), || self.outputs(tangent.act[last], point));
            let to = self.outputs(tangent.cot[last], point);
            // SAFETY: elements of arrays inside the arena.
            unsafe {
                match plan.loss {
                    Loss::Mse => {
                        let scale = 2.0 / (set.points * plan.targets()) as f32;
                        to.zip(dot()).for_each(|(to, dot)| *to = *dot * scale);
                    }
                    Loss::CrossEntropy => {
                        let share = 1.0 / set.points as f32;
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

    /// The query predictions of the last forward pass, `[points, outputs]`.
    pub(super) fn predictions(&self, to: &mut [f32]) {
        let out = self.memory.query.act[self.compiled.program.last()];
        for (point, to) in to.chunks_exact_mut(self.compiled.program.output.len()).enumerate() {
            for (to, from) in to.iter_mut().zip(self.outputs(out, point)) {
                // SAFETY: an element of an array inside the arena.
                *to = unsafe { *from };
            }
        }
    }
}

/// Largest logit, and the sum of exponentials of what the others are below it.
fn softmax(logits: impl Iterator<Item = *mut f32> + Clone) -> (f32, f32) {
    // SAFETY: elements of an array inside the arena, by the only caller.
    let values = logits.map(|logit| unsafe { *logit });
    let max = values.clone().fold(f32::NEG_INFINITY, f32::max);
    (max, values.map(|logit| (logit - max).exp()).sum())
}
