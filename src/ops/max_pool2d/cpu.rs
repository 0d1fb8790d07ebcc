//! Its CPU kernels. The winner of each window is kept as its number, in a float.

use super::MaxPool2d;
use crate::ops::cpu::{Back, Kept, Layout, Lower, Moving, Site};
use crate::simd::memory::{Calls, Place, call};
use crate::simd::{Isa, Vector};

/// Which way a pool is gone through.
#[derive(Clone, Copy)]
enum Direction {
    /// `y` = the largest of `x`, whose place in the window goes to the winners.
    Forward,
    /// `y` = what `x` has at the winners.
    Tangent,
    /// `x` = what `y` has, at the winners; zero elsewhere.
    Backward,
}

call! {
    /// Max-pool of `points` images.
    Pool as PoolAt, pool {
        places: x, y, winners;
        values: direction: Direction, nodes: [Layout; 2], kernel: usize, stride: usize, points: usize
    }
}

#[inline(always)]
unsafe fn pool<V: Vector>(_: V, pool: PoolAt) {
    // SAFETY: promised by the caller.
    unsafe {
        match pool.direction {
            Direction::Forward => windows::<V, 0>(&pool),
            Direction::Tangent => windows::<V, 1>(&pool),
            Direction::Backward => {
                let [from, to] = pool.nodes;
                let apart = pool.stride >= pool.kernel;
                let covered = |i: usize| to.sides[i] * pool.stride == from.sides[i];
                if !(apart && pool.stride == pool.kernel && covered(0) && covered(1)) {
                    std::ptr::write_bytes(pool.x, 0, pool.points * from.len());
                }
                // Where windows do not overlap, there is nothing to add to.
                if apart { windows::<V, 2>(&pool) } else { windows::<V, 3>(&pool) }
            }
        }
    }
}

/// All windows: forward (0), tangent (1), backward (2), and backward into windows that overlap (3).
#[inline(always)]
unsafe fn windows<V: Vector, const WAY: u8>(pool: &PoolAt) {
    let [from, to] = pool.nodes;
    let pitch = from.pitch;
    // SAFETY: promised by the caller.
    unsafe {
        for image in 0..pool.points {
            for out in 0..to.pixels() {
                let (oy, ox) = (out / to.sides[1], out % to.sides[1]);
                let corner = (oy * pool.stride * from.sides[1] + ox * pool.stride) * pitch;
                let (x, y) = (pool.x.add(image * from.len() + corner), image * to.len() + out * pitch);
                for at in (0..pitch).step_by(V::LANES) {
                    let (y, winners) = (pool.y.add(y + at), pool.winners.add(y + at));
                    let (mut result, mut winner) = match WAY {
                        0 => (V::load(x.add(at)), V::splat(0.0)),
                        1 => (V::splat(0.0), V::load(winners)),
                        _ => (V::load(y), V::load(winners)),
                    };
                    for tap in 0..pool.kernel * pool.kernel {
                        let (ky, kx) = (tap / pool.kernel, tap % pool.kernel);
                        let x = x.add((ky * from.sides[1] + kx) * pitch + at);
                        let index = V::splat(tap as f32);
                        // Positive where this tap is the winner.
                        let off = winner.sub(index);
                        let hit = V::splat(0.5).sub(off.mul(off));
                        match WAY {
                            0 => {
                                let value = V::load(x);
                                winner = value.greater(result, index, winner);
                                result = value.greater(result, value, result);
                            }
                            1 => result = result.add(V::load(x).gated(hit)),
                            2 => result.gated(hit).store(x),
                            _ => V::load(x).add(result.gated(hit)).store(x),
                        }
                    }
                    if WAY == 0 {
                        winner.store(winners);
                    }
                    if WAY < 2 {
                        result.store(y);
                    }
                }
            }
        }
    }
}

impl MaxPool2d {
    fn pass(self, site: &Site<'_>, direction: Direction, x: Place, y: Place) -> Pool {
        let nodes = [site.node.inputs[0], site.node.output];
        let (kernel, stride, points) = (self.kernel, self.stride, site.rows());
        Pool { x, y, winners: site.saved, direction, nodes, kernel, stride, points }
    }
}

impl Lower for MaxPool2d {
    fn kept(&self, _: bool) -> Kept {
        Kept { saved: true, ..Kept::default() }
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(self.pass(site, Direction::Forward, site.x[0], site.y));
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if back.dx[0].is_somewhere() {
            calls.push(self.pass(site, Direction::Backward, back.dx[0], back.dy));
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        calls.push(self.pass(site, Direction::Tangent, moving.x[0], moving.y));
    }
}
