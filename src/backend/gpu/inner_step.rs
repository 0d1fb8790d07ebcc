//! Moments after an inner step and the weights (`shaders/inner_step.wgsl`).

use super::inner::WORKGROUP;
use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "inner_step",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};
