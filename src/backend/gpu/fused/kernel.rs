//! The fused kernel (`shaders/fused`).

use crate::wgsl::{Binding, Declaration};

/// The kernel.
pub(crate) const DECLARATION: Declaration = Declaration {
    shader: "fused",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[
        ("WORKGROUP", 64.0),
        ("FAST", 640.0),
        ("SCRATCH", 256.0),
        ("SPILLS", 0.0),
        ("LOSS", 0.0),
        ("SETTING", 0.0),
        ("SOURCE", 1.0),
        ("CURVED", 0.0),
        ("FUNCTION", 0.0),
    ],
    workgroup_bytes: (640 + 256) * 16 + 64 * 4,
};
