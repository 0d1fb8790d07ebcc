//! The mean over tasks and the outer update (`shaders/reduce.wgsl`).

use super::kernel::{Binding, Declaration};
use super::pass::{Partials, Request};
use crate::meta::{OuterKind, OuterOptimizer};
use bytemuck::{Pod, Zeroable};

/// Columns that one workgroup takes, with the default constants.
pub(super) const WIDTH: u32 = 256 / 8;

/// The kernel.
pub(super) const DECLARATION: Declaration = Declaration {
    shader: "reduce",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Write,
        Binding::Write,
        Binding::Read,
        Binding::Write,
        Binding::Read,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", 256.0), ("SLICES", 8.0), ("UPDATE", 1.0)],
    workgroup_bytes: 256 * 4,
};

/// `Outer` of the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Outer {
    pub(super) groups: u32,
    pub(super) columns: u32,
    pub(super) params: u32,
    pub(super) meta: u32,
    pub(super) transposed: u32,
    pub(super) rule: u32,
    pub(super) clips_value: u32,
    pub(super) norm_parts: u32,
    pub(super) inverse_tasks: f32,
    pub(super) beta1: f32,
    pub(super) rest1: f32,
    pub(super) beta2: f32,
    pub(super) rest2: f32,
    pub(super) epsilon: f32,
    pub(super) clip_value: f32,
    pub(super) clip_norm: f32,
}

impl Outer {
    /// The settings; without an outer optimizer, of one that changes nothing.
    pub(super) fn new(request: &Request<'_>, partials: &Partials, norm_parts: u32) -> Self {
        let Request { plan, tasks, outer, .. } = *request;
        let (params, meta) = (plan.model.param_count(), plan.meta_len());
        let fallback = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(0.0, 1) };
        let outer = outer.unwrap_or(&fallback);
        Self {
            groups: partials.groups,
            columns: partials.columns,
            params: params as u32,
            meta: meta as u32,
            transposed: (params + plan.rate_count()) as u32,
            rule: (outer.kind == OuterKind::Adam).into(),
            clips_value: outer.clip_value.is_some().into(),
            norm_parts,
            inverse_tasks: (1.0 / tasks as f64) as f32,
            beta1: outer.beta1 as f32,
            rest1: (1.0 - outer.beta1) as f32,
            beta2: outer.beta2 as f32,
            rest2: (1.0 - outer.beta2) as f32,
            epsilon: outer.epsilon as f32,
            clip_value: outer.clip_value.unwrap_or(0.0),
            clip_norm: outer.clip_norm.unwrap_or(0.0),
        }
    }
}
