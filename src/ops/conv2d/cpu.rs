//! Its CPU kernels: products of pixels with the packed weight. Channels of different groups meet at zeros.

use super::Conv2d;
use crate::ops::cpu::product::{self, Kernel};
use crate::ops::cpu::{Back, Kept, Layout, Lower, Moving, Node, Site};
use crate::simd::Isa;
use crate::simd::geometry::Tables;
use crate::simd::memory::{Calls, Place};

impl Conv2d {
    fn product(&self) -> Kernel {
        let &Self { kernel: sides, stride, padding, dilation, groups, .. } = self;
        Kernel { sides, stride, padding, dilation, groups }
    }
}

impl Lower for Conv2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, x_dot: true, ..Kept::default() }
    }

    fn tables(&self, node: &Node) -> Option<Tables> {
        Some(self.product().tables(node))
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        self.product().params(node, self.bias)
    }

    fn unfolds(&self, node: &Node) -> Option<(Layout, Vec<u32>)> {
        self.product().unfolds(node)
    }

    fn constants(&self, node: &Node) -> Vec<f32> {
        self.product().constants(node)
    }

    fn scratch(&self, node: &Node) -> usize {
        product::scratch(node, self.groups)
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
