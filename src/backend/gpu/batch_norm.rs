//! Batch norm forward (`shaders/batch_norm.wgsl`).

use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "batch_norm",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Write, Binding::Write],
    constants: &[("WORKGROUP", 256.0), ("WIDE", 1.0), ("AFFINE", 1.0)],
    workgroup_bytes: 256 * 16,
};
