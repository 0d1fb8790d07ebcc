//! The kernels of means over images (`shaders/global_avg_pool2d`).

use super::GlobalAvgPool2d;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Sizes, Take};
use crate::wgsl::{Declaration, LayerPass};

/// Elements of a workgroup.
const WORKGROUP: u32 = 256;

/// `global_avg_pool.wgsl`: forward, and its tangent.
pub const FORWARD: Declaration = Declaration {
    shader: "global_avg_pool",
    bindings: &[Uniform, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `global_avg_pool_backward.wgsl`: backward, and its tangent.
pub const BACKWARD: Declaration = Declaration {
    shader: "global_avg_pool_backward",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// Workgroups a task, forward.
#[must_use]
pub fn forward_workgroups(layer: &LayerPass) -> u32 {
    (layer.points * layer.channels).div_ceil(WORKGROUP)
}

/// Workgroups a task, backward.
#[must_use]
pub fn backward_workgroups(layer: &LayerPass) -> u32 {
    (layer.points * layer.channels * layer.height * layer.width).div_ceil(WORKGROUP)
}

impl GlobalAvgPool2d {
    fn fit(&self, sizes: &Sizes) -> LayerPass {
        sizes.layer()
    }
}

impl Lower for GlobalAvgPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: false, y: false, x_dot: false }
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let (Some(x), Some(y)) = (seat.x[0], seat.y) else { return Vec::new() };
        let layer = seat.layer(self.fit(&seat.sizes));
        vec![seat.spread(&FORWARD, &[], &layer, &[x.bound, y.bound], forward_workgroups(&layer))]
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
        let Some(x_dot) = x_dot[0] else { return Vec::new() };
        let layer = LayerPass { x: x_dot.place, y: y_dot.place, ..seat.layer(self.fit(&seat.sizes)) };
        vec![seat.spread(&FORWARD, &[], &layer, &[x_dot.bound, y_dot.bound], forward_workgroups(&layer))]
    }
}
