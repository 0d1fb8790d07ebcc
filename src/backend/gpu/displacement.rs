//! What takes the place of a gradient in Reptile (`shaders/displacement.wgsl`).

use super::inner::WORKGROUP;
use super::kernel::{Binding, Declaration};
use super::layer::Place;
use bytemuck::{Pod, Zeroable};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "displacement",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct Displacement {
    pub count: u32,
    pub adapted: u32,
    pub first_weight: Place,
    pub last_weight: Place,
    pub v: Place,
}
