//! The kernels of max-pools (`shaders/max_pool2d`).

use super::MaxPool2d;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Sizes, Take};
use crate::wgsl::{Declaration, LayerPass};

/// Elements of a workgroup.
const WORKGROUP: u32 = 256;

/// `max_pool.wgsl`: forward, and its tangent.
pub const FORWARD: Declaration = Declaration {
    shader: "max_pool",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `max_pool_backward.wgsl`: backward, and its tangent.
pub const BACKWARD: Declaration = Declaration {
    shader: "max_pool_backward",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// Workgroups a task, forward.
#[must_use]
pub fn forward_workgroups(layer: &LayerPass) -> u32 {
    (layer.points * layer.channels * layer.out_height * layer.out_width).div_ceil(WORKGROUP)
}

/// Workgroups a task, backward.
#[must_use]
pub fn backward_workgroups(layer: &LayerPass) -> u32 {
    (layer.points * layer.channels * layer.height * layer.width).div_ceil(WORKGROUP)
}

impl MaxPool2d {
    fn fit(&self, sizes: &Sizes) -> LayerPass {
        LayerPass { kernel: self.kernel as u32, stride: self.stride as u32, ..sizes.layer() }
    }
}

impl Lower for MaxPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, y: false, x_dot: false }
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let (Some(x), Some(y)) = (seat.x[0], seat.y) else { return Vec::new() };
        let layer = LayerPass { y: x.place, y_dot: y.place, ..seat.layer(self.fit(&seat.sizes)) };
        vec![seat.spread(&FORWARD, &[], &layer, &[x.bound, x.bound, y.bound], forward_workgroups(&layer))]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        let Some(below) = dx[0] else { return Vec::new() };
        let layer = LayerPass {
            dz: dy.place,
            dx: below.to.place,
            relu_below: below.gate.into(),
            adds: below.add.into(),
            ..seat.layer(self.fit(&seat.sizes))
        };
        let bindings = [seat.read(seat.x[0]), dy.bound, below.to.bound];
        vec![seat.spread(&BACKWARD, &[], &layer, &bindings, backward_workgroups(&layer))]
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        let (Some(x), Some(x_dot)) = (seat.x[0], x_dot[0]) else { return Vec::new() };
        let layer = LayerPass { y: x_dot.place, y_dot: y_dot.place, ..seat.layer(self.fit(&seat.sizes)) };
        let bindings = [x.bound, x_dot.bound, y_dot.bound];
        vec![seat.spread(&FORWARD, &[], &layer, &bindings, forward_workgroups(&layer))]
    }
}
