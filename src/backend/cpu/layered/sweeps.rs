//! The other element-wise sweeps: ReLU, pooling, sums of columns, updates, transposition.

use super::super::simd::Vector;
use super::program::Node;
use super::tile::Kernel;

/// `c = max(x, 0)`, `len` floats.
pub(super) struct Relu {
    pub(super) c: *mut f32,
    pub(super) x: *const f32,
    pub(super) len: usize,
}

/// `c = x` where the gate is positive, else 0.
pub(super) struct Gate {
    pub(super) c: *mut f32,
    pub(super) x: *const f32,
    pub(super) gate: *const f32,
    pub(super) len: usize,
}

/// `c = x + scale · rate ⊙ y`; a null `x` is 0, a null rate 1.
pub(super) struct Update {
    pub(super) c: *mut f32,
    pub(super) x: *const f32,
    pub(super) scale: f32,
    pub(super) rate: *const f32,
    pub(super) y: *const f32,
    pub(super) len: usize,
}

/// `*c −= Σ x y`.
pub(super) struct SubtractDot {
    pub(super) c: *mut f32,
    pub(super) x: *const f32,
    pub(super) y: *const f32,
    pub(super) len: usize,
}

/// `c = base + scale · Σ` over rows of `x`.
pub(super) struct ColumnSums {
    pub(super) x: *const f32,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) c: *mut f32,
    /// May be null.
    pub(super) base: *const f32,
    pub(super) scale: f32,
}

/// Which way a pool is gone through.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    /// `y` = the largest of `x`, whose place in the window goes to the winners.
    Forward,
    /// `y` = what `x` has at the winners.
    Tangent,
    /// `x` = what `y` has, at the winners; zero elsewhere.
    Backward,
}

/// Max-pool of `points` images.
pub(super) struct Pool {
    pub(super) direction: Direction,
    pub(super) x: *mut f32,
    pub(super) y: *mut f32,
    pub(super) winners: *mut f32,
    pub(super) nodes: [Node; 2],
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) points: usize,
}

/// `y[point]` = mean over the pixels of `x`, or back: every pixel of `x` takes its share of `y`.
pub(super) struct Mean {
    pub(super) x: *mut f32,
    pub(super) y: *mut f32,
    pub(super) pixels: usize,
    pub(super) pitch: usize,
    pub(super) points: usize,
    pub(super) back: bool,
}

/// `[taps, rows, wide]` to `[taps, columns, pitch]`; of what is beyond the columns and rows, nothing is touched.
pub(super) struct Transpose {
    pub(super) from: *const f32,
    pub(super) to: *mut f32,
    pub(super) taps: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) wide: usize,
    pub(super) pitch: usize,
}

impl Kernel for Relu {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: promised by the caller.
            unsafe { V::load(self.x.add(at)).relu().store(self.c.add(at)) };
        }
    }
}

impl Kernel for Gate {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for at in (0..self.len).step_by(V::LANES) {
            // SAFETY: promised by the caller.
            unsafe { V::load(self.x.add(at)).gated(V::load(self.gate.add(at))).store(self.c.add(at)) };
        }
    }
}

impl Kernel for Update {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            let scale = V::splat(self.scale);
            for at in (0..self.len).step_by(V::LANES) {
                let mut y = V::load(self.y.add(at));
                if !self.rate.is_null() {
                    y = y.mul(V::load(self.rate.add(at)));
                }
                let x = if self.x.is_null() { V::splat(0.0) } else { V::load(self.x.add(at)) };
                y.mul_add(scale, x).store(self.c.add(at));
            }
        }
    }
}

impl Kernel for SubtractDot {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            // Several sums, so that one addition need not wait for the one before it.
            let mut sums = [V::splat(0.0); 4];
            for (i, at) in (0..self.len).step_by(V::LANES).enumerate() {
                sums[i % 4] = V::load(self.x.add(at)).mul_add(V::load(self.y.add(at)), sums[i % 4]);
            }
            *self.c -= sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum();
        }
    }
}

