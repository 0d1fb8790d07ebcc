//! Numbers that the plain arithmetic of ops is written for: `f64`, `f32`, and dual numbers over any.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number with what the steps of inner rules need; vectors of the CPU are some, too.
pub trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A constant.
    fn constant(value: f64) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
}

/// A number with the few operations that layers and losses need.
pub trait Scalar: Number + Neg<Output = Self> {
    /// The value without a tangent, for decisions such as `z > 0`.
    fn value(self) -> f64;
    /// Exponential.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `eˣ − 1`, good near 0.
    fn exp_m1(self) -> Self;
    /// `ln(1 + x)`, good near 0.
    fn ln_1p(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
}

macro_rules! float {
    ($t:ty) => {
        impl Number for $t {
            fn constant(value: f64) -> Self {
                value as $t
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
        }

        impl Scalar for $t {
            fn value(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn exp_m1(self) -> Self {
                self.exp_m1()
            }
            fn ln_1p(self) -> Self {
                self.ln_1p()
            }
            fn sin(self) -> Self {
                self.sin()
            }
            fn cos(self) -> Self {
                self.cos()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            fn erf(self) -> Self {
                libm::erf(f64::from(self)) as $t
            }
        }
    };
}
float!(f32);
float!(f64);

/// A value and its tangent: forward differentiation by arithmetic alone.
///
/// Running a gradient on `Dual { value: θ, tangent: u }` gives the gradient and, as its tangent, `H u`
/// (Pearlmutter 1994, "Fast exact multiplication by the Hessian"), with no formula of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<S> {
    /// The value.
    pub value: S,
    /// Its derivative in the chosen direction.
    pub tangent: S,
}

impl<S: Scalar> Dual<S> {
    fn new(value: S, tangent: S) -> Self {
        Self { value, tangent }
    }
}

impl<S: Scalar> Add for Dual<S> {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self::new(self.value + o.value, self.tangent + o.tangent)
    }
}

impl<S: Scalar> Sub for Dual<S> {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self::new(self.value - o.value, self.tangent - o.tangent)
    }
}

impl<S: Scalar> Mul for Dual<S> {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self::new(self.value * o.value, self.value * o.tangent + self.tangent * o.value)
    }
}

impl<S: Scalar> Div for Dual<S> {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let quotient = self.value / o.value;
        Self::new(quotient, (self.tangent - quotient * o.tangent) / o.value)
    }
}

impl<S: Scalar> Neg for Dual<S> {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.value, -self.tangent)
    }
}

impl<S: Scalar> Number for Dual<S> {
    fn constant(value: f64) -> Self {
        Self::new(S::constant(value), S::constant(0.0))
    }
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        Self::new(root, self.tangent / (S::constant(2.0) * root))
    }
}

impl<S: Scalar> Scalar for Dual<S> {
    fn value(self) -> f64 {
        self.value.value()
    }
    fn exp(self) -> Self {
        let e = self.value.exp();
        Self::new(e, e * self.tangent)
    }
    fn ln(self) -> Self {
        Self::new(self.value.ln(), self.tangent / self.value)
    }
    fn exp_m1(self) -> Self {
        Self::new(self.value.exp_m1(), self.value.exp() * self.tangent)
    }
    fn ln_1p(self) -> Self {
        Self::new(self.value.ln_1p(), self.tangent / (S::constant(1.0) + self.value))
    }
    fn sin(self) -> Self {
        Self::new(self.value.sin(), self.value.cos() * self.tangent)
    }
    fn cos(self) -> Self {
        Self::new(self.value.cos(), -(self.value.sin() * self.tangent))
    }
    fn tanh(self) -> Self {
        let t = self.value.tanh();
        Self::new(t, (S::constant(1.0) - t * t) * self.tangent)
    }
    fn erf(self) -> Self {
        let slope = S::constant(std::f64::consts::FRAC_2_SQRT_PI) * (-(self.value * self.value)).exp();
        Self::new(self.value.erf(), slope * self.tangent)
    }
}
