//! Generated series whose trend, season and change of level are known.

use crate::philox::{Philox, Purpose};
use rand::RngExt as _;
use std::f32::consts::TAU;

/// What one generated series is made of:
///
/// ```text
/// y_t = level + slope · t/length + [t ≥ at] · shift + season · sin(2π (t/period + phase)) + noise,
/// ```
///
/// the noise even over ±0.1. A third of all series has no trend, a third no season, a half no change of level.
#[derive(Clone, Debug)]
pub struct Traits {
    /// Values.
    pub length: usize,
    /// Where it starts, ±0.5.
    pub level: f32,
    /// Rise over the whole of it, up to ±1.5, or 0.
    pub slope: f32,
    /// Size of its season, 0.2 to 1.2, or 0.
    pub season: f32,
    /// Length of its season, 6 to 30 values.
    pub period: f32,
    /// Where its season starts, 0 to 1.
    pub phase: f32,
    /// The first value after its change of level, and the change, ±0.5 to ±1.5; in the last three quarters.
    pub change: Option<(usize, f32)>,
    /// The stream behind it, from the first word of noise on.
    rng: Philox,
}

impl Traits {
    /// Those of series `number` of a seed.
    #[must_use]
    pub fn draw(seed: u64, number: usize, length: usize) -> Self {
        let mut rng = Philox::stream(seed, Purpose::Data, 0, number as u32);
        let mut unit = || rng.random::<f32>();
        let [level, slope, season, period, phase] = std::array::from_fn(|_| unit());
        let [trends, seasons, changes] = std::array::from_fn(|_| unit());
        let (place, shift) = (unit(), 2.0 * unit() - 1.0);
        let at = ((0.25 + 0.75 * place) * length as f32) as usize;
        Self {
            length,
            level: level - 0.5,
            slope: if trends < 1.0 / 3.0 { 0.0 } else { 3.0 * (slope - 0.5) },
            season: if seasons < 1.0 / 3.0 { 0.0 } else { 0.2 + season },
            period: 6.0 + 24.0 * period,
            phase,
            change: (changes < 0.5).then_some((at, shift + 0.5_f32.copysign(shift))),
            rng,
        }
    }

    /// Adds the values of the series to `values`.
    pub fn series_into(&self, values: &mut Vec<f32>) {
        let mut rng = self.rng.clone();
        let (at, shift) = self.change.unwrap_or((self.length, 0.0));
        values.extend((0..self.length).map(|t| {
            let step = if t < at { 0.0 } else { shift };
            let time = t as f32;
            let season = self.season * (TAU * (time / self.period + self.phase)).sin();
            let noise = 0.2 * (rng.random::<f32>() - 0.5);
            self.level + self.slope * time / self.length as f32 + step + season + noise
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned() {
        let traits: Vec<_> = (0..6).map(|i| Traits::draw(1, i, 200)).collect();
        let shown: Vec<_> =
            (traits.iter()).map(|t| (t.level, t.slope, t.season, t.period, t.phase, t.change)).collect();
        insta::assert_debug_snapshot!(shown);
    }

    #[test]
    fn every_trait_is_there_and_absent_and_can_be_seen_in_the_values() {
        let all: Vec<_> = (0..600).map(|i| Traits::draw(7, i, 120)).collect();
        let count = |has: fn(&Traits) -> bool| all.iter().filter(|t| has(t)).count();
        // Expected 200, 200 and 300, deviations 11.5, 11.5, 12.2.
        let counts = [count(|t| t.slope == 0.0), count(|t| t.season == 0.0), count(|t| t.change.is_some())];
        assert!(counts.iter().zip([200, 200, 300]).all(|(n, of)| n.abs_diff(of) < 50), "{counts:?}");
        for traits in &all {
            let mut values = Vec::new();
            traits.series_into(&mut values);
            for (t, y) in values.iter().enumerate() {
                let step = traits.change.map_or(0.0, |(at, shift)| if t < at { 0.0 } else { shift });
                let season = traits.season * (TAU * (t as f32 / traits.period + traits.phase)).sin();
                let noise = y - traits.level - traits.slope * t as f32 / 120.0 - step - season;
                assert!(noise.abs() < 0.1001, "{noise}");
            }
        }
    }
}
