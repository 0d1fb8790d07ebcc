//! Its CPU kernels.

use super::BatchNorm;
use super::sweeps::{Backward, BackwardTangent, Forward, ForwardTangent, Rows};
use crate::ops::Shape;
use crate::ops::cpu::{Back, Kept, Lower, Moving, NONE, Node, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Gradient, Place};
use crate::simd::sweeps::{Fill, Update};

/// Floats of a row of statistics: channels of an image, the whole of a vector, that of a flattened image too.
fn width(node: &Node) -> usize {
    match node.shape {
        Shape::Vector(_) => node.output.len(),
        Shape::Image { .. } => node.output.pitch,
    }
}

fn rows(site: &Site<'_>) -> Rows {
    let width = width(site.node);
    let each = site.node.output.len() / width;
    Rows { rows: site.rows() * each, each, width, columns: [0, width], relu: site.node.relu }
}

fn param(of: &[Place], index: usize) -> Place {
    of.get(index).copied().unwrap_or(Place::NOWHERE)
}

/// `dγ = n q`, `dβ = n s` from the sums of a sweep.
fn gradients<I: Isa>(site: &Site<'_>, sums: Place, back: &Back, calls: &mut Calls<I>) {
    let len = width(site.node);
    for (gradient, y) in back.gradients.iter().zip([sums.after(len), sums]) {
        if let &Some(Gradient { to, base, scale }) = gradient {
            calls.push(Update { c: to, x: base, scale, rate: sums.after(2 * len), y, len });
        }
    }
}

impl Lower for BatchNorm {
    fn keeps(&self, relu: bool) -> Kept {
        Kept { y: relu, saved: true, saved_dot: true, ..Kept::default() }
    }

    fn lies_as_inputs(&self) -> bool {
        true
    }

    fn in_place(&self) -> bool {
        true
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        let features = match node.shape {
            Shape::Vector(_) => node.output.places(),
            Shape::Image { channels, .. } => {
                (0..node.output.pitch).map(|c| if c < channels { c as u32 } else { NONE }).collect()
            }
        };
        if self.affine { vec![features; 2] } else { Vec::new() }
    }

    /// The root and what a backward pass sums up; the root's tangent.
    fn stats(&self, node: &Node, _: usize) -> [usize; 2] {
        [4 * width(node), width(node)]
    }

    fn scratch(&self, node: &Node) -> usize {
        3 * width(node)
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(Forward {
            x: site.x[0],
            hat: site.saved,
            y: site.y,
            gamma: param(&site.theta, 0),
            beta: param(&site.theta, 1),
            root: site.stats,
            live: site.live,
            on: rows(site),
            eps: self.eps as f32,
        });
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        let sums = site.stats.after(width(site.node));
        calls.push(Backward {
            dy: back.dy,
            y: site.y,
            hat: site.saved,
            gamma: param(&site.theta, 0),
            root: site.stats,
            sums,
            dx: back.dx[0],
            live: site.live,
            on: rows(site),
        });
        gradients(site, sums, back, calls);
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        let mut x = moving.x[0];
        if !x.is_somewhere() {
            calls.push(Fill { c: moving.saved, len: site.len(), value: 0.0 });
            x = moving.saved;
        }
        calls.push(ForwardTangent {
            x,
            hat: moving.saved,
            y: moving.y,
            primal_hat: site.saved,
            primal_y: site.y,
            gamma: param(&site.theta, 0),
            gamma_dot: param(&moving.theta, 0),
            beta_dot: param(&moving.theta, 1),
            root: site.stats,
            root_dot: moving.stats,
            live: site.live,
            on: rows(site),
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
        calls.push(BackwardTangent {
            dy: back.dy,
            hat: moving.saved,
            primal_dy: dy,
            primal_y: site.y,
            primal_hat: site.saved,
            gamma: param(&site.theta, 0),
            gamma_dot: param(&moving.theta, 0),
            root: site.stats,
            root_dot: moving.stats,
            primal_sums: site.stats.after(width(site.node)),
            sums: site.scratch,
            dx: back.dx[0],
            live: site.live,
            on: rows(site),
        });
        gradients(site, site.scratch, back, calls);
    }
}
