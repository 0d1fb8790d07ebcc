//! The kernels of a layer norm (`shaders/layer_norm`).

use super::LayerNorm;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Rates, Seat, Sizes, Take, Turned};
use crate::wgsl::{Declaration, LayerPass, Place};

/// Invocations for a row.
pub const WORKGROUP: u32 = 128;
/// Elements of γ and β of a workgroup.
pub const UPDATE_WORKGROUP: u32 = 64;
/// Floats of a row's record.
const RECORD: u32 = 2;
/// Floats of a row's record of the tangent pass.
const RECORD_DOT: u32 = 4;

/// `layer_norm.wgsl`.
pub const FORWARD: Declaration = Declaration {
    shader: "layer_norm",
    bindings: &[Uniform, Read, Read, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `layer_norm_backward.wgsl`: the cotangent of the input.
pub const BACKWARD: Declaration = Declaration {
    shader: "layer_norm_backward",
    bindings: &[Uniform, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `layer_norm_update.wgsl`: the gradients of γ and β, and their inner step.
pub const UPDATE: Declaration = Declaration {
    shader: "layer_norm_update",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", UPDATE_WORKGROUP as f64), ("STEP", 1.0), ("ADD", 0.0)],
    workgroup_bytes: 0,
};

/// `layer_norm_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "layer_norm_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `layer_norm_backward_tangent.wgsl`: the tangent of the cotangent of the input.
pub const BACKWARD_TANGENT: Declaration = Declaration {
    shader: "layer_norm_backward_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `layer_norm_update_tangent.wgsl`: an inner step of γ and β, backwards.
pub const UPDATE_TANGENT: Declaration = Declaration {
    shader: "layer_norm_update_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Write, Write],
    constants: &[("WORKGROUP", UPDATE_WORKGROUP as f64), ("SECOND", 1.0), ("RATES", 0.0)],
    workgroup_bytes: 4 * UPDATE_WORKGROUP,
};

impl LayerNorm {
    fn fit(&self, seat: &Seat) -> LayerPass {
        let row = seat.sizes.output.len();
        LayerPass {
            inputs: row,
            outputs: 1,
            bias: self.affine.into(),
            epsilon: self.eps as f32,
            ..seat.layer(seat.sizes.layer())
        }
    }

    fn below(layer: LayerPass, below: &Below) -> LayerPass {
        let place = below.to.place;
        let (relu_below, adds) = (below.gate.into(), below.add.into());
        LayerPass { dx: place, dx_dot: place, relu_below, adds, ..layer }
    }

    fn dx(seat: &Seat, layer: LayerPass, dy: Operand, below: &Below) -> Call {
        let layer = Self::below(layer, below);
        let (theta, saved) = (seat.params.theta.bound, seat.read(seat.saved));
        let bindings = [seat.read(seat.x[0]), theta, saved, dy.bound, below.to.bound];
        seat.call(&BACKWARD, &[], &layer, &bindings, layer.points)
    }

    fn update_tangent(seat: &Seat, layer: LayerPass, turned: &Turned<'_>, second: bool) -> Call {
        let Turned { x_dot, saved_dot, dy, dy_dot, rates, .. } = turned;
        let record = saved_dot.or(seat.saved).unwrap_or(*dy);
        let layer = LayerPass {
            record: record.place,
            record_words: if saved_dot.is_some() { RECORD_DOT } else { RECORD },
            dz: dy.place,
            dz_dot: dy_dot.place,
            ..layer
        };
        let constants = [("SECOND", f64::from(u8::from(second))), ("RATES", rates.code())];
        let params = &seat.params;
        let (x, x_dot) = (seat.read(seat.x[0]), seat.read(x_dot[0]));
        let bindings = [x, x_dot, record.bound, dy.bound, dy_dot.bound, params.v.bound, params.rate_sums];
        let across = layer.inputs.div_ceil(UPDATE_WORKGROUP);
        seat.call(&UPDATE_TANGENT, &constants, &layer, &bindings, across)
    }

    /// A layer and the tangent of its input.
    fn moving(layer: LayerPass, x_dot: Option<Operand>) -> LayerPass {
        let place = x_dot.map_or(Place::default(), |x_dot| x_dot.place);
        LayerPass { input_moves: x_dot.is_some().into(), x_dot: place, ..layer }
    }
}

impl Lower for LayerNorm {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, y: false, x_dot: true }
    }

    fn gates(&self) -> bool {
        true
    }

    fn leaves(&self) -> bool {
        true
    }

    fn saved(&self, sizes: &Sizes) -> usize {
        (RECORD * sizes.rows(sizes.output)) as usize
    }

    fn saved_dot(&self, sizes: &Sizes) -> usize {
        (RECORD_DOT * sizes.rows(sizes.output)) as usize
    }

    fn rate_parts(&self, sizes: &Sizes) -> u32 {
        sizes.output.len().div_ceil(UPDATE_WORKGROUP)
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let layer = self.fit(seat);
        let bindings =
            [seat.read(seat.x[0]), seat.params.theta.bound, seat.read(seat.y), seat.read(seat.saved)];
        vec![seat.call(&FORWARD, &[], &layer, &bindings, layer.points)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], take: Take) -> Vec<Call> {
        let layer = LayerPass { dz: dy.place, ..self.fit(seat) };
        let mut calls = Vec::new();
        if let Some((layer, constants, [theta, rates, result])) =
            seat.taken(take, layer).filter(|_| self.affine)
        {
            let (x, saved) = (seat.read(seat.x[0]), seat.read(seat.saved));
            let bindings = [x, saved, dy.bound, theta, rates, result];
            let across = layer.inputs.div_ceil(UPDATE_WORKGROUP);
            calls.push(seat.call(&UPDATE, &constants, &layer, &bindings, across));
        }
        if take == Take::Curvature && self.affine {
            let layer = LayerPass { adapted: 0, ..layer };
            let rates = Rates::None;
            let turned = Turned { x_dot: &[None], saved_dot: None, dy, dy_dot: dy, dx: &[], rates };
            calls.push(Self::update_tangent(seat, layer, &turned, true));
        }
        calls.extend(dx.iter().flatten().map(|below| Self::dx(seat, layer, dy, below)));
        calls
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        saved_dot: Option<Operand>,
    ) -> Vec<Call> {
        let layer = LayerPass {
            y_dot: y_dot.place,
            record: saved_dot.map_or(Place::default(), |record| record.place),
            record_words: RECORD_DOT,
            ..Self::moving(seat.directed(self.fit(seat)), x_dot[0])
        };
        let [rates, u] = seat.params.direction;
        let bindings: [Bound; 8] = [
            seat.read(seat.x[0]),
            seat.read(x_dot[0]),
            seat.read(seat.saved),
            seat.params.theta.bound,
            rates.bound,
            u.bound,
            y_dot.bound,
            seat.read(saved_dot),
        ];
        vec![seat.call(&TANGENT, &[], &layer, &bindings, layer.points)]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let Turned { x_dot, dy, dy_dot, dx, .. } = turned;
        let layer = Self::moving(self.fit(seat), x_dot[0]);
        let mut calls = Vec::new();
        if let Some(below) = dx[0] {
            let places = LayerPass { dz: dy.place, dz_dot: dy_dot.place, ..seat.directed(layer) };
            let layer = Self::below(places, &below);
            let [rates, u] = seat.params.direction;
            let bindings = [
                seat.read(seat.x[0]),
                seat.read(x_dot[0]),
                seat.params.theta.bound,
                rates.bound,
                u.bound,
                dy.bound,
                dy_dot.bound,
                below.to.bound,
            ];
            calls.push(seat.call(&BACKWARD_TANGENT, &[], &layer, &bindings, layer.points));
        }
        if self.affine {
            calls.push(Self::update_tangent(seat, layer, turned, true));
        }
        calls
    }

    fn rates(&self, seat: &Seat, dy: Operand, rates: Rates) -> Vec<Call> {
        let turned = Turned { x_dot: &[None], saved_dot: None, dy, dy_dot: dy, dx: &[], rates };
        vec![Self::update_tangent(seat, self.fit(seat), &turned, false)]
    }
}
