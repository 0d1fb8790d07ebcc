//! The kernels of layer and group norms (`shaders/row_norm`).

use super::RowNorm;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Rates, Seat, Sizes, Take, Turned};
use crate::wgsl::{Declaration, LayerPass, Place};

/// Invocations for a row.
pub const WORKGROUP: u32 = 128;
/// Invocations for as many elements of γ and β, or for one of a channel.
pub const UPDATE_WORKGROUP: u32 = 64;
/// Floats of a row's record.
const RECORD: u32 = 2;
/// Floats of a row's record of the tangent pass.
const RECORD_DOT: u32 = 4;

/// `row_norm_forward.wgsl`.
pub const FORWARD: Declaration = Declaration {
    shader: "row_norm_forward",
    bindings: &[Uniform, Read, Read, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("PER_CHANNEL", 0.0)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `row_norm_backward.wgsl`: the cotangent of the input.
pub const BACKWARD: Declaration = Declaration {
    shader: "row_norm_backward",
    bindings: &[Uniform, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("PER_CHANNEL", 0.0)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `row_norm_update.wgsl`: the gradients of γ and β, and their inner step.
pub const UPDATE: Declaration = Declaration {
    shader: "row_norm_update",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", UPDATE_WORKGROUP as f64), ("PER_CHANNEL", 0.0), ("STEP", 1.0), ("ADD", 0.0)],
    workgroup_bytes: 16 * UPDATE_WORKGROUP,
};

/// `row_norm_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "row_norm_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("PER_CHANNEL", 0.0)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `row_norm_backward_tangent.wgsl`: the tangent of the cotangent of the input.
pub const BACKWARD_TANGENT: Declaration = Declaration {
    shader: "row_norm_backward_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("PER_CHANNEL", 0.0)],
    workgroup_bytes: 16 * WORKGROUP,
};

/// `row_norm_update_tangent.wgsl`: an inner step of γ and β, backwards.
pub const UPDATE_TANGENT: Declaration = Declaration {
    shader: "row_norm_update_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Write, Write],
    constants: &[
        ("WORKGROUP", UPDATE_WORKGROUP as f64),
        ("PER_CHANNEL", 0.0),
        ("SECOND", 1.0),
        ("RATES", 0.0),
    ],
    workgroup_bytes: 20 * UPDATE_WORKGROUP,
};

/// Most workgroups of a task that go through its rows.
const MOST: u32 = 1 << 15;

/// A norm as its kernels are called.
struct Rows {
    /// Groups of a point's channels, each a row; 0 where the point is one, with γ and β of its shape.
    groups: u32,
    affine: bool,
    layer: LayerPass,
}

impl Rows {
    fn of(norm: impl RowNorm, seat: &Seat) -> Self {
        let [groups, rows] = rows_of(norm, &seat.sizes);
        let output = seat.sizes.output;
        let layer = LayerPass {
            inputs: 1,
            outputs: if groups > 0 { output.sides[0] } else { output.len() },
            bias: norm.affine().into(),
            epsilon: norm.eps() as f32,
            row: output.len() / groups.max(1),
            row_workgroups: rows.min(MOST),
            ..seat.layer(seat.sizes.layer())
        };
        Self { groups, affine: norm.affine(), layer }
    }

    fn per_channel(&self) -> (&'static str, f64) {
        ("PER_CHANNEL", f64::from(u8::from(self.groups > 0)))
    }

    /// A dispatch over rows.
    fn over(&self, seat: &Seat, kernel: &'static Declaration, layer: LayerPass, bindings: &[Bound]) -> Call {
        seat.call(kernel, &[self.per_channel()], &layer, bindings, layer.row_workgroups)
    }

    /// One over γ and β.
    fn update(
        &self,
        seat: &Seat,
        kernel: &'static Declaration,
        constants: [(&'static str, f64); 2],
        layer: LayerPass,
        bindings: &[Bound],
    ) -> Call {
        let constants = [self.per_channel(), constants[0], constants[1]];
        seat.call(kernel, &constants, &layer, bindings, update_workgroups(self.groups, layer.outputs))
    }

    fn below(layer: LayerPass, below: &Below) -> LayerPass {
        let place = below.to.place;
        let (relu_below, adds) = (below.gate.into(), below.add.into());
        LayerPass { dx: place, dx_dot: place, relu_below, adds, ..layer }
    }

    fn dx(&self, seat: &Seat, layer: LayerPass, dy: Operand, below: &Below) -> Call {
        let layer = Self::below(layer, below);
        let (theta, saved) = (seat.params.theta.bound, seat.read(seat.saved));
        let bindings = [seat.read(seat.x[0]), theta, saved, dy.bound, below.to.bound];
        self.over(seat, &BACKWARD, layer, &bindings)
    }

    fn update_tangent(&self, seat: &Seat, layer: LayerPass, turned: &Turned<'_>, second: bool) -> Call {
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
        self.update(seat, &UPDATE_TANGENT, constants, layer, &bindings)
    }

    /// A layer and the tangent of its input.
    fn moving(layer: LayerPass, x_dot: Option<Operand>) -> LayerPass {
        let place = x_dot.map_or(Place::default(), |x_dot| x_dot.place);
        LayerPass { input_moves: x_dot.is_some().into(), x_dot: place, ..layer }
    }
}

/// Groups of a point, 0 where it is one row whose elements have γ and β of their own; and rows of a task.
fn rows_of(norm: impl RowNorm, sizes: &Sizes) -> [u32; 2] {
    let groups = norm.groups(sizes.output.sides[0] as usize).map_or(0, |groups| groups as u32);
    [groups, sizes.rows(sizes.output) * groups.max(1)]
}

fn update_workgroups(groups: u32, parameters: u32) -> u32 {
    if groups > 0 { parameters } else { parameters.div_ceil(UPDATE_WORKGROUP) }
}

impl<N: RowNorm> Lower for N {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, x_dot: true, saved: true, saved_dot: true, ..Kept::default() }
    }

    fn gates(&self) -> bool {
        true
    }

    fn saved(&self, sizes: &Sizes) -> usize {
        (RECORD * rows_of(*self, sizes)[1]) as usize
    }

    fn saved_dot(&self, sizes: &Sizes) -> usize {
        (RECORD_DOT * rows_of(*self, sizes)[1]) as usize
    }

    fn rate_parts(&self, sizes: &Sizes) -> u32 {
        let groups = rows_of(*self, sizes)[0];
        update_workgroups(groups, if groups > 0 { sizes.output.sides[0] } else { sizes.output.len() })
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let rows = Rows::of(*self, seat);
        let bindings =
            [seat.read(seat.x[0]), seat.params.theta.bound, seat.read(seat.y), seat.read(seat.saved)];
        vec![rows.over(seat, &FORWARD, rows.layer, &bindings)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], take: Take) -> Vec<Call> {
        let rows = Rows::of(*self, seat);
        let layer = LayerPass { dz: dy.place, ..rows.layer };
        let mut calls = Vec::new();
        if let Some((layer, constants, [theta, rates, result])) =
            seat.taken(take, layer).filter(|_| rows.affine)
        {
            let (x, saved) = (seat.read(seat.x[0]), seat.read(seat.saved));
            let bindings = [x, saved, dy.bound, theta, rates, result];
            calls.push(rows.update(seat, &UPDATE, constants, layer, &bindings));
        }
        if take == Take::Curvature && rows.affine {
            let layer = LayerPass { adapted: 0, ..layer };
            let rates = Rates::None;
            let turned =
                Turned { x_dot: &[None], y_dot: None, saved_dot: None, dy, dy_dot: dy, dx: &[], rates };
            calls.push(rows.update_tangent(seat, layer, &turned, true));
        }
        calls.extend(dx.iter().flatten().map(|below| rows.dx(seat, layer, dy, below)));
        calls
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        saved_dot: Option<Operand>,
    ) -> Vec<Call> {
        let rows = Rows::of(*self, seat);
        let layer = LayerPass {
            y_dot: y_dot.place,
            record: saved_dot.map_or(Place::default(), |record| record.place),
            record_words: RECORD_DOT,
            ..Rows::moving(seat.directed(rows.layer), x_dot[0])
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
        vec![rows.over(seat, &TANGENT, layer, &bindings)]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let Turned { x_dot, dy, dy_dot, dx, .. } = turned;
        let rows = Rows::of(*self, seat);
        let layer = Rows::moving(rows.layer, x_dot[0]);
        let mut calls = Vec::new();
        if let Some(below) = dx[0] {
            let places = LayerPass { dz: dy.place, dz_dot: dy_dot.place, ..seat.directed(layer) };
            let layer = Rows::below(places, &below);
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
            calls.push(rows.over(seat, &BACKWARD_TANGENT, layer, &bindings));
        }
        if rows.affine {
            calls.push(rows.update_tangent(seat, layer, turned, true));
        }
        calls
    }

    fn rates(&self, seat: &Seat, dy: Operand, rates: Rates) -> Vec<Call> {
        let rows = Rows::of(*self, seat);
        let turned = Turned { x_dot: &[None], y_dot: None, saved_dot: None, dy, dy_dot: dy, dx: &[], rates };
        vec![rows.update_tangent(seat, rows.layer, &turned, false)]
    }
}
