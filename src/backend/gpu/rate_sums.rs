//! Gradients of rates that many parameters share (`shaders/rate_sums.wgsl`).

use super::kernel::{Binding, Declaration};
use bytemuck::{Pod, Zeroable};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "rate_sums",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", 64.0)],
    workgroup_bytes: 64 * 4,
};

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct RateSums {
    pub parts: u32,
    pub first: u32,
    pub sums_stride: u32,
    pub row_stride: u32,
}
