//! The mean over tasks and the outer update (`shaders/reduce.wgsl`).

use super::request::{Partials, Request};
use crate::meta::{OuterKind, OuterOptimizer};
use crate::wgsl::{Binding, Declaration};
use bytemuck::{Pod, Zeroable};

/// Lanes of a workgroup.
const WORKGROUP: u32 = 256;

/// How a reduction is cut: it depends on the rows and columns alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Lanes that share the rows of a column. As many as each then has rows to add: that makes the longest lane's way
    /// shortest.
    pub(crate) slices: u32,
    /// Workgroups, which each leave a sum of squares.
    pub(crate) workgroups: u32,
}

impl Cut {
    /// For `groups` rows of `columns`.
    pub(crate) fn of(groups: u32, columns: u32) -> Self {
        let slices = f64::from(groups).sqrt().ceil() as u32;
        let slices = slices.next_power_of_two().clamp(4, 32);
        Self { slices, workgroups: columns.div_ceil(WORKGROUP / slices).min(MOST_GROUPS) }
    }

    /// Constants of the kernel; `updates` says that it applies the outer rule.
    pub(crate) fn constants(self, updates: bool) -> [(&'static str, f64); 2] {
        [("SLICES", f64::from(self.slices)), ("UPDATE", f64::from(u8::from(updates)))]
    }
}

/// The most workgroups that every adapter takes in one dispatch.
pub(crate) const MOST_GROUPS: u32 = 65_535;

/// The kernel.
pub(crate) const DECLARATION: Declaration = Declaration {
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
pub(crate) struct Outer {
    pub(crate) groups: u32,
    pub(crate) columns: u32,
    pub(crate) params: u32,
    pub(crate) meta: u32,
    pub(crate) transposed: u32,
    pub(crate) rule: u32,
    pub(crate) clips_value: u32,
    pub(crate) norm_parts: u32,
    pub(crate) inverse_tasks: f32,
    pub(crate) beta1: f32,
    pub(crate) rest1: f32,
    pub(crate) beta2: f32,
    pub(crate) rest2: f32,
    pub(crate) epsilon: f32,
    pub(crate) clip_value: f32,
    pub(crate) clip_norm: f32,
    pub(crate) least_rate: f32,
    pub(crate) most_rate: f32,
    pub(crate) holds_rates: u32,
    pub(crate) unused: u32,
}

impl Outer {
    /// The settings; without an outer optimizer, of one that changes nothing.
    pub(crate) fn new(request: &Request<'_>, partials: &Partials, cut: Cut) -> Self {
        let Request { plan, tasks, outer, .. } = *request;
        let (params, meta) = (plan.model.param_count(), plan.meta_len());
        let fallback = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(0.0, 1) };
        let outer = outer.unwrap_or(&fallback);
        let [least_rate, most_rate] = plan.rates.held().unwrap_or_default();
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
            least_rate,
            most_rate,
            holds_rates: plan.rates.held().is_some().into(),
            unused: 0,
        }
    }
}
