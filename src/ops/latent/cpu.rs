//! Its CPU kernels: its value is its parameter.

use super::Latent;
use crate::ops::cpu::{Back, Kept, Lower, Moving, NONE, Node, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place, Scale};
use crate::simd::sweeps::Update;

fn copy<I: Isa>(site: &Site<'_>, y: Place, c: Place, calls: &mut Calls<I>) {
    calls.push(Update {
        c,
        x: Place::NOWHERE,
        scale: Scale::ONE,
        rate: Place::NOWHERE,
        y,
        len: site.node.output.len(),
    });
}

impl Lower for Latent {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn params(&self, node: &Node) -> Vec<Vec<u32>> {
        let element = |e: usize| if e < self.size { e as u32 } else { NONE };
        vec![(0..node.output.len()).map(element).collect()]
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        copy(site, site.theta[0], site.y, calls);
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if let Some(to) = back.gradients[0] {
            let len = site.node.output.len();
            calls.push(Update {
                c: to.to,
                x: to.base,
                scale: to.scale,
                rate: Place::NOWHERE,
                y: back.dy,
                len,
            });
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        copy(site, moving.theta[0], moving.y, calls);
    }
}
