//! Its CPU kernels, which the mean of a whole image takes as well.

use super::AvgPool2d;
use crate::ops::cpu::windows::Windows;
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
use crate::ops::window::Window;
use crate::simd::memory::{Calls, Place, call};
use crate::simd::{Isa, Vector};

call! {
    /// `y` = the mean of each window of `x`; or back: each pixel of `x` takes the shares of the windows that it lies in.
    pub(in crate::ops) Means as MeansAt, means {
        places: x, y;
        values: back: bool, windows: Windows
    }
}

#[inline(always)]
unsafe fn means<V: Vector>(_: V, k: MeansAt) {
    // SAFETY: promised by the caller.
    unsafe {
        if !k.back {
            forward::<V>(&k);
        } else {
            k.windows.clear(k.x);
            // Where windows do not overlap, there is nothing to add to.
            if k.windows.apart() { spread::<V, false>(&k) } else { spread::<V, true>(&k) }
        }
    }
}

#[inline(always)]
unsafe fn forward<V: Vector>(k: &MeansAt) {
    let windows = k.windows;
    let [rows, columns] = windows.window.kernel;
    // SAFETY: promised by the caller.
    unsafe {
        let share = V::splat(1.0 / windows.window.pixels() as f32);
        for index in 0..windows.count() {
            let (x, y) = windows.place(index);
            for at in (0..windows.from.pitch).step_by(V::LANES) {
                let mut sum = V::splat(0.0);
                for row in 0..rows {
                    let x = k.x.add(x + at + windows.tap(row, 0));
                    for column in 0..columns {
                        sum = sum.add(V::load(x.add(column * windows.from.pitch)));
                    }
                }
                sum.mul(share).store(k.y.add(y + at));
            }
        }
    }
}

#[inline(always)]
unsafe fn spread<V: Vector, const ADD: bool>(k: &MeansAt) {
    let windows = k.windows;
    let [rows, columns] = windows.window.kernel;
    // SAFETY: promised by the caller.
    unsafe {
        let share = V::splat(1.0 / windows.window.pixels() as f32);
        for index in 0..windows.count() {
            let (x, y) = windows.place(index);
            for at in (0..windows.from.pitch).step_by(V::LANES) {
                let part = V::load(k.y.add(y + at)).mul(share);
                for row in 0..rows {
                    let x = k.x.add(x + at + windows.tap(row, 0));
                    for column in 0..columns {
                        let x = x.add(column * windows.from.pitch);
                        if ADD { V::load(x).add(part).store(x) } else { part.store(x) }
                    }
                }
            }
        }
    }
}

impl Means {
    /// The means of the windows of `x`.
    pub(in crate::ops) fn of(window: Window, site: &Site<'_>, x: Place, y: Place) -> Self {
        Self { x, y, back: false, windows: Windows::new(window, site) }
    }

    /// The cotangent of `x` from that of the means, if it is wanted.
    pub(in crate::ops) fn back(window: Window, site: &Site<'_>, back: &Back) -> Option<Self> {
        let (x, y) = (back.dx[0], back.dy);
        x.is_somewhere().then(|| Self { x, y, back: true, windows: Windows::new(window, site) })
    }
}

impl Lower for AvgPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(Means::of(self.0, site, site.x[0], site.y));
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if let Some(means) = Means::back(self.0, site, back) {
            calls.push(means);
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        calls.push(Means::of(self.0, site, moving.x[0], moving.y));
    }
}
