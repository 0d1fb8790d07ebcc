//! The tangent of the cotangents of a loss (`shaders/loss_tangent.wgsl`); told by a [`LossPass`](super::loss::LossPass).

use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "loss_tangent",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", 64.0), ("LOSS", 0.0)],
    workgroup_bytes: 0,
};
