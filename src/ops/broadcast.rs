//! Values with a row a task beside values with a row a point.

use super::{Rows, Shape, Site, scalar::Scalar};

/// The shape that all inputs have, or which differ.
pub(super) fn same_shape(inputs: &[Shape]) -> Result<Shape, String> {
    match inputs.iter().find(|&&shape| shape != inputs[0]) {
        None => Ok(inputs[0]),
        Some(other) => Err(format!("its inputs must be of one shape, not {} and {other}", inputs[0])),
    }
}

/// Element `e` of the output's rows as an input's, which has one row where it belongs to the whole task.
pub(super) fn element(site: &Site<'_>, input: usize, e: usize) -> usize {
    if site.rows == Rows::Point && site.input_rows[input] == Rows::Task { e % site.output.len() } else { e }
}

/// Cotangents of all inputs, `of(input, output element)` each, summed over points where an input is broadcast.
pub(super) fn cotangents<S: Scalar>(site: &Site<'_>, of: impl Fn(usize, usize) -> S) -> Vec<Vec<S>> {
    let one = |input: usize| {
        let mut dx = vec![S::constant(0.0); site.input_count(input) * site.inputs[input].len()];
        for e in 0..site.count() * site.output.len() {
            let to = element(site, input, e);
            dx[to] = dx[to] + of(input, e);
        }
        dx
    };
    (0..site.inputs.len()).map(one).collect()
}
