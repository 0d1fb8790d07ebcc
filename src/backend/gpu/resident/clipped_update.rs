//! The outer update of a meta-gradient whose norm is clipped (`shaders/clipped_update.wgsl`).

use crate::wgsl::{Binding, Declaration};

/// Elements that one workgroup takes.
pub(crate) const WORKGROUP: u32 = 256;

/// The kernel.
pub(crate) const DECLARATION: Declaration = Declaration {
    shader: "clipped_update",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Write,
        Binding::Write,
        Binding::Read,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", 256.0)],
    workgroup_bytes: 256 * 4,
};
