//! Characters that the program draws itself: a data set for trials, tests and benchmarks without a download.
//!
//! A class is a few pen strokes through random points. An instance is a drawer's version of it: each point is missed a
//! little, and the whole is scaled, slanted, turned, shifted and drawn with another pen. Only additions,
//! multiplications, divisions and square roots are used, so that a seed gives the same bytes on every platform.

use super::set::{ImageClass, ImageSet, MAX_SIDE};
use super::split::{Split, split_counts};
use crate::philox::{Philox, Purpose, below, unit};
use rayon::prelude::*;

/// The name of the set that [`generate`] gives.
pub const NAME: &str = "glyphs";

/// The shares of Omniglot: 1,100 to 100 to 423.
const SHARES: [usize; 3] = [68, 6, 26];
/// Straight pieces of a curve between two of its points.
const PIECES: usize = 6;

type Point = [f32; 2];

/// Strokes through points in the unit square, y downwards.
type Shape = Vec<Vec<Point>>;

/// Draws `classes` characters by `drawers` people each, as images `[1, side, side]`, ink 255 on 0.
///
/// The set is called [`NAME`] and its classes `glyph00000` and so on; 68 % are for training, 6 % for validation, the
/// rest for testing. A class's drawings depend on the seed and the class's number alone, so that a larger set holds
/// the drawings of a smaller one. At least 3 classes, 1 drawer and a side of 4 pixels are made, and at most a side of
/// 1024, whatever is asked for.
///
/// Draws are those of [`Purpose::Data`] with the class as `task`, and as `iteration` 1 for a shape, 2 + d for drawer d.
#[must_use]
pub fn generate(seed: u64, classes: usize, drawers: usize, side: usize) -> ImageSet {
    let (classes, drawers, side) = (classes.max(3), drawers.max(1), side.clamp(4, MAX_SIDE));
    let shapes = (0..classes)
        .map(|class| shape(&mut Philox::stream(seed, Purpose::Data, 1, class as u32)))
        .collect::<Vec<_>>();
    let mut pixels = vec![0; classes * drawers * side * side];
    pixels.par_chunks_mut(side * side).enumerate().for_each(|(i, out)| {
        let (class, drawer) = (i / drawers, i % drawers);
        let mut stream = Philox::stream(seed, Purpose::Data, 2 + drawer as u32, class as u32);
        draw(&shapes[class], &mut stream, side, out);
    });
    let [train, validation, _] = split_counts(classes, SHARES);
    let list = (0..classes).map(|class| ImageClass {
        name: format!("glyph{class:05}"),
        split: match class {
            c if c < train => Split::Train,
            c if c < train + validation => Split::Validation,
            _ => Split::Test,
        },
        first: class * drawers,
        count: drawers,
    });
    match ImageSet::new(NAME, 1, side, list.collect(), pixels) {
        Ok(set) => set.with_source(format!("drawn by fastweights, seed {seed}")),
        Err(error) => unreachable!("{error}"),
    }
}

/// From −1 to 1, evenly.
fn even(stream: &mut Philox) -> f32 {
    unit(stream.word()) * 2.0 - 1.0
}

/// About normal, with deviation 1: a sum of three even draws.
fn bell(stream: &mut Philox) -> f32 {
    even(stream) + even(stream) + even(stream)
}

/// The character as it is meant.
fn shape(stream: &mut Philox) -> Shape {
    let strokes = [1, 2, 2, 3, 3, 4][below(stream.word(), 6) as usize];
    let mut shape = Shape::new();
    for _ in 0..strokes {
        let known = shape.iter().flatten().copied().collect::<Vec<_>>();
        // Strokes of letters often meet.
        let mut at = match below(stream.word(), 5) {
            0..3 if !known.is_empty() => known[below(stream.word(), known.len() as u32) as usize],
            _ => [unit(stream.word()), unit(stream.word())],
        };
        let mut stroke = vec![at];
        for _ in 0..2 + below(stream.word(), 4) {
            let (dx, dy) = (even(stream), even(stream));
            let reach = (0.35 + 0.4 * unit(stream.word())) / (dx * dx + dy * dy).sqrt().max(0.1);
            at = [inside(at[0] + dx * reach), inside(at[1] + dy * reach)];
            stroke.push(at);
        }
        // A straight stroke, as most scripts have some; alone it would be like too many others.
        if strokes > 1 && below(stream.word(), 4) == 0 {
            stroke.truncate(2);
        }
        shape.push(stroke);
    }
    let bound = |axis: usize, pick: fn(f32, f32) -> f32| {
        shape.iter().flatten().map(|p| p[axis]).reduce(pick).unwrap_or(0.5)
    };
    let (low, high) = ([bound(0, f32::min), bound(1, f32::min)], [bound(0, f32::max), bound(1, f32::max)]);
    let scale = 0.7 / (high[0] - low[0]).max(high[1] - low[1]).max(0.2);
    for point in shape.iter_mut().flatten() {
        for axis in 0..2 {
            point[axis] = 0.5 + (point[axis] - (low[axis] + high[axis]) / 2.0) * scale;
        }
    }
    shape
}

/// Reflected at the borders of the unit interval.
fn inside(x: f32) -> f32 {
    let x = if x < 0.0 { -x } else { x };
    (if x > 1.0 { 2.0 - x } else { x }).clamp(0.0, 1.0)
}

