//! The gradient of a convolution's parameters from its stretches (`shaders/conv2d_update_sums.wgsl`).

use super::kernel::{Binding, Declaration};

/// Parameters of a workgroup.
pub const WORKGROUP: u32 = 64;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_update_sums",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("STEP", 1.0), ("ADD", 0.0)],
    workgroup_bytes: 0,
};
