//! What layer norm and group norm have in common: neighbouring elements of a point that are normalised together, a row.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod sweeps;

use super::normalise::{self, Set};
use super::{Backward, ParamSpec, Role, Site, scalar::Scalar};

/// A norm over rows.
pub(crate) trait RowNorm: Copy {
    /// ε.
    fn eps(self) -> f64;

    /// Whether there are γ and β.
    fn affine(self) -> bool;

    /// Groups of a point's channels, each a row, with a γ and a β for each channel; nothing where a point is one row, with
    /// γ and β of its shape.
    fn groups(self, channels: usize) -> Option<usize>;
}

/// Why a norm cannot be, if its ε is no such number.
pub(super) fn check_eps(eps: f64) -> Result<(), String> {
    match eps > 0.0 && eps.is_finite() {
        true => Ok(()),
        false => Err(format!("its eps is {eps}; a number above 0 is needed")),
    }
}

/// γ and β of these axes.
pub(super) fn params(norm: impl RowNorm, axes: Vec<usize>) -> Vec<ParamSpec> {
    match norm.affine() {
        true => vec![ParamSpec::weight(axes.clone(), Role::Scale), ParamSpec::bias(axes, Role::Shift)],
        false => Vec::new(),
    }
}

/// The rows of all points.
fn sets(norm: impl RowNorm, site: &Site<'_>) -> Vec<Set> {
    let (len, pixels) = (site.output.len(), site.output.pixels());
    let groups = norm.groups(site.output.features());
    let row = len / groups.unwrap_or(1);
    let set = |start: usize| {
        let elements = start..start + row;
        let affine = |e: usize| if groups.is_some() { e % len / pixels } else { e % len };
        Set { affine: elements.clone().map(affine).collect(), elements: elements.collect() }
    };
    (0..site.count() * len / row).map(|r| set(r * row)).collect()
}

/// See [`Operation::forward`](super::Operation::forward).
pub(super) fn forward<S: Scalar>(norm: impl RowNorm, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
    normalise::forward(&sets(norm, site), x[0], theta, norm.eps())
}

/// See [`Operation::backward`](super::Operation::backward).
pub(super) fn backward<S: Scalar>(
    norm: impl RowNorm,
    site: &Site<'_>,
    pass: Backward<'_, S>,
    dtheta: &mut [Vec<S>],
) -> Vec<Vec<S>> {
    vec![normalise::backward(&sets(norm, site), pass.x[0], pass.theta, pass.dy, dtheta, norm.eps())]
}
