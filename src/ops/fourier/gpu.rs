//! The kernels of Fourier features (`shaders/fourier`).

use super::Fourier;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take, Turned};
use crate::wgsl::{Declaration, LayerPass};

/// Angles, or inputs, of a workgroup.
pub const WORKGROUP: u32 = 256;

/// `fourier.wgsl`.
pub const FORWARD: Declaration = Declaration {
    shader: "fourier",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `fourier_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "fourier_tangent",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `fourier_backward.wgsl`: backward, and its tangent.
pub const BACKWARD: Declaration = Declaration {
    shader: "fourier_backward",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("TURNS", 0.0)],
    workgroup_bytes: 0,
};

impl Fourier {
    fn fit(self, seat: &Seat) -> LayerPass {
        let inputs = seat.sizes.inputs[0].len();
        LayerPass { inputs, outputs: self.features as u32, ..seat.layer(seat.sizes.layer()) }
    }

    /// Backward from `cotangents`; with tangents of the waves and the cotangent that they turn, the tangent of that.
    fn back(self, seat: &Seat, cotangents: Operand, turned: Option<[Operand; 2]>, below: &Below) -> Call {
        let [y_dot, dy] = turned.unwrap_or([cotangents; 2]);
        let layer = LayerPass {
            dz: dy.place,
            dz_dot: cotangents.place,
            y_dot: y_dot.place,
            dx: below.to.place,
            relu_below: below.gate.into(),
            adds: below.add.into(),
            ..self.fit(seat)
        };
        let bindings = [
            seat.read(seat.x[0]),
            seat.params.theta.bound,
            seat.read(seat.y),
            y_dot.bound,
            cotangents.bound,
            dy.bound,
            below.to.bound,
        ];
        let constants = [("TURNS", f64::from(u8::from(turned.is_some())))];
        seat.call(&BACKWARD, &constants, &layer, &bindings, (layer.points * layer.inputs).div_ceil(WORKGROUP))
    }
}

fn angles(layer: &LayerPass) -> u32 {
    (layer.points * layer.outputs).div_ceil(WORKGROUP)
}

impl Lower for Fourier {
    fn keeps(&self, _: bool) -> Kept {
        Kept { y: true, y_dot: true, ..Kept::default() }
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let layer = self.fit(seat);
        let bindings = [seat.read(seat.x[0]), seat.params.theta.bound, seat.read(seat.y)];
        vec![seat.call(&FORWARD, &[], &layer, &bindings, angles(&layer))]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        dx.iter().flatten().map(|below| self.back(seat, dy, None, below)).collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        let Some(x_dot) = x_dot[0] else { return Vec::new() };
        let layer = LayerPass { x_dot: x_dot.place, y_dot: y_dot.place, ..self.fit(seat) };
        let bindings = [x_dot.bound, seat.params.theta.bound, seat.read(seat.y), y_dot.bound];
        vec![seat.call(&TANGENT, &[], &layer, &bindings, angles(&layer))]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let &Turned { y_dot: Some(y_dot), dy, dy_dot, dx, .. } = turned else { return Vec::new() };
        dx.iter().flatten().map(|below| self.back(seat, dy_dot, Some([y_dot, dy]), below)).collect()
    }
}
