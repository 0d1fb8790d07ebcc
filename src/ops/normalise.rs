//! What norms have in common in their plainest form: elements that are normalised together.

use super::scalar::Scalar;

/// Elements that share a mean and a variance.
pub(super) struct Set {
    /// Places in the value.
    pub(super) elements: Vec<usize>,
    /// Place of the scale and shift of each element among the parameters.
    pub(super) affine: Vec<usize>,
}

/// `(x − μ) / √(σ² + ε)` of the elements, and the root.
fn normal<S: Scalar>(set: &Set, x: &[S], eps: f64) -> (Vec<S>, S) {
    let (zero, share) = (S::constant(0.0), S::constant(1.0 / set.elements.len() as f64));
    let mean = set.elements.iter().fold(zero, |sum, &e| sum + x[e]) * share;
    let variance = set.elements.iter().fold(zero, |sum, &e| sum + (x[e] - mean) * (x[e] - mean)) * share;
    let root = (variance + S::constant(eps)).sqrt();
    (set.elements.iter().map(|&e| (x[e] - mean) / root).collect(), root)
}

fn or<S: Scalar>(theta: &[&[S]], param: usize, at: usize, otherwise: f64) -> S {
    theta.get(param).map_or(S::constant(otherwise), |values| values[at])
}

/// `y = γ x̂ + β`; elements of no set are 0.
pub(super) fn forward<S: Scalar>(sets: &[Set], x: &[S], theta: &[&[S]], eps: f64) -> Vec<S> {
    let mut y = vec![S::constant(0.0); x.len()];
    for set in sets {
        let (normal, _) = normal(set, x, eps);
        for ((&e, &a), &n) in set.elements.iter().zip(&set.affine).zip(&normal) {
            y[e] = or(theta, 0, a, 1.0) * n + or(theta, 1, a, 0.0);
        }
    }
    y
}

/// The cotangent of `x`; adds to the gradients of γ and β where they are.
pub(super) fn backward<S: Scalar>(
    sets: &[Set],
    x: &[S],
    theta: &[&[S]],
    dy: &[S],
    dtheta: &mut [Vec<S>],
    eps: f64,
) -> Vec<S> {
    let zero = S::constant(0.0);
    let mut dx = vec![zero; x.len()];
    for set in sets {
        let (normal, root) = normal(set, x, eps);
        let share = S::constant(1.0 / set.elements.len() as f64);
        let (mut sum, mut dot) = (zero, zero);
        for ((&e, &a), &n) in set.elements.iter().zip(&set.affine).zip(&normal) {
            if let [scale, shift] = dtheta {
                scale[a] = scale[a] + dy[e] * n;
                shift[a] = shift[a] + dy[e];
            }
            let through = dy[e] * or(theta, 0, a, 1.0);
            sum = sum + through;
            dot = dot + through * n;
        }
        for ((&e, &a), &n) in set.elements.iter().zip(&set.affine).zip(&normal) {
            dx[e] = (dy[e] * or(theta, 0, a, 1.0) - sum * share - n * dot * share) / root;
        }
    }
    dx
}
