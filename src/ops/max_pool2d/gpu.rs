//! The kernels of max-pools (`shaders/max_pool2d`).

use super::MaxPool2d;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::Declaration;
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take};
use crate::wgsl::window_pass::{WORKGROUP, WindowPass};

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

impl MaxPool2d {
    fn windows(self) -> [[usize; 2]; 2] {
        [self.0.kernel, self.0.stride]
    }

    fn taken(self, seat: &Seat, values: Operand, result: Operand) -> Vec<Call> {
        let pass = WindowPass::forward(seat, self.windows(), values, result);
        let bindings = [seat.read(seat.x[0]), values.bound, result.bound];
        vec![seat.spread(&FORWARD, &[], &pass, &bindings, pass.forward_workgroups())]
    }
}

impl Lower for MaxPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, ..Kept::default() }
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let (Some(x), Some(y)) = (seat.x[0], seat.y) else { return Vec::new() };
        self.taken(seat, x, y)
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        let Some(below) = dx[0] else { return Vec::new() };
        let pass = WindowPass::backward(seat, self.windows(), dy, &below);
        let bindings = [seat.read(seat.x[0]), dy.bound, below.to.bound];
        vec![seat.spread(&BACKWARD, &[], &pass, &bindings, pass.backward_workgroups())]
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        x_dot[0].map_or_else(Vec::new, |x_dot| self.taken(seat, x_dot, y_dot))
    }
}
