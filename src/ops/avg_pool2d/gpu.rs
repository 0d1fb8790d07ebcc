//! The kernels of means of windows (`shaders/avg_pool2d`), which the mean of a whole image takes as well.

use super::AvgPool2d;
use crate::ops::window::Window;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::Declaration;
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take};
use crate::wgsl::window_pass::{WORKGROUP, WindowPass};

/// `avg_pool.wgsl`: forward, and its tangent.
pub const FORWARD: Declaration = Declaration {
    shader: "avg_pool",
    bindings: &[Uniform, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `avg_pool_backward.wgsl`: backward, and its tangent.
pub const BACKWARD: Declaration = Declaration {
    shader: "avg_pool_backward",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// The means of the windows of `values`.
pub(in crate::ops) fn means(seat: &Seat, window: Window, values: Operand, result: Operand) -> Call {
    let pass = WindowPass::forward(seat, [window.kernel, window.stride], values, result);
    seat.spread(&FORWARD, &[], &pass, &[values.bound, result.bound], pass.forward_workgroups())
}

/// A cotangent of the input from that of the means.
pub(in crate::ops) fn spread(seat: &Seat, window: Window, dy: Operand, below: &Below) -> Call {
    let pass = WindowPass::backward(seat, [window.kernel, window.stride], dy, below);
    let bindings = [seat.read(seat.x[0]), dy.bound, below.to.bound];
    seat.spread(&BACKWARD, &[], &pass, &bindings, pass.backward_workgroups())
}

impl Lower for AvgPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let (Some(x), Some(y)) = (seat.x[0], seat.y) else { return Vec::new() };
        vec![means(seat, self.0, x, y)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        dx.iter().flatten().map(|below| spread(seat, self.0, dy, below)).collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        x_dot.iter().flatten().map(|&x_dot| means(seat, self.0, x_dot, y_dot)).collect()
    }
}
