//! An inner step of a convolution, backwards, from stretches (`shaders/conv2d_update_tangent_sums.wgsl`).

use super::conv2d_update_sums::WORKGROUP;
use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_update_tangent_sums",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Write, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("SECOND", 1.0), ("RATES", 0.0)],
    workgroup_bytes: WORKGROUP * 4,
};
