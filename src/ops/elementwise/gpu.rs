//! The kernels of functions of single elements (`shaders/elementwise`).

use super::Function;
use super::{Curvature, Operation};
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Seat, Take, Turned};
use crate::wgsl::{Declaration, Place};
use bytemuck::{Pod, Zeroable};

/// Elements of a workgroup.
pub const WORKGROUP: u32 = 256;

/// `elementwise.wgsl`: forward, and all that multiplies by the slope.
pub const ELEMENTWISE: Declaration = Declaration {
    shader: "elementwise",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("FUNCTION", 0.0), ("SLOPE", 0.0)],
    workgroup_bytes: 0,
};

/// `elementwise_backward_tangent.wgsl`.
pub const BACKWARD_TANGENT: Declaration = Declaration {
    shader: "elementwise_backward_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("FUNCTION", 0.0)],
    workgroup_bytes: 0,
};

/// What the kernels are told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct ElementPass {
    pub count: u32,
    pub gate: u32,
    pub adds: u32,
    pub moves: u32,
    pub x: Place,
    pub values: Place,
    pub x_dot: Place,
    pub values_dot: Place,
    pub result: Place,
    pub setting: f32,
    pub setting_rest: f32,
}

impl ElementPass {
    /// A function over so many elements of a task, without places.
    #[must_use]
    pub fn of(function: Function, count: u32) -> Self {
        let setting = function.setting();
        let setting_rest = (setting - f64::from(setting as f32)) as f32;
        Self { count, setting: setting as f32, setting_rest, ..Self::default() }
    }
}

impl Function {
    fn pass(self, seat: &Seat) -> ElementPass {
        let output = seat.sizes.output;
        ElementPass::of(self, seat.sizes.rows(output) * output.len())
    }

    /// What decides on the slope: a ReLU's output, or the input.
    fn at(self, seat: &Seat) -> Operand {
        let params = Operand { bound: Bound::Params, place: Place::default() };
        seat.x[0].or(seat.y).unwrap_or(params)
    }

    fn run(self, seat: &Seat, pass: &ElementPass, slope: bool, bindings: [Bound; 3]) -> Call {
        let constants = [("FUNCTION", f64::from(self.code())), ("SLOPE", f64::from(u8::from(slope)))];
        seat.spread(&ELEMENTWISE, &constants, pass, &bindings, pass.count.div_ceil(WORKGROUP))
    }

    fn sloped(self, seat: &Seat, values: Operand, result: Operand, [gate, adds]: [bool; 2]) -> Call {
        let at = self.at(seat);
        let pass = ElementPass {
            x: at.place,
            values: values.place,
            result: result.place,
            gate: gate.into(),
            adds: adds.into(),
            ..self.pass(seat)
        };
        self.run(seat, &pass, true, [at.bound, values.bound, result.bound])
    }
}

impl Lower for Function {
    fn keeps(&self, _: bool) -> Kept {
        // A ReLU's output is its gate; all others are differentiated at their input.
        let gate = *self == Self::Relu;
        Kept { x: !gate, y: gate, x_dot: self.curvature() == Curvature::Smooth, ..Kept::default() }
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let (Some(x), Some(y)) = (seat.x[0], seat.y) else { return Vec::new() };
        let pass = ElementPass { x: x.place, result: y.place, ..self.pass(seat) };
        vec![self.run(seat, &pass, false, [x.bound, x.bound, y.bound])]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        let below = dx.iter().flatten();
        below.map(|below| self.sloped(seat, dy, below.to, [below.gate, below.add])).collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        x_dot.iter().flatten().map(|&x_dot| self.sloped(seat, x_dot, y_dot, [false; 2])).collect()
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let Turned { x_dot, dy, dy_dot, dx, .. } = turned;
        let (Some(below), Some(x_dot)) = (dx[0], x_dot[0]) else { return Vec::new() };
        let at = self.at(seat);
        let pass = ElementPass {
            x: at.place,
            values: dy.place,
            x_dot: x_dot.place,
            values_dot: dy_dot.place,
            result: below.to.place,
            gate: below.gate.into(),
            adds: below.add.into(),
            ..self.pass(seat)
        };
        let constants = [("FUNCTION", f64::from(self.code()))];
        let bindings = [at.bound, x_dot.bound, dy.bound, dy_dot.bound, below.to.bound];
        let across = pass.count.div_ceil(WORKGROUP);
        vec![seat.spread(&BACKWARD_TANGENT, &constants, &pass, &bindings, across)]
    }
}
