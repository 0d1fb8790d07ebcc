//! Phantoms: images made of ellipses, on which tomography is tried.

use super::sine::sine;
use crate::philox::{Philox, below, unit};
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// An image made of ellipses, in the manner of Shepp and Logan (1974): a bright rim, what it holds, and 4 to 8 ellipses of any
/// size, place and turn in that, each of which adds its own value. It is a function of the plane: coordinates from −1 to 1, values
/// from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Phantom {
    ellipses: Vec<Ellipse>,
}

/// What lies within `|(x − centre) · along|² + |(x − centre) · across|² ≤ 1` has the value added.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ellipse {
    centre: [f32; 2],
    /// Unit vectors of both axes, over their half lengths.
    along: [f32; 2],
    across: [f32; 2],
    value: f32,
}

impl Ellipse {
    fn new(centre: [f32; 2], halves: [f32; 2], turn: f32, value: f32) -> Self {
        // The same on every machine, as a library's may not be.
        let (s, c) = (sine(turn), sine(turn + FRAC_PI_2));
        let [a, b] = halves;
        Self { centre, along: [c / a, s / a], across: [-s / b, c / b], value }
    }

    fn holds(&self, [x, y]: [f32; 2]) -> bool {
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        let along = dx * self.along[0] + dy * self.along[1];
        let across = dx * self.across[0] + dy * self.across[1];
        along * along + across * across <= 1.0
    }
}

impl Phantom {
    /// Draws one. Words are used in order: centre, half axes, turn and rim, then the count, then seven for each ellipse.
    #[must_use]
    pub fn draw(words: &mut Philox) -> Self {
        let uniform = |words: &mut Philox, low: f32, high: f32| low + (high - low) * unit(words.word());
        let centre = [uniform(words, -0.06, 0.06), uniform(words, -0.06, 0.06)];
        let halves = [uniform(words, 0.6, 0.78), uniform(words, 0.78, 0.92)];
        let turn = uniform(words, -0.2, 0.2);
        let (rim, inside) = (uniform(words, 0.8, 1.0), uniform(words, 0.2, 0.4));
        let share = uniform(words, 0.86, 0.93);
        let mut ellipses = vec![
            Ellipse::new(centre, halves, turn, rim),
            Ellipse::new(centre, halves.map(|half| share * half), turn, inside - rim),
        ];
        for _ in 0..4 + below(words.word(), 5) {
            let (angle, distance) = (uniform(words, 0.0, TAU), 0.62 * unit(words.word()));
            let place = [
                centre[0] + distance * halves[0] * sine(angle + FRAC_PI_2),
                centre[1] + distance * halves[1] * sine(angle),
            ];
            let halves = [uniform(words, 0.06, 0.3), uniform(words, 0.06, 0.3)];
            let turn = uniform(words, 0.0, PI);
            let (size, sign) = (uniform(words, 0.1, 0.4), words.word() & 1);
            ellipses.push(Ellipse::new(place, halves, turn, if sign == 0 { size } else { -0.5 * size }));
        }
        Self { ellipses }
    }

    /// Its value at a place, 0 to 1.
    #[must_use]
    pub fn value(&self, place: [f32; 2]) -> f32 {
        let held = self.ellipses.iter().filter(|ellipse| ellipse.holds(place));
        held.fold(0.0_f32, |sum, ellipse| sum + ellipse.value).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Purpose;

    fn phantom(task: u32) -> Phantom {
        Phantom::draw(&mut Philox::stream(3, Purpose::Task, 0, task))
    }

    #[test]
    fn draws_are_pinned() {
        let at = [[0.0, 0.0], [0.4, -0.3], [-0.2, 0.5], [0.0, 0.8], [0.95, 0.0]];
        let values: Vec<_> = (0..4).map(|task| at.map(|place| phantom(task).value(place))).collect();
        insta::assert_debug_snapshot!(values);
    }

    #[test]
    fn a_phantom_has_a_rim_and_nothing_around_it() {
        for task in 0..200 {
            let phantom = phantom(task);
            for k in 0..360 {
                let angle = k as f32 / 180.0 * PI;
                let at = |r: f32| phantom.value([r * angle.cos(), r * angle.sin()]);
                assert_eq!(at(0.99), 0.0);
                // From outside, the first that is there is the rim.
                let first = (0..100).map(|i| at(1.0 - i as f32 * 0.005)).find(|&v| v > 0.0);
                assert!(first.is_some_and(|v| v > 0.3), "{first:?}");
            }
            assert!((6..=10).contains(&phantom.ellipses.len()));
        }
    }

    #[test]
    fn an_ellipse_holds_its_area() {
        let ellipse = Ellipse::new([0.1, -0.2], [0.5, 0.25], 0.7, 1.0);
        let n = 400;
        let place = |i: usize| (2.0 * i as f32 + 1.0) / n as f32 - 1.0;
        let held = (0..n * n).filter(|i| ellipse.holds([place(i % n), place(i / n)])).count() as f32
            / (n * n) as f32;
        assert!((4.0 * held - PI * 0.5 * 0.25).abs() < 2e-3, "{held}");
        // The end of its long axis, which is turned by 0.7.
        assert!(ellipse.holds([0.1 + 0.49 * 0.7_f32.cos(), -0.2 + 0.49 * 0.7_f32.sin()]));
        assert!(!ellipse.holds([0.1 + 0.51 * 0.7_f32.cos(), -0.2 + 0.51 * 0.7_f32.sin()]));
    }
}
