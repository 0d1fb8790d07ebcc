//! Its CPU kernels.

use super::Add;
use crate::ops::cpu::broadcast::{cotangents, factor, output};
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place};

/// `out = Σ x` of the inputs that there are.
fn sum<I: Isa>(site: &Site<'_>, x: &[Place], out: Place, calls: &mut Calls<I>) {
    let there = x.iter().enumerate().filter(|(_, x)| x.is_somewhere());
    output(site, out, there.map(|(i, &x)| vec![factor(site, i, x)]).collect(), calls);
}

impl Lower for Add {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn lies_as_inputs(&self) -> bool {
        true
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        sum(site, &site.x, site.y, calls);
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        let len = site.node.output.len();
        cotangents(site, back, |_| vec![vec![(back.dy, len)]], calls);
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        sum(site, &moving.x, moving.y, calls);
    }
}
