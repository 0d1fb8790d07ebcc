//! What every op says of itself: the trait that a room implements.

use super::param::ParamSpec;
use super::scalar::Scalar;
use super::shape::{Rows, Shape};
use std::fmt;

/// How many inputs an op takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// None: its value comes from its parameters alone, a row for the whole task.
    Source,
    /// One.
    One,
    /// Two or more.
    Several,
}

/// How an op's output depends on its inputs and parameters: what its tangents are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curvature {
    /// Linear in its inputs, without parameters: a tangent is the op itself, the tangent of its backward the backward.
    Linear,
    /// Linear between kinks, without parameters: as [`Curvature::Linear`], with the signs or winners of the pass.
    Piecewise,
    /// Anything else, products of two changing factors included.
    Smooth,
}

/// Where an op stands in a graph: what it is applied to.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Shape of a row of each input.
    pub inputs: &'a [Shape],
    /// Rows of each input.
    pub input_rows: &'a [Rows],
    /// Shape of a row of the output.
    pub output: Shape,
    /// Rows of the output.
    pub rows: Rows,
    /// Points of the set.
    pub points: usize,
    /// A weight for each point, `[points]`; those of weight 0 count nowhere. Without it all count alike.
    pub weights: Option<&'a [f64]>,
}

impl Site<'_> {
    /// Rows of the output.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.count(self.points)
    }

    /// Rows of an input.
    #[must_use]
    pub fn input_count(&self, input: usize) -> usize {
        self.input_rows[input].count(self.points)
    }

    /// Whether a row of the output counts.
    #[must_use]
    pub fn counts(&self, row: usize) -> bool {
        self.rows == Rows::Task || self.weights.is_none_or(|weights| weights[row] > 0.0)
    }
}

/// An op: what it makes of shapes, its parameters, its cost, and its plainest arithmetic, which the oracle runs.
///
/// Its kernels are beside it: `cpu.rs` and `gpu.rs` of its room. Arrays are `[rows, channels, height, width]`
/// (`[rows, features]` for vectors), row-major.
pub trait Operation: fmt::Display {
    /// Its name in recipes, golden cases and errors.
    const NAME: &'static str;

    /// How many inputs it takes.
    const ARITY: Arity;

    /// Its name, or that of its function where a room holds several.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// The same op with the defaults that depend on its other settings spelled out.
    #[must_use]
    fn resolved(self) -> Self
    where
        Self: Sized,
    {
        self
    }

    /// The shape of a row that comes out where rows of `inputs` go in, or why nothing can.
    ///
    /// # Errors
    /// What does not fit, for people.
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String>;

    /// Its parameters, in the order of the flat vector.
    fn params(&self, inputs: &[Shape], output: Shape) -> Vec<ParamSpec>;

    /// Multiply-adds of its forward pass, for one row.
    fn multiply_adds(&self, inputs: &[Shape], output: Shape) -> u64;

    /// What its tangents are made of.
    fn curvature(&self) -> Curvature;

    /// Whether a row of its output depends on other points: then a pass cannot run over chunks of points.
    fn couples_points(&self) -> bool {
        false
    }

    /// Forward: the output, `[rows, output]`, of inputs `x` and parameters `theta`.
    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S>;

    /// Backward: the cotangent of each input, from that of the output; adds to the gradients of the parameters.
    fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>>;
}

/// What a backward pass has at hand.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, S> {
    /// Inputs.
    pub x: &'a [&'a [S]],
    /// Parameters.
    pub theta: &'a [&'a [S]],
    /// Cotangent of the output.
    pub dy: &'a [S],
}
