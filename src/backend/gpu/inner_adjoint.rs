//! The adjoint of an inner step (`shaders/inner_adjoint.wgsl`).

use super::inner::WORKGROUP;
use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "inner_adjoint",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("SECOND", 1.0), ("CLIPS", 0.0), ("RATES", 0.0)],
    workgroup_bytes: 4 * WORKGROUP,
};
