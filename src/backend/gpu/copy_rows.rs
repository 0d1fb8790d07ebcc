//! A stretch of floats of every task, copied (`shaders/copy_rows.wgsl`).

use super::kernel::{Binding, Declaration};
use super::layer::Place;
use bytemuck::{Pod, Zeroable};

/// Floats of a workgroup.
pub const WORKGROUP: u32 = 256;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "copy_rows",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct CopyRows {
    pub count: u32,
    pub unused: u32,
    pub origin: Place,
    pub target_place: Place,
}
