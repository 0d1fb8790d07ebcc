//! Ranges of single settings.

use crate::error::{Error, Result};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// More points, tasks or values than this is a slip of the finger, and would end in a failed allocation.
pub(super) const MANY: usize = 1 << 20;

/// Refuses a number outside a range.
pub(super) fn within<T: PartialOrd + Display + Copy>(
    key: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<T> {
    if allowed.contains(&value) {
        Ok(value)
    } else {
        let (low, high) = (allowed.start(), allowed.end());
        Err(Error::recipe(key, format!("is {value}; allowed are {low} to {high}")))
    }
}

/// Refuses a number that is not finite and positive (or zero, where that is allowed).
pub(super) fn positive(key: &str, value: f64, zero: bool) -> Result<f64> {
    // Compared as float32, since that is what devices compute in.
    if (value as f32).is_finite() && (value as f32 > 0.0 || (zero && value == 0.0)) {
        Ok(value)
    } else {
        let or_zero = if zero { " or 0" } else { "" };
        Err(Error::recipe(key, format!("is {value}; a finite number above 0{or_zero} is needed")))
    }
}

/// Refuses a range that is empty or huge.
pub(super) fn range(key: &str, [low, high]: [f64; 2]) -> Result<[f64; 2]> {
    if low <= high && low.abs() <= 1e4 && high.abs() <= 1e4 {
        Ok([low, high])
    } else {
        let reason =
            format!("is [{low}, {high}]; [low, high] with low ≤ high, both within ±10000, is needed");
        Err(Error::recipe(key, reason))
    }
}
