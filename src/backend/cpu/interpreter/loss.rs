//! Losses, their cotangents, the cotangents' tangents, and predictions. A vector is as many points, whose outputs are
//! gathered: rows are laid out for the kernels of layers.

use crate::losses::cpu::{Kernels, Points};
use crate::simd::memory::{Call, Place};
use crate::simd::{MAX_LANES, Vector};
use std::sync::Arc;

/// The outputs of a pass.
pub(super) struct Outputs {
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
pub(super) struct Loss<K> {
    pub(super) kernels: K,
    pub(super) outputs: Outputs,
    pub(super) y: Place,
    /// May be nowhere, as may be the report.
    pub(super) dy: Place,
    pub(super) weight: f32,
    pub(super) report: Place,
}

/// The tangent of the outputs' cotangent from the tangent of the outputs.
pub(super) struct LossTangent<K> {
    pub(super) kernels: K,
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

/// As many points as a vector has lanes, or the last ones.
#[derive(Clone, Copy)]
struct Block<'a> {
    places: &'a [u32],
    row: usize,
    targets: usize,
    count: usize,
    labels: *const f32,
    y: *const f32,
    y_dot: *const f32,
    /// May be null.
    to: *mut f32,
}

/// Numbers a stride apart, 0 beyond `count`.
#[inline(always)]
unsafe fn gather<V: Vector>(from: *const f32, stride: usize, count: usize) -> V {
    let mut lanes = [0.0_f32; MAX_LANES];
    // SAFETY: promised by the caller; there are no more points than lanes.
    unsafe {
        for lane in 0..count {
            *lanes.as_mut_ptr().add(lane) = *from.add(lane * stride);
        }
        V::load(lanes.as_ptr())
    }
}

impl Points for Block<'_> {
    #[inline(always)]
    unsafe fn output<V: Vector>(self, o: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { gather(self.y.add(self.places[o] as usize), self.row, self.count) }
    }

    #[inline(always)]
    unsafe fn target<V: Vector>(self, t: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { gather(self.labels.add(t), self.targets, self.count) }
    }

    #[inline(always)]
    unsafe fn moved<V: Vector>(self, o: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { gather(self.y_dot.add(self.places[o] as usize), self.row, self.count) }
    }

    #[inline(always)]
    unsafe fn put<V: Vector>(self, o: usize, value: V) {
        if self.to.is_null() {
            return;
        }
        let mut lanes = [0.0_f32; MAX_LANES];
        // SAFETY: promised by the caller; there are no more points than lanes.
        unsafe {
            value.store(lanes.as_mut_ptr());
            let to = self.to.add(self.places[o] as usize);
            for lane in 0..self.count {
                *to.add(lane * self.row) = *lanes.as_ptr().add(lane);
            }
        }
    }
}

impl Outputs {
    /// The points from `first` on, with `[y, ẏ]` and where to put what is made of them.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn block<V: Vector>(
        &self,
        memory: *mut f32,
        first: usize,
        [y, y_dot]: [Place; 2],
        to: Place,
    ) -> Block<'_> {
        Block {
            places: &self.places,
            row: self.row,
            targets: self.targets,
            count: V::LANES.min(self.points - first),
            labels: self.labels.after(first * self.targets).of(memory),
            y: y.after(first * self.row).of(memory),
            y_dot: y_dot.after(first * self.row).of(memory),
            to: to.after(first * self.row).of(memory),
        }
    }

    /// Shares of the mean of the points from `first` on.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn shares<V: Vector>(&self, memory: *mut f32, first: usize) -> V {
        let count = V::LANES.min(self.points - first);
        let one = 1.0 / self.all as f32;
        // SAFETY: promised by the caller.
        unsafe {
            match self.shares.is_somewhere() {
                true => gather(self.shares.after(first).of(memory), 1, count),
                false => gather(&raw const one, 0, count),
            }
        }
    }
}

impl<K: Kernels> Call for Loss<K> {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (outputs, dy, report) = (&self.outputs, self.dy.of(memory), self.report.of(memory));
        // SAFETY: promised by the caller.
        unsafe {
            if !dy.is_null() {
                std::ptr::write_bytes(dy, 0, outputs.points * outputs.row);
            }
            let (zero, weight, mut total) = (V::splat(0.0), V::splat(self.weight), V::splat(0.0));
            for first in (0..outputs.points).step_by(V::LANES) {
                let block = outputs.block::<V>(memory, first, [self.y, Place::NOWHERE], self.dy);
                let share = outputs.shares::<V>(memory, first);
                let loss = self.kernels.value(outputs.places.len(), block, share.mul(weight));
                // Lanes beyond the last point have no share, nor have points without a weight.
                total = share.mul_add(share.greater(zero, loss, zero), total);
            }
            if !report.is_null() {
                *report = total.sum() + if outputs.begins { 0.0 } else { *report };
            }
        }
    }
}

impl<K: Kernels> Call for LossTangent<K> {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let outputs = &self.outputs;
        // SAFETY: promised by the caller.
        unsafe {
            std::ptr::write_bytes(self.dy_dot.of(memory), 0, outputs.points * outputs.row);
            for first in (0..outputs.points).step_by(V::LANES) {
                let block = outputs.block::<V>(memory, first, [self.y, self.y_dot], self.dy_dot);
                self.kernels.tangent(outputs.places.len(), block, outputs.shares::<V>(memory, first));
            }
        }
    }
}

impl Call for Predictions {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (y, to, outputs) = (self.y.of(memory), self.to.of(memory), &self.outputs);
        let width = outputs.places.len();
        for point in 0..outputs.points {
            for (o, &place) in outputs.places.iter().enumerate() {
                // SAFETY: promised by the caller.
                unsafe { *to.add(point * width + o) = *y.add(point * outputs.row + place as usize) };
            }
        }
    }
}
