//! Planes: an image whose lanes have been put where channels of the same group stand, for `lanewise` products.

use super::geometry::{Class, Geometry};
use super::{NO_LANE, Vector};
use std::sync::Arc;

/// Some lanes of a plane's vector, of one vector of the image.
struct Pick {
    /// Floats from the pixel on.
    from: u32,
    /// First of its entries among [`Spread::lanes`].
    lanes: u32,
}

/// How planes are picked from an image.
pub(crate) struct Spread {
    planes: usize,
    /// For each vector and plane.
    picks: Vec<Vec<Pick>>,
    lanes: Vec<u32>,
}

impl Spread {
    /// For `count` channels, `own` of each group, that see the `other` channels of their group; nothing where each sees
    /// the one in its own place.
    pub(crate) fn new(count: usize, own: usize, other: usize, lanes: usize) -> Option<Self> {
        if own == 1 && other == 1 {
            return None;
        }
        let mut this = Self { planes: other, picks: Vec::new(), lanes: Vec::new() };
        for first in (0..count).step_by(lanes) {
            for plane in 0..other {
                let seen: Vec<Option<usize>> = (first..first + lanes)
                    .map(|channel| (channel < count).then_some(channel / own * other + plane))
                    .collect();
                let mut vectors: Vec<usize> = seen.iter().flatten().map(|channel| channel / lanes).collect();
                vectors.dedup();
                let mut picks = Vec::new();
                for vector in vectors {
                    picks.push(Pick { from: (vector * lanes) as u32, lanes: this.lanes.len() as u32 });
                    let lane = |channel: &Option<usize>| {
                        channel.filter(|c| c / lanes == vector).map_or(NO_LANE, |c| (c % lanes) as u32)
                    };
                    this.lanes.extend(seen.iter().map(lane));
                }
                this.picks.push(picks);
            }
        }
        Some(this)
    }

    pub(super) fn planes(&self) -> usize {
        self.planes
    }

    /// Picks the planes of a vector: `to` is `[plane, pixel, lane]`.
    ///
    /// # Safety
    /// As [`Call::run`](super::memory::Call::run).
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector>(&self, x: *const f32, image: Image, vector: usize, to: *mut f32) {
        for (plane, picks) in self.picks[vector * self.planes..][..self.planes].iter().enumerate() {
            // SAFETY: promised by the caller.
            unsafe {
                let mut to = to.add(plane * image.pixels * V::LANES);
                let lanes = self.lanes.as_ptr();
                if let [one] = &picks[..] {
                    let (mut x, lanes) = (x.add(one.from as usize), lanes.add(one.lanes as usize));
                    for _ in 0..image.pixels {
                        V::load(x).pick(lanes).store(to);
                        (x, to) = (x.add(image.pitch), to.add(V::LANES));
                    }
                    continue;
                }
                let mut x = x;
                for _ in 0..image.pixels {
                    let mut all = V::splat(0.0);
                    for pick in picks {
                        let some = V::load(x.add(pick.from as usize));
                        all = all.add(some.pick(lanes.add(pick.lanes as usize)));
                    }
                    all.store(to);
                    (x, to) = (x.add(image.pitch), to.add(V::LANES));
                }
            }
        }
    }
}

/// One way of a lanewise product: what it reads, and how.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) classes: Arc<[Class]>,
    pub(crate) spread: Option<Arc<Spread>>,
}

/// A lanewise product's geometry, worked out once.
#[derive(Clone)]
pub(crate) struct LaneTables {
    pub(crate) groups: usize,
    pub(crate) taps: usize,
    /// Channels of a group, in and out.
    pub(crate) channels: [usize; 2],
    pub(crate) forward: Way,
    pub(crate) backward: Way,
}

impl std::fmt::Debug for LaneTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} groups of {:?} channels, {} taps", self.groups, self.channels, self.taps)
    }
}

impl LaneTables {
    /// Of a geometry whose channels are those of a group, for vectors of so many lanes.
    pub(crate) fn new(geometry: Geometry, groups: usize, lanes: usize) -> Self {
        let (deep, broad) = (geometry.inputs, geometry.outputs);
        let way =
            |count: usize, own: usize, other: usize| Spread::new(count, own, other, lanes).map(Arc::new);
        let spread = [way(groups * broad, broad, deep), way(groups * deep, deep, broad)];
        // A plane has one channel, and its pixels lie side by side.
        let read =
            |spread: &Option<Arc<Spread>>, floats: usize| if spread.is_some() { lanes } else { floats };
        let (pitch, wide) = (geometry.pitch, geometry.wide);
        let plane = Geometry { inputs: 1, outputs: 1, row: wide, back_row: pitch, ..geometry };
        let forward = Geometry { pitch: read(&spread[0], pitch), ..plane }.forward();
        let backward = Geometry { wide: read(&spread[1], wide), ..plane }.backward();
        let [there, back] = spread;
        Self {
            groups,
            taps: geometry.kernel[0] * geometry.kernel[1],
            channels: [deep, broad],
            forward: Way { classes: forward.into(), spread: there },
            backward: Way { classes: backward.into(), spread: back },
        }
    }
}

/// An image that is read: its pixels, and floats from one to the next.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    pub(crate) pixels: usize,
    pub(crate) pitch: usize,
}
