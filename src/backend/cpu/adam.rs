//! The outer optimizer's step.

use crate::simd::{Kernel, Vector};

/// One Adam update over slices of equal length.
pub(super) struct AdamStep<'a> {
    pub(super) params: &'a mut [f32],
    pub(super) m: &'a mut [f32],
    pub(super) v: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    pub(super) step: f32,
    pub(super) root: f32,
    pub(super) beta1: (f32, f32),
    pub(super) beta2: (f32, f32),
    pub(super) epsilon: f32,
}

impl Kernel for AdamStep<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let mut this = self;
        let p = &mut this;
        let len = p.gradient.len();
        let one = |e: usize, p: &mut AdamStep<'_>| {
            let g = p.gradient[e];
            p.m[e] = p.beta1.0 * p.m[e] + p.beta1.1 * g;
            p.v[e] = p.beta2.0 * p.v[e] + p.beta2.1 * g * g;
            p.params[e] -= p.step * p.m[e] / (p.v[e].sqrt() * p.root + p.epsilon);
        };
        let whole = len - len % V::LANES;
        for e in (0..whole).step_by(V::LANES) {
            // SAFETY: `e + LANES <= len`, the length of every slice; the instruction set is promised.
            unsafe {
                let g = V::load(p.gradient.as_ptr().add(e));
                let (m, v) = (p.m.as_mut_ptr().add(e), p.v.as_mut_ptr().add(e));
                let params = p.params.as_mut_ptr().add(e);
                let new_m = V::load(m).mul_add(V::splat(p.beta1.0), g.mul(V::splat(p.beta1.1)));
                let new_v = V::load(v).mul_add(V::splat(p.beta2.0), g.mul(g).mul(V::splat(p.beta2.1)));
                let root = new_v.sqrt().mul_add(V::splat(p.root), V::splat(p.epsilon));
                let change = new_m.mul(V::splat(-p.step)).div(root);
                new_m.store(m);
                new_v.store(v);
                V::load(params).add(change).store(params);
            }
        }
        for e in whole..len {
            one(e, p);
        }
    }
}
