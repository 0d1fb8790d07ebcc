//! Sums over the adapted parameters of a task, for clipping by norm (`shaders/inner_sum.wgsl`).

use super::inner::WORKGROUP;
use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "inner_sum",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("ALONG", 0.0)],
    workgroup_bytes: 4 * WORKGROUP,
};
