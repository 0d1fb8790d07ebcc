//! Its CPU kernels: a product for each group whose channels fill vectors, else one in which a lane is a channel.

use super::Conv2d;
use crate::ops::cpu::product::{self, Kernel};
use crate::ops::cpu::{Back, Kept, Layout, Lower, Moving, Node, Site, lanewise};
use crate::simd::Isa;
use crate::simd::geometry::Tables;
use crate::simd::memory::{Calls, Place};
use crate::simd::planes::LaneTables;

impl Conv2d {
    fn product(&self) -> Kernel {
        let &Self { kernel: sides, stride, padding, dilation, groups, .. } = self;
        Kernel { sides, stride, padding, dilation, groups }
    }

    /// Whether a lane is a channel. Either form multiplies each channel of a group by each weight once; this one also picks
    /// its lanes, the other needs groups of whole vectors.
    fn is_lanewise(&self, node: &Node) -> bool {
        let whole = |channels: usize| (channels / self.groups).is_multiple_of(node.lanes);
        self.groups > 1 && !(whole(node.inputs[0].channels) && whole(self.outputs))
    }
}

impl Lower for Conv2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, x_dot: true, ..Kept::default() }
    }

    fn tables(&self, node: &Node) -> Option<Tables> {
        (!self.is_lanewise(node)).then(|| self.product().tables(node))
    }

    fn lanewise(&self, node: &Node) -> Option<LaneTables> {
        let geometry = || self.product().geometry(node);
        self.is_lanewise(node).then(|| LaneTables::new(geometry(), self.groups, node.lanes))
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        let taps = self.kernel[0] * self.kernel[1];
        match self.is_lanewise(node) {
            true => lanewise::params(node, [self.groups, taps], self.bias),
            false => self.product().params(node, self.bias),
        }
    }

    fn unfolds(&self, node: &Node) -> Option<(Layout, Vec<u32>)> {
        self.product().unfolds(node)
    }

    fn turned_len(&self, node: &Node) -> usize {
        match &node.lanewise {
            Some(tables) => lanewise::turned_len(node, tables),
            None => product::turned_len(node),
        }
    }

    fn turn<I: Isa>(&self, node: &Node, from: Place, to: Place, calls: &mut Calls<I>) {
        match &node.lanewise {
            Some(tables) => calls.push(lanewise::turn(node, tables, from, to)),
            None => product::turn(node, from, to, calls),
        }
    }

    fn scratch(&self, node: &Node) -> usize {
        match &node.lanewise {
            Some(tables) => lanewise::scratch(node, tables),
            None => product::scratch(node),
        }
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        match &site.node.lanewise {
            Some(tables) => lanewise::forward(site, tables, calls),
            None => product::forward(site, calls),
        }
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        match &site.node.lanewise {
            Some(tables) => lanewise::backward(site, tables, back, calls),
            None => product::backward(site, back, calls),
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        match &site.node.lanewise {
            Some(tables) => lanewise::tangent(site, tables, moving, calls),
            None => product::tangent(site, moving, calls),
        }
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        match &site.node.lanewise {
            Some(tables) => lanewise::backward_tangent(site, tables, moving, dy, back, calls),
            None => product::backward_tangent(site, moving, dy, back, calls),
        }
    }
}
