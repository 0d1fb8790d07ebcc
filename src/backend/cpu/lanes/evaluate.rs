//! Given tasks: their losses along adaptation.

use super::group::{After, Group, Left, PLAIN};
use super::kernels::Kernels as _;
use super::layout::{Layout, Mat, Set};
use super::mode::Mode;
use super::sample::{Points, Source};
use crate::meta::{Evaluation, Plan};
use crate::simd::Isa;
use crate::task::TaskBatch;
use std::sync::{Arc, Mutex};

/// What a thread of [`evaluate`] takes, bytes.
pub(in super::super) fn evaluation_bytes<I: Isa>(plan: &Plan) -> u64 {
    let points = plan.support + plan.query;
    let points = points * (plan.model.inputs() + plan.targets());
    4 * ((Layout::new(plan, false).len + points) * I::LANES) as u64
}

/// Query losses of θ_0 … θ_K of every task, and predictions if they are asked for.
pub(in super::super) fn evaluate<I: Isa>(
    plan: &Plan,
    theta: &[f32],
    tasks: &TaskBatch,
    threads: usize,
    predictions: bool,
) -> Evaluation {
    let (steps, outputs) = (plan.steps, plan.model.outputs());
    let rows = tasks.query * outputs;
    let all = Evaluation {
        query_loss: vec![0.0; tasks.tasks * (steps + 1)],
        predictions: predictions.then(|| vec![0.0; (steps + 1) * tasks.tasks * rows]),
    };
    let groups = tasks.tasks.div_ceil(I::LANES);
    let (all, plan) = (Mutex::new(all), Arc::new(plan.clone()));
    let work = |thread: usize| {
        let mut group = Group::<I>::new(Arc::clone(&plan), false);
        let mut room = Points::new(0, 0, 0, 0);
        for g in (thread..groups).step_by(threads) {
            let (first, valid) = (g * I::LANES, I::LANES.min(tasks.tasks - g * I::LANES));
            group.fill(Source::Given(tasks), first, valid, &mut room);
            group.begin(theta);
            group.input_products();
            for j in 0..=steps {
                group.query_loss_only(j);
                let losses = group.arena.slice((group.layout.query_loss + j) * I::LANES, valid);
                // A poisoned lock means that another thread panicked, and this one's results are not wanted.
                let Ok(mut all) = all.lock() else { return };
                for (lane, &loss) in losses.iter().enumerate() {
                    all.query_loss[(first + lane) * (steps + 1) + j] = loss;
                }
                if let Some(predictions) = &mut all.predictions {
                    for lane in 0..valid {
                        let to = &mut predictions[((j * tasks.tasks) + first + lane) * rows..][..rows];
                        group.gather(lane, group.layout.query_out, to, tasks.query, outputs);
                    }
                }
                drop(all);
                if j < steps {
                    group.adapt(j);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 1..threads.min(groups) {
            scope.spawn(move || work(thread));
        }
        work(0);
    });
    all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<I: Isa> Group<I> {
    /// One lane of `from: [width, points]` as `[points, width]`.
    fn gather(&self, lane: usize, from: Mat, to: &mut [f32], points: usize, width: usize) {
        for p in 0..points {
            for w in 0..width {
                // SAFETY: an element of a matrix inside the arena.
                to[p * width + w] = unsafe { *self.ptr(from.skip_rows(w).skip_cols(p).at).add(lane) };
            }
        }
    }

    /// θ_K of the first `valid` lanes, `[valid, P]`.
    pub(super) fn fast_weights(&self, out: &mut [f32], valid: usize) {
        let (layout, steps, p) = (&self.layout, self.layout.steps, self.plan.model.param_count());
        for (l, layer) in layout.layers.iter().enumerate() {
            let (i, o, s) = (layer.link.inputs, layer.link.outputs, layout.support);
            let mut at = layout.scratch;
            if layer.mode == Mode::Explicit {
                at = layer.fast(steps).at;
            } else {
                let (to, bias) = (Mat { at, row: i, col: 1 }, Self::column(at + o * i));
                // SAFETY: weight and bias follow one another in scratch and in θ.
                unsafe {
                    I::spread(self.ptr(at), self.theta.wrapping_add(layer.link.weight), layer.link.len())
                };
                let moved = if layer.mode == Mode::Fixed { 0 } else { steps };
                for j in 0..moved {
                    let (dz, h) = (layout.dz(l, Set::Support(j)), layout.h(l, Set::Support(j)).t());
                    let after = |c: Mat| After { scale: -self.rate(j, l), add: self.ptr(c.at), ..PLAIN };
                    self.product((o, s, i), Left::Lanes(dz), h, to, after(to));
                    self.product((o, s, 1), Left::Lanes(dz), self.ones(), bias, after(bias));
                }
            }
            for e in 0..layer.link.len() {
                let values = self.arena.slice((at + e) * I::LANES, valid);
                for (lane, &value) in values.iter().enumerate() {
                    out[lane * p + layer.link.weight + e] = value;
                }
            }
        }
    }
}
