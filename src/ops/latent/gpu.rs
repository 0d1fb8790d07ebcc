//! The kernels of a latent (`shaders/latent`). Its value is a copy of its parameters, its tangent the direction itself.

use super::Latent;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::factors::{Result, sums};
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Rates, Seat, Sizes, Take};
use crate::wgsl::{Declaration, LayerPass};

/// Elements of a workgroup.
pub const WORKGROUP: u32 = 64;

/// `latent_update.wgsl`: the gradient, and the inner step.
pub const UPDATE: Declaration = Declaration {
    shader: "latent_update",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("STEP", 1.0), ("ADD", 0.0)],
    workgroup_bytes: 0,
};

/// `latent_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "latent_tangent",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `latent_update_tangent.wgsl`: an inner step, backwards.
pub const UPDATE_TANGENT: Declaration = Declaration {
    shader: "latent_update_tangent",
    bindings: &[Uniform, Read, Read, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("SECOND", 1.0), ("RATES", 0.0)],
    workgroup_bytes: WORKGROUP * 4,
};

impl Latent {
    fn fit(self, seat: &Seat) -> LayerPass {
        LayerPass { inputs: self.size as u32, outputs: 1, ..seat.layer(seat.sizes.layer()) }
    }

    fn across(self) -> u32 {
        (self.size as u32).div_ceil(WORKGROUP)
    }

    fn update_tangent(self, seat: &Seat, dy: Operand, second: bool, rates: Rates) -> Call {
        let layer = LayerPass { dz: dy.place, dz_dot: dy.place, ..self.fit(seat) };
        let constants = [("SECOND", f64::from(u8::from(second))), ("RATES", rates.code())];
        let bindings = [dy.bound, dy.bound, seat.params.v.bound, seat.params.rate_sums];
        seat.call(&UPDATE_TANGENT, &constants, &layer, &bindings, self.across())
    }
}

impl Lower for Latent {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn rate_parts(&self, _: &Sizes) -> u32 {
        self.across()
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let Some(y) = seat.y else { return Vec::new() };
        sums(seat, Result::output(seat, y), &[Some((seat.params.theta, seat.sizes.output))])
    }

    fn backward(&self, seat: &Seat, dy: Operand, _: &[Option<Below>], take: Take) -> Vec<Call> {
        let layer = LayerPass { dz: dy.place, ..self.fit(seat) };
        let mut calls = Vec::new();
        if let Some((layer, constants, [theta, rates, result])) = seat.taken(take, layer) {
            let bindings = [dy.bound, theta, rates, result];
            calls.push(seat.call(&UPDATE, &constants, &layer, &bindings, self.across()));
        }
        if take == Take::Curvature {
            calls.push(self.update_tangent(seat, dy, true, Rates::None));
        }
        calls
    }

    fn tangent(&self, seat: &Seat, _: &[Option<Operand>], y_dot: Operand, _: Option<Operand>) -> Vec<Call> {
        let layer = LayerPass { y_dot: y_dot.place, ..seat.directed(self.fit(seat)) };
        let [rates, u] = seat.params.direction;
        let bindings: [Bound; 3] = [rates.bound, u.bound, y_dot.bound];
        vec![seat.call(&TANGENT, &[], &layer, &bindings, self.across())]
    }

    fn rates(&self, seat: &Seat, dy: Operand, rates: Rates) -> Vec<Call> {
        vec![self.update_tangent(seat, dy, false, rates)]
    }
}
