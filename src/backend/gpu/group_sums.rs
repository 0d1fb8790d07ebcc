//! Rows of tasks added up in groups (`shaders/group_sums.wgsl`).

use super::kernel::{Binding, Declaration};
use bytemuck::{Pod, Zeroable};

/// Columns of a workgroup.
pub const WORKGROUP: u32 = 256;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "group_sums",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct GroupSums {
    pub columns: u32,
    pub group: u32,
    pub first: u32,
    pub tasks: u32,
}
