//! Products of convolutions whose groups have few channels: a lane is a channel, and has weights of its own.
//!
//! A dense product multiplies one channel by the weights of all lanes. Here each lane has a group and multiplies its own
//! channels only: `y[o] = Σ_c Σ_tap w[c, tap, o] x_c[o]`, where the plane `x_c` has in lane `o` the `c`-th channel of that lane's
//! group. A depthwise convolution has one plane, its input as it lies. Otherwise the lanes of a plane are picked from
//! the image, a point and a vector of lanes at a time, so that the planes stay in the nearest caches. Weights are
//! `[plane, tap, lanes]`; nothing is multiplied by a zero that stands for a channel of another group.

use super::Vector;
use super::geometry::{Class, Pair, Run};
use super::memory::{Call, Gradient, Place, ranges};
use super::planes::{Image, Way};
use super::tile::Terms;
use std::ops::Range;

/// What both kernels read.
#[derive(Clone)]
pub(crate) struct Planes {
    pub(crate) way: Way,
    pub(crate) taps: usize,
    /// The left operand's image.
    pub(crate) image: Image,
    /// Room for planes, and floats of what each thread has of it.
    pub(crate) scratch: Place,
    pub(crate) room: usize,
    /// Vectors of lanes, and floats a point, of the other operand; which vectors are computed.
    pub(crate) vectors: usize,
    pub(crate) some: Range<usize>,
    pub(crate) point: usize,
    pub(crate) points: usize,
}

impl Planes {
    /// In shares by vectors of lanes, and floats of scratch before that of each.
    fn shares(&self, most: usize) -> impl Iterator<Item = (Self, usize)> {
        ranges(self.vectors, 1, most).into_iter().enumerate().map(|(n, some)| {
            let before = n * self.room;
            (Self { scratch: self.scratch.after(before), some, ..self.clone() }, before)
        })
    }

    fn count(&self) -> usize {
        self.way.spread.as_ref().map_or(1, |spread| spread.planes())
    }

    /// Floats from one plane to the next, of what is read and of the weights.
    #[inline(always)]
    fn strides<V: Vector>(&self) -> (usize, usize) {
        (self.image.pixels * V::LANES, self.taps * self.vectors * V::LANES)
    }

    /// The planes of a point and a vector of lanes: where they lie, or the `nth` in scratch.
    ///
    /// # Safety
    /// As [`Call::run`].
    #[inline(always)]
    unsafe fn read<V: Vector>(
        &self,
        x: *const f32,
        (point, vector): (usize, usize),
        nth: usize,
        memory: *mut f32,
    ) -> *const f32 {
        // SAFETY: promised by the caller.
        unsafe {
            let x = x.add(point * self.image.pixels * self.image.pitch);
            let Some(spread) = &self.way.spread else { return x.add(vector * V::LANES) };
            let to = self.scratch.of(memory).add(nth * self.count() * self.strides::<V>().0);
            spread.run::<V>(x, self.image, vector, to);
            to
        }
    }
}

/// For every pixel of every class and every lane: `c = Σ a ⊙ b + bias`.
pub(crate) struct LaneGather {
    pub(crate) planes: Planes,
    pub(crate) terms: Terms,
    pub(crate) c: Place,
    /// One vector row, or nowhere.
    pub(crate) bias: Place,
}

/// For every plane, tap and lane: `c = Σ a ⊙ b` over pixels, as a gradient `[planes, taps, lanes]`.
pub(crate) struct LaneOuter {
    pub(crate) planes: Planes,
    pub(crate) terms: Terms,
    pub(crate) to: Gradient,
    /// A vector for each plane and tap.
    pub(crate) sums: Place,
}

/// `[plane, tap, lanes]` to what the way back multiplies by, `[plane', tap, lanes']`: the lanes of one are the planes of
/// the other, in each group. Padding is not touched.
pub(crate) struct Regroup {
    pub(crate) from: Place,
    pub(crate) to: Place,
    pub(crate) groups: usize,
    pub(crate) taps: usize,
    /// Channels a group, and all floats of a tap's lanes: of `from`, whose planes are the channels of `to`, and of `to`.
    pub(crate) channels: [usize; 2],
    pub(crate) rows: [usize; 2],
}

