//! Dispatches as rooms write them down: what they bind, and what they are told.

use super::declaration::Declaration;
use super::layer_pass::Place;
use bytemuck::NoUninit;

/// Workgroups along one dimension of a dispatch that any adapter takes.
pub(crate) const MOST_WORKGROUPS: u32 = 65_535;

/// A part of a buffer, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// First byte, aligned for binding.
    pub offset: u64,
    /// Length; a multiple of 16.
    pub bytes: u64,
}

/// What a kernel binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The uniform at this place of the pass's uniforms.
    Uniform(usize),
    /// The meta-parameters: θ₀, then the inner rates. Read only, so they stand in for what a kernel does not read.
    Params,
    /// A slice of one of the pass's buffers.
    Slice(usize, Slice),
}

/// Numbers of every task: their buffer, and where they lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The buffer.
    pub bound: Bound,
    /// The place.
    pub place: Place,
}

/// A dispatch whose uniform has no place yet.
#[derive(Clone, Debug)]
pub struct Call {
    /// The kernel.
    pub kernel: &'static Declaration,
    /// Its overrides.
    pub constants: Vec<(&'static str, f64)>,
    /// Its uniform.
    pub uniform: Vec<u8>,
    /// What it binds behind that.
    pub bindings: Vec<Bound>,
    /// Workgroups.
    pub workgroups: [u32; 3],
}

impl Call {
    /// A dispatch.
    #[must_use]
    pub fn new<T: NoUninit>(
        kernel: &'static Declaration,
        constants: &[(&'static str, f64)],
        uniform: &T,
        bindings: &[Bound],
        workgroups: [u32; 3],
    ) -> Self {
        let uniform = bytemuck::bytes_of(uniform).to_vec();
        Self { kernel, constants: constants.to_vec(), uniform, bindings: bindings.to_vec(), workgroups }
    }
}
