//! Its CPU kernels.

use super::Mul;
use crate::ops::cpu::broadcast::{Factor, cotangents, factor, output};
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place};

/// All inputs but some, as factors.
fn others(site: &Site<'_>, but: &[usize]) -> Vec<Factor> {
    let others = (0..site.x.len()).filter(|i| !but.contains(i));
    others.map(|i| factor(site, i, site.x[i])).collect()
}

/// `ẋ_i` times all others but `but`, for each input that moves.
fn moved(site: &Site<'_>, x_dot: &[Place], but: &[usize]) -> Vec<Vec<Factor>> {
    let moving = (0..x_dot.len()).filter(|i| !but.contains(i) && x_dot[*i].is_somewhere());
    let term = |i| {
        let mut term = others(site, &[but, &[i]].concat());
        term.push(factor(site, i, x_dot[i]));
        term
    };
    moving.map(term).collect()
}

impl Lower for Mul {
    fn keeps(&self, _: bool) -> Kept {
        Kept { x: true, x_dot: true, ..Kept::default() }
    }

    fn lies_as_inputs(&self) -> bool {
        true
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        output(site, site.y, vec![others(site, &[])], calls);
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        let dy = (back.dy, site.node.output.len());
        cotangents(site, back, |input| vec![[vec![dy], others(site, &[input])].concat()], calls);
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        output(site, moving.y, moved(site, &moving.x, &[]), calls);
    }

    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        moving: &Moving,
        dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        let len = site.node.output.len();
        let terms = |input: usize| {
            let mut all = vec![[vec![(back.dy, len)], others(site, &[input])].concat()];
            for term in moved(site, &moving.x, &[input]) {
                all.push([vec![(dy, len)], term].concat());
            }
            all
        };
        cotangents(site, back, terms, calls);
    }
}
