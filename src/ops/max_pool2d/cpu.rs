//! Its CPU kernels. The winner of each window is kept as its number, in a float.

use super::MaxPool2d;
use crate::ops::cpu::windows::Windows;
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
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
    /// Max-pool.
    Pool as PoolAt, pool {
        places: x, y, winners;
        values: direction: Direction, windows: Windows
    }
}

#[inline(always)]
unsafe fn pool<V: Vector>(_: V, pool: PoolAt) {
    // SAFETY: promised by the caller.
    unsafe {
        match pool.direction {
            Direction::Forward => sweep::<V, 0>(&pool),
            Direction::Tangent => sweep::<V, 1>(&pool),
            Direction::Backward => {
                pool.windows.clear(pool.x);
                // Where windows do not overlap, there is nothing to add to.
                if pool.windows.apart() { sweep::<V, 2>(&pool) } else { sweep::<V, 3>(&pool) }
            }
        }
    }
}

/// All windows: forward (0), tangent (1), backward (2), and backward into windows that overlap (3).
#[inline(always)]
unsafe fn sweep<V: Vector, const WAY: u8>(pool: &PoolAt) {
    let windows = pool.windows;
    let [rows, columns] = windows.window.kernel;
    // SAFETY: promised by the caller.
    unsafe {
        for index in 0..windows.count() {
            let (x, y) = windows.place(index);
            for at in (0..windows.from.pitch).step_by(V::LANES) {
                let (x, y, winners) = (pool.x.add(x + at), pool.y.add(y + at), pool.winners.add(y + at));
                let (mut result, mut winner) = match WAY {
                    0 => (V::load(x), V::splat(0.0)),
                    1 => (V::splat(0.0), V::load(winners)),
                    _ => (V::load(y), V::load(winners)),
                };
                for tap in 0..rows * columns {
                    let x = x.add(windows.tap(tap / columns, tap % columns));
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

impl MaxPool2d {
    fn pass(self, site: &Site<'_>, direction: Direction, x: Place, y: Place) -> Pool {
        Pool { x, y, winners: site.saved, direction, windows: Windows::new(self.0, site) }
    }
}

impl Lower for MaxPool2d {
    fn keeps(&self, _: bool) -> Kept {
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
