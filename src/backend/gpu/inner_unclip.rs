//! The adjoint of clipping (`shaders/inner_unclip.wgsl`).

use super::inner::WORKGROUP;
use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "inner_unclip",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};
