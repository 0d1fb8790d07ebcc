//! The kernels of a linear layer (`shaders/linear`).

use super::Linear;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Rates, Seat, Sizes, Take, Turned};
use crate::wgsl::{Cut, Declaration, LayerPass, MOST_WORKGROUPS, Place};

/// Overrides of a product of values, with `more` of the kernel's own.
macro_rules! product {
    ($depth:literal $(, $more:expr)*) => {
        &[
            ("WORKGROUP", 64.0),
            ("ROWS", 16.0),
            ("COLUMNS", 64.0),
            ("DEPTH", $depth),
            ("LEFT_TILE", 64.0),
            ("RIGHT_TILE", 256.0),
            $($more),*
        ]
    };
}

/// Bytes of the tiles.
const TILES: u32 = (64 + 256) * 16;

/// `linear.wgsl`.
pub const FORWARD: Declaration = Declaration {
    shader: "linear",
    bindings: &[Uniform, Read, Read, Write],
    constants: product!(16.0),
    workgroup_bytes: TILES,
};

/// `linear_backward.wgsl`: the cotangent of the input.
pub const BACKWARD: Declaration = Declaration {
    shader: "linear_backward",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: product!(16.0),
    workgroup_bytes: TILES,
};

/// `linear_update.wgsl`: the gradient of the parameters, and the inner step.
pub const UPDATE: Declaration = Declaration {
    shader: "linear_update",
    bindings: &[Uniform, Read, Read, Read, Read, Write],
    constants: product!(16.0, ("STEP", 1.0), ("ADD", 0.0)),
    workgroup_bytes: TILES,
};

/// `linear_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "linear_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write],
    constants: product!(8.0, ("VALUE", 0.0)),
    workgroup_bytes: TILES,
};

/// `linear_backward_tangent.wgsl`: the tangent of the cotangent of the input.
pub const BACKWARD_TANGENT: Declaration = Declaration {
    shader: "linear_backward_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write],
    constants: product!(8.0, ("VALUE", 0.0)),
    workgroup_bytes: TILES,
};

/// `linear_update_tangent.wgsl`: an inner step, backwards.
pub const UPDATE_TANGENT: Declaration = Declaration {
    shader: "linear_update_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Write, Write],
    constants: product!(8.0, ("VALUE", 0.0), ("SECOND", 1.0), ("RATES", 0.0)),
    workgroup_bytes: TILES + 64 * 4,
};

/// Rows and columns of the product forward, and of its tangent.
#[must_use]
pub fn forward_shape(layer: &LayerPass) -> (u32, u32) {
    (layer.points, layer.outputs)
}

/// The same of the cotangent of the input.
#[must_use]
pub fn backward_shape(layer: &LayerPass) -> (u32, u32) {
    (layer.points, layer.inputs)
}

/// The same of the parameters' gradient, biases in the last column.
#[must_use]
pub fn update_shape(layer: &LayerPass) -> (u32, u32) {
    (layer.outputs, layer.inputs + layer.bias)
}