/// One person's version of a character, into `[side, side]` zeros.
fn draw(shape: &Shape, stream: &mut Philox, side: usize, out: &mut [u8]) {
    // A turn by the angle whose half has the tangent t.
    let t = 0.085 * bell(stream);
    let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let (sx, sy) = (1.0 + 0.13 * bell(stream), 1.0 + 0.13 * bell(stream));
    let slant = 0.14 * bell(stream);
    let shift = [0.5 + 0.06 * bell(stream), 0.5 + 0.06 * bell(stream)];
    let size = side as f32;
    let pen = size * (0.026 + 0.006 * even(stream));
    // Squared distances to the nearest stroke, in pixels.
    let mut distance = vec![f32::INFINITY; side * side];
    for stroke in shape {
        let points = stroke.iter().map(|p| {
            let (x, y) = (p[0] - 0.5 + 0.045 * bell(stream), p[1] - 0.5 + 0.045 * bell(stream));
            let (x, y) = ((x + slant * y) * sx, y * sy);
            [(shift[0] + cos * x - sin * y) * size, (shift[1] + sin * x + cos * y) * size]
        });
        let path = smooth(&points.collect::<Vec<_>>());
        for ends in path.windows(2) {
            near(ends[0], ends[1], pen + 0.5, side, &mut distance);
        }
    }
    for (pixel, d) in out.iter_mut().zip(distance) {
        // A pixel is as dark as the pen covers it.
        *pixel = ((pen + 0.5 - d.sqrt()).clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    }
}

/// The quadratic B-spline of some points, from the first to the last, as straight pieces.
fn smooth(points: &[Point]) -> Vec<Point> {
    let [first, .., last] = points else { return points.to_vec() };
    let middle = |a: Point, b: Point| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let mut path = vec![*first];
    for (i, three) in points.windows(3).enumerate() {
        let [a, b, c] = [three[0], three[1], three[2]];
        let from = if i == 0 { a } else { middle(a, b) };
        let to = if i + 3 == points.len() { c } else { middle(b, c) };
        for piece in 1..=PIECES {
            let t = piece as f32 / PIECES as f32;
            let (p, q, r) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
            path.push([p * from[0] + q * b[0] + r * to[0], p * from[1] + q * b[1] + r * to[1]]);
        }
    }
    if points.len() == 2 {
        path.push(*last);
    }
    path
}

/// Lowers the squared distances of the pixels within `reach` of the line from `a` to `b`.
fn near(a: Point, b: Point, reach: f32, side: usize, distance: &mut [f32]) {
    let range = |axis: usize| {
        let (low, high) = (a[axis].min(b[axis]) - reach, a[axis].max(b[axis]) + reach);
        let limit = side as f32;
        low.clamp(0.0, limit) as usize..(high.clamp(0.0, limit) as usize + 1).min(side)
    };
    let along = [b[0] - a[0], b[1] - a[1]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(1e-12);
    for y in range(1) {
        for x in range(0) {
            let from = [x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]];
            let t = ((from[0] * along[0] + from[1] * along[1]) / length).clamp(0.0, 1.0);
            let (dx, dy) = (from[0] - t * along[0], from[1] - t * along[1]);
            let d = &mut distance[y * side + x];
            *d = d.min(dx * dx + dy * dy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same on every platform, whatever the number of threads.
    #[test]
    fn a_seed_is_pinned() {
        assert_eq!(
            generate(0, 20, 5, 28).checksum(),
            "07c25c7b243b7f6261c65b3c99710bc328955211d407e91699c78f6e8c26a87c"
        );
        assert_ne!(generate(1, 20, 5, 28).checksum(), generate(0, 20, 5, 28).checksum());
    }

    #[test]
    fn a_larger_set_holds_a_smaller_one() {
        let (small, large) = (generate(7, 5, 2, 9), generate(7, 8, 4, 9));
        for class in 0..5 {
            for drawer in 0..2 {
                assert_eq!(small.image(class * 2 + drawer), large.image(class * 4 + drawer));
            }
        }
    }

    #[test]
    fn every_image_has_ink_and_paper_and_splits_are_as_omniglots() {
        let set = generate(2, 100, 3, 28);
        for i in 0..set.images() {
            let ink = set.image(i).iter().map(|&p| f64::from(p) / 255.0).sum::<f64>() / 784.0;
            assert!((0.01..0.5).contains(&ink), "image {i}: {ink}");
        }
        let counts = Split::ALL.map(|split| set.split(split).len());
        assert_eq!(counts, [68, 6, 26]);
        assert_eq!(generate(0, 0, 0, 0).images(), 3);
        assert_eq!(generate(0, 3, 1, usize::MAX).side(), MAX_SIDE);
    }

    /// The nearest neighbour in pixels, 5-way 1-shot, is right as often as on Omniglot at this size: half the time.
    #[test]
    fn classes_are_as_hard_to_tell_apart_as_omniglots() {
        let set = generate(0, 200, 10, 28);
        let share = nearest(&set, 5, 4000);
        assert!((0.44..0.56).contains(&share), "{share}");
    }

    /// How often the nearest support image by cosine is of the query's class.
    fn nearest(set: &ImageSet, ways: usize, trials: u32) -> f64 {
        let cosine = |a: &[u8], b: &[u8]| {
            let dot =
                |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let mut right = 0;
        for trial in 0..trials {
            let mut stream = Philox::stream(9, Purpose::Evaluate, 0, trial);
            let classes = (rand::seq::index::sample(&mut stream, set.classes().len(), ways)).into_vec();
            let count = set.classes()[classes[0]].count;
            let pair = rand::seq::index::sample(&mut stream, count, 2).into_vec();
            let query = set.image(set.classes()[classes[0]].first + pair[1]);
            let scores = classes.iter().map(|&c| cosine(query, set.image(set.classes()[c].first + pair[0])));
            let scores = scores.collect::<Vec<_>>();
            right += u32::from(scores[1..].iter().all(|s| *s < scores[0]));
        }
        f64::from(right) / f64::from(trials)
    }
}
