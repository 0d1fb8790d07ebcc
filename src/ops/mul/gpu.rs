//! The kernels of products of values (`shaders/mul`). A factor's cotangent is the product with dy in the factor's place, and
//! its tangent the tangent of that product.

use super::Mul;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::Declaration;
use crate::wgsl::factors::{FactorPass, Result, Value, WORKGROUP, factor};
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take, Turned};

/// Values that kernels multiply at most: with tangents of as many they bind all that every adapter has.
pub(crate) const MOST: usize = 3;

/// `product_rows.wgsl`.
pub const PRODUCT: Declaration = Declaration {
    shader: "product_rows",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `product_rows_tangent.wgsl`.
pub const PRODUCT_TANGENT: Declaration = Declaration {
    shader: "product_rows_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

fn product(seat: &Seat, result: &Result, values: [Value; MOST]) -> Call {
    let values = values.map(factor);
    let pass = FactorPass { values: values.map(|value| value.0), ..result.pass() };
    let [a, b, c] = values.map(|value| value.1);
    seat.spread(&PRODUCT, &[], &pass, &[a, b, c, result.to.bound], result.workgroups())
}

fn product_tangent(seat: &Seat, result: &Result, values: [Value; MOST], tangents: [Value; MOST]) -> Call {
    let (values, tangents) = (values.map(factor), tangents.map(factor));
    let pass = FactorPass {
        values: values.map(|value| value.0),
        tangents: tangents.map(|tangent| tangent.0),
        ..result.pass()
    };
    let bounds = values.iter().chain(&tangents).map(|value| value.1);
    let bindings: Vec<_> = bounds.chain([result.to.bound]).collect();
    seat.spread(&PRODUCT_TANGENT, &[], &pass, &bindings, result.workgroups())
}

/// The inputs, or their tangents, with `other` in place of one.
fn factors(seat: &Seat, of: &[Option<Operand>], other: Option<(usize, Operand)>) -> [Value; MOST] {
    let mut all = [None; MOST];
    for (i, (value, &extent)) in of.iter().zip(&seat.sizes.inputs).enumerate() {
        all[i] = match other {
            Some((at, other)) if at == i => Some((other, seat.sizes.output)),
            Some(_) | None => value.map(|value| (value, extent)),
        };
    }
    all
}

impl Lower for Mul {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, x_dot: true, ..Kept::default() }
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let Some(y) = seat.y else { return Vec::new() };
        vec![product(seat, &Result::output(seat, y), factors(seat, &seat.x, None))]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        let one = |(i, below): (usize, &Option<Below>)| {
            let below = below.as_ref()?;
            let values = factors(seat, &seat.x, Some((i, dy)));
            Some(product(seat, &Result::below(seat, i, below), values))
        };
        dx.iter().enumerate().filter_map(one).collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        let (values, tangents) = (factors(seat, &seat.x, None), factors(seat, x_dot, None));
        vec![product_tangent(seat, &Result::output(seat, y_dot), values, tangents)]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let Turned { x_dot, dy, dy_dot, dx, .. } = turned;
        let one = |(i, below): (usize, &Option<Below>)| {
            let below = below.as_ref()?;
            let values = factors(seat, &seat.x, Some((i, *dy)));
            let tangents = factors(seat, x_dot, Some((i, *dy_dot)));
            Some(product_tangent(seat, &Result::below(seat, i, below), values, tangents))
        };
        dx.iter().enumerate().filter_map(one).collect()
    }
}
