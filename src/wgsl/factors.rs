//! Sums and products of values element by element (`shaders/shared/factor_pass.wgsl`).

use super::declaration::Binding::{Read, Uniform, Write};
use super::declaration::Declaration;
use super::layer_pass::Place;
use super::lower::{Below, Bound, Call, Extent, Operand, Seat};
use bytemuck::{Pod, Zeroable};

/// Elements of a workgroup.
pub const WORKGROUP: u32 = 256;

/// `sum_rows.wgsl`.
pub const SUM_ROWS: Declaration = Declaration {
    shader: "sum_rows",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// One value; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct Factor {
    pub place: Place,
    pub stride: u32,
    pub wanted: u32,
}

/// Values that are added up or multiplied; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct FactorPass {
    pub rows: u32,
    pub length: u32,
    pub summed: u32,
    pub adds: u32,
    pub result: Place,
    pub result_stride: u32,
    pub unused: u32,
    pub values: [Factor; 3],
    pub tangents: [Factor; 3],
}

/// A value of a row a point, or of a row a task read again for every point.
pub type Value = Option<(Operand, Extent)>;

/// What a result is: where it goes, its rows, and whether rows of the values are added up into it.
#[derive(Clone, Copy, Debug)]
pub struct Result {
    /// The result.
    pub to: Operand,
    /// Elements of a row.
    pub length: u32,
    /// Its rows.
    pub rows: u32,
    /// Rows of the values for each of its own.
    pub summed: u32,
    /// Whether it is added to what is there.
    pub adds: bool,
}

impl Result {
    /// The cotangent of an input, summed over points where the input has a row a task and the output does not.
    #[must_use]
    pub fn below(seat: &Seat, input: usize, below: &Below) -> Self {
        let (from, to) = (seat.sizes.output, seat.sizes.inputs[input]);
        let rows = seat.sizes.rows(to);
        Self { to: below.to, length: to.len(), rows, summed: seat.sizes.rows(from) / rows, adds: below.add }
    }

    /// The output, or its tangent.
    #[must_use]
    pub fn output(seat: &Seat, to: Operand) -> Self {
        let output = seat.sizes.output;
        Self { to, length: output.len(), rows: seat.sizes.rows(output), summed: 1, adds: false }
    }

    /// What the kernel is told.
    #[must_use]
    pub fn pass(&self) -> FactorPass {
        FactorPass {
            rows: self.rows,
            length: self.length,
            summed: self.summed,
            adds: self.adds.into(),
            result: self.to.place,
            result_stride: self.length,
            ..FactorPass::default()
        }
    }

    /// Workgroups a task.
    #[must_use]
    pub fn workgroups(&self) -> u32 {
        (self.rows * self.length).div_ceil(WORKGROUP)
    }
}

/// A value as kernels see it, and its buffer.
#[must_use]
pub fn factor(value: Value) -> (Factor, Bound) {
    match value {
        None => (Factor::default(), Bound::Params),
        Some((operand, extent)) => {
            let stride = if extent.per_task { 0 } else { extent.len() };
            (Factor { place: operand.place, stride, wanted: 1 }, operand.bound)
        }
    }
}

/// Three values at most, added up.
#[must_use]
pub fn sum(seat: &Seat, result: &Result, values: [Value; 3]) -> Call {
    let values = values.map(factor);
    let pass = FactorPass { values: values.map(|value| value.0), ..result.pass() };
    let [a, b, c] = values.map(|value| value.1);
    seat.spread(&SUM_ROWS, &[], &pass, &[a, b, c, result.to.bound], result.workgroups())
}

/// As many values as there are, added up three at a time; zero without any.
#[must_use]
pub fn sums(seat: &Seat, result: Result, values: &[Value]) -> Vec<Call> {
    let mut calls = Vec::new();
    for (i, some) in values.chunks(3).enumerate() {
        let mut three = [None; 3];
        three[..some.len()].copy_from_slice(some);
        calls.push(sum(seat, &Result { adds: result.adds || i > 0, ..result }, three));
    }
    calls
}
