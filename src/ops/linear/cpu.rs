//! Its CPU kernels: those of a convolution whose kernel is as large as the image, or one pixel for a vector.

use super::Linear;
use crate::ops::cpu::product::{self, Kernel};
use crate::ops::cpu::{Back, Kept, Lower, Moving, Node, Site};
use crate::simd::Isa;
use crate::simd::geometry::Tables;
use crate::simd::memory::{Calls, Place};

fn kernel(node: &Node) -> Kernel {
    Kernel { sides: node.inputs[0].sides, stride: 1, padding: [0, 0], dilation: 1, groups: 1 }
}

impl Lower for Linear {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, x_dot: true, ..Kept::default() }
    }

    fn tables(&self, node: &Node) -> Option<Tables> {
        Some(kernel(node).tables(node))
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        kernel(node).params(node, self.bias)
    }

    fn turned_len(&self, node: &Node) -> usize {
        product::turned_len(node)
    }

    fn turn<I: Isa>(&self, node: &Node, from: Place, to: Place, calls: &mut Calls<I>) {
        product::turn(node, from, to, calls);
    }

    fn scratch(&self, node: &Node) -> usize {
        product::scratch(node)
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        product::forward(site, calls);
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        product::backward(site, back, calls);
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        product::tangent(site, moving, calls);
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        product::backward_tangent(site, moving, dy, back, calls);
    }
}
