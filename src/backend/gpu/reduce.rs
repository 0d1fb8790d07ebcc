//! The mean over tasks and the outer update (`shaders/reduce.wgsl`).

use super::kernel::{Binding, Declaration};
use super::pass::{Partials, Request};
use crate::meta::{OuterKind, OuterOptimizer};
use bytemuck::{Pod, Zeroable};

/// Lanes of a workgroup.
const WORKGROUP: u32 = 256;

/// How a reduction is cut: it depends on the rows and columns alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Lanes that share the rows of a column. As many as each then has rows to add: that makes the longest lane's way
    /// shortest.
    pub(super) slices: u32,
    /// Workgroups, which each leave a sum of squares.
    pub(super) workgroups: u32,
}

impl Cut {
    /// For `groups` rows of `columns`.
    pub(super) fn of(groups: u32, columns: u32) -> Self {
        let slices = f64::from(groups).sqrt().ceil() as u32;
        let slices = slices.next_power_of_two().clamp(4, 32);
        Self { slices, workgroups: columns.div_ceil(WORKGROUP / slices).min(MOST_GROUPS) }
    }
}

/// The most workgroups that every adapter takes in one dispatch.
pub(super) const MOST_GROUPS: u32 = 65_535;

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
    pub(super) fn new(request: &Request<'_>, partials: &Partials, cut: Cut) -> Self {
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
            norm_parts: cut.workgroups,
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
