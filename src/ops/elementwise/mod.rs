//! Functions of single elements. One table lists them all.

mod cpu;
pub(crate) mod curve;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::scalar::{Dual, Scalar};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Makes the enum of functions from the table: variant, name, its setting and the setting's default, curvature, value.
/// A function without a setting has one called `unused`, which recipes cannot give.
macro_rules! functions {
    ($($(#[$doc:meta])* $variant:ident $name:literal $({ $setting:ident: $default:literal })?
        $curvature:ident, |$x:ident $(, $s:ident)?| $value:expr;)*) => {
        /// A function of single elements, with its setting.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", deny_unknown_fields)]
        pub enum Function {
            $($(#[$doc])* #[serde(rename = $name)] $variant $({
                /// See the formula.
                #[serde(default = $default)]
                $setting: f64,
            })?,)*
        }

        impl Function {
            /// The names of all, in the order of their codes.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Its number in shaders.
            #[must_use]
            pub fn code(self) -> u32 {
                Self::NAMES.iter().position(|&name| name == self.name()).unwrap_or(0) as u32
            }

            /// The one setting that it may have; 0 without.
            #[must_use]
            pub fn setting(self) -> f64 {
                match self {
                    $(Self::$variant $({ $setting })? => functions!(@ $($setting)?),)*
                }
            }

            /// The name of its setting, if it has one.
            #[must_use]
            pub fn setting_name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant $({ $setting: _ })? => functions!(? $($setting)?),)*
                }
            }

            /// Its value, of any number.
            #[must_use]
            pub fn value<S: Scalar>(self, x: S) -> S {
                match self {
                    $(Self::$variant $({ $setting })? => {
                        $(let $s = S::constant($setting);)?
                        let $x = x;
                        $value
                    })*
                }
            }

            fn its_name(self) -> &'static str {
                match self {
                    $(Self::$variant $({ $setting: _ })? => $name,)*
                }
            }

            fn its_curvature(self) -> Curvature {
                match self {
                    $(Self::$variant $({ $setting: _ })? => Curvature::$curvature,)*
                }
            }
        }
    };
    (@) => { 0.0 };
    (@ $setting:ident) => { $setting };
    (?) => { None };
    (? $setting:ident) => { Some(stringify!($setting)) };
}

fn constant<S: Scalar>(value: f64) -> S {
    S::constant(value)
}

/// The logistic function, without overflow on either side.
fn logistic<S: Scalar>(x: S) -> S {
    let one = constant::<S>(1.0);
    if x.value() >= 0.0 {
        one / (one + (-x).exp())
    } else {
        let e = x.exp();
        e / (one + e)
    }
}

functions! {
    /// `max(x, 0)`.
    Relu "relu" Piecewise, |x| if x.value() > 0.0 { x } else { constant(0.0) };
    /// `x` above 0, `negative_slope · x` below (Maas et al. 2013).
    LeakyRelu "leaky_relu" { negative_slope: "slope" } Piecewise, |x, s| if x.value() > 0.0 { x } else { s * x };
    /// `x` above 0, `alpha (eˣ − 1)` below (Clevert et al. 2016).
    Elu "elu" { alpha: "unit" } Smooth, |x, s| if x.value() > 0.0 { x } else { s * x.exp_m1() };
    /// Hyperbolic tangent.
    Tanh "tanh" Smooth, |x| x.tanh();
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid "sigmoid" Smooth, |x| logistic(x);
    /// `x / (1 + e⁻ˣ)` (Elfwing et al. 2018).
    Silu "silu" Smooth, |x| x * logistic(x);
    /// `x Φ(x)` with the normal distribution's Φ (Hendrycks and Gimpel 2016).
    Gelu "gelu" Smooth, |x| constant::<S>(0.5) * x * (constant::<S>(1.0) + (x * constant(std::f64::consts::FRAC_1_SQRT_2)).erf());
    /// The form of GELU by tanh: `x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh "gelu_tanh" Smooth, |x| {
        let inner = constant::<S>((2.0 / std::f64::consts::PI).sqrt()) * (x + constant::<S>(0.044_715) * x * x * x);
        constant::<S>(0.5) * x * (constant::<S>(1.0) + inner.tanh())
    };
    /// `ln(1 + eˣ)`.
    Softplus "softplus" Smooth, |x| if x.value() > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
    /// `sin(ω x)` (Sitzmann et al. 2020).
    Sine "sine" { omega: "unit" } Smooth, |x, s| (s * x).sin();
}

fn slope() -> f64 {
    0.01
}

fn unit() -> f64 {
    1.0
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setting_name() {
            Some(setting) => write!(f, "{}, {setting} {}", self.name(), self.setting()),
            None => f.write_str(self.name()),
        }
    }
}

impl Operation for Function {
    const NAME: &'static str = "element-wise";
    const ARITY: Arity = Arity::One;

    fn name(&self) -> &'static str {
        self.its_name()
    }

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match self.setting().is_finite() {
            true => Ok(inputs[0]),
            false => Err(format!("its setting is {}; a finite number is needed", self.setting())),
        }
    }

    fn params(&self, _: &[Shape], _: Shape) -> Vec<ParamSpec> {
        Vec::new()
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        self.its_curvature()
    }

    fn forward<S: Scalar>(&self, _: &Site<'_>, x: &[&[S]], _: &[&[S]]) -> Vec<S> {
        x[0].iter().map(|&x| self.value(x)).collect()
    }

    fn backward<S: Scalar>(&self, _: &Site<'_>, pass: Backward<'_, S>, _: &mut [Vec<S>]) -> Vec<Vec<S>> {
        // The derivative comes from a dual number, so that the table needs no formula for it.
        let slope = |x: S| self.value(Dual { value: x, tangent: S::constant(1.0) }).tangent;
        vec![pass.x[0].iter().zip(pass.dy).map(|(&x, &dy)| slope(x) * dy).collect()]
    }
}
