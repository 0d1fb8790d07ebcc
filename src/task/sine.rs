//! The sinusoid family of Finn, Abbeel and Levine (2017), section 5.1: `y = a · sin(x + b)`.

use serde::{Deserialize, Serialize};

/// A distribution of sinusoids, each range `[low, high)` drawn uniformly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sinusoid {
    /// Range of the amplitude `a`.
    pub amplitude: [f32; 2],
    /// Range of the phase `b`, radians.
    pub phase: [f32; 2],
    /// Range of the inputs `x`.
    pub x: [f32; 2],
}

impl Default for Sinusoid {
    fn default() -> Self {
        Self { amplitude: [0.1, 5.0], phase: [0.0, std::f32::consts::TAU], x: [-5.0, 5.0] }
    }
}

/// Sine of an angle in radians, for `|t|` up to about 10⁴; the error is below 3·10⁻⁷.
///
/// Shading languages only promise a coarse sine, so data are made with this one on every device:
/// the angle less the nearest multiple of π in three exact parts, then the series to the 11th power.
#[inline(always)]
#[must_use]
pub fn sine(t: f32) -> f32 {
    let turns = (t * std::f32::consts::FRAC_1_PI + 0.5).floor();
    let r = ((t - turns * 3.140_625) - turns * 9.675_026e-4) - turns * 1.509_958e-7;
    let r2 = r * r;
    let mut p = -2.505_210_8e-8;
    p = p * r2 + 2.755_731_9e-6;
    p = p * r2 - 1.984_127e-4;
    p = p * r2 + 8.333_333e-3;
    p = p * r2 - 0.166_666_67;
    let s = r + r * r2 * p;
    // sin(r + nπ) changes sign with odd n.
    let odd = turns - 2.0 * (turns * 0.5).floor();
    s - 2.0 * odd * s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_is_close_to_the_real_one() {
        for i in -40_000..=40_000 {
            let t = i as f32 * 1e-3;
            assert!((f64::from(sine(t)) - f64::from(t).sin()).abs() < 3e-7, "at {t}");
        }
    }
}
