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
            let vectors = self.len / V::LANES;
            for i in 0..vectors / 4 {
                for (n, sum) in sums.iter_mut().enumerate() {
                    let at = (4 * i + n) * V::LANES;
                    *sum = V::load(self.x.add(at)).mul_add(V::load(self.y.add(at)), *sum);
                }
            }
            for i in vectors / 4 * 4..vectors {
                let at = i * V::LANES;
                sums[0] = V::load(self.x.add(at)).mul_add(V::load(self.y.add(at)), sums[0]);
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
        // SAFETY: promised by the caller.
        unsafe {
            match self.direction {
                Direction::Forward => windows::<V, 0>(&self),
                Direction::Tangent => windows::<V, 1>(&self),
                Direction::Backward => {
                    let [from, to] = self.nodes;
                    let apart = self.stride >= self.kernel;
                    let covered = |i: usize| to.sides[i] * self.stride == from.sides[i];
                    if !(apart && self.stride == self.kernel && covered(0) && covered(1)) {
                        std::ptr::write_bytes(self.x, 0, self.points * from.len());
                    }
                    // Where windows do not overlap, there is nothing to add to.
                    if apart { windows::<V, 2>(&self) } else { windows::<V, 3>(&self) }
                }
            }
        }
    }
}

/// All windows: forward (0), tangent (1), backward (2), and backward into windows that overlap (3).
#[inline(always)]
unsafe fn windows<V: Vector, const WAY: u8>(pool: &Pool) {
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
        // SAFETY: promised by the caller.
        unsafe {
            let (rows, columns) = (self.rows - self.rows % V::BLOCK, self.columns - self.columns % V::BLOCK);
            for tap in 0..self.taps {
                let from = self.from.add(tap * self.rows * self.wide);
                let to = self.to.add(tap * self.columns * self.pitch);
                for r in (0..rows).step_by(V::BLOCK) {
                    for c in (0..columns).step_by(V::BLOCK) {
                        let block = (from.add(r * self.wide + c), to.add(c * self.pitch + r));
                        V::transpose((block.0, self.wide), (block.1, self.pitch));
                    }
                }
                // What is left beside and below the blocks.
                for r in 0..self.rows {
                    for c in if r < rows { columns } else { 0 }..self.columns {
                        *to.add(c * self.pitch + r) = *from.add(r * self.wide + c);
                    }
                }
            }
        }
    }
}