impl Kernel for ColumnSums {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            for column in (0..self.width).step_by(V::LANES) {
                let mut sum = V::splat(0.0);
                for row in 0..self.rows {
                    sum = sum.add(V::load(self.x.add(row * self.width + column)));
                }
                let base = if self.base.is_null() { V::splat(0.0) } else { V::load(self.base.add(column)) };
                sum.mul_add(V::splat(self.scale), base).store(self.c.add(column));
            }
        }
    }
}

impl Kernel for Pool {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [from, to] = self.nodes;
        let pitch = from.pitch;
        // SAFETY: promised by the caller.
        unsafe {
            if matches!(self.direction, Direction::Backward) {
                std::ptr::write_bytes(self.x, 0, self.points * from.len());
            }
            for image in 0..self.points {
                for out in 0..to.pixels() {
                    let (oy, ox) = (out / to.sides[1], out % to.sides[1]);
                    let corner = (oy * self.stride * from.sides[1] + ox * self.stride) * pitch;
                    let (x, y) = (self.x.add(image * from.len() + corner), image * to.len() + out * pitch);
                    for at in (0..pitch).step_by(V::LANES) {
                        let (y, winners) = (self.y.add(y + at), self.winners.add(y + at));
                        let mut best = V::load(x.add(at));
                        let (mut winner, mut index) = (V::splat(0.0), V::splat(0.0));
                        if !matches!(self.direction, Direction::Forward) {
                            winner = V::load(winners);
                            best = V::splat(0.0);
                        }
                        for ky in 0..self.kernel {
                            for kx in 0..self.kernel {
                                let x = x.add((ky * from.sides[1] + kx) * pitch + at);
                                // Positive where this tap is the winner.
                                let off = winner.sub(index);
                                let hit = V::splat(0.5).sub(off.mul(off));
                                match self.direction {
                                    Direction::Forward => {
                                        let value = V::load(x);
                                        winner = value.greater(best, index, winner);
                                        best = value.greater(best, value, best);
                                    }
                                    Direction::Tangent => best = best.add(V::load(x).gated(hit)),
                                    Direction::Backward => V::load(x).add(V::load(y).gated(hit)).store(x),
                                }
                                index = index.add(V::splat(1.0));
                            }
                        }
                        match self.direction {
                            Direction::Forward => {
                                best.store(y);
                                winner.store(winners);
                            }
                            Direction::Tangent => best.store(y),
                            Direction::Backward => {}
                        }
                    }
                }
            }
        }
    }
}

impl Kernel for Mean {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            let share = V::splat(1.0 / self.pixels as f32);
            for point in 0..self.points {
                for at in (0..self.pitch).step_by(V::LANES) {
                    let (x, y) = (
                        self.x.add(point * self.pixels * self.pitch + at),
                        self.y.add(point * self.pitch + at),
                    );
                    let mut sum = V::splat(0.0);
                    for pixel in 0..self.pixels {
                        let x = x.add(pixel * self.pitch);
                        if self.back {
                            V::load(y).mul(share).store(x);
                        } else {
                            sum = sum.add(V::load(x));
                        }
                    }
                    if !self.back {
                        sum.mul(share).store(y);
                    }
                }
            }
        }
    }
}

impl Kernel for Transpose {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        const BLOCK: usize = 16;
        // SAFETY: promised by the caller.
        unsafe {
            for tap in 0..self.taps {
                let from = self.from.add(tap * self.rows * self.wide);
                let to = self.to.add(tap * self.columns * self.pitch);
                for r0 in (0..self.rows).step_by(BLOCK) {
                    for c0 in (0..self.columns).step_by(BLOCK) {
                        for c in c0..self.columns.min(c0 + BLOCK) {
                            for r in r0..self.rows.min(r0 + BLOCK) {
                                *to.add(c * self.pitch + r) = *from.add(r * self.wide + c);
                            }
                        }
                    }
                }
            }
        }
    }
}
