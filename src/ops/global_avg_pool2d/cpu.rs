//! Its CPU kernels.

use super::GlobalAvgPool2d;
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
use crate::simd::memory::{Call, Calls, Place};
use crate::simd::{Isa, Vector};

/// `y[row]` = mean over the pixels of `x`, or back: every pixel of `x` takes its share of `y`.
struct Mean {
    x: Place,
    y: Place,
    pixels: usize,
    pitch: usize,
    rows: usize,
    back: bool,
}

impl Call for Mean {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let &Self { pixels, pitch, rows, back, .. } = self;
        let (x, y) = (self.x.of(memory), self.y.of(memory));
        // SAFETY: promised by the caller.
        unsafe {
            let share = V::splat(1.0 / pixels as f32);
            for row in 0..rows {
                for at in (0..pitch).step_by(V::LANES) {
                    let (x, y) = (x.add(row * pixels * pitch + at), y.add(row * pitch + at));
                    let mut sum = V::splat(0.0);
                    for pixel in 0..pixels {
                        let x = x.add(pixel * pitch);
                        if back {
                            V::load(y).mul(share).store(x);
                        } else {
                            sum = sum.add(V::load(x));
                        }
                    }
                    if !back {
                        sum.mul(share).store(y);
                    }
                }
            }
        }
    }
}

fn mean(site: &Site<'_>, x: Place, y: Place, back: bool) -> Mean {
    let input = site.node.inputs[0];
    Mean { x, y, pixels: input.pixels(), pitch: input.pitch, rows: site.rows(), back }
}

impl Lower for GlobalAvgPool2d {
    fn kept(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(mean(site, site.x[0], site.y, false));
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if back.dx[0].is_somewhere() {
            calls.push(mean(site, back.dx[0], back.dy, true));
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        calls.push(mean(site, moving.x[0], moving.y, false));
    }
}
