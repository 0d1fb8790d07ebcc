//! What every loss says of itself: the trait that a room implements.

use super::truth::Truth;
use crate::ops::scalar::Scalar;
use std::fmt;

/// A loss of one point: what it makes of outputs `[outputs]` and targets `[targets]`, in the plainest arithmetic, which the
/// oracle runs. The loss of a set is the mean over its points.
///
/// Its kernels are beside it: `cpu.rs` of its room, and `shaders/loss/loss_functions.wgsl`.
pub trait Criterion: fmt::Display {
    /// Its name in recipes, golden cases and errors.
    fn name(&self) -> &'static str;

    /// Its one setting, for shaders; 0 without.
    fn setting(&self) -> f64;

    /// Checks its settings.
    ///
    /// # Errors
    /// The setting, and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, String)>;

    /// What it compares outputs with.
    fn truth(&self) -> Truth;

    /// The loss.
    fn value<S: Scalar>(&self, out: &[S], target: &[f64]) -> S;

    /// `∂loss/∂out`, `[outputs]`.
    fn cotangent<S: Scalar>(&self, out: &[S], target: &[f64]) -> Vec<S>;

    /// Whether outputs may stand for decisions, right or wrong.
    fn decides(&self) -> bool;

    /// The share of a point's decisions that are right; nothing where its targets are no decisions.
    fn right(&self, out: &[f32], target: &[f32]) -> Option<f64>;
}
