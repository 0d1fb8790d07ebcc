//! The mean over tasks and the outer update (`shaders/reduce.wgsl`).

use super::kernel::{Binding, Declaration};
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
