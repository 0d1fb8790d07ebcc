//! Losses of single elements, mean over points and outputs. One table lists them all.

pub(crate) mod cpu;

use super::criterion::Criterion;
use super::truth::Truth;
use crate::ops::scalar::{Dual, Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Makes the enum of losses from the table: variant, name, its setting and the setting's default, targets, value of an output
/// and its target.
macro_rules! elements {
    ($($(#[$doc:meta])* $variant:ident $name:literal $({ $setting:ident: $default:literal })?
        $truth:ident, |$y:ident, $t:ident $(, $s:ident)?| $value:expr;)*) => {
        /// A loss of single elements, with its setting.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", deny_unknown_fields)]
        pub enum ElementLoss {
            $($(#[$doc])* #[serde(rename = $name)] $variant {
                $(
                    /// See the formula.
                    #[serde(default = $default)]
                    $setting: f64,
                )?
            },)*
        }

        impl ElementLoss {
            /// The names of all, in the order of their codes.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The loss of an output, of any number.
            #[must_use]
            pub fn of<S: Scalar>(self, out: S, target: f64) -> S {
                match self {
                    $(Self::$variant { $($setting)? } => {
                        $(let $s = S::constant($setting);)?
                        let ($y, $t) = (out, S::constant(target));
                        $value
                    })*
                }
            }

            fn its_name(self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }

            fn its_setting(self) -> Option<(&'static str, f64)> {
                match self {
                    $(Self::$variant { $($setting)? } => elements!(@ $($setting)?),)*
                }
            }

            fn its_truth(self) -> Truth {
                match self {
                    $(Self::$variant { .. } => Truth::$truth,)*
                }
            }
        }
    };
    (@) => { None };
    (@ $setting:ident) => { Some((stringify!($setting), $setting)) };
}

fn constant<S: Scalar>(value: f64) -> S {
    S::constant(value)
}

fn abs<S: Scalar>(x: S) -> S {
    if x.value() < 0.0 { -x } else { x }
}

elements! {
    /// `(y − t)²`.
    Mse "mse" Numbers, |y, t| (y - t) * (y - t);
    /// With `e = y − t`: `e² / 2` for `|e|` up to `delta`, `delta (|e| − delta / 2)` beyond (Huber 1964).
    Huber "huber" { delta: "one" } Numbers, |y, t, delta| {
        let (e, half) = (abs(y - t), constant::<S>(0.5));
        if e.value() <= delta.value() { half * e * e } else { delta * (e - half * delta) }
    };
    /// `−t log σ(y) − (1 − t) log (1 − σ(y))` with the logistic function `σ`, as `max(y, 0) − y t + log (1 + e^−|y|)`.
    BceWithLogits "bce_with_logits" Shares, |y, t| {
        // One side's formula for both terms, so that the derivative at 0 is whole.
        if y.value() > 0.0 { y - y * t + (-y).exp().ln_1p() } else { y.exp().ln_1p() - y * t }
    };
}

fn one() -> f64 {
    1.0
}

impl fmt::Display for ElementLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.its_setting() {
            Some((setting, value)) => write!(f, "{}, {setting} {value}", self.its_name()),
            None => f.write_str(self.its_name()),
        }
    }
}

impl Criterion for ElementLoss {
    fn name(&self) -> &'static str {
        self.its_name()
    }

    fn setting(&self) -> f64 {
        self.its_setting().map_or(0.0, |(_, value)| value)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        match self.its_setting() {
            // As a float32 it must be a number above 0, too.
            Some((name, value)) if !((value as f32) > 0.0 && (value as f32).is_finite()) => {
                Err((name, format!("is {value}; a finite number above 0 is needed")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn truth(&self) -> Truth {
        self.its_truth()
    }

    fn value<S: Scalar>(&self, out: &[S], target: &[f64]) -> S {
        let sum = out.iter().zip(target).fold(constant::<S>(0.0), |sum, (&y, &t)| sum + self.of(y, t));
        sum / constant(out.len() as f64)
    }

    fn cotangent<S: Scalar>(&self, out: &[S], target: &[f64]) -> Vec<S> {
        // The derivative comes from a dual number, so that the table needs no formula for it.
        let slope = |y: S, t: f64| self.of(Dual { value: y, tangent: S::constant(1.0) }, t).tangent;
        out.iter().zip(target).map(|(&y, &t)| slope(y, t) / constant(out.len() as f64)).collect()
    }

    fn decides(&self) -> bool {
        self.its_truth() == Truth::Shares
    }

    /// Each output is a decision of its own, yes where it is above 0. Targets between 0 and 1 are none.
    fn right(&self, out: &[f32], target: &[f32]) -> Option<f64> {
        if !self.decides() || !target.iter().all(|&t| t == 0.0 || t == 1.0) {
            return None;
        }
        let hit = |(&y, &t): (&f32, &f32)| y.is_finite() && (y > 0.0) == (t == 1.0);
        let right = out.iter().zip(target).filter(|&pair| hit(pair)).count();
        Some(right as f64 / out.len() as f64)
    }
}
