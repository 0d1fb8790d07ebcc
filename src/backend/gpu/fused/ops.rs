//! Operations of the fused pass as its kernel reads them: the twin of `shaders/fused/fused_shape.wgsl`.

use bytemuck::{Pod, Zeroable};

/// "No such thing".
pub(crate) const NONE: u32 = u32::MAX;
pub(crate) const LOAD: u32 = 0;
pub(crate) const DENSE: u32 = 1;
pub(crate) const LOSS: u32 = 2;
pub(crate) const LOSS_TANGENT: u32 = 3;
pub(crate) const PRODUCTS: u32 = 4;
pub(crate) const PREDICTIONS: u32 = 5;

/// What follows an operation, `curve`: a ReLU, a function, its slope, or that and what its bend adds.
pub(crate) const CURVE_RELU: u32 = 1;
pub(crate) const CURVE_FORWARD: u32 = 2;
pub(crate) const CURVE_SLOPE: u32 = 3;
pub(crate) const CURVE_TERM: u32 = 4;

/// `Op` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(crate) struct Op {
    pub(crate) kind: u32,
    pub(crate) tiles: u32,
    pub(crate) points: u32,
    pub(crate) rows: u32,
    pub(crate) inner: u32,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) curve: u32,
    pub(crate) gate: u32,
    pub(crate) weights: u32,
    pub(crate) bias: u32,
    pub(crate) first_block: u32,
    pub(crate) blocks: u32,
    pub(crate) rate: u32,
    pub(crate) dz: u32,
    pub(crate) place: u32,
    pub(crate) slope: u32,
    pub(crate) bend: u32,
    pub(crate) function: u32,
    pub(crate) setting: f32,
    pub(crate) setting_rest: f32,
}

/// `Block` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(crate) struct Block {
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) tiles: u32,
    pub(crate) coef: f32,
    pub(crate) rate: u32,
    pub(crate) bias: f32,
    pub(crate) x: u32,
    pub(crate) gram: u32,
    pub(crate) direction: u32,
    pub(crate) unused: [u32; 3],
}

impl Block {
    /// The block of Bᵀ in place of B: what the backward pass multiplies with. The bias has no part in it.
    pub(crate) fn transposed(self) -> Self {
        Self { left: self.right, right: self.left, bias: 0.0, ..self }
    }
}
