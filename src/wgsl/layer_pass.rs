//! What the kernels of a layer are told (`shaders/shared/layer.wgsl`).

use bytemuck::{Pod, Zeroable};

/// Where a number of every task lies in a buffer, floats.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Place {
    /// Of task 0.
    pub offset: u32,
    /// From task to task; 0 for what all tasks share.
    pub stride: u32,
}

impl Place {
    /// A place.
    #[must_use]
    pub fn new(offset: usize, stride: usize) -> Self {
        Self { offset: offset as u32, stride: stride as u32 }
    }

    /// The place `by` floats further on.
    #[must_use]
    pub fn plus(self, by: usize) -> Self {
        Self { offset: self.offset + by as u32, ..self }
    }
}

/// One layer in one pass over all tasks; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct LayerPass {
    pub points: u32,
    pub inputs: u32,
    pub outputs: u32,
    pub relu: u32,
    pub relu_below: u32,
    pub adapted: u32,
    pub input_moves: u32,
    pub rate_adds: u32,
    pub channels: u32,
    pub height: u32,
    pub width: u32,
    pub out_height: u32,
    pub out_width: u32,
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
    pub x: Place,
    pub y: Place,
    pub dz: Place,
    pub dx: Place,
    pub x_dot: Place,
    pub y_dot: Place,
    pub dz_dot: Place,
    pub dx_dot: Place,
    pub weight: Place,
    pub next: Place,
    pub v: Place,
    pub rate: Place,
    pub rate_gradient: Place,
    pub stats: Place,
    pub record: Place,
    pub record_words: u32,
    pub epsilon: f32,
    pub stretches: u32,
    pub stretch: u32,
    pub kernel_width: u32,
    pub padding_width: u32,
    pub bias: u32,
    pub adds: u32,
    pub group_channels: u32,
    pub group_outputs: u32,
    pub dilation: u32,
    pub tap_period: u32,
    pub row: u32,
    pub row_workgroups: u32,
}
