//! Values side by side.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::{Arity, Backward, Curvature, Operation, ParamSpec, Rows, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Two values or more, one after the other along features or channels (`torch.cat`, dimension 1). Values with a row a task
/// are broadcast over points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

impl fmt::Display for Concat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl Concat {
    /// For each output element of a row: its input, and the element there.
    fn sources(site: &Site<'_>) -> Vec<(usize, usize)> {
        let parts = site.inputs.iter().enumerate();
        parts.flat_map(|(input, shape)| (0..shape.len()).map(move |e| (input, e))).collect()
    }

    /// Place of an input's element, for a row of the output.
    fn place(site: &Site<'_>, row: usize, (input, e): (usize, usize)) -> usize {
        let row = if site.input_rows[input] == Rows::Task { 0 } else { row };
        row * site.inputs[input].len() + e
    }
}

impl Operation for Concat {
    const NAME: &'static str = "concat";
    const ARITY: Arity = Arity::Several;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let other = inputs.iter().find(|shape| {
            shape.sides() != inputs[0].sides()
                || matches!(shape, Shape::Vector(_)) != matches!(inputs[0], Shape::Vector(_))
        });
        if let Some(other) = other {
            return Err(format!("its inputs must be alike but for features, not {} and {other}", inputs[0]));
        }
        Ok(inputs[0].with_features(inputs.iter().map(|shape| shape.features()).sum()))
    }

    fn params(&self, _: &[Shape], _: Shape) -> Vec<ParamSpec> {
        Vec::new()
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Linear
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], _: &[&[S]]) -> Vec<S> {
        let sources = Self::sources(site);
        let row = |row| sources.iter().map(move |&from| x[from.0][Self::place(site, row, from)]);
        (0..site.count()).flat_map(row).collect()
    }

    fn backward<S: Scalar>(&self, site: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        let mut dx: Vec<Vec<S>> = pass.x.iter().map(|x| vec![S::constant(0.0); x.len()]).collect();
        let sources = Self::sources(site);
        for (row, dy) in pass.dy.chunks_exact(sources.len()).enumerate() {
            for (&from, &dy) in sources.iter().zip(dy) {
                let to = &mut dx[from.0][Self::place(site, row, from)];
                *to = *to + dy;
            }
        }
        dx
    }
}
