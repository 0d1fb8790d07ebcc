//! Its CPU kernels: the mean of one window, as large as the image.

use super::GlobalAvgPool2d;
use crate::ops::avg_pool2d::cpu::Means;
use crate::ops::cpu::{Back, Kept, Lower, Moving, Site};
use crate::ops::window::Window;
use crate::simd::Isa;
use crate::simd::memory::Calls;

fn window(site: &Site<'_>) -> Window {
    Window::whole(site.node.inputs[0].sides)
}

impl Lower for GlobalAvgPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        calls.push(Means::of(window(site), site, site.x[0], site.y));
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if let Some(means) = Means::back(window(site), site, back) {
            calls.push(means);
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        calls.push(Means::of(window(site), site, moving.x[0], moving.y));
    }
}
