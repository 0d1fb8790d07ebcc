//! What the kernels of pools are told (`shaders/shared/window_pass.wgsl`).

use super::layer_pass::Place;
use super::lower::{Below, Operand, Seat};
use bytemuck::{Pod, Zeroable};

/// Elements of a workgroup.
pub const WORKGROUP: u32 = 256;

/// One pool in one pass over all tasks; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct WindowPass {
    pub images: u32,
    pub gate: u32,
    pub adds: u32,
    pub unused: u32,
    pub size: [u32; 2],
    pub out_size: [u32; 2],
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub x: Place,
    pub values: Place,
    pub result: Place,
}

impl WindowPass {
    /// The windows of an op, forward from `values`, the input or its tangent, to `result`.
    #[must_use]
    pub fn forward(seat: &Seat, windows: [[usize; 2]; 2], values: Operand, result: Operand) -> Self {
        let [[channels, height, width], [_, out_height, out_width]] =
            [seat.sizes.inputs[0].sides, seat.sizes.output.sides];
        let [kernel, stride] = windows.map(|sides| sides.map(|side| side as u32));
        Self {
            images: seat.sizes.rows(seat.sizes.output) * channels,
            size: [height, width],
            out_size: [out_height, out_width],
            kernel,
            stride,
            x: seat.x[0].map_or(Place::default(), |x| x.place),
            values: values.place,
            result: result.place,
            ..Self::default()
        }
    }

    /// The same backward, from a cotangent of the output.
    #[must_use]
    pub fn backward(seat: &Seat, windows: [[usize; 2]; 2], dy: Operand, below: &Below) -> Self {
        let (gate, adds) = (below.gate.into(), below.add.into());
        Self { gate, adds, ..Self::forward(seat, windows, dy, below.to) }
    }

    /// Workgroups a task, forward.
    #[must_use]
    pub fn forward_workgroups(&self) -> u32 {
        (self.images * self.out_size[0] * self.out_size[1]).div_ceil(WORKGROUP)
    }

    /// Workgroups a task, backward.
    #[must_use]
    pub fn backward_workgroups(&self) -> u32 {
        (self.images * self.size[0] * self.size[1]).div_ceil(WORKGROUP)
    }
}
