//! What an op says of its dispatches: the trait that its room implements for the layered path. Nothing here knows a device.

pub use super::call::{Bound, Call, Operand, Slice};
pub use super::seat::{Extent, Parameters, Rates, Seat, Sizes, Take, spread};
pub use crate::kept::Kept;

/// Where the cotangent of an input goes.
#[derive(Clone, Copy, Debug)]
pub struct Below {
    /// The cotangent, or its tangent.
    pub to: Operand,
    /// Whether it is added to what is there.
    pub add: bool,
    /// Whether it is zero where the input, which came out of a ReLU, is.
    pub gate: bool,
}

/// What the tangent of a backward takes.
#[derive(Clone, Debug)]
pub struct Turned<'a> {
    /// Tangents of the inputs.
    pub x_dot: &'a [Option<Operand>],
    /// Tangent of the output, where that is kept.
    pub y_dot: Option<Operand>,
    /// What the tangent left.
    pub saved_dot: Option<Operand>,
    /// Cotangent of the output.
    pub dy: Operand,
    /// Its tangent.
    pub dy_dot: Operand,
    /// Where tangents of the inputs' cotangents go.
    pub dx: &'a [Option<Below>],
    /// Gradients of rates.
    pub rates: Rates,
}

/// An op as dispatches of the layered path.
pub trait Lower {
    /// What its passes read and leave; `relu` says whether one is part of it.
    fn keeps(&self, relu: bool) -> Kept;

    /// Whether its output is its input by another name.
    fn aliases(&self) -> bool {
        false
    }

    /// Whether a ReLU behind it may be part of it.
    fn folds_relu(&self) -> bool {
        false
    }

    /// Whether its backward closes the cotangent of its input where a ReLU before it is closed.
    fn gates(&self) -> bool {
        false
    }

    /// Floats of a task that its forward pass leaves.
    fn saved(&self, _sizes: &Sizes) -> usize {
        0
    }

    /// Floats of a task that its tangent leaves.
    fn saved_dot(&self, _sizes: &Sizes) -> usize {
        0
    }

    /// Floats of a task that stretches of its parameters' gradient take, and with it of their tangents.
    fn stretches(&self, _sizes: &Sizes, _tangents: bool) -> usize {
        0
    }

    /// Parts of the gradient of a rate that its parameters share.
    fn rate_parts(&self, _sizes: &Sizes) -> u32 {
        0
    }

    /// The dispatches of its forward pass.
    fn forward(&self, seat: &Seat) -> Vec<Call>;

    /// Of its backward pass; `dx` are the inputs' cotangents. With [`Take::Curvature`] all cotangents are tangents.
    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], take: Take) -> Vec<Call>;

    /// Of its tangent.
    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        saved_dot: Option<Operand>,
    ) -> Vec<Call>;

    /// Of the tangent of its backward, where that is not its backward.
    fn backward_tangent(&self, _seat: &Seat, _turned: &Turned<'_>) -> Vec<Call> {
        Vec::new()
    }

    /// Of the gradients of its inner rates alone.
    fn rates(&self, _seat: &Seat, _dy: Operand, _rates: Rates) -> Vec<Call> {
        Vec::new()
    }
}
