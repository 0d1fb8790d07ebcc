//! Its CPU kernels.

use super::RowNorm;
use super::sweeps::{Backward, BackwardTangent, Dots, Forward, On, Tangent};
use crate::ops::cpu::{Back, Kept, Layout, Lower, Moving, NONE, Node, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Gradient, Place};

/// Groups of a node's channels; 0 for all of a point.
fn groups(norm: impl RowNorm, node: &Node) -> usize {
    norm.groups(node.output.channels).unwrap_or(0)
}

/// Pixels of a point, and floats of each, as [`On`] has them.
fn extent(norm: impl RowNorm, layout: Layout) -> [usize; 2] {
    match norm.groups(layout.channels) {
        Some(_) => [layout.pixels(), layout.pitch],
        None => [1, layout.len()],
    }
}

fn on(norm: impl RowNorm, site: &Site<'_>) -> On {
    let (output, groups) = (site.node.output, groups(norm, site.node));
    let [pixels, columns] = extent(norm, output);
    On {
        points: site.rows(),
        pixels,
        columns,
        groups,
        channels: output.channels / groups.max(1),
        elements: output.elements() / groups.max(1),
        eps: norm.eps() as f32,
    }
}

fn param(of: &[Place], index: usize) -> Place {
    of.get(index).copied().unwrap_or(Place::NOWHERE)
}

/// `dγ = Σ (dy x̂ + …)`, `dβ = Σ dy`.
fn gradients<I: Isa>(
    norm: impl RowNorm,
    site: &Site<'_>,
    back: &Back,
    second: (Place, Place),
    calls: &mut Calls<I>,
) {
    let [pixels, len] = extent(norm, site.node.output);
    let (rows, nowhere) = (site.rows() * pixels, (Place::NOWHERE, Place::NOWHERE));
    for (gradient, (a, (y, b))) in
        back.gradients.iter().zip([(site.saved, second), (Place::NOWHERE, nowhere)])
    {
        if let &Some(Gradient { to, base, scale }) = gradient {
            let (x, factor, rate) = (back.dy, scale.factor, scale.rate);
            calls.push(Dots { x, a, y, b, to, base, rate, factor, rows, len });
        }
    }
}

impl<N: RowNorm> Lower for N {
    fn keeps(&self, _: bool) -> Kept {
        Kept { saved: true, saved_dot: true, ..Kept::default() }
    }

    fn lies_as_inputs(&self) -> bool {
        true
    }

    fn needs_order(&self) -> bool {
        self.groups(1).is_some()
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        let columns = match groups(*self, node) {
            0 => node.output.places(),
            _ => (0..node.output.pitch)
                .map(|c| if c < node.output.channels { c as u32 } else { NONE })
                .collect(),
        };
        if self.affine() { vec![columns; 2] } else { Vec::new() }
    }

    fn constants(&self, node: &Node) -> Vec<f32> {
        let [_, columns] = extent(*self, node.output);
        let one = |element: u32| if element == NONE { 0.0 } else { 1.0 };
        node.output.places().into_iter().take(columns).map(one).collect()
    }

    fn stats(&self, node: &Node, rows: usize) -> [usize; 2] {
        [if groups(*self, node) == 0 { rows } else { rows * node.output.pitch }; 2]
    }

    fn scratch(&self, node: &Node) -> usize {
        if groups(*self, node) == 0 { 0 } else { 4 * node.output.pitch }
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(Forward {
            x: site.x[0],
            hat: site.saved,
            y: site.y,
            gamma: param(&site.theta, 0),
            beta: param(&site.theta, 1),
            root: site.stats,
            mask: site.constants,
            scratch: site.scratch,
            on: on(*self, site),
        });
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if back.dx[0].is_somewhere() {
            calls.push(Backward {
                dy: back.dy,
                hat: site.saved,
                gamma: param(&site.theta, 0),
                root: site.stats,
                dx: back.dx[0],
                mask: site.constants,
                scratch: site.scratch,
                on: on(*self, site),
            });
        }
        // Only now: the gradient may take the place of γ.
        gradients(*self, site, back, (Place::NOWHERE, Place::NOWHERE), calls);
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        calls.push(Tangent {
            x_dot: moving.x[0],
            hat_dot: moving.saved,
            y_dot: moving.y,
            hat: site.saved,
            gamma: param(&site.theta, 0),
            gamma_dot: param(&moving.theta, 0),
            beta_dot: param(&moving.theta, 1),
            root: site.stats,
            root_dot: moving.stats,
            mask: site.constants,
            scratch: site.scratch,
            on: on(*self, site),
        });
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        if back.dx[0].is_somewhere() {
            calls.push(BackwardTangent {
                dy,
                dy_dot: back.dy,
                hat: site.saved,
                hat_dot: moving.saved,
                gamma: param(&site.theta, 0),
                gamma_dot: param(&moving.theta, 0),
                root: site.stats,
                root_dot: moving.stats,
                dx_dot: back.dx[0],
                mask: site.constants,
                scratch: site.scratch,
                on: on(*self, site),
            });
        }
        gradients(*self, site, back, (dy, moving.saved), calls);
    }
}