/// Calls a tile of a size that is only known at run time.
macro_rules! tile {
    ($tile:ident, $v:ty, $size:expr, $arguments:tt) => {
        tile!(@ $tile, $v, $size, $arguments, 12 9 8 6 4 3 2 1)
    };
    (@ $tile:ident, $v:ty, $size:expr, $arguments:tt, $($of:literal)*) => {
        match $size {
            $( $of => tile!(# $tile, $v, $of, $arguments), )*
            size => unreachable!("a tile of {size}"),
        }
    };
    (# $tile:ident, $v:ty, $of:literal, ($($argument:expr),*)) => {
        $tile::<$v, $of>($($argument),*)
    };
}

/// Size of a tile, of `left` that are to be covered: as even as the sizes allow.
#[inline(always)]
fn size(left: usize) -> usize {
    let even = left.div_ceil(left.div_ceil(12));
    [12, 9, 8, 6, 4, 3, 2, 1].into_iter().find(|&size| size <= even).unwrap_or(1)
}

/// `M` pixels of a class.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "less to compile than iterators")]
unsafe fn pixel_tile<V: Vector, const M: usize>(
    planes: &Planes,
    (pixels, runs): (&[Pair], &[Run]),
    terms: &[(*const f32, *const f32)],
    c: *mut f32,
    bias: V,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let (a_plane, b_plane) = planes.strides::<V>();
        let mut acc = [bias; M];
        let mut places = [0_usize; M];
        for m in 0..M {
            places[m] = pixels.get_unchecked(m).a as usize;
        }
        for &(a, b) in terms {
            for plane in 0..planes.count() {
                let (a, b) = (a.add(plane * a_plane), b.add(plane * b_plane));
                for run in runs {
                    let (a, w) = (a.add(run.a as usize), V::load(b.add(run.b as usize)));
                    for m in 0..M {
                        acc[m] = V::load(a.add(places[m])).mul_add(w, acc[m]);
                    }
                }
            }
        }
        for m in 0..M {
            acc[m].store(c.add(pixels.get_unchecked(m).c as usize));
        }
    }
}

/// `N` of a class's taps of all planes, from the `first` on: adds to the sums.
#[inline(always)]
unsafe fn tap_tile<V: Vector, const N: usize>(
    planes: &Planes,
    class: &Class,
    first: usize,
    (a, b): (*const f32, *const f32),
    sums: *mut f32,
) {
    // SAFETY: promised by the caller.
    unsafe {
        let (mut places, mut to) = ([a; N], [sums; N]);
        for n in 0..N {
            let (plane, run) = ((first + n) / class.runs.len(), class.runs[(first + n) % class.runs.len()]);
            let tap = run.b as usize / (planes.vectors * V::LANES);
            places[n] = a.add(plane * planes.strides::<V>().0 + run.a as usize);
            to[n] = sums.add((plane * planes.taps + tap) * V::LANES);
        }
        let mut acc = [V::splat(0.0); N];
        for pixel in &class.pixels {
            let b = V::load(b.add(pixel.c as usize));
            for n in 0..N {
                acc[n] = V::load(places[n].add(pixel.a as usize)).mul_add(b, acc[n]);
            }
        }
        for n in 0..N {
            V::load(to[n]).add(acc[n]).store(to[n]);
        }
    }
}

impl Call for LaneGather {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (planes, terms) = (&self.planes, self.terms.of(memory));
        for (point, vector) in
            (0..planes.points).flat_map(|point| planes.some.clone().map(move |vector| (point, vector)))
        {
            // SAFETY: promised by the caller.
            unsafe {
                let at = vector * V::LANES;
                let mut read = terms;
                for (nth, (a, b)) in read.iter_mut().enumerate().take(self.terms.count()) {
                    *a = planes.read::<V>(*a, (point, vector), nth, memory);
                    *b = b.add(at);
                }
                let bias = self.bias.of(memory);
                let bias = if bias.is_null() { V::splat(0.0) } else { V::load(bias.add(at)) };
                let c = self.c.of(memory).add(point * planes.point + at);
                for class in planes.way.classes.iter() {
                    let mut done = 0;
                    while done < class.pixels.len() {
                        let m = size(class.pixels.len() - done);
                        let of = (&class.pixels[done..], &class.runs[..]);
                        tile!(pixel_tile, V, m, (planes, of, &read[..self.terms.count()], c, bias));
                        done += m;
                    }
                }
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let Self { terms, c, bias, .. } = self;
        self.planes.shares(most).map(|(planes, _)| Self { planes, terms, c, bias }).collect()
    }
}

impl Call for LaneOuter {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let (planes, terms) = (&self.planes, self.terms.of(memory));
        let sums = self.sums.of(memory);
        let all = planes.count() * planes.taps;
        // SAFETY: promised by the caller.
        unsafe {
            let scale = V::splat(self.to.scale.of(memory));
            let [c, base] = [self.to.to, self.to.base].map(|place| place.of(memory));
            for vector in planes.some.clone() {
                std::ptr::write_bytes(sums, 0, all * V::LANES);
                for (&(a, b), point) in terms[..self.terms.count()]
                    .iter()
                    .flat_map(|term| (0..planes.points).map(move |point| (term, point)))
                {
                    let a = planes.read::<V>(a, (point, vector), 0, memory);
                    let b = b.add(point * planes.point + vector * V::LANES);
                    for class in planes.way.classes.iter() {
                        let (mut done, count) = (0, class.runs.len() * planes.count());
                        while done < count {
                            let n = size(count - done);
                            tile!(tap_tile, V, n, (planes, class, done, (a, b), sums));
                            done += n;
                        }
                    }
                }
                for n in 0..all {
                    let at = (n * planes.vectors + vector) * V::LANES;
                    let base = if base.is_null() { V::splat(0.0) } else { V::load(base.add(at)) };
                    V::load(sums.add(n * V::LANES)).mul_add(scale, base).store(c.add(at));
                }
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        let Self { terms, to, .. } = self;
        let sums = |before: usize| self.sums.after(before);
        self.planes.shares(most).map(|(planes, n)| Self { planes, terms, to, sums: sums(n) }).collect()
    }
}

impl Call for Regroup {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        let ([own, other], [from_row, to_row]) = (self.channels, self.rows);
        let (from, to) = (self.from.of(memory).cast_const(), self.to.of(memory));
        for (plane, tap) in (0..other).flat_map(|plane| (0..self.taps).map(move |tap| (plane, tap))) {
            for group in 0..self.groups {
                for lane in 0..own {
                    let at = (plane * self.taps + tap) * from_row + group * own + lane;
                    let back = (lane * self.taps + tap) * to_row + group * other + plane;
                    // SAFETY: promised by the caller.
                    unsafe { *to.add(back) = *from.add(at) };
                }
            }
        }
    }
}
