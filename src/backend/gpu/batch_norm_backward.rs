//! Batch norm backward, and the inner step of its parameters (`shaders/batch_norm_backward.wgsl`).

use super::kernel::{Binding, Declaration};

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "batch_norm_backward",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", 256.0), ("WIDE", 1.0), ("RESULT", 0.0), ("BELOW", 1.0)],
    workgroup_bytes: 256 * 16,
};

/// What becomes of the parameters' gradient: nothing.
pub const RESULT_NONE: f64 = 0.0;
/// θ_{j+1}.
pub const RESULT_STEP: f64 = 1.0;
/// v, for the first time.
pub const RESULT_SETS: f64 = 2.0;
/// v, added to.
pub const RESULT_ADDS: f64 = 3.0;
