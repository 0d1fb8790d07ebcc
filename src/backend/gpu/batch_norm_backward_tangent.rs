//! An inner step of a batch norm, backwards (`shaders/batch_norm_backward_tangent.wgsl`).

use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "batch_norm_backward_tangent",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[
        ("WORKGROUP", 256.0),
        ("WIDE", 1.0),
        ("SECOND", 1.0),
        ("BELOW", 1.0),
        ("AFFINE", 1.0),
        ("RATES", 0.0),
    ],
    workgroup_bytes: 256 * 16 + 256 * 4,
};