fn product(
    seat: &Seat,
    kernel: &'static Declaration,
    layer: LayerPass,
    (rows, columns): (u32, u32),
    constants: &[(&'static str, f64)],
    bindings: &[Bound],
) -> Call {
    let cut = Cut::of(rows, columns);
    let mut all = cut.constants(kernel);
    all.extend_from_slice(constants);
    seat.call(kernel, &all, &layer, bindings, cut.workgroups(rows, columns))
}

/// A product with the layer's weights, of all tasks at once where they are one matrix. Which changes no bit, as every sum
/// runs in one order.
fn shared_product(
    seat: &Seat,
    kernel: &'static Declaration,
    layer: LayerPass,
    places: &[(Place, u32)],
    shape: fn(&LayerPass) -> (u32, u32),
    bindings: &[Bound],
) -> Call {
    let together = seat.together(layer, places).and_then(|layer| {
        let (rows, columns) = shape(&layer);
        let cut = Cut::of(rows, columns);
        let across = cut.workgroups(rows, columns);
        let call = || Call::new(kernel, &cut.constants(kernel), &layer, bindings, [across, 1, 1]);
        (across <= MOST_WORKGROUPS).then(call)
    });
    together.unwrap_or_else(|| product(seat, kernel, layer, shape(&layer), &[], bindings))
}

impl Linear {
    fn fit(&self, sizes: &Sizes) -> LayerPass {
        LayerPass { inputs: sizes.inputs[0].len(), bias: self.bias.into(), ..sizes.layer() }
    }

    /// `v −= ġ` with the gradients of rates, from cotangents whose places the layer has.
    fn update_tangent(
        seat: &Seat,
        layer: LayerPass,
        [dy, dy_dot, x_dot]: [Bound; 3],
        second: bool,
        rates: Rates,
    ) -> Call {
        let value = f64::from(u8::from(rates != Rates::None));
        let constants = [("VALUE", value), ("SECOND", f64::from(u8::from(second))), ("RATES", rates.code())];
        let params = &seat.params;
        let bindings = [dy, dy_dot, seat.read(seat.x[0]), x_dot, params.v.bound, params.rate_sums];
        product(seat, &UPDATE_TANGENT, layer, update_shape(&layer), &constants, &bindings)
    }
}

impl Lower for Linear {
    fn keeps(&self, relu: bool) -> Kept {
        Kept { x: true, y: relu, x_dot: true, ..Kept::default() }
    }

    fn folds_relu(&self) -> bool {
        true
    }

    fn gates(&self) -> bool {
        true
    }

    fn rate_parts(&self, sizes: &Sizes) -> u32 {
        let (rows, columns) = update_shape(&self.fit(sizes));
        Cut::of(rows, columns).workgroups(rows, columns)
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let layer = seat.layer(self.fit(&seat.sizes));
        let bindings = [seat.read(seat.x[0]), seat.params.theta.bound, seat.read(seat.y)];
        let places = [(layer.x, layer.inputs), (layer.y, layer.outputs)];
        vec![shared_product(seat, &FORWARD, layer, &places, forward_shape, &bindings)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], take: Take) -> Vec<Call> {
        let layer = LayerPass { dz: dy.place, ..seat.layer(self.fit(&seat.sizes)) };
        let mut calls = Vec::new();
        if let Some((layer, constants, [theta, rates, result])) = seat.taken(take, layer) {
            let bindings = [dy.bound, seat.read(seat.x[0]), theta, rates, result];
            calls.push(product(seat, &UPDATE, layer, update_shape(&layer), &constants, &bindings));
        }
        if take == Take::Curvature {
            let layer = LayerPass { adapted: 0, dz_dot: dy.place, ..layer };
            let bounds = [dy.bound, dy.bound, Bound::Params];
            calls.push(Self::update_tangent(seat, layer, bounds, true, Rates::None));
        }
        if let Some(below) = dx[0] {
            let (relu_below, adds) = (below.gate.into(), below.add.into());
            let layer = LayerPass { dx: below.to.place, relu_below, adds, ..layer };
            let bindings = [dy.bound, seat.params.theta.bound, seat.read(seat.x[0]), below.to.bound];
            let x = if below.gate { layer.x } else { layer.dx };
            let places = [(layer.dz, layer.outputs), (x, layer.inputs), (layer.dx, layer.inputs)];
            calls.push(shared_product(seat, &BACKWARD, layer, &places, backward_shape, &bindings));
        }
        calls
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        let layer = seat.directed(seat.layer(self.fit(&seat.sizes)));
        let layer = LayerPass {
            input_moves: x_dot[0].is_some().into(),
            x_dot: x_dot[0].map_or(Place::default(), |x_dot| x_dot.place),
            y_dot: y_dot.place,
            ..layer
        };
        let [rates, u] = seat.params.direction;
        let x = seat.read(seat.x[0]);
        let bindings = [
            x,
            x_dot[0].map_or(x, |x_dot| x_dot.bound),
            seat.params.theta.bound,
            rates.bound,
            u.bound,
            seat.read(seat.y),
            y_dot.bound,
        ];
        vec![product(seat, &TANGENT, layer, forward_shape(&layer), &[], &bindings)]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let Turned { x_dot, dy, dy_dot, dx, rates, .. } = turned;
        let layer = LayerPass {
            dz: dy.place,
            dz_dot: dy_dot.place,
            input_moves: x_dot[0].is_some().into(),
            x_dot: x_dot[0].map_or(Place::default(), |x_dot| x_dot.place),
            ..seat.layer(self.fit(&seat.sizes))
        };
        let mut calls = Vec::new();
        if let Some(below) = dx[0] {
            let (relu_below, adds) = (below.gate.into(), below.add.into());
            let layer = LayerPass { dx_dot: below.to.place, relu_below, adds, ..seat.directed(layer) };
            let [rates, u] = seat.params.direction;
            let (theta, x) = (seat.params.theta.bound, seat.read(seat.x[0]));
            let bindings = [dy.bound, dy_dot.bound, theta, rates.bound, u.bound, x, below.to.bound];
            calls.push(product(seat, &BACKWARD_TANGENT, layer, backward_shape(&layer), &[], &bindings));
        }
        let bounds = [dy.bound, dy_dot.bound, seat.read(x_dot[0])];
        calls.push(Self::update_tangent(seat, layer, bounds, true, *rates));
        calls
    }

    fn rates(&self, seat: &Seat, dy: Operand, rates: Rates) -> Vec<Call> {
        let layer = LayerPass { dz: dy.place, ..seat.layer(self.fit(&seat.sizes)) };
        let bounds = [dy.bound, dy.bound, Bound::Params];
        vec![Self::update_tangent(seat, layer, bounds, false, rates)]
    }
}
